"""A server on loopback that answers with exact bytes: for the answers that no well-behaved one gives."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import orjson

ANA = "712020:ana"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


Answer = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def answer(
    body: Any = None,
    *,
    status: int = 200,
    account: str | None = ANA,
    headers: Mapping[str, str] | None = None,
    kind: str = "application/json;charset=UTF-8",
) -> Answer:
    """Jira's usual answer: JSON (or the bytes given), and whose it is."""
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    told = {"Content-Length": str(len(raw)), **({"Content-Type": kind} if raw else {}), **(headers or {})}
    if account is not None:
        told["X-AAccountId"] = account
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())

    async def write(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Told\r\n{head}\r\n".encode() + raw)
        await writer.drain()

    return write


async def silence(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def hang_up(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Close without a word, as a server does that drops a kept connection."""
    writer.close()


async def reset(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Half an answer, then RST (SO_LINGER 0)."""
    writer.write(
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"key": "OP'
    )
    await writer.drain()
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def drip(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """A byte every 50 ms: each read is quick, the whole never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Chunks without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    part = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    while True:
        writer.write(part)
        await writer.drain()


class Server:
    """Answers each request with the next of `script`, and the last of it for ever."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script) or [answer({})]
        self.seen: list[Seen] = []
        self.asked = asyncio.Event()
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                seen = await _read(reader)
                self.seen.append(seen)
                self.asked.set()
                reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                await reply(seen, writer)
        self._tasks.discard(task)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("Content-Length", 0)))
    return Seen(method, target, headers, body)
