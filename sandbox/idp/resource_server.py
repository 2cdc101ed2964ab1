"""An authorization server before Jira that takes the word of another provider (ID-JAG, step 2).

It signs nobody in. Whoever brings an assertion of the trusted provider, made for this server and for the
very client that asks, gets an access token for Jira; each assertion is good for one.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.idp.clients import Client, Clients
from sandbox.idp.faults import Faults, lie
from sandbox.idp.idjag import TYP
from sandbox.idp.keys import BadToken, KeyRing
from sandbox.idp.state import Idp
from sandbox.idp.wire import Json, OAuthError, Params, error_answer, form

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ID = "jira-agent-gateway-at-jira"
CLIENT_SECRET = "sandbox-only-too"  # public on purpose, like every secret here


class ResourceServer:
    """The state behind `app.state.server`. `faults` strike `token`; its lies are in tokens and answers."""

    def __init__(self, *, issuer: str, provider: Idp, resource: str) -> None:
        self.issuer = issuer
        self.provider = provider
        self.resource = resource
        self.keys = KeyRing()
        self.faults = Faults()
        self.clients = Clients()
        self.clients.add(
            Client(CLIENT_ID, "The gateway", secret=CLIENT_SECRET, auth_method="client_secret_basic")
        )
        self.life = 300
        self.granted = 0
        self._spent: set[str] = set()
        provider.partners[issuer] = CLIENT_ID

    def app(self) -> Starlette:
        """POST /token and GET /jwks."""
        app = Starlette(
            routes=[Route("/token", self._token, methods=["POST"]), Route("/jwks", self._jwks)],
            exception_handlers={OAuthError: error_answer},
        )
        app.state.server = self
        return app

    async def jira_claims(self, token: str) -> Mapping[str, Any] | None:
        """The claims of a token for Jira, or None: the sandbox Jira's `verify`."""
        try:
            return self.keys.verify(
                token, issuer=self.issuer, audience=self.resource, now=self.provider.now()
            )
        except BadToken:
            return None

    async def _jwks(self, request: Request) -> Response:
        return Json(self.keys.jwks())

    async def _token(self, request: Request) -> Response:
        if (fault := await self.faults.strike("token", request)) is not None:
            return fault
        params = await form(request)
        if params.need("grant_type") != JWT_BEARER:
            raise OAuthError("unsupported_grant_type", "Bring an identity assertion.")
        client = self.clients.authenticate(request, params)
        claims = self._vouched(params.need("assertion"), client)
        return Json(self._grant(claims, client, params))

    def _vouched(self, assertion: str, client: Client) -> dict[str, Any]:
        """The claims of a good assertion (RFC 7523 §3 and the draft's §4.4.1). Raises `OAuthError` invalid_grant."""
        try:
            header = jwt.get_unverified_header(assertion)
            key = next(key for key in self.provider.keys.keys if key.kid == header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                assertion,
                key.public,
                algorithms=[key.alg],
                issuer=self.provider.issuer,
                audience=self.issuer,
                options={
                    "require": ["sub", "jti", "client_id", "exp"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, StopIteration) as bad:
            raise OAuthError("invalid_grant", "The assertion is not good here.") from bad
        late = claims["exp"] <= self.provider.now()
        if (
            header.get("typ") != TYP
            or claims["client_id"] != client.id
            or claims["jti"] in self._spent
            or late
        ):
            raise OAuthError("invalid_grant", "The assertion is not good here.")
        if self.provider.person(claims["sub"]) is None:
            raise OAuthError("invalid_grant", "Nobody of that name is known here.")
        self._spent.add(claims["jti"])
        return claims

    def _grant(self, vouched: Mapping[str, Any], client: Client, params: Params) -> dict[str, Any]:
        held = set(str(vouched.get("scope", "")).split())
        wanted = set((params.get("scope") or " ".join(held)).split())
        if not wanted or not wanted <= held:
            raise OAuthError("invalid_scope", "The assertion does not carry that much.")
        now = int(self.provider.now())
        self.granted += 1
        claims = {
            "iss": self.issuer,
            "sub": vouched["sub"],
            "aud": vouched.get("resource") or self.resource,
            "client_id": client.id,
            "scope": " ".join(sorted(wanted)),
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + self.life,
        }
        answer = {
            "access_token": self.keys.current.sign(
                lie(claims, self.faults.exchange_claims), {"typ": "at+jwt"}
            ),
            "token_type": "Bearer",
            "expires_in": self.life,
            "scope": claims["scope"],
        }
        return lie(answer, self.faults.exchange_reply)
