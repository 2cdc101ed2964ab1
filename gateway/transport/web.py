"""The web face: which hosts and browser origins are served, and which path is whose."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from urllib.parse import urlsplit

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.transport.asgi import JSON, HeaderLines, Headers, Reply

log = logging.getLogger("gateway.transport")

Lifespan = Callable[[], AbstractAsyncContextManager[object]]

_EXPOSED = b"WWW-Authenticate, Mcp-Protocol-Version, Mcp-Session-Id, Retry-After"
_ASKED = (
    b"Authorization, Content-Type, Accept, Mcp-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, "
    b"Last-Event-ID"
)

ANY_ORIGIN: HeaderLines = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
)
"""CORS for public documents."""


def origin_of(url: str) -> str:
    """`scheme://host[:port]` of a URL, as a browser writes it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


class Guard:
    """Refuses DNS rebinding: a browser page of another host whose name resolves to us."""

    def __init__(self, public_url: str, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._hosts = frozenset({urlsplit(public_url).netloc.lower(), *(h.lower() for h in hosts)})
        self._origins = frozenset({origin_of(public_url), *(o.lower().rstrip("/") for o in origins)})

    def misdirected(self, headers: Headers) -> Reply | None:
        """421 for a host that is not ours, else None: enough where any page may call, as it brings no cookie."""
        host = headers.get("host")
        if host is None or host.lower() not in self._hosts or "host" in headers.repeated:
            return told(421, "This server does not answer for that host.")
        return None

    def refusal(self, headers: Headers) -> Reply | None:
        """421 for a host that is not ours, 403 for a browser origin that is not allowed, else None."""
        if (wrong := self.misdirected(headers)) is not None:
            return wrong
        origin = headers.get("origin")
        if origin is not None and (origin.lower() not in self._origins or "origin" in headers.repeated):
            return told(403, "This origin is not allowed; the operator can allow it.")
        return None

    def cors(self, headers: Headers) -> HeaderLines:
        """Headers that let an allowed page read the answer. Call it after `refusal`."""
        origin = headers.get("origin")
        if origin is None:
            return ()
        return (
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        )

    def preflight(self, headers: Headers) -> Reply:
        """The answer to a browser's OPTIONS, which carries no token. Call it after `refusal`."""
        asked = headers.get("access-control-request-headers") or ""
        params = [n.strip() for n in asked.lower().split(",") if n.strip().startswith("mcp-param-")]
        allowed = b", ".join((_ASKED, *(name.encode("latin-1") for name in params)))
        return Reply(
            204,
            headers=(
                (b"access-control-allow-methods", b"POST, OPTIONS"),
                (b"access-control-allow-headers", allowed),
                (b"access-control-max-age", b"7200"),
            ),
        )


def told(status: int, text: str) -> Reply:
    """A refusal that is no JSON-RPC message, in one sentence."""
    return Reply(status, orjson.dumps({"message": text}), JSON)


def method_not_allowed(allow: bytes) -> Reply:
    """405 (RFC 9110 §15.5.6)."""
    return Reply(405, orjson.dumps({"message": "Method not allowed."}), (*JSON, (b"allow", allow)))


class Document:
    """A public document, kept as bytes, readable from any page. `seconds` is how long caches may keep it."""

    def __init__(self, content: object, *, seconds: int) -> None:
        kept = b"public, max-age=%d" % seconds if seconds else b"no-store"
        lines = ((b"content-type", b"application/json"), (b"cache-control", kept))
        self._reply = Reply(200, orjson.dumps(content), lines)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET and HEAD give the document, OPTIONS the preflight answer."""
        if scope["method"] in ("GET", "HEAD"):
            await self._reply.send(send, ANY_ORIGIN)
        elif scope["method"] == "OPTIONS":
            await Reply(204, headers=()).send(send, ANY_ORIGIN)
        else:
            await method_not_allowed(b"GET, HEAD, OPTIONS").send(send, ANY_ORIGIN)


def create_web(routes: Mapping[str, ASGIApp], *, lifespans: Iterable[Lifespan] = ()) -> ASGIApp:
    """One ASGI app: `routes` by exact path with nothing in front of them, 404 beyond. A path that ends in `/*`
    is that of everything below it.

    `lifespans` are entered in order at start and left in reverse at stop. When one raises at start,
    those before it are left again and the server is told that the start failed.
    """
    hooks = tuple(lifespans)
    apps = {path: app for path, app in routes.items() if not path.endswith("/*")}
    below = {path.removesuffix("*"): app for path, app in routes.items() if path.endswith("/*")}

    async def web(scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            path = scope["path"]
            app = apps.get(path) or next((below[start] for start in below if path.startswith(start)), None)
            if app is not None:
                await app(scope, receive, send)
            else:
                await told(404, "Nothing is here; the MCP endpoint is /mcp.").send(send)
        elif kind == "lifespan":
            await _live(hooks, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    return web


async def _live(hooks: tuple[Lifespan, ...], receive: Receive, send: Send) -> None:
    """The ASGI lifespan protocol."""
    await receive()
    try:
        async with AsyncExitStack() as stack:
            for hook in hooks:
                await stack.enter_async_context(hook())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            stopping = stack.pop_all()
    except Exception as failed:
        log.debug("start failed", exc_info=failed)
        await send({"type": "lifespan.startup.failed", "message": str(failed)})
        return
    await _stop(stopping, send)


async def _stop(stack: AsyncExitStack, send: Send) -> None:
    try:
        await stack.aclose()
    except Exception as failed:
        log.error("stop failed", exc_info=failed)
        await send({"type": "lifespan.shutdown.failed", "message": str(failed)})
        return
    await send({"type": "lifespan.shutdown.complete"})
