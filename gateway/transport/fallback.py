"""The SDK's own streamable HTTP app, for whatever the hot path does not recognise.

Unknown methods, malformed params, multi-round requests and future extensions get the SDK's answers,
through the same line. The app sees the message as *we* parsed it, so that no second parser can read
it differently, and with header values that were trimmed. JSON mode: the answer is one body, so a
refusal found in a handler can still become an HTTP challenge.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from mcp import MCPError
from mcp.server import CacheHint, Server, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope

from gateway import limits
from gateway.errors import GatewayError
from gateway.model import Bearer, Caller, ToolRequest
from gateway.transport import Line, catalogue
from gateway.transport.asgi import Reply
from gateway.transport.elicit import Address, addressed
from gateway.transport.errors import Answers
from gateway.transport.heartbeat import Heartbeat
from gateway.transport.results import refused, succeeded

_EXCHANGE = "gateway.exchange"


@dataclass(slots=True)
class Exchange:
    """One authenticated request on its way through the SDK; it travels with the request itself."""

    bearer: Bearer
    caller: Caller
    source: str
    call_id: str
    beat: Heartbeat
    """Says that a long call lives."""
    opens_addresses: bool = False
    """Whether the client can be asked to open an address (`elicit.py`)."""
    refused: Reply | None = None
    """An answer that a handler cannot give through the SDK, such as a challenge."""


class Fallback:
    """The SDK's server, wired to the line."""

    def __init__(self, line: Line, tools: catalogue.Catalogue, answers: Answers, address: Address) -> None:
        self._line = line
        self._address = address
        self._tools = tools
        self._answers = answers
        self.server: Server[Any] = Server(
            catalogue.NAME,
            version=catalogue.SERVER_INFO["version"],
            title=catalogue.TITLE,
            instructions=catalogue.INSTRUCTIONS,
            cache_hints={"server/discover": CacheHint(ttl_ms=limits.DISCOVER_FRESH_MS, scope="private")},
            # Without it the SDK runs the whole tools/list handler before each tools/call.
            get_tool_input_schema=tools.schema,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )
        self._manager = StreamableHTTPSessionManager(
            self.server, json_response=True, stateless=True, max_request_body_size=limits.REQUEST_BYTES * 2
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answers requests inside the block; once."""
        async with self._manager.run():
            yield

    async def answer(self, scope: Scope, whole: Any, exchange: Exchange) -> Reply:
        """The SDK's answer to the message `whole`. Cancel it to cancel the handler."""
        start: AsgiMessage = {"status": 500, "headers": []}
        body = bytearray()

        async def keep(message: AsgiMessage) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            else:
                body.extend(message.get("body", b""))

        await self._manager.handle_request(_scope(scope, exchange), _replay(orjson.dumps(whole)), keep)
        if exchange.refused is not None:
            return exchange.refused
        kept = tuple((k, v) for k, v in start["headers"] if k not in (b"content-length", b"connection"))
        return Reply(start["status"], bytes(body), kept)

    async def _list_tools(
        self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        if params is not None and params.cursor is not None:
            raise MCPError(INVALID_PARAMS, "There is no such page of tools; list again without a cursor.")
        visible = self._line.visible(_exchange(context).caller)
        shown = [Tool.model_validate(tool) for tool in self._tools.tools(visible)]
        return ListToolsResult(tools=shown, ttl_ms=limits.TOOLS_FRESH_MS, cache_scope="private")

    async def _call_tool(
        self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        exchange = _exchange(context)
        request = ToolRequest(
            name=params.name,
            arguments=params.arguments,
            source=exchange.source,
            protocol=context.protocol_version,
            call_id=exchange.call_id,
        )
        try:
            result = await self._line.call(exchange.bearer, request)
        except Exception as raised:
            return self._refused(addressed(raised, exchange.caller, self._address), context, exchange)
        return CallToolResult.model_validate(succeeded(result))

    def _refused(
        self, problem: Exception, context: ServerRequestContext[Any, Any], exchange: Exchange
    ) -> CallToolResult | InputRequiredResult:
        modern = context.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS
        exchange.refused = self._answers(
            problem,
            exchange.call_id,
            context.request_id,
            modern=modern,
            opens_addresses=exchange.opens_addresses,
        )
        if exchange.refused is not None or not isinstance(problem, GatewayError):
            raise MCPError(INVALID_PARAMS, "refused") from None  # replaced by `refused`
        fields = refused(problem, exchange.call_id, opens_addresses=modern and exchange.opens_addresses)
        kind = InputRequiredResult if "inputRequests" in fields else CallToolResult
        return kind.model_validate(fields)


def _exchange(context: ServerRequestContext[Any, Any]) -> Exchange:
    """The exchange that this very request brought along. Raises LookupError rather than guess."""
    request = context.request
    found = request.scope.get(_EXCHANGE) if request is not None else None
    if not isinstance(found, Exchange):
        raise LookupError("a request reached the SDK without its caller")
    return found


def _scope(scope: Scope, exchange: Exchange) -> Scope:
    """The request as the SDK sees it: trimmed headers, media types settled by us, no token."""
    settled = ("accept", "content-type", "content-length", "authorization", "origin")
    lines = [
        (name, value.strip(b" \t"))
        for name, value in scope["headers"]
        if name.decode("latin-1") not in settled
    ]
    lines += [(b"accept", b"application/json, text/event-stream"), (b"content-type", b"application/json")]
    return {**scope, "headers": lines, _EXCHANGE: exchange}


def _replay(body: bytes) -> Receive:
    """A `receive` that gives `body` and then nothing: the endpoint itself watches the connection."""
    given = False

    async def replay() -> AsgiMessage:
        nonlocal given
        if given:
            await asyncio.get_running_loop().create_future()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
