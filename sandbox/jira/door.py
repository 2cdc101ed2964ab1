"""The middleware before every route: body, caller, log, faults, headers.

It stands before routing, so that a request to a path that does not exist is logged like any other.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.jira import faults
from sandbox.jira.auth import Session, Verify, authenticate
from sandbox.jira.errors import JiraError
from sandbox.jira.faults import Asked, Faults
from sandbox.jira.model import Site
from sandbox.jira.wire import refusal

_MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Logged:
    """One request, as it arrived. `subject` is "" for an anonymous caller."""

    method: str
    path: str
    query: str
    subject: str
    body: bytes
    token_id: str = ""
    cookie: str = ""


Announce = Callable[[Session], Mapping[str, str]]
"""The headers that say as whom a request ran."""


def cloud_headers(session: Session) -> dict[str, str]:
    """Jira Cloud's."""
    return {} if session.who is None else {"X-AAccountId": session.who.account_id}


class Door:
    """ASGI middleware. Leaves the `Session` and the body in `scope["state"]`."""

    def __init__(
        self,
        app: ASGIApp,
        site: Site,
        verify: Verify,
        log: deque[Logged],
        faults: Faults,
        announce: Announce = cloud_headers,
    ) -> None:
        self.announce = announce
        self.app = app
        self.site = site
        self.verify = verify
        self.log = log
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = await _body(receive)
        session, refused = await self._session(scope)
        subject = session.who.name if session.who else ""
        method, path = scope["method"], scope["path"]
        query = scope.get("query_string", b"").decode("latin-1")
        self.log.append(
            Logged(
                method, path, query, subject, body, session.token_id, Headers(scope=scope).get("cookie", "")
            )
        )
        scope["state"] = {**scope.get("state", {}), "session": session, "body": body}
        app = _announced(session, refusal(refused) if refused else self.app, self.announce(session))
        fault = self.faults.before(Asked(method, path, subject))
        if fault is None:
            await app(scope, receive, send)
        else:
            await faults.serve(fault, app, scope, receive, send)

    async def _session(self, scope: Scope) -> tuple[Session, JiraError | None]:
        try:
            return await authenticate(self.site, self.verify, Headers(scope=scope).get("authorization")), None
        except JiraError as refused:
            return Session(), refused


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    total = 0
    more = True
    while more:
        message = await receive()
        part = message.get("body", b"")
        total += len(part)
        if total <= _MOST_BYTES:
            parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _announced(session: Session, app: ASGIApp, whose: Mapping[str, str]) -> ASGIApp:
    """`app` with the headers that Jira puts on every answer."""

    async def announced(scope: Scope, receive: Receive, send: Send) -> None:
        async def announce(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                headers.setdefault("X-ARequestId", uuid4().hex)
                for name, value in whose.items():
                    headers.setdefault(name, value)
                if session.login_reason is not None:
                    headers.setdefault("X-Seraph-LoginReason", session.login_reason)
                message = {**message, "headers": headers.raw}
            await send(message)

        await app(scope, receive, announce)

    return announced
