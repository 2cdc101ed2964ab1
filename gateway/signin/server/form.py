"""The shell around an endpoint that assistants post forms to: host, size, form, refusals as RFC 6749 §5.2 says.

Any page may call (CORS): an assistant in a browser brings its token or its code, never a cookie.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import limits
from gateway.errors import GatewayError
from gateway.signin.server.refused import OAuthError
from gateway.signin.web import network
from gateway.store import Store
from gateway.transport.asgi import Headers, HungUp, Reply, TooLarge, read_body
from gateway.transport.web import Guard

log = logging.getLogger("gateway.signin")

_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"*, Authorization"),
    (b"access-control-max-age", b"86400"),
    (b"access-control-expose-headers", b"WWW-Authenticate, Retry-After"),
)
JSON = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One form of an assistant."""

    form: Mapping[str, str] = field(repr=False)
    authorization: str = field(repr=False)
    """The header, empty without one."""
    source: str
    """The peer's network, as it is counted."""


Handler = Callable[[Sent], Awaitable[Mapping[str, Any] | None]]
"""The answer's members; None: an empty one. Raises `OAuthError` or a `GatewayError`."""


Answer = Callable[[Scope, Receive, Headers], Awaitable[Reply]]
"""The whole answer to a POST. Raises as `Handler` does."""


def endpoint(handler: Handler, guard: Guard, store: Store) -> ASGIApp:
    """The app of one path that forms are posted to."""

    async def answer(scope: Scope, receive: Receive, headers: Headers) -> Reply:
        source = await counted(scope, store)
        form = await _form(receive, headers)
        told = await handler(Sent(form, headers.get("authorization") or "", source))
        return Reply(200, b"" if told is None else orjson.dumps(told), JSON)

    return posted(answer, guard)


def posted(answer: Answer, guard: Guard) -> ASGIApp:
    """The app of one path that is posted to: which host, from any page, and refusals as JSON."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers.of(scope)
        reply = guard.misdirected(headers)
        if reply is None and scope["method"] == "OPTIONS":
            reply = Reply(204, headers=())
        if reply is None and scope["method"] != "POST":
            reply = _refusal(OAuthError("invalid_request", "Send a POST.", 405))
        if reply is None:
            try:
                reply = await _guarded(answer, scope, receive, headers)
            except HungUp:
                return
        await reply.send(send, _CORS)

    return app


async def counted(scope: Scope, store: Store) -> str:
    """The peer's network. Raises `OAuthError` for one that asks too often."""
    source = network(scope)
    if await store.count(f"oauth:{source}", limits.PAGES_SECONDS) > limits.TOKEN_REQUESTS_PER_MINUTE:
        raise OAuthError("slow_down", "Too many requests; wait a minute.", 429)
    return source


async def _guarded(answer: Answer, scope: Scope, receive: Receive, headers: Headers) -> Reply:
    try:
        return await answer(scope, receive, headers)
    except HungUp:
        raise
    except OAuthError as no:
        return _refusal(no)
    except GatewayError as problem:
        log.warning("%s: %s: %r", scope["path"], problem.code, problem.private)
        return _refusal(OAuthError("temporarily_unavailable", problem.public, 503))
    except Exception:  # whatever it is, no token is given and no traceback told
        log.exception("an endpoint failed: %s", scope["path"])
        return _refusal(OAuthError("server_error", "It is our fault; try again later.", 500))


async def _form(receive: Receive, headers: Headers) -> dict[str, str]:
    kind = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send a form: application/x-www-form-urlencoded.")
    if "authorization" in headers.repeated:
        raise OAuthError("invalid_request", "Send one Authorization header.")
    try:
        body = await read_body(receive, headers.get("content-length"))
    except TooLarge:
        raise OAuthError("invalid_request", "The form is too large.", 413) from None
    if len(body) > limits.OAUTH_FORM_BYTES:
        raise OAuthError("invalid_request", "The form is too large.", 413)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=40)
    except ValueError:
        raise OAuthError("invalid_request", "The form cannot be read.") from None
    found = dict(pairs)
    if len(found) != len(pairs):  # RFC 6749 §3.2
        raise OAuthError("invalid_request", "A parameter is there twice.")
    return {name: value for name, value in found.items() if value}  # an empty one is as none (§3.2)


def _refusal(no: OAuthError) -> Reply:
    body = orjson.dumps({"error": no.error, "error_description": _ascii(no.description)})
    more: tuple[tuple[bytes, bytes], ...] = ()
    if no.status == 401:
        more = ((b"www-authenticate", b'Basic realm="token"'),)
    elif no.status in (429, 503):
        more = ((b"retry-after", b"%d" % limits.RETRY_AFTER_SECONDS),)
    elif no.status == 405:
        more = ((b"allow", b"POST, OPTIONS"),)
    return Reply(no.status, body, (*JSON, *more))


def _ascii(text: str) -> str:
    """What an `error_description` may hold (RFC 6749 §5.2)."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" if c in '"“”’' else "?" for c in text)
