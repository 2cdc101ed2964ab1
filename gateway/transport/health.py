"""Is it alive, is it ready, which version is it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import __version__
from gateway.transport.asgi import Reply
from gateway.transport.catalogue import NAME
from gateway.transport.web import Document, method_not_allowed

State = Callable[[], tuple[bool, str]]
"""A part's (ready, one line)."""


def health_routes(parts: Mapping[str, State], *, reported: Iterable[str] = ("jira",)) -> dict[str, ASGIApp]:
    """`/healthz`, `/readyz` and `/version`.

    `reported` names the parts that are shown but do not make the gateway unready: when Jira is down
    each call says so, and taking the gateway out of rotation would say less. Without the shared store most
    calls still work, and every replica would be out at once.
    """
    return {
        "/healthz": Document({"status": "ok"}, seconds=0),
        "/version": Document(
            {"name": NAME, "version": __version__, "protocols": list(KNOWN_PROTOCOL_VERSIONS)}, seconds=0
        ),
        "/readyz": Readiness(parts, frozenset(reported)),
    }


class Readiness:
    """Names each part and its state: 200 when every gating part is ready, else 503."""

    def __init__(self, parts: Mapping[str, State], reported: frozenset[str]) -> None:
        self._parts = dict(parts)
        self._reported = reported

    def look(self) -> tuple[bool, dict[str, Any]]:
        """(ready, what each part says). No parts at all is not ready."""
        states = {name: _ask(state) for name, state in self._parts.items()}
        gating = [ready for name, (ready, _) in states.items() if name not in self._reported]
        told = {name: {"ready": ready, "state": line} for name, (ready, line) in states.items()}
        return bool(gating) and all(gating), told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET and HEAD."""
        if scope["method"] not in ("GET", "HEAD"):
            await method_not_allowed(b"GET, HEAD").send(send)
            return
        ready, parts = self.look()
        body = orjson.dumps({"ready": ready, "parts": parts})
        await Reply(200 if ready else 503, body).send(send)


def _ask(state: State) -> tuple[bool, str]:
    try:
        return state()
    except Exception:
        return False, "does not answer"
