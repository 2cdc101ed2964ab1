"""An introspection endpoint on loopback (RFC 7662)."""

import asyncio
import base64
import time
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from gateway.credential.client import OAuthClient
from gateway.http import Outward
from gateway.identity.introspection import Endpoint, IntrospectionAuthenticator
from gateway.identity.profiles import IssuerProfile, profile
from gateway.settings import ClientSettings, SecretStr
from tests.identity.server import GATEWAY, SECRET, Loopback, Request, respond

GOOD = "mF_9.B5f-4+1/JqM~=="
"""RFC 6750 §2.1: every letter that a bearer may have."""


class Asked(Loopback):
    """Knows `tokens`. Knobs: `status`, `body`, `delay`, `answer` (None leaves a member out)."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.tokens: dict[str, dict[str, Any]] = {GOOD: {}}
        self.questions: list[str] = []
        self.at_once = 0
        self.most = 0
        self.status: int | None = None
        self.body: bytes | None = None
        self.delay = 0.0
        self.refuses = False
        """Whether a wrong secret is answered with 401; else it is a mistake of the test."""

    @property
    def issuer(self) -> str:
        """`iss`."""
        return f"http://127.0.0.1:{self.port}/as"

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(self.delay)
            if self.status is not None or self.body is not None:
                respond(writer, self.body or b'{"error": "server_error"}', self.status or 200)
                return
            if self.refuses and _pair(request) != ["gate way", SECRET]:
                respond(writer, {"error": "invalid_client"}, 401)
                return
            respond(writer, self.told(request))
        finally:
            self.at_once -= 1

    def told(self, request: Request) -> dict[str, Any]:
        """The answer about the token of the form."""
        assert (request.method, request.path) == ("POST", "/introspect")
        assert _pair(request) == ["gate way", SECRET]
        form = {name: value[0] for name, value in parse_qs(request.body.decode()).items()}
        assert form["token_type_hint"] == "access_token"
        self.questions.append(form["token"])
        if form["token"] not in self.tokens:
            return {"active": False}
        now = int(time.time())
        good = {
            "active": True,
            "iss": self.issuer,
            "aud": GATEWAY,
            "sub": "ana",
            "client_id": "assistant",
            "scope": "jira:read",
            "token_type": "Bearer",
            "exp": now + 300,
            "groups": ["staff"],
        }
        return {name: v for name, v in {**good, **self.tokens[form["token"]]}.items() if v is not None}

    def endpoint(self, **changes: Any) -> Endpoint:
        """Its place in the settings."""
        known: IssuerProfile = profile("rfc9068", issuer=self.issuer, audience=GATEWAY, **changes)
        settings = ClientSettings(client_id="gate way", client_secret=SecretStr(SECRET))
        return Endpoint(known, self.url("/introspect"), OAuthClient(settings))


def _pair(request: Request) -> list[str]:
    pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    return [unquote_plus(part) for part in pair.split(":")]


def guard(outward: Outward, *asked: Asked, **changes: Any) -> IntrospectionAuthenticator:
    """An authenticator that asks these, in their order."""
    return IntrospectionAuthenticator([one.endpoint(**changes) for one in asked], outward)
