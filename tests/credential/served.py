"""The sandbox's authorization servers on loopback, and how the gateway verifies what they issue."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette

from gateway.credential import Verify
from gateway.http import Outward
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import profile
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Grant
from sandbox.serve import Served, listen


@asynccontextmanager
async def served(make: Any) -> AsyncIterator[tuple[str, Served]]:
    """`make(origin)` gives the application; its origin, and the server that runs it."""
    sock = listen("127.0.0.1", 0)
    origin = f"http://127.0.0.1:{sock.getsockname()[1]}"
    app: Starlette = make(origin)
    server = Served(app, sock)
    async with server:
        yield origin, server


class Identity:
    """One issuer's tokens, for our audience and for others."""

    def __init__(self, outward: Outward, kind: str, issuer: str, audience: str) -> None:
        self._ours = profile(kind, issuer=issuer, audience=audience)
        self._keys = key_ring([self._ours], outward)
        self.authenticate: Verify = TokenAuthenticator([self._ours], self._keys).authenticate

    def towards(self, audience: str) -> Verify:
        """How the same issuer's tokens for that audience are verified."""
        return TokenAuthenticator([self._ours.towards(audience)], self._keys, cached=0).authenticate


def claims(grant: Grant) -> dict[str, Any]:
    """What the token in a grant says."""
    found: dict[str, Any] = json.loads(urlsafe_b64decode(grant.secret.reveal().split(".")[1] + "=="))
    return found
