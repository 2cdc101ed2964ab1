"""A TCP proxy on loopback that does to a connection what no ASGI application can.

    async with Toxics(port) as toxics:          # speak to toxics.port instead of port
        toxics.reset_after = 200                # bytes of the answer, then RST

It counts connections, so a test can show that nobody came.
"""

import asyncio
import socket
import struct
from typing import Self

_CHUNK = 65_536
_LINGER_ZERO = struct.pack("ii", 1, 0)
"""`SO_LINGER` on, 0 seconds: closing sends RST instead of FIN."""


class Toxics:
    """The proxy. Its attributes may change while it runs and count for every byte after that."""

    def __init__(self, upstream: int, host: str = "127.0.0.1") -> None:
        self.upstream = upstream
        self.host = host
        self.port = 0
        self.connections = 0
        self.reset_after: int | None = None
        """Bytes of answers on a connection after which it is reset; 0 resets before the first."""
        self.silent = False
        """Pass requests on, and never answer: what was asked happens, and nobody is told."""
        self.byte_every: float | None = None
        """Seconds between the single bytes in which answers are passed on."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # either end may vanish at any moment: that is what this proxy is for
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self.host, self.upstream)
        asking = asyncio.create_task(_pass_on(reader, up_writer))
        try:
            await self._answer(up_reader, writer)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            up_writer.close()

    async def _answer(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while chunk := await upstream.read(1 if self.byte_every else _CHUNK):
            if self.silent:
                continue
            room = len(chunk) if self.reset_after is None else max(0, self.reset_after - passed)
            writer.write(chunk[:room])
            await writer.drain()
            passed += min(room, len(chunk))
            if room < len(chunk):
                _reset(writer)
                return
            if self.byte_every:
                await asyncio.sleep(self.byte_every)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    writer.transport.abort()
