"""The MCP endpoint on the hot path: bytes in, the line, bytes out.

In this order: host and origin; who calls, before a byte of the body is read; the size of the body;
one strict JSON-RPC message; the protocol era; then the method. What is ordinary is answered here,
anything else by the SDK's app (`fallback.py`) with the same authenticated exchange.

Two eras share the URL (basic/versioning, Compatibility Matrix). 2026-07-28 is recognised by its
`MCP-Protocol-Version` header or by a body that carries its envelope, so leaving the header out skips
no check. All else is a handshake revision, served without sessions. Policy sees both alike: there
is one `line.call`.
"""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    classify_inbound_request,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
)
from mcp_types import (
    DEFAULT_NEGOTIATED_VERSION,
    HEADER_MISMATCH,
    INVALID_REQUEST,
    PROTOCOL_VERSION_META_KEY,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers as AllHeaders
from starlette.types import Receive, Scope, Send

from gateway import limits
from gateway.errors import GatewayError, Unauthenticated
from gateway.model import ToolRequest
from gateway.tool import Tool
from gateway.transport import Line, jsonrpc
from gateway.transport.asgi import (
    Headers,
    HungUp,
    Reply,
    TooLarge,
    read_body,
    unless_hung_up,
)
from gateway.transport.bearer import bearer_of, token_in_query
from gateway.transport.catalogue import STAMP, Catalogue
from gateway.transport.elicit import Address, addressed, as_it_is, opens_addresses, remembered
from gateway.transport.envelope import Envelopes, ordinary
from gateway.transport.errors import Answers, protocol_error
from gateway.transport.fallback import Exchange, Fallback
from gateway.transport.heartbeat import Heartbeat
from gateway.transport.metadata import metadata_url
from gateway.transport.results import refused, succeeded
from gateway.transport.web import Guard, method_not_allowed, told

_ROUTING = (MCP_PROTOCOL_VERSION_HEADER, MCP_METHOD_HEADER, MCP_NAME_HEADER)


class McpEndpoint:
    """ASGI app for one MCP URL, `public_url + path`."""

    def __init__(
        self,
        line: Line,
        tools: Iterable[Tool],
        *,
        public_url: str,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
        scopes: Iterable[str] = ("jira:read", "jira:write"),
        path: str = "/mcp",
        address: Address = as_it_is,
    ) -> None:
        self._line = line
        self._address = address
        self._guard = Guard(public_url, allowed_hosts, allowed_origins)
        self._answers = Answers(metadata_url(public_url, path), scopes)
        self._catalogue = Catalogue(tools)
        self._envelopes = Envelopes()
        self._fallback = Fallback(line, self._catalogue, self._answers, address)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Enter it once, around serving: the SDK's app needs it."""
        async with self._fallback.running():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request. A client that closes its connection cancels it, and nothing is sent after."""
        headers = Headers.of(scope)
        refused = self._guard.refusal(headers)
        if refused is not None:
            await refused.send(send)
            return
        call_id = secrets.token_hex(6)
        beat = Heartbeat(send, headers, self._guard.cors(headers))
        try:
            reply = await self._answer(scope, headers, receive, call_id, beat)
        except HungUp:
            return
        except jsonrpc.Malformed as malformed:
            reply = protocol_error(malformed.id, malformed.code, malformed.text)
        except Exception as problem:
            reply = self._answers.outside_a_call(problem, call_id)
        finally:
            await beat.stop()
        await beat.answer(reply)

    async def _answer(
        self, scope: Scope, headers: Headers, receive: Receive, call_id: str, beat: Heartbeat
    ) -> Reply:
        if scope["method"] == "OPTIONS" and headers.get("access-control-request-method"):
            return self._guard.preflight(headers)
        if token_in_query(scope["query_string"]):
            return self._answers.token_in_query()
        bearer = bearer_of(headers)
        client = scope.get("client")
        source = client[0] if client else ""
        caller = await self._line.authenticate(bearer, source)
        if bearer is None:
            raise Unauthenticated("the line let a call in without a token", presented=False)
        if scope["method"] != "POST":
            return method_not_allowed(b"POST")
        refused = _unacceptable(headers)
        if refused is not None:
            return refused
        try:
            body = await read_body(receive, headers.get("content-length"))
        except TooLarge:
            return told(413, f"The request body is larger than {limits.REQUEST_BYTES} bytes.")
        message = jsonrpc.read(body)
        modern = _is_modern(headers, message)
        opens = opens_addresses(headers, message, modern=modern)
        exchange = Exchange(bearer, caller, source, call_id, beat, opens)
        serve = self._modern if modern else self._handshake
        try:
            return await serve(message, scope, headers, receive, exchange)
        except (HungUp, jsonrpc.Malformed):
            raise
        except Exception as problem:
            return self._answers.outside_a_call(problem, call_id, message.id)

    async def _modern(
        self, message: jsonrpc.Message, scope: Scope, headers: Headers, receive: Receive, exchange: Exchange
    ) -> Reply:
        """2026-07-28: no handshake, an envelope in each request, mirrored in headers."""
        if message.id is None:
            claimed = headers.get(MCP_PROTOCOL_VERSION_HEADER) or ""
            unsupported = unsupported_protocol_version_rejection(claimed)
            return _rejected(None, unsupported) if unsupported else Reply(202, headers=())
        if not message.method:
            raise jsonrpc.Malformed(
                INVALID_REQUEST, "This server sends no requests, so it takes no responses."
            )
        for name in _ROUTING:
            if name in headers.repeated:
                twice = InboundLadderRejection(HEADER_MISMATCH, f"{name} header appears more than once")
                return _rejected(message.id, twice)
        verdict = classify_inbound_request(message.whole, headers=headers.values)
        if isinstance(verdict, InboundLadderRejection):
            return _rejected(message.id, verdict)
        params = message.params or {}
        mismatch = self._mirror_mismatch(message.method, params, scope)
        if mismatch is not None:
            return _rejected(message.id, mismatch)
        version = verdict.protocol_version
        if ordinary(message.method, params) and self._envelopes.good(version, params["_meta"]):
            if message.method == "tools/call":
                return await self._call(message.id, params, version, receive, exchange, modern=True)
            if message.method == "tools/list":
                visible = self._line.visible(exchange.caller)
                return _ok(message.id, self._catalogue.tool_list(visible, modern=True))
            if message.method == "server/discover":
                return _ok(message.id, self._catalogue.discovered)
        return await self._unusual(message, scope, receive, exchange)

    async def _handshake(
        self, message: jsonrpc.Message, scope: Scope, headers: Headers, receive: Receive, exchange: Exchange
    ) -> Reply:
        """2024-11-05 to 2025-11-25, without sessions: `initialize` is answered and forgotten."""
        if message.id is None or not message.method:
            return Reply(202, headers=())
        params = message.params or {}
        version = headers.get(MCP_PROTOCOL_VERSION_HEADER) or DEFAULT_NEGOTIATED_VERSION
        if ordinary(message.method, params) and self._envelopes.good(version, params.get("_meta")):
            if message.method == "tools/call":
                return await self._call(message.id, params, version, receive, exchange, modern=False)
            if message.method == "tools/list":
                visible = self._line.visible(exchange.caller)
                return _ok(message.id, self._catalogue.tool_list(visible, modern=False))
            if message.method == "ping":
                return _ok(message.id, b"{}")
            if message.method == "initialize" and self._envelopes.initialize(version, params):
                reply = _ok(message.id, self._catalogue.initialized(params["protocolVersion"]))
                return remembered(reply, message)
        return remembered(await self._unusual(message, scope, receive, exchange), message)

    async def _call(
        self,
        id: jsonrpc.RequestId,
        params: dict[str, Any],
        version: str,
        receive: Receive,
        exchange: Exchange,
        *,
        modern: bool,
    ) -> Reply:
        request = ToolRequest(
            name=params["name"],
            arguments=params.get("arguments"),
            source=exchange.source,
            protocol=version,
            call_id=exchange.call_id,
        )
        exchange.beat.begin((params.get("_meta") or {}).get("progressToken"))
        try:
            fields = succeeded(await unless_hung_up(receive, self._line.call(exchange.bearer, request)))
        except HungUp:
            raise
        except Exception as raised:
            problem, opens = addressed(raised, exchange.caller, self._address), exchange.opens_addresses
            answer = self._answers(problem, exchange.call_id, id, modern=modern, opens_addresses=opens)
            if answer is not None:
                return answer
            assert isinstance(problem, GatewayError)
            fields = refused(problem, exchange.call_id, opens_addresses=modern and opens)
        if modern:
            fields.setdefault("resultType", "complete")
            fields["_meta"] = {**fields.get("_meta", {}), **STAMP}
        return _ok(id, orjson.dumps(fields))

    def _mirror_mismatch(
        self, method: str, params: dict[str, Any], scope: Scope
    ) -> InboundLadderRejection | None:
        """Arguments that a tool mirrors into `Mcp-Param-*` headers must be equal there (SEP-2243)."""
        name, arguments = params.get("name"), params.get("arguments")
        if method != "tools/call" or type(name) is not str or type(arguments or {}) is not dict:
            return None
        schema = self._catalogue.mirrored_schema(name)
        if schema is None:
            return None
        lines = [(k, v.strip(b" \t")) for k, v in scope["headers"]]
        return validate_mcp_param_headers(schema, arguments or {}, AllHeaders(raw=lines))

    async def _unusual(
        self, message: jsonrpc.Message, scope: Scope, receive: Receive, exchange: Exchange
    ) -> Reply:
        return await unless_hung_up(receive, self._fallback.answer(scope, message.whole, exchange))


def _ok(id: jsonrpc.RequestId, payload: bytes) -> Reply:
    return Reply(200, jsonrpc.result(id, payload))


def _rejected(id: jsonrpc.RequestId | None, why: InboundLadderRejection) -> Reply:
    return protocol_error(id, why.code, why.message, why.data)


def _is_modern(headers: Headers, message: jsonrpc.Message) -> bool:
    """By the header, or by a request body that carries the 2026-07-28 envelope whatever the header says."""
    claimed = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    if claimed is not None and claimed not in HANDSHAKE_PROTOCOL_VERSIONS:
        return True
    if message.id is None or message.method == "initialize" or message.params is None:
        return False
    meta = message.params.get("_meta")
    return type(meta) is dict and PROTOCOL_VERSION_META_KEY in meta


def _unacceptable(headers: Headers) -> Reply | None:
    """415 for a body that is not plain JSON; 406 for a client that takes none (no Accept takes all)."""
    media = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media != "application/json" or headers.get("content-encoding") not in (None, "identity"):
        return told(415, "The request body must be application/json, not compressed.")
    accept = headers.get("accept")
    if accept is None or "application/json" in accept or "*/*" in accept or "application/*" in accept:
        return None
    return told(406, "The Accept header must allow application/json.")
