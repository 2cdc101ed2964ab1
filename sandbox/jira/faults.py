"""Trouble on demand: what a real Jira, or the network before it, does on a bad day.

`Faults(before)` asks the hook before each request; the fault that it returns is served instead of, or
with, the real answer. Whether the request's effect happens anyway is `Fault.effect`: a POST whose
answer is lost has happened, and only the gateway's honesty tells.
"""

import asyncio
import functools
import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Kind(StrEnum):
    """Kinds of trouble, in the order of `Fault`'s fields."""

    DELAY = "delay"
    STATUS = "status"
    DRIP = "drip"
    RESET = "reset"
    HANG = "hang"
    LOGIN_PAGE = "login_page"
    TRUNCATED = "truncated"
    GZIP_BOMB = "gzip_bomb"
    OVERSIZE = "oversize"
    REDIRECT = "redirect"
    SET_COOKIE = "set_cookie"
    WRONG_ACCOUNT = "wrong_account"
    ANONYMOUS = "anonymous"


_REPLACING = frozenset(
    {Kind.STATUS, Kind.HANG, Kind.LOGIN_PAGE, Kind.GZIP_BOMB, Kind.OVERSIZE, Kind.REDIRECT}
)
"""Kinds that answer in Jira's place, so that nothing happens behind them unless `effect` says so."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Only the fields that belong to its kind are read."""

    kind: Kind
    seconds: float = 0.0
    """`delay`: before the request is served; `drip`: between bytes (0 means 0.1)."""
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    """Added to the answer, e.g. `Retry-After` and `RateLimit-Reason` of a 429."""
    size: int = 64 * 1024 * 1024
    """Bytes of `oversize`, and of `gzip_bomb` once unpacked."""
    location: str = "http://127.0.0.1:9/elsewhere"
    cookie: str = "JSESSIONID=alice"
    account: str = "712020:somebody-else"
    effect: bool | None = None
    """Whether the request is carried out; None is the kind's own way."""

    @property
    def carried_out(self) -> bool:
        """Whether Jira acts on the request."""
        return self.kind not in _REPLACING if self.effect is None else self.effect


@dataclass(frozen=True, slots=True)
class Asked:
    """What the hook is told about a request. `subject` is the caller's user name, "" for nobody."""

    method: str
    path: str
    subject: str


Hook = Callable[[Asked], Fault | None]


class Faults:
    """The hook, changeable while the app runs: `faults.before = lambda asked: Fault(Kind.HANG)`."""

    def __init__(self, before: Hook | None = None) -> None:
        self.before: Hook = before or (lambda asked: None)

    def once(self, fault: Fault, matching: Callable[[Asked], bool] = lambda asked: True) -> None:
        """Serve `fault` to the next request that matches, then be well again."""

        def hook(asked: Asked) -> Fault | None:
            if not matching(asked):
                return None
            self.clear()
            return fault

        self.before = hook

    def clear(self) -> None:
        """No more faults."""
        self.before = lambda asked: None


async def serve(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request with `fault`. `scope` is an HTTP scope whose body `receive` replays."""
    if fault.kind is Kind.DELAY:
        await asyncio.sleep(fault.seconds)
    if fault.kind not in _REPLACING:
        await app(scope, receive, _spoiled(fault, send))
        return
    if fault.carried_out:
        await app(scope, receive, _swallow)
    if fault.kind is Kind.HANG:
        await _gone(receive)
        return
    await _instead(fault, send)


async def _swallow(message: Message) -> None:
    """An answer that nobody gets."""


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _instead(fault: Fault, send: Send) -> None:
    status, kind, body, extra = _made(fault)
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    headers += [(k.lower().encode(), v.encode()) for k, v in {**extra, **fault.headers}.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _made(fault: Fault) -> tuple[int, bytes, bytes, dict[str, str]]:
    """(status, content type, body, headers) of an answer in Jira's place."""
    match fault.kind:
        case Kind.LOGIN_PAGE:
            page = b"<!DOCTYPE html><html><title>Log in - Jira</title><form>Password</form></html>"
            return 200, b"text/html;charset=UTF-8", page, {}
        case Kind.GZIP_BOMB:
            return 200, b"application/json", _bomb(fault.size), {"Content-Encoding": "gzip"}
        case Kind.OVERSIZE:
            return 200, b"application/json", b'{"x":"' + b"x" * fault.size + b'"}', {}
        case Kind.REDIRECT:
            return 302, b"text/plain", b"", {"Location": fault.location}
    return fault.status, b"text/plain", b"", {}


@functools.cache
def _bomb(size: int) -> bytes:
    return gzip.compress(bytes(size))


def _spoiled(fault: Fault, send: Send) -> Send:
    """`send` that spoils the real answer on its way."""

    async def spoil(message: Message) -> None:
        if message["type"] == "http.response.start":
            cut = {"status": 200} if fault.kind is Kind.RESET else {}
            await send({**message, **cut, "headers": _headers(fault, message["headers"])})
            return
        body = message.get("body", b"")
        match fault.kind:
            case Kind.DRIP:
                for byte in body:
                    await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
                    await asyncio.sleep(fault.seconds or 0.1)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            case Kind.RESET:
                # The length promised in the head never comes, so the server closes under the answer.
                await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            case Kind.TRUNCATED:
                await send({**message, "body": body[: len(body) // 2]})
            case _:
                await send(message)

    return spoil


def _headers(fault: Fault, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    added = {k.lower().encode(): v.encode() for k, v in fault.headers.items()}
    dropped = set(added)
    match fault.kind:
        case Kind.TRUNCATED:
            dropped.add(b"content-length")
        case Kind.RESET:
            dropped.add(b"content-length")
            added[b"content-length"] = b"100000000"
        case Kind.SET_COOKIE:
            added[b"set-cookie"] = f"{fault.cookie}; Path=/".encode()
        case Kind.WRONG_ACCOUNT:
            dropped.add(b"x-aaccountid")
            added[b"x-aaccountid"] = fault.account.encode()
        case Kind.ANONYMOUS:
            dropped.add(b"x-aaccountid")
            added[b"x-seraph-loginreason"] = b"AUTHENTICATED_FAILED"
    return [(k, v) for k, v in headers if k.lower() not in dropped] + list(added.items())
