"""The official Python client works against the endpoint, in each of its modes."""

from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.transport.world import NAMES, TLS, World


def client(world: World, http: httpx2.AsyncClient, mode: str) -> Client:
    """A client of the SDK."""
    transport: Any = streamable_http_client(world.url + "/mcp", http_client=http)
    return Client(transport, mode=mode)


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_the_sdk_client_lists_and_calls(world: World, mode: str) -> None:
    """Lists, calls, reads structured answers and refusals, and meets protocol errors."""
    headers = {"authorization": "Bearer bo-token"}
    async with httpx2.AsyncClient(headers=headers, verify=TLS) as http, client(world, http, mode) as mcp:
        listed = await mcp.list_tools()
        assert {t.name for t in listed.tools} == NAMES - {"demo_delete"}
        answer = await mcp.call_tool("demo_whoami", {})
        assert answer.structured_content == {"subject": "bo"} and not answer.is_error
        refused = await mcp.call_tool("demo_fail", {"how": "denied"})
        assert refused.is_error
        mirrored = await mcp.call_tool("demo_mirror", {"project": "öffentlich"})
        assert not mirrored.is_error
        with pytest.raises(MCPError):
            await mcp.call_tool("no_such_tool", {})
        version = "2025-11-25" if mode == "legacy" else "2026-07-28"
        assert mcp.session.protocol_version == version
    assert {c.protocol for c in world.line.calls} == {version}


async def test_a_client_without_token_gets_nothing(world: World) -> None:
    """The SDK's client ends with an error instead of hanging, and the line is never called."""
    with pytest.raises(ExceptionGroup):
        async with httpx2.AsyncClient(verify=TLS) as http, client(world, http, "auto") as mcp:
            await mcp.list_tools()
    assert world.line.strangers and world.line.calls == []
