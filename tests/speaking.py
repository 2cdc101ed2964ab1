"""What tests say to a gateway over HTTP, and read of its record."""

from pathlib import Path
from typing import Any

import orjson

from gateway.app import Gateway
from gateway.audit import months
from gateway.audit.sqlite import Looking
from gateway.credential.chosen import ChosenSource
from gateway.credential.sources.exchange import ExchangeSource

VERSION = "2026-07-28"


def tool_call(id: int, bearer: str, tool: str, arguments: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """Message and headers of one tools/call in the modern era."""
    message = {
        "jsonrpc": "2.0",
        "id": id,
        "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            },
        },
    }
    headers = {
        "Authorization": f"Bearer {bearer}",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
        "Accept": "application/json, text/event-stream",
    }
    return message, headers


def recorded(folder: Path) -> list[dict[str, Any]]:
    """The record in `folder`, oldest first."""
    found = []
    for file in months.files(folder):
        with Looking(file) as opened:
            found += [orjson.loads(body) for _, body in opened.newest(1_000_000)]
    return found


def exchange_of(gateway: Gateway) -> ExchangeSource:
    """The first site's credential source, where it exchanges."""
    chosen = gateway.sites[0].credentials
    assert isinstance(chosen, ChosenSource)
    source = chosen._offers[0].source
    assert isinstance(source, ExchangeSource)
    return source
