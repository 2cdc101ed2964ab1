"""What the provider does wrong on purpose, for tests of those who rely on it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

_TICK = 0.02
"""seconds between two looks at `hang`, which a test may have set back."""


@dataclass
class Faults:
    """As it comes, nothing is wrong. Change any member while the provider serves."""

    only: frozenset[str] = frozenset()
    """Endpoints that fail: `metadata`, `jwks`, `authorize`, `register`, `token`, `exchange`, `revoke`; empty means all.
    `token` is the whole endpoint, `exchange` its token exchange alone."""
    hang: float = 0.0
    """Seconds of silence before any answer; back at 0, those who wait are answered."""
    status: int | None = None
    """Answer with this status and `body` instead of the truth; 200 pretends that all is well."""
    body: bytes = b"<html><body>Service unavailable</body></html>"
    hook: Callable[[str, Request], Awaitable[Response | None]] | None = None
    """Asked first, with the endpoint's name: an answer instead of ours, or None."""
    exchange_claims: Mapping[str, Any] = field(default_factory=dict)
    """Lies in an exchanged token: claim -> value, or -> function of the honest claims. None leaves it out."""
    exchange_reply: Mapping[str, Any] = field(default_factory=dict)
    """Lies in the answer around the exchanged token, in the same form."""

    async def strike(self, endpoint: str, request: Request) -> Response | None:
        """The wrong answer that `endpoint` shall give, if any."""
        if self.only and endpoint not in self.only:
            return None
        if self.hook is not None and (answer := await self.hook(endpoint, request)) is not None:
            return answer
        waited = 0.0
        while waited < self.hang:
            await asyncio.sleep(_TICK)
            waited += _TICK
        return None if self.status is None else Response(self.body, self.status, media_type="text/html")


def lie(truth: Mapping[str, Any], lies: Mapping[str, Any]) -> dict[str, Any]:
    """`truth` with `lies` over it; a lie that is callable is told the truth, one that is None hides it."""
    told = {name: value(truth) if callable(value) else value for name, value in lies.items()}
    return {name: value for name, value in {**truth, **told}.items() if value is not None}
