"""The few ASGI primitives that the hot path needs, without a framework in front of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from starlette.types import Receive, Scope, Send

from gateway import limits

T = TypeVar("T")
HeaderLines = tuple[tuple[bytes, bytes], ...]

_NONE: frozenset[str] = frozenset()

JSON: HeaderLines = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class HungUp(Exception):
    """The client closed its connection: nothing may be sent any more."""


class TooLarge(Exception):
    """The body is larger than `limits.REQUEST_BYTES`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole HTTP answer."""

    status: int
    body: bytes = b""
    headers: HeaderLines = JSON

    async def send(self, send: Send, extra: HeaderLines = ()) -> None:
        """Write it, with `extra` header lines."""
        length = (b"content-length", b"%d" % len(self.body))
        headers = [*self.headers, length, *extra]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


@dataclass(frozen=True, slots=True)
class Headers:
    """Request headers: names in lower case, values without the white space around them (RFC 9110 §5.5).

    httptools keeps trailing white space, and a value compared with it would not match.
    """

    values: dict[str, str]
    repeated: frozenset[str]
    """Names that came more than once; `values` holds the first."""

    @classmethod
    def of(cls, scope: Scope) -> "Headers":
        """The headers of an ASGI request."""
        lines = scope["headers"]
        values = {k.decode("latin-1"): v.decode("latin-1").strip(" \t") for k, v in reversed(lines)}
        if len(values) == len(lines):
            return cls(values, _NONE)
        count = Counter(name.decode("latin-1") for name, _ in lines)
        return cls(values, frozenset(name for name, times in count.items() if times > 1))

    def get(self, name: str) -> str | None:
        """The first value of `name`, or None."""
        return self.values.get(name)


async def read_body(receive: Receive, declared: str | None) -> bytes:
    """The whole body. `declared` is the Content-Length header.

    Raises `TooLarge` as soon as it is, before more is kept, and `HungUp`.
    """
    if declared is not None and declared.isdecimal() and int(declared[:20]) > limits.REQUEST_BYTES:
        raise TooLarge
    message = await receive()
    if message["type"] == "http.disconnect":
        raise HungUp
    body: bytes = message.get("body", b"")
    if len(body) > limits.REQUEST_BYTES:
        raise TooLarge
    if not message.get("more_body", False):
        return body
    parts = bytearray(body)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        parts += message.get("body", b"")
        if len(parts) > limits.REQUEST_BYTES:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(parts)


async def unless_hung_up(receive: Receive, work: Awaitable[T]) -> T:
    """What `work` gives. A client that closes its connection first cancels it, and raises `HungUp`.

    The watcher cancels the task that awaits `work` rather than `work` being a task of its own: one
    task less for each call.
    """
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        outcome = await work
    except (Exception, asyncio.CancelledError) as ended:
        # Whatever the work made of its cancellation, nobody is there to hear it; but a
        # cancellation that came from elsewhere as well (a shutdown) goes on.
        if gone and task.uncancel() == 0:
            raise HungUp from ended
        raise
    finally:
        watcher.cancel()
    if gone:
        task.uncancel()
        raise HungUp
    return outcome
