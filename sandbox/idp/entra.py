"""A tenant of Microsoft Entra ID, as far as on-behalf-of goes: its metadata, keys, tokens and refusals.

    entra = Entra(origin, people=PEOPLE)      # issuer: ORIGIN/TENANT/v2.0
    entra.token("ana")                        # an access token for the gateway's application
    entra.challenge = '{"access_token":…}'    # Conditional Access wants more: interaction_required

Shapes are those of Microsoft's own documents (identity platform, on-behalf-of flow, error codes).
"""

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import clock
from sandbox.idp.faults import Faults, lie
from sandbox.idp.keys import KeyRing
from sandbox.idp.wire import Json, Params, form
from sandbox.people import Person

TENANT = "11111111-2222-4333-8444-555555555555"
GATEWAY_APP = "aaaaaaaa-0000-4000-8000-000000000001"
JIRA_APP = "aaaaaaaa-0000-4000-8000-000000000002"
JIRA_API = "api://jira"
ASSISTANT = "aaaaaaaa-0000-4000-8000-000000000003"
SECRET = "entra-sandbox-only"  # public on purpose, like every secret here
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Refused(Exception):
    """An error of the token endpoint: `error`, AADSTS code and text, and what goes beside."""

    def __init__(self, status: int, error: str, code: int, text: str, **beside: Any) -> None:
        super().__init__(f"AADSTS{code}")
        self.status = status
        self.body = {"error": error, "error_description": f"AADSTS{code}: {text} Trace ID: 0", **beside}
        self.body |= {"error_codes": [code], "suberror": beside.get("suberror", "")}


class Entra:
    """One tenant. Everything public may be turned while it serves."""

    def __init__(self, origin: str, *, people: Mapping[str, Person]) -> None:
        self.origin = origin
        self.issuer = f"{origin}/{TENANT}/v2.0"
        self.people = people
        self.keys = KeyRing()
        self.faults = Faults()
        self.secrets = {SECRET}
        self.granted = ["Jira.Read", "Jira.Write"]
        """Permissions at the API that people consented to; empty: nobody did."""
        self.challenge = ""
        """The claims that Conditional Access wants; empty: it wants nothing."""
        self.disabled: set[str] = set()
        self.traded = 0
        self.life = 3600

    def app(self) -> Starlette:
        """The tenant's endpoints."""
        base = f"/{TENANT}"
        return Starlette(
            routes=[
                Route(f"{base}/v2.0/.well-known/openid-configuration", self._metadata),
                Route(f"{base}/discovery/v2.0/keys", self._keys),
                Route(f"{base}/oauth2/v2.0/token", self._token, methods=["POST"]),
            ]
        )

    def token(self, user: str, **changes: Any) -> str:
        """An access token of `user` for the gateway's application, as its assistant would bring."""
        return self._signed(lie(self._claims(user, GATEWAY_APP, ASSISTANT, ["access_as_user"], 900), changes))

    def oid(self, user: str) -> str:
        """The person's object id."""
        return str(uuid.uuid5(uuid.UUID(TENANT), user))

    def name(self, oid: str) -> str:
        """Whose object id it is."""
        return next((name for name in self.people if self.oid(name) == oid), "")

    def _claims(self, user: str, audience: str, client: str, scopes: list[str], life: int) -> dict[str, Any]:
        now = int(clock.wall())
        return {
            "iss": self.issuer,
            "aud": audience,
            "sub": f"pairwise-{user}-{audience[-1]}",
            "oid": self.oid(user),
            "tid": TENANT,
            "azp": client,
            "scp": " ".join(scopes),
            "uti": secrets.token_urlsafe(12),
            "ver": "2.0",
            "iat": now,
            "nbf": now,
            "exp": now + life,
        }

    def _signed(self, claims: Mapping[str, Any]) -> str:
        return self.keys.current.sign(claims, {"typ": "JWT"})

    async def _metadata(self, request: Request) -> Response:
        base = f"{self.origin}/{TENANT}"
        return Json(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
        )

    async def _keys(self, request: Request) -> Response:
        return Json(self.keys.jwks())

    async def _token(self, request: Request) -> Response:
        if (fault := await self.faults.strike("token", request)) is not None:
            return fault
        try:
            return Json(self._on_behalf_of(await form(request)))
        except Refused as refused:
            return Json(refused.body, refused.status)

    def _on_behalf_of(self, params: Params) -> dict[str, Any]:
        if params.get("client_id") != GATEWAY_APP:
            raise Refused(400, "unauthorized_client", 700016, "Application was not found in the directory.")
        if params.get("client_secret") not in self.secrets:
            raise Refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if params.get("grant_type") != JWT_BEARER or params.get("requested_token_use") != "on_behalf_of":
            raise Refused(
                400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."
            )
        if params.get("scope") != f"{JIRA_API}/.default":
            raise Refused(
                400, "invalid_resource", 500011, "The resource principal was not found in the tenant."
            )
        user = self._user(params.get("assertion") or "")
        if not self.granted:
            raise Refused(
                400, "invalid_grant", 65001, "The user has not consented.", suberror="consent_required"
            )
        if self.challenge:
            text = "Due to a configuration change, you must use multi-factor authentication."
            raise Refused(400, "interaction_required", 50076, text, claims=self.challenge)
        self.traded += 1
        claims = self._claims(user, JIRA_APP, GATEWAY_APP, self.granted, self.life)
        answer = {
            "token_type": "Bearer",
            "scope": " ".join(f"{JIRA_API}/{name}" for name in self.granted),
            "expires_in": self.life,
            "ext_expires_in": self.life,
            "access_token": self._signed(lie(claims, self.faults.exchange_claims)),
        }
        return lie(answer, self.faults.exchange_reply)

    def _user(self, assertion: str) -> str:
        key = self.keys.current
        try:
            claims = jwt.decode(
                assertion,
                key.public,
                algorithms=[key.alg],
                issuer=self.issuer,
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
            )
        except jwt.PyJWTError as bad:
            raise Refused(400, "invalid_grant", 50013, "Assertion failed signature validation.") from bad
        if claims["aud"] != GATEWAY_APP:
            raise Refused(400, "invalid_grant", 500131, "Assertion audience does not match the Client app.")
        if claims["exp"] <= clock.wall():
            raise Refused(400, "invalid_grant", 500133, "Assertion is not within its valid time range.")
        user = self.name(claims["oid"])
        if not user or user in self.disabled:
            raise Refused(400, "invalid_grant", 50057, "The user account is disabled.")
        return user
