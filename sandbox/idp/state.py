"""One identity provider's whole state, with the knobs that tests turn."""

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import clock
from sandbox.idp.clients import DEMO_CLIENT_ID, Clients
from sandbox.idp.faults import Faults, lie
from sandbox.idp.keys import BadToken, KeyRing, SigningKey
from sandbox.idp.records import AuthRequest, Code, SignIn
from sandbox.idp.refresh import RefreshTokens
from sandbox.idp.shelf import Shelf
from sandbox.people import Person

OFFERED = ("openid", "profile", "email", "offline_access", "jira:read", "jira:write")
"""Scopes that an assistant may ask for."""


@dataclass
class Lifetimes:
    """Seconds that each thing lives."""

    access: float = 900.0
    jira: float = 300.0
    code: float = 60.0
    page: float = 600.0
    refresh: float = 30 * 86_400.0
    grace: float = 60.0
    """A rotated refresh token still answers, with its one successor, for so long."""


class Idp:
    """The state behind `app.state.idp`. Everything public here may be read and turned while it serves."""

    def __init__(
        self,
        *,
        issuer: str,
        gateway_resource: str,
        jira_audience: str,
        people: Mapping[str, Person],
        keys: KeyRing | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.issuer = issuer
        self.gateway_resource = gateway_resource
        self.jira_audience = jira_audience
        self.people = people
        self.keys = keys or KeyRing()
        self.faults = faults or Faults()
        self.lifetimes = Lifetimes()
        self.clock_skew = 0.0
        """Seconds by which this provider's clock is ahead."""
        self.disabled: set[str] = set()
        """Names of people who may no longer sign in, refresh or be exchanged for."""
        self.session_seconds: int | None = None
        """How long a session lasts, as some providers tell beside each refresh token; None: not told."""
        self.counts: Counter[str] = Counter()
        """Requests by endpoint, as `Faults.only` names them."""
        self.clients = Clients()
        self.partners: dict[str, str] = {}
        """Authorization servers that take our word for a person (ID-JAG): issuer -> our client's id there."""
        self.pending: Shelf[AuthRequest] = Shelf(lambda: self.lifetimes.page, self.now)
        self.codes: Shelf[Code] = Shelf(lambda: self.lifetimes.code, self.now)
        self.refresh = RefreshTokens(
            life=lambda: self.lifetimes.refresh, grace=lambda: self.lifetimes.grace, now=self.now
        )

    @property
    def exchange_count(self) -> int:
        """Token exchanges asked for, refused ones included."""
        return self.counts["exchange"]

    @property
    def jwks_count(self) -> int:
        """Times that the keys were fetched."""
        return self.counts["jwks"]

    def now(self) -> float:
        """Unix seconds by this provider's clock."""
        return clock.wall() + self.clock_skew

    def person(self, name: object) -> Person | None:
        """The person of that name, unless disabled."""
        if not isinstance(name, str) or name in self.disabled:
            return None
        return self.people.get(name)

    def rotate_keys(self, alg: str = "ES256") -> SigningKey:
        """Sign with a new key; the old ones stay published until `withdraw_old_keys`."""
        return self.keys.rotate(alg)

    def withdraw_old_keys(self) -> None:
        """Publish only the key that signs now."""
        self.keys.withdraw_old()

    def sign_in(
        self, person: Person, client: str, scopes: tuple[str, ...], nonce: str | None = None
    ) -> SignIn:
        """`person` signs in now, with the second factor if there is one."""
        mfa = person.otp_secret is not None
        return SignIn(person.name, client, scopes, auth_time=int(self.now()), mfa=mfa, nonce=nonce)

    def access_claims(self, sign_in: SignIn) -> dict[str, Any]:
        """The claims of an access token for the gateway (RFC 9068 §2.2)."""
        person, now = self.people[sign_in.subject], int(self.now())
        return {
            "iss": self.issuer,
            "sub": person.name,
            "aud": self.gateway_resource,
            "client_id": sign_in.client,
            "scope": " ".join(sign_in.scopes),
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + int(self.lifetimes.access),
            "auth_time": sign_in.auth_time,
            "acr": sign_in.acr,
            "amr": sign_in.amr,
            "groups": list(person.groups),
            "email": person.email,
        }

    def sign(self, claims: Mapping[str, Any], headers: Mapping[str, Any]) -> str:
        """`claims` as a JWS by the current key; `headers` hold at least `typ`."""
        return self.keys.current.sign(claims, headers)

    def mint(
        self,
        user: str,
        client: str = DEMO_CLIENT_ID,
        scope: str = "openid jira:read jira:write",
        *,
        headers: Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> str:
        """An access token for the gateway without any sign-in, as the code flow would have given it.

        `overrides` replace claims (None leaves one out), `headers` replace JOSE headers.
        Raises `KeyError` for an unknown user.
        """
        sign_in = self.sign_in(self.people[user], client, tuple(scope.split()))
        return self.sign(lie(self.access_claims(sign_in), overrides), {"typ": "at+jwt", **(headers or {})})

    async def jira_claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token for Jira, or None when it is not a good one: the sandbox Jira's `verify`."""
        try:
            return self.keys.verify(token, issuer=self.issuer, audience=self.jira_audience, now=self.now())
        except BadToken:
            return None
