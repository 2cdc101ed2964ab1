"""A long call says that it lives: each ten seconds, from the tenth on, as a stream of events.

Until then nothing is sent, and a call that ends in time is answered with one JSON document, as nearly all
are. A client that takes no event streams just waits. `notifications/progress` is for clients that sent a
token (MCP, basic/utilities/progress); the others get a comment, which no parser shows (HTML, "Server-sent
events").
"""

import asyncio
from contextlib import suppress

import orjson
from starlette.types import Send

from gateway import limits
from gateway.transport.asgi import HeaderLines, Headers, Reply

_STREAM: HeaderLines = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Heartbeat:
    """Of one HTTP request. `extra` are header lines of every answer."""

    def __init__(self, send: Send, headers: Headers, extra: HeaderLines) -> None:
        self._send = send
        self._accepts = "text/event-stream" in (headers.get("accept") or "")
        self._extra = extra
        self._token: object = None
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None
        self._began = False

    def begin(self, token: object) -> None:
        """The call begins; `token` is its `progressToken`, None without one."""
        if self._accepts:
            self._token = token
            self._timer = asyncio.get_running_loop().call_later(limits.HEARTBEAT_SECONDS, self._start)

    async def stop(self) -> None:
        """Nothing more is said, unless it is the answer."""
        if self._timer is not None:
            self._timer.cancel()
        beating = self._beating
        if beating is not None and not beating.done():
            beating.cancel()
            await asyncio.wait([beating])

    async def answer(self, reply: Reply) -> None:
        """`reply`, or its message as the last event of the stream that began."""
        await self.stop()
        if not self._began:
            await reply.send(self._send, self._extra)
            return
        with suppress(OSError):
            await self._event(b"event: message\ndata: %b\n\n" % reply.body, more=False)

    def _start(self) -> None:
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        headers = [*_STREAM, *self._extra]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self._began = True
        beats = 0
        while True:
            beats += 1
            await self._event(self._said(beats), more=True)
            await asyncio.sleep(limits.HEARTBEAT_SECONDS)

    def _said(self, beats: int) -> bytes:
        if self._token is None:
            return b": still working\n\n"
        params = {
            "progressToken": self._token,
            "progress": beats,
            "message": "Still waiting for Jira.",
        }
        told = {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
        return b"event: message\ndata: %b\n\n" % orjson.dumps(told)

    async def _event(self, text: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": text, "more_body": more})
