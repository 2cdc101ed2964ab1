"""A small world for the transport: a line of its own, four tools, a server on loopback, and requests."""

import asyncio
import dataclasses
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Send

from gateway.errors import (
    ConsentRequired,
    Denied,
    GatewayError,
    InvalidCall,
    JiraRefused,
    OutcomeUnknown,
    Sealed,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    UnknownTool,
)
from gateway.model import Bearer, Caller, Effect, Result, Secret, ToolRequest
from gateway.tool import Tool
from gateway.transport.health import health_routes
from gateway.transport.mcp import McpEndpoint
from gateway.transport.metadata import metadata_routes
from gateway.transport.web import create_web

TLS = ssl.create_default_context()
"""Made once: it costs more than a test, and nothing here speaks TLS."""

ISSUER = "https://login.example"
MODERN = "2026-07-28"
HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")

REFUSALS: dict[str, GatewayError] = {
    "invalid": InvalidCall("`key`: not a key. Correct it to the tool's input schema and call again."),
    "denied": Denied(
        "Refused by policy (rule no-agent-deletes): ask PAY's owners.", rules=("no-agent-deletes",)
    ),
    "consent": ConsentRequired("Link your Jira account first."),
    "jira": JiraRefused("Jira says that there is no such issue; check the key.", status=404),
    "unknown-outcome": OutcomeUnknown("The issue may or may not exist; search before you repeat it."),
    "jira-down": Unavailable("Jira does not answer; try again.", part="jira", private="connect: 10.0.0.1"),
    "sealed": Sealed("disk full"),
    "step-up": StepUpRequired("Grant `jira:write`.", scopes=("jira:read", "jira:write")),
    "weak": StepUpRequired("Sign in again.", acr_values=("urn:corp:mfa", "phr"), max_age=900),
    "conditional": StepUpRequired("Sign in again.", claims='{"access_token":{"acrs":{"value":"c1"}}}'),
    "expired": Unauthenticated("expired meanwhile"),
    "identity-down": Unavailable("Sign-in cannot be checked.", part="identity", private="jwks timeout"),
}


def tool(
    name: str,
    effect: Effect = Effect.READ,
    properties: Mapping[str, Any] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> Tool:
    """A declared tool with as much in it as the transport reads."""
    flat = {
        "type": "object",
        "properties": dict(properties or {}),
        "required": [],
        "additionalProperties": False,
    }
    facts = {
        "name": name,
        "title": name.replace("_", " ").title(),
        "description": f"The tool {name} of the tests.",
        "effect": effect,
        "input_schema": schema or flat,
        "output_schema": {"type": "object"},
        "idempotent": effect is Effect.READ,
        "digest": "sha256:0",
    }
    return Tool(**({f.name: None for f in dataclasses.fields(Tool)} | facts))  # type: ignore[arg-type]


TOOLS = (
    tool("demo_delete", Effect.DESTROY, {"key": {"type": "string"}}),
    tool("demo_echo", properties={"value": {}, "text": {"type": "string"}}),
    tool("demo_fail", properties={"how": {"type": "string"}}),
    tool("demo_mirror", properties={"project": {"type": "string", "x-mcp-header": "Project"}}),
    tool("demo_wait"),
    tool("demo_whoami"),
)
NAMES = frozenset(t.name for t in TOOLS)


@dataclass
class FakeLine:
    """People by token; answers by tool. Remembers what it was asked."""

    people: dict[str, str] = field(default_factory=lambda: {"ana-token": "ana", "bo-token": "bo"})
    hidden: dict[str, frozenset[str]] = field(default_factory=lambda: {"bo": frozenset({"demo_delete"})})
    calls: list[ToolRequest] = field(default_factory=list)
    bearers: list[str | None] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    down: Exception | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def authenticate(self, bearer: Bearer | None, source: str) -> Caller:
        """As `gateway.pipeline` does."""
        self.bearers.append(bearer)
        if self.down is not None:
            raise self.down
        subject = self.people.get(bearer) if bearer is not None else None
        if subject is None:
            self.strangers.append(source)
            raise Unauthenticated("no such token", presented=bearer is not None)
        return Caller(
            issuer=ISSUER,
            subject=subject,
            client="test",
            scopes=frozenset({"jira:read", "jira:write"}),
            expires_at=2e9,
            token=Secret(bearer or ""),
        )

    def visible(self, caller: Caller) -> frozenset[str]:
        """All tools but those hidden from this person."""
        return NAMES - self.hidden.get(caller.subject, frozenset())

    async def call(self, bearer: Bearer, request: ToolRequest) -> Result:
        """Acts by the tool's name."""
        caller = await self.authenticate(bearer, request.source)
        self.calls.append(request)
        if request.name not in NAMES:
            raise UnknownTool
        arguments = request.arguments or {}
        if request.name == "demo_fail":
            raise REFUSALS.get(arguments.get("how", ""), RuntimeError("a secret cause: hunter2"))
        if request.name == "demo_wait":
            return await self._wait()
        if request.name == "demo_whoami":
            await asyncio.sleep(0)
            return Result({"subject": caller.subject}, caller.subject)
        return Result({"tool": request.name, "arguments": arguments}, f"{request.name} done")

    async def _wait(self) -> Result:
        self.started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Result({}, "never")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(app: ASGIApp, port: int) -> AsyncIterator[None]:
    """`app` behind uvicorn with httptools, as in production."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, http="httptools", ws="none", lifespan="on", log_level="warning"
    )
    # Started and stopped by hand: uvicorn's own loop looks every 100 ms whether it should end.
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server(("127.0.0.1", port))
    await server.startup(sockets=[listener])
    if server.should_exit:
        raise RuntimeError("the server did not start")
    try:
        yield
    finally:
        await server.shutdown(sockets=[listener])


@dataclass
class World:
    """A running server and a client to it."""

    line: FakeLine
    url: str
    http: httpx2.AsyncClient
    app: ASGIApp

    async def post(
        self, body: object, headers: Mapping[str, str] | None = None, *, token: str | None = "ana-token"
    ) -> httpx2.Response:
        """POST to the endpoint."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        own = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if token is not None:
            own["authorization"] = f"Bearer {token}"
        return await self.http.post(self.url + "/mcp", content=content, headers={**own, **(headers or {})})

    async def modern(
        self, method: str, params: Mapping[str, Any] | None = None, **more: Any
    ) -> httpx2.Response:
        """A well-formed 2026-07-28 request."""
        body, headers = modern(method, params)
        return await self.post(body, headers, **more)

    async def legacy(
        self, method: str, params: Mapping[str, Any] | None = None, **more: Any
    ) -> httpx2.Response:
        """A well-formed 2025-11-25 request."""
        body, headers = legacy(method, params)
        return await self.post(body, headers, **more)


def modern(method: str, params: Mapping[str, Any] | None = None, id: Any = 1) -> tuple[Any, dict[str, str]]:
    """Body and headers of a 2026-07-28 request."""
    given = dict(params or {})
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        **given.pop("_meta", {}),
    }
    headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
    if method == "tools/call" and isinstance(given.get("name"), str):
        headers["mcp-name"] = given["name"]
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {**given, "_meta": meta}}, headers


def legacy(
    method: str, params: Mapping[str, Any] | None = None, id: Any = 1, version: str = "2025-11-25"
) -> tuple[Any, dict[str, str]]:
    """Body and headers of a request of the handshake era."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method}
    if params is not None:
        body["params"] = dict(params)
    return body, {"mcp-protocol-version": version}


INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


def web(line: FakeLine, public_url: str, **options: Any) -> ASGIApp:
    """The whole web face over `line`."""
    endpoint = McpEndpoint(line, TOOLS, public_url=public_url, **options)
    routes = metadata_routes(public_url, ISSUER) | health_routes({"line": lambda: (True, "fine")})
    return create_web({"/mcp": endpoint} | dict(routes), lifespans=[endpoint.running])


@asynccontextmanager
async def world(*, line: FakeLine | None = None, **options: Any) -> AsyncIterator[World]:
    """A served web face and a client."""
    line, port = line or FakeLine(), free_port()
    url = f"http://127.0.0.1:{port}"
    app = web(line, url, **options)
    async with serving(app, port), httpx2.AsyncClient(timeout=10, verify=TLS) as client:
        yield World(line, url, client, app)


async def ask(
    app: ASGIApp, body: bytes, headers: Mapping[str, str], *, path: str = "/mcp", method: str = "POST"
) -> tuple[int, bytes]:
    """One request to `app` without a socket, for many in a short time."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
    }
    sent: list[Any] = []
    given = False

    async def receive() -> Any:
        nonlocal given
        if given:
            await asyncio.get_running_loop().create_future()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    receiver: Receive = receive
    sender: Send = send
    await app(scope, receiver, sender)
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])
