"""Hosts, origins, CORS, paths and the lifespan."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.transport.asgi import Headers
from gateway.transport.web import Guard, create_web
from tests.transport import world as worlds
from tests.transport.world import World


def headers(*lines: tuple[str, str]) -> Headers:
    """Request headers."""
    return Headers.of({"headers": [(k.encode(), v.encode("latin-1")) for k, v in lines]})


GUARD = Guard("https://gw.example:8443", ["GW.internal"], ["https://inspector.example/"])


@pytest.mark.parametrize("host", ["gw.example:8443", "GW.example:8443", "gw.internal"])
def test_our_own_hosts_are_served(host: str) -> None:
    """The public host and those allowed beside it, whatever the case of their letters."""
    assert GUARD.refusal(headers(("host", host))) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "gw.example", "gw.example:8443.evil.example", "gw.example:84430", "", "127.0.0.1"],
)
def test_other_hosts_are_misdirected(host: str) -> None:
    """421: DNS rebinding ends here."""
    refused = GUARD.refusal(headers(("host", host)))
    assert refused is not None and refused.status == 421


def test_a_request_without_host_or_with_two_is_misdirected() -> None:
    """A proxy and we could read two differently."""
    for lines in ((), (("host", "gw.internal"), ("host", "evil.example"))):
        refused = GUARD.refusal(headers(*lines))
        assert refused is not None and refused.status == 421


@pytest.mark.parametrize("origin", ["https://gw.example:8443", "https://inspector.example"])
def test_allowed_origins_are_served(origin: str) -> None:
    """Our own and those that the operator allowed."""
    assert GUARD.refusal(headers(("host", "gw.internal"), ("origin", origin))) is None


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://gw.example:8443", "https://gw.example:8443.evil.example", "https://evil.example"],
)
def test_other_origins_are_forbidden(origin: str) -> None:
    """403, as MCP demands of every connection with an Origin."""
    refused = GUARD.refusal(headers(("host", "gw.internal"), ("origin", origin)))
    assert refused is not None and refused.status == 403


async def test_host_and_origin_are_checked_before_the_token(world: World) -> None:
    """A rebinding page learns not even whether a token is good."""
    for extra, status in (({"host": "evil.example"}, 421), ({"origin": "https://evil.example"}, 403)):
        answer = await world.post(b"{}", extra)
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers
    assert world.line.bearers == []


async def test_a_browser_may_read_answers_and_challenges() -> None:
    """CORS for allowed pages: the preflight needs no token, and the challenge can be read (A6)."""
    async with worlds.world(allowed_origins=["https://inspector.example"]) as world:
        page = {"origin": "https://inspector.example"}
        asked = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, mcp-param-project, x-other",
        }
        preflight = await world.http.options(world.url + "/mcp", headers={**page, **asked})
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == page["origin"]
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert "authorization" in allowed and "mcp-param-project" in allowed and "x-other" not in allowed
        answer = await world.post(b"{}", page, token=None)
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == page["origin"]
        assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"


async def test_options_without_preflight_needs_a_token(world: World) -> None:
    """Only a browser's preflight is answered without one."""
    assert (await world.http.options(world.url + "/mcp")).status_code == 401


@pytest.mark.parametrize("path", ["/", "/mcp/", "/MCP", "/mcp/x", "/healthz/", "//mcp"])
async def test_other_paths_are_not_found(world: World, path: str) -> None:
    """Exact paths only: one resource has one URL."""
    answer = await world.http.post(world.url + path, content=b"{}")
    assert answer.status_code == 404
    assert world.line.bearers == []


async def drive(app: Any, kind: str = "lifespan") -> list[dict[str, Any]]:
    """Run `app` through start and stop; what it sent."""
    sent: list[dict[str, Any]] = []
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        await asyncio.sleep(0)
        return next(asked)

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": kind}, receive, send)
    return sent


def hook(log: list[str], name: str, *, fails: str = "") -> Any:
    """A lifespan that writes into `log`."""

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        if fails == "start":
            raise ValueError(f"{name} cannot start")
        log.append(f"+{name}")
        try:
            yield
        finally:
            log.append(f"-{name}")
        if fails == "stop":
            raise ValueError(f"{name} cannot stop")

    return life


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """An app that is never asked."""


async def test_lifespans_start_in_order_and_stop_in_reverse() -> None:
    """The record must outlive the line that writes to it."""
    log: list[str] = []
    sent = await drive(create_web({}, lifespans=[hook(log, "a"), hook(log, "b")]))
    assert log == ["+a", "+b", "-b", "-a"]
    assert [m["type"] for m in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_failed_start_is_told_and_undone() -> None:
    """What was started before is stopped again; the server hears one sentence."""
    log: list[str] = []
    sent = await drive(create_web({}, lifespans=[hook(log, "a"), hook(log, "b", fails="start")]))
    assert log == ["+a", "-a"]
    assert sent == [{"type": "lifespan.startup.failed", "message": "b cannot start"}]


async def test_a_failed_stop_is_told() -> None:
    """The others are still stopped."""
    log: list[str] = []
    sent = await drive(create_web({}, lifespans=[hook(log, "a"), hook(log, "b", fails="stop")]))
    assert log == ["+a", "+b", "-b", "-a"]
    assert sent[-1] == {"type": "lifespan.shutdown.failed", "message": "b cannot stop"}


async def test_websockets_are_closed() -> None:
    """There is no such endpoint."""
    assert await drive(create_web({}), "websocket") == [{"type": "websocket.close", "code": 1003}]
