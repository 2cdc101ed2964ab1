"""The same requests to our endpoint and to the SDK's own app with the same line: the SDK is the oracle.

Status, error code and result must be equal. Where we differ on purpose, `DIFFERENCES` says why; a
difference that is not listed fails, and so does a listed one that no longer occurs.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import MCPError
from mcp.server import CacheHint, Server
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, Tool
from starlette.types import ASGIApp

from gateway import __version__, limits
from gateway.errors import GatewayError, UnknownTool
from gateway.model import Bearer, ToolRequest
from gateway.transport.catalogue import INSTRUCTIONS, described
from gateway.transport.mcp import McpEndpoint
from tests.transport.world import INITIALIZE, MODERN, TOOLS, FakeLine, ask, legacy, modern


@dataclass
class Case:
    """One request."""

    name: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass
class Difference:
    """A documented difference: which cases, what each side answers (status, code), and why."""

    cases: tuple[str, ...]
    ours: tuple[int, int | None]
    theirs: tuple[int, int | None]
    why: str


def case(name: str, form: tuple[Any, dict[str, str]], **headers: str | None) -> Case:
    """A case from a body and headers; a header given as None is left out."""
    body, own = form
    merged = {**own, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return Case(name, orjson.dumps(body), {k: v for k, v in merged.items() if v is not None})


def meta(**changed: Any) -> dict[str, Any]:
    """`_meta` with members of the reserved prefix."""
    return {"_meta": {f"io.modelcontextprotocol/{k}": v for k, v in changed.items()}}


CALL = {"name": "demo_echo", "arguments": {"value": [1, "ä", None]}}
MIRROR = {"name": "demo_mirror", "arguments": {"project": "A"}}
REFUSED = {"name": "demo_fail", "arguments": {"how": "denied"}}
VERSIONED = {"mcp-protocol-version": MODERN}

CASES = [
    case("discover", modern("server/discover")),
    case("list", modern("tools/list")),
    case("list, cursor", modern("tools/list", {"cursor": "x"})),
    case("list, cursor of a wrong type", modern("tools/list", {"cursor": 1})),
    case("call", modern("tools/call", CALL)),
    case("call, string id", modern("tools/call", CALL, id="a")),
    case("call, no arguments", modern("tools/call", {"name": "demo_whoami"})),
    case("call, null arguments", modern("tools/call", {"name": "demo_whoami", "arguments": None})),
    case("call, arguments of a wrong type", modern("tools/call", {"name": "demo_echo", "arguments": []})),
    case("call, unknown member", modern("tools/call", {**CALL, "more": 1})),
    case("call, name of a wrong type", modern("tools/call", {"name": 1})),
    case("call, no name", modern("tools/call", {})),
    case("call, unknown tool", modern("tools/call", {"name": "nope"})),
    case("call, refused", modern("tools/call", REFUSED)),
    case("call, crash", modern("tools/call", {"name": "demo_fail", "arguments": {"how": "?"}})),
    case("call, wrong mirrored name", modern("tools/call", CALL), mcp_name="x"),
    case("call, no mirrored name", modern("tools/call", CALL), mcp_name=None),
    case("call, base64 name", modern("tools/call", CALL), mcp_name="=?base64?ZGVtb19lY2hv?="),
    case("call, wrong mirrored method", modern("tools/call", CALL), mcp_method="tools/list"),
    case("mirror", modern("tools/call", MIRROR), mcp_param_project="A"),
    case("mirror, wrong", modern("tools/call", MIRROR), mcp_param_project="B"),
    case("mirror, missing", modern("tools/call", MIRROR)),
    case("mirror, bad base64", modern("tools/call", MIRROR), mcp_param_project="=?base64?A?="),
    case("retry of a question never asked", modern("tools/call", {**CALL, "requestState": "x"})),
    case("retry of a wrong type", modern("tools/call", {**CALL, "requestState": 1})),
    case("ping in 2026", modern("ping")),
    case("initialize in 2026", modern("initialize", INITIALIZE)),
    case("unknown method", modern("x/y")),
    case("prompts", modern("prompts/list")),
    case("listen", modern("subscriptions/listen", {"notifications": {}})),
    case("version unknown", modern("tools/list", meta(protocolVersion="2030-01-01")),
         mcp_protocol_version="2030-01-01"),
    case("version differs", modern("tools/list", meta(protocolVersion="2030-01-01"))),
    case("version is empty", modern("tools/list"), mcp_protocol_version=""),
    case("capabilities of a wrong type", modern("tools/list", meta(clientCapabilities=[]))),
    case("capabilities nested wrongly", modern("tools/list", meta(clientCapabilities={"elicitation": 1}))),
    case("client info of a wrong type", modern("tools/list", meta(clientInfo={"name": "x"}))),
    case("log level", modern("tools/list", meta(logLevel="debug"))),
    case("log level unknown", modern("tools/list", meta(logLevel="loud"))),
    case("progress token", modern("tools/list", {"_meta": {"progressToken": 1}})),
    case("progress token of a wrong type", modern("tools/list", {"_meta": {"progressToken": {}}})),
    Case("no envelope", orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}), VERSIONED),
    Case("null params", orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "x", "params": None}), VERSIONED),
    Case("notification in 2026", b'{"jsonrpc":"2.0","method":"notifications/cancelled"}', VERSIONED),
    Case("notification without method", b'{"jsonrpc":"2.0"}', VERSIONED),
    Case("notification, version unknown", b'{"jsonrpc":"2.0","method":"x"}', {"mcp-protocol-version": "1"}),
    Case("response in 2026", b'{"jsonrpc":"2.0","id":1,"result":{}}', VERSIONED),
    *(Case(f"body {n} in 2026", body, VERSIONED) for n, body in enumerate(
        (b"", b"{", b"[]", b"1", b"null", b'{"id":1}', b'{"jsonrpc":"2.0","id":null,"method":"x"}',
         b'{"jsonrpc":"2.0","id":1.5,"method":"x"}', b'{"jsonrpc":"2.0","id":1,"method":7}',
         b'{"jsonrpc":"1.0","id":1,"method":"x"}', b'{"jsonrpc":"2.0","id":1,"method":"x","params":[]}'))),
    Case("GET in 2026", b"", VERSIONED, "GET"),
    Case("DELETE in 2026", b"", VERSIONED, "DELETE"),
    case("initialize", legacy("initialize", INITIALIZE)),
    case("initialize without header", legacy("initialize", INITIALIZE), mcp_protocol_version=None),
    case("initialize, old", legacy("initialize", {**INITIALIZE, "protocolVersion": "2024-11-05"})),
    case("initialize, unknown version", legacy("initialize", {**INITIALIZE, "protocolVersion": "1"})),
    case("initialize, no client info", legacy("initialize", {**INITIALIZE, "clientInfo": None})),
    case("initialize, more", legacy("initialize", {**INITIALIZE, "more": 1})),
    case("initialize, no params", legacy("initialize")),
    case("handshake ping", legacy("ping")),
    case("handshake list", legacy("tools/list")),
    case("handshake list, empty params", legacy("tools/list", {})),
    case("handshake list, cursor", legacy("tools/list", {"cursor": "x"})),
    case("handshake call", legacy("tools/call", CALL)),
    case("handshake call without header", legacy("tools/call", CALL), mcp_protocol_version=None),
    case("handshake call, 2024", legacy("tools/call", CALL, version="2024-11-05")),
    case("handshake call, unknown tool", legacy("tools/call", {"name": "nope"})),
    case("handshake call, refused", legacy("tools/call", REFUSED)),
    case("handshake call, wrong types", legacy("tools/call", {"name": "demo_echo", "arguments": 1})),
    case("handshake call, no params", legacy("tools/call")),
    case("handshake call, task", legacy("tools/call", {**CALL, "task": {"ttl": 1}})),
    case("handshake call, progress", legacy("tools/call", {**CALL, "_meta": {"progressToken": "p"}})),
    case("handshake call, bad meta", legacy("tools/call", {**CALL, "_meta": 1})),
    case("handshake unknown method", legacy("x/y")),
    case("handshake discover", legacy("server/discover")),
    case("handshake log level", legacy("logging/setLevel", {"level": "info"})),
    Case("handshake notification", b'{"jsonrpc":"2.0","method":"notifications/initialized"}'),
    Case("handshake response", b'{"jsonrpc":"2.0","id":1,"result":{}}'),
    case("handshake call, crash", legacy("tools/call", {"name": "demo_fail", "arguments": {"how": "?"}})),
    case("call, 2026 body without header", modern("tools/call", CALL), mcp_protocol_version=None),
    Case("handshake batch", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]'),
    Case("handshake body of a wrong form", b'{"jsonrpc":"2.0","id":null,"method":"ping"}'),
    Case("handshake DELETE", b"", {}, "DELETE"),
    case("media type", modern("tools/list"), content_type="text/plain"),
    case("no Accept", modern("tools/list"), accept=None),
    Case("member twice", b'{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}'),
    Case("NaN", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}'),
    case("depth", legacy("ping", {"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]})),
    Case("a large integer id", b'{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"ping"}'),
]  # fmt: skip

Form = Callable[..., tuple[Any, dict[str, str]]]

DIFFERENCES = [
    Difference(("call, 2026 body without header",), (400, -32020), (200, None),
               "The SDK routes eras by header alone, so leaving it out would skip the mirror checks."),
    Difference(("handshake batch",), (400, -32600), (400, -32602),
               "JSON-RPC 2.0 §5.1: a body that is no request is Invalid Request, not Invalid params."),
    Difference(("handshake body of a wrong form",), (400, -32600), (202, None),
               "MCP forbids a null id; taking it for a notification would leave a request unanswered."),
    Difference(("a large integer id",), (400, -32600), (200, None),
               "Integers beyond 64 bits are no interoperable JSON (RFC 7493 §2.2)."),
    Difference(("handshake DELETE",), (405, None), (405, -32600), "Plain HTTP, as for every other method."),
    Difference(("media type",), (415, None), (400, None), "RFC 9110 §15.5.16 has a status for it."),
    Difference(("no Accept",), (200, None), (406, None), "RFC 9110 §12.5.1: no Accept means any media type."),
    Difference(("member twice",), (400, -32600), (200, None), "Two parsers could read different calls."),
    Difference(("NaN",), (400, -32700), (200, None), "NaN is not JSON (RFC 8259 §6)."),
    Difference(("depth",), (400, -32600), (200, None), "Nesting is capped at limits.JSON_DEPTH."),
    Difference(("handshake call, crash",), (200, -32603), (200, 0), "0 is no JSON-RPC code; kept for v1."),
]  # fmt: skip


def oracle(line: FakeLine) -> ASGIApp:
    """The SDK's app over the same line."""

    async def list_tools(context: Any, params: Any) -> ListToolsResult:
        if params is not None and params.cursor is not None:
            raise MCPError(-32602, "no such page")
        tools = [Tool.model_validate(described(tool)) for tool in TOOLS]
        return ListToolsResult(tools=tools, ttl_ms=limits.TOOLS_FRESH_MS, cache_scope="private")

    async def call_tool(context: Any, params: CallToolRequestParams) -> CallToolResult:
        request = ToolRequest(params.name, params.arguments, protocol=context.protocol_version)
        try:
            result = await line.call(Bearer("ana-token"), request)
        except UnknownTool as unknown:
            raise MCPError(-32602, unknown.public) from None
        except GatewayError as problem:
            return CallToolResult.model_validate(
                {"content": [{"type": "text", "text": problem.public}], "isError": True}
            )
        content = [{"type": "text", "text": result.text}]
        return CallToolResult.model_validate({"content": content, "structuredContent": result.structured})

    server: Server[Any] = Server(
        "jira-agent-gateway",
        version=__version__,
        title="Jira Agent Gateway",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        cache_hints={"server/discover": CacheHint(ttl_ms=limits.DISCOVER_FRESH_MS, scope="private")},
        get_tool_input_schema=lambda name: next((t.input_schema for t in TOOLS if t.name == name), None),
    )
    return server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )


@dataclass
class Pair:
    """Our endpoint and the oracle, each over a line of its own."""

    ours: ASGIApp
    theirs: ASGIApp
    our_line: FakeLine
    their_line: FakeLine

    async def both(self, given: Case) -> tuple[Any, Any]:
        """(what we answer, what the oracle answers), each as (status, error code or None, result, call)."""
        headers = {
            "host": "gw.example",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **given.headers,
        }
        if given.name == "no Accept":
            del headers["accept"]
        answers = []
        for app, line in ((self.ours, self.our_line), (self.theirs, self.their_line)):
            line.calls.clear()
            own = {**headers, "authorization": "Bearer ana-token"} if app is self.ours else headers
            status, body = await ask(app, given.body, own, method=given.method)
            called = [(c.name, c.arguments, c.protocol) for c in line.calls]
            answers.append(seen(status, body, called))
        return answers[0], answers[1]


def seen(status: int, body: bytes, called: Any) -> tuple[int, int | None, Any, Any]:
    """What of an answer must be equal."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return int(status), None, None, called
    if "error" in told and isinstance(told["error"], dict):
        return status, told["error"]["code"], told["error"].get("data", "") if status == 400 else "", called
    result = copy.deepcopy(told.get("result"))
    if isinstance(result, dict) and result.get("isError"):
        result["content"][0]["text"] = result["content"][0]["text"].partition(" (call ")[0]
        result.get("_meta", {}).pop("jira-agent-gateway/error", None)
        result = {k: v for k, v in result.items() if v != {}}
    return status, None, result, called


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    """Both apps, running."""
    our_line, their_line = FakeLine(), FakeLine()
    endpoint = McpEndpoint(our_line, TOOLS, public_url="http://gw.example")
    theirs: Any = oracle(their_line)
    async with endpoint.running(), theirs.router.lifespan_context(theirs):
        yield Pair(endpoint, theirs, our_line, their_line)


async def test_the_same_requests_have_the_same_answers() -> None:
    """Every case that is not a documented difference is answered as the SDK answers it."""
    expected = {name: d for d in DIFFERENCES for name in d.cases}
    wrong = []
    async with pair() as both:
        for given in CASES:
            ours, theirs = await both.both(given)
            documented = expected.pop(given.name, None)
            if documented is None:
                wrong += [] if ours == theirs else [(given.name, ours, theirs)]
            elif (ours[:2], theirs[:2]) != (documented.ours, documented.theirs):
                wrong.append((given.name, ours, theirs))
    assert wrong == [], "\n".join(map(repr, wrong))
    assert not expected, "documented, but no such case"


SMALL = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(0, 1) | st.text(max_size=3)
VALUE = st.recursive(
    SMALL, lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(max_size=3), v, max_size=2)
)
BASES: list[tuple[Form, str, dict[str, Any]]] = [
    (modern, "tools/call", CALL),
    (modern, "tools/call", MIRROR),
    (modern, "tools/list", {}),
    (modern, "server/discover", {}),
    (legacy, "tools/call", CALL),
    (legacy, "tools/list", {}),
    (legacy, "initialize", INITIALIZE),
    (legacy, "ping", {}),
]
MEMBERS = ("name", "arguments", "_meta", "cursor", "requestState", "inputResponses", "task", "clientInfo",
           "capabilities", "protocolVersion", "more")  # fmt: skip
META = ("clientCapabilities", "clientInfo", "logLevel", "protocolVersion")


@st.composite
def mutated(draw: st.DrawFn) -> Case:
    """A good request with one or two members of its params or envelope replaced or removed."""
    form, method, params = draw(st.sampled_from(BASES))
    body, headers = form(method, params)
    for _ in range(draw(st.integers(1, 2))):
        place, key = body["params"], draw(st.sampled_from(MEMBERS))
        if form is modern and draw(st.booleans()) and isinstance(place.get("_meta"), dict):
            place, key = place["_meta"], "io.modelcontextprotocol/" + draw(st.sampled_from(META))
        if draw(st.booleans()):
            place[key] = draw(VALUE)
        else:
            place.pop(key, None)
    return Case("mutated", orjson.dumps(body), headers)


@given(st.lists(mutated(), min_size=10, max_size=10))
@settings(max_examples=30, deadline=None)
def test_mutated_requests_have_the_same_answers(cases: list[Case]) -> None:
    """Whatever is wrong with the params, we refuse what the SDK refuses and call what it calls."""

    async def compare() -> None:
        async with pair() as both:
            for given_case in cases:
                ours, theirs = await both.both(given_case)
                assert ours == theirs, given_case

    asyncio.run(compare())
