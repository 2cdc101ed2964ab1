"""The faults of `sandbox.jira.faults` in front of another application."""

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.jira import Asked, Faults
from sandbox.jira.faults import serve


class Struck:
    """ASGI middleware: serves what `faults` says instead of the truth, or with it."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        fault = None
        if scope["type"] == "http":
            fault = self._faults.before(Asked(scope["method"], scope["path"], ""))
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await serve(fault, self._app, scope, receive, send)
