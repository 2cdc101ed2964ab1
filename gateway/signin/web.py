"""The shell around every page: which host, how often, who visits, and what a browser may do with the answer.

    host and origin -> method -> count of visits -> session -> the page's handler -> headers

A handler takes a `Visit` and gives a Response, or raises: `Refusal` is a page, and so is every
`GatewayError`, with its public sentence and nothing else of it.
"""

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import limits
from gateway.errors import GatewayError, LinkRefused, Sealed, Unavailable
from gateway.signin import pages
from gateway.signin.cookies import Cookies
from gateway.signin.sessions import Session, Sessions
from gateway.store import Store
from gateway.transport.asgi import Headers, HungUp, TooLarge, read_body
from gateway.transport.web import Guard, method_not_allowed

log = logging.getLogger("gateway.signin")


class Refusal(Exception):
    """A page that says no: a heading, and a sentence with what to do. `private` is for the log.

    `again` is an address of ours under which the person can begin anew.
    """

    def __init__(self, status: int, title: str, text: str, *, private: str = "", again: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.text = text
        self.private = private
        self.again = again


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a browser."""

    path: str
    query: Mapping[str, str]
    form: Mapping[str, str] = field(repr=False)
    browser: str | None = field(repr=False)
    """The secret of the cookie that tells this browser from others; names nobody."""
    session_id: str | None = field(repr=False)
    """As the browser sent it, whether or not it is any good."""
    session: Session | None
    source: str = ""
    """The peer's network, as strangers are counted."""


Handler = Callable[[Visit], Awaitable[Response]]


class Shell:
    """Makes ASGI apps of handlers."""

    def __init__(self, guard: Guard, cookies: Cookies, sessions: Sessions, store: Store) -> None:
        self._guard = guard
        self._cookies = cookies
        self._sessions = sessions
        self._store = store

    def page(self, get: Handler | None = None, post: Handler | None = None) -> ASGIApp:
        """The app of one path."""
        handlers = {
            method: handler for method, handler in (("GET", get), ("POST", post)) if handler is not None
        }

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            headers = Headers.of(scope)
            refused = self._guard.refusal(headers)
            if refused is None and scope["method"] not in handlers:
                refused = method_not_allowed(", ".join(handlers).encode())
            if refused is not None:
                await refused.send(send)
                return
            try:
                response = await self._answer(handlers[scope["method"]], scope, receive, headers)
            except HungUp:
                return
            await response(scope, receive, send)

        return app

    async def _answer(self, handler: Handler, scope: Scope, receive: Receive, headers: Headers) -> Response:
        session = None
        try:
            request = Request(scope)
            id, browser = self._cookies.read(request)
            session = await self._sessions.of(id)
            await self._count(session, scope)
            form = await _form(receive, headers) if scope["method"] == "POST" else {}
            query = _single(_bounded(scope["query_string"], limits.QUERY_BYTES))
            source = network(scope)
            return await handler(Visit(scope["path"], query, form, browser, id, session, source))
        except HungUp:
            raise
        except Refusal as no:
            if no.private:
                log.warning("%s: %r: %r", scope["path"], no.title, no.private)
            return pages.refusal(no.status, no.title, no.text, session, again=no.again)
        except GatewayError as problem:
            log.warning("%s: %s: %r", scope["path"], problem.code, problem.private)
            return pages.problem(_status(problem), problem, session)
        except Exception:
            log.exception("a page of ours failed: %s", scope["path"])
            return pages.refusal(
                500, "This page failed", "It is our fault. Try again, and tell the operator if it stays so."
            )

    async def _count(self, session: Session | None, scope: Scope) -> None:
        """Raises `Refusal` beyond the limits: strangers by their address, people by who they are."""
        if session is not None:
            most, whose = limits.PAGES_PER_PERSON, f"{session.person.issuer} {session.person.subject}"
        else:
            most, whose = limits.PAGES_PER_SOURCE, network(scope)
        if await self._store.count(f"visits:{whose}", limits.PAGES_SECONDS) > most:
            raise Refusal(429, "Too many visits", "Wait a minute, then try again.")


def network(scope: Scope) -> str:
    """The peer's address; of IPv6 the /64, which is what one customer has."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


async def _form(receive: Receive, headers: Headers) -> dict[str, str]:
    kind = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise _unreadable()
    try:
        body = await read_body(receive, headers.get("content-length"))
    except TooLarge:
        raise _unreadable() from None
    return _single(_bounded(body, limits.FORM_BYTES))


def _bounded(encoded: bytes, most: int) -> bytes:
    """Some of what strangers send is kept while they are away at the provider: no server before us bounds it."""
    if len(encoded) > most:
        raise _unreadable()
    return encoded


def _single(encoded: bytes) -> dict[str, str]:
    """Decoded parameters. One that came twice is refused: two readers could see different ones (RFC 6749 §3.1)."""
    try:
        pairs = parse_qsl(encoded.decode(), keep_blank_values=True, errors="strict", max_num_fields=30)
    except ValueError:
        raise _unreadable() from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _unreadable()
    return found


def _unreadable() -> Refusal:
    return Refusal(400, "This request cannot be read", "Go back and try again.")


def _status(problem: GatewayError) -> int:
    if isinstance(problem, Unavailable | Sealed):
        return 503
    return 403 if isinstance(problem, LinkRefused) else 400
