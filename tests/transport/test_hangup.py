"""A client that closes its connection cancels its call, on the hot path and behind the SDK's app."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.transport.world import World, legacy, modern


async def start(world: World, body: Any, headers: dict[str, str]) -> asyncio.StreamWriter:
    """Send a request on a connection of its own and leave it open."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    content = orjson.dumps(body)
    lines = {
        "host": world.url[7:],
        "authorization": "Bearer ana-token",
        "content-type": "application/json",
        "content-length": str(len(content)),
        **headers,
    }
    writer.write(
        b"POST /mcp HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()).encode() + b"\r\n"
    )
    writer.write(content)
    await writer.drain()
    return writer


@pytest.mark.parametrize("form", [modern, legacy])
@pytest.mark.parametrize("extra", [{}, {"extra": 1}], ids=["hot path", "fallback"])
async def test_closing_the_connection_cancels_the_call(
    world: World, form: Any, extra: dict[str, int]
) -> None:
    """MCP 2026-07-28: the server must take a closed connection for a cancellation."""
    writer = await start(world, *form("tools/call", {"name": "demo_wait", **extra}))
    async with asyncio.timeout(10):
        await world.line.started.wait()
        writer.close()
        await writer.wait_closed()
        await world.line.cancelled.wait()
    assert (await world.modern("tools/call", {"name": "demo_whoami"})).status_code == 200


@pytest.mark.parametrize("extra", [{}, {"extra": 1}], ids=["hot path", "fallback"])
async def test_others_are_not_cancelled(world: World, extra: dict[str, int]) -> None:
    """One client's leaving, and one client's posted cancellation, touch nobody else's call."""
    staying = await start(world, *modern("tools/call", {"name": "demo_wait", **extra}, id=5))
    async with asyncio.timeout(10):
        await world.line.started.wait()
    world.line.started.clear()
    leaving = await start(world, *modern("tools/call", {"name": "demo_wait", **extra}, id=6))
    async with asyncio.timeout(10):
        await world.line.started.wait()
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    assert (await world.post(note, token="bo-token")).status_code == 202
    assert not world.line.cancelled.is_set()
    leaving.close()
    async with asyncio.timeout(10):
        await world.line.cancelled.wait()
    world.line.cancelled.clear()
    await asyncio.sleep(0.05)
    assert not world.line.cancelled.is_set()
    staying.close()
    async with asyncio.timeout(10):
        await world.line.cancelled.wait()


async def test_half_a_request_never_reaches_the_line(world: World) -> None:
    """The body breaks off: nothing is called."""
    body, headers = modern("tools/call", {"name": "demo_whoami"})
    writer = await start(world, body, {**headers, "content-length": "100000"})
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.05)
    assert world.line.calls == []
