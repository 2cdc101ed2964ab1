"""Where providers push security events: RFC 8935 over HTTP."""

import logging
from collections.abc import Awaitable, Callable

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import Unavailable
from gateway.identity.events import NotTaken
from gateway.transport.asgi import JSON, Headers, HungUp, Reply, TooLarge, read_body
from gateway.transport.errors import unavailable
from gateway.transport.web import method_not_allowed

log = logging.getLogger("gateway.transport")

PATH = "/events"

Take = Callable[[str], Awaitable[object]]
"""Acts on one event. Raises `NotTaken` or `Unavailable`."""


def event_routes(take: Take) -> dict[str, ASGIApp]:
    """`POST /events`: 202, or 400 with why; 503 asks the provider to send it again."""

    async def receive_event(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await method_not_allowed(b"POST").send(send)
            return
        headers = Headers.of(scope)
        try:
            reply = await _taken(headers, receive, take)
        except HungUp:
            return
        await reply.send(send)

    return {PATH: receive_event}


async def _taken(headers: Headers, receive: Receive, take: Take) -> Reply:
    media = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media != "application/secevent+jwt":
        return _refusal("invalid_request", "Send application/secevent+jwt.")
    try:
        body = await read_body(receive, headers.get("content-length"))
        await take(body.decode("ascii").strip())
    except TooLarge:
        return _refusal("invalid_request", "The event is too large.")
    except UnicodeDecodeError:
        return _refusal("invalid_request", "This is not a security event token.")
    except NotTaken as refused:
        return _refusal(refused.err, str(refused))
    except Unavailable as down:
        return unavailable(down)
    return Reply(202, headers=())


def _refusal(err: str, description: str) -> Reply:
    log.warning("a security event was refused: %s", description)
    return Reply(400, orjson.dumps({"err": err, "description": description}), JSON)
