"""Serving an ASGI application on loopback, inside the running event loop."""

import asyncio
import random
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Self

import uvicorn

from sandbox.loopback import require_loopback

QUIET_PORTS = range(20_000, 32_000)
"""Below the ports that Linux and macOS give to outgoing connections, so a free one stays free."""


class Served(uvicorn.Server):
    """An app on a listening socket for the length of an `async with` block, in the running event loop."""

    def __init__(self, app: Any, sock: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                date_header=False,
                ws="none",
                proxy_headers=False,
                timeout_graceful_shutdown=1,  # seconds; a test that hangs a request shall not hang its end
            )
        )
        self._sock = sock
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the program around us."""
        yield

    async def main_loop(self) -> None:
        """Serve until `stop`. uvicorn's own loop looks ten times a second; hundreds of tests wait for it."""
        await self.on_tick(0)
        await self._stop.wait()

    def stop(self) -> None:
        """Begin to stop; leaving the block waits for the end."""
        self.should_exit = True
        self._stop.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.serve(sockets=[self._sock]))
        try:
            while not self.started:
                if self._task.done():
                    await self._task
                    raise RuntimeError("A part of the sandbox stopped while it started.")
                await asyncio.sleep(0.002)
        except asyncio.CancelledError:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        self.stop()
        if self._task is not None:
            await self._task


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `host` and `port` (0: any free one).

    Raises `OSError` when the port is taken, and `ValueError` off loopback.
    """
    family = socket.AF_INET6 if ":" in require_loopback(host) else socket.AF_INET
    # asyncio turns Nagle off only where the protocol is named; left out, a kept-alive answer waits 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except OSError as taken:
        sock.close()
        raise OSError(
            taken.errno, f"Port {port} on {host} is taken; choose other ports with --port-base."
        ) from taken
    return sock


def free_port(host: str) -> int:
    """A port for the gateway, which will be bound by somebody else, later."""
    for port in random.sample(QUIET_PORTS, 50):
        try:
            listen(host, port).close()
        except OSError:
            continue
        return port
    raise OSError("No free port was found for the gateway; choose ports with --port-base.")
