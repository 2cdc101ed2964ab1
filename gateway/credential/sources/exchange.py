"""RFC 8693: the caller's token, exchanged at its own issuer for one that Jira accepts.

The answer is believed only after its signature, subject, audience, scopes and life were checked; a
wrong one is thrown away. A failure is a failure: there is no other credential to go on with.

    (issuer, subject, client, audience, scopes)   what a grant is kept under, with what else the
                                                  provider may have decided on: the scopes, actor and
                                                  acr of the token that was exchanged
    the token's digest                            what a running exchange is shared under, so that one
                                                  token's refusal is never another token's
"""

import base64
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import orjson

from gateway import clock, limits
from gateway.credential import GrantOrder, Parts, Verify
from gateway.credential.refusals import refusal, unusable
from gateway.errors import ConfigError, Unauthenticated, Unavailable
from gateway.http import Ask, Outward, OutwardError, Reply
from gateway.model import Bearer, Caller, Effect, Grant, Secret
from gateway.settings import CredentialSettings, ExactUrl, Field, SecretStr
from gateway.store.flight import SingleFlight
from gateway.store.memory import ExpiringCache

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name of RFC 8693 §3
JWT = "urn:ietf:params:oauth:token-type:jwt"


class Settings(CredentialSettings):
    """RFC 8693: the caller's token is exchanged at its own provider for one that Jira accepts."""

    source: Literal["exchange"] = Field("exchange", description="RFC 8693 token exchange.")
    token_endpoint: ExactUrl = Field(description="The token endpoint that performs the exchange.")
    client_id: str = Field(min_length=1, description="The gateway's own client at the identity provider.")
    client_secret: SecretStr = Field(min_length=1, description="Its secret; prefer `client_secret_file`.")
    audience: str = Field(min_length=1, description="Audience of the tokens that Jira accepts.")
    resource: str | None = Field(None, description="RFC 8707 `resource`, for providers that want it besides.")
    read_scope: str = Field("read:jira-work", description="Scopes asked for a read.")
    write_scope: str = Field("read:jira-work write:jira-work", description="Scopes asked for a write.")
    harmless_scopes: tuple[str, ...] = Field(
        (), description="Scopes that the provider adds unasked and that are no right at Jira (`openid`)."
    )
    outlives: float = Field(
        0.0, ge=0, description="Seconds that an answer may outlive the caller's token; it is not used longer."
    )


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """How one issuer exchanges. Scopes are separated by spaces."""

    issuer: str
    token_endpoint: str
    client_id: str
    client_secret: Secret
    audience: str
    """Jira's audience; the answer must be for it alone."""
    read_scope: str = "read:jira-work"
    write_scope: str = "read:jira-work write:jira-work"
    resource: str | None = None
    """RFC 8707 `resource`, for issuers that want it besides `audience`."""
    harmless_scopes: frozenset[str] = field(default_factory=frozenset)
    """Scopes that the issuer adds unasked and that are no right at Jira (Keycloak: `openid email`)."""
    outlives: float = 0.0
    """seconds that an answer may outlive the caller's token, for issuers that give every token its client's
    own life (Keycloak). The grant is never used beyond the caller's token either way."""

    def scopes(self, effect: Effect) -> frozenset[str]:
        """What is asked for a call of that effect."""
        return frozenset((self.read_scope if effect is Effect.READ else self.write_scope).split())


class ExchangeSource:
    """A `CredentialSource` by token exchange, on the shared pool and with no state of any user in it."""

    def __init__(
        self,
        settings: ExchangeSettings,
        outward: Outward,
        verify: Verify,
        *,
        cached: int = limits.GRANTS_CACHED,
    ) -> None:
        self._settings = settings
        self._outward = outward
        self._verify = verify
        self._grants: ExpiringCache[tuple[Hashable, ...], Grant] = ExpiringCache(cached)
        self._flight: SingleFlight[Hashable, Grant] = SingleFlight()
        self._authorization = _basic(settings.client_id, settings.client_secret)
        self._problem = ""

    async def grant(self, order: GrantOrder) -> Grant:
        """The caller's grant, kept or fresh. Raises what the face of this stage says."""
        caller, scopes = order.caller, self._settings.scopes(order.effect)
        if caller.issuer != self._settings.issuer:  # its token is none of this provider's business
            raise unusable(f"no exchange is configured for the issuer {caller.issuer!r}")
        key = (*caller.key, self._settings.audience, scopes, caller.scopes, caller.actor, caller.acr)
        found = self._grants.get(key)
        if found is None or (order.refused is not None and found.secret is order.refused.secret):
            self._grants.drop(key)
            digest = hashlib.sha256(caller.token.reveal().encode()).digest()
            found = await self._flight.run((key, digest), partial(self._fresh, key, caller, scopes))
        return replace(found, expires_at=min(found.expires_at, caller.expires_at))

    def forget(self, issuer: str, subject: str) -> None:
        """Drop what is kept of that person."""
        self._grants.drop_if(lambda key: key[:2] == (issuer, subject))

    def state(self) -> tuple[bool, str]:
        """Ready: the next call finds out by itself. The line names the last failure of the provider."""
        where = f"exchange at {self._settings.token_endpoint}"
        return True, f"{where}; last attempt failed: {self._problem}" if self._problem else where

    async def _fresh(self, key: tuple[Hashable, ...], caller: Caller, scopes: frozenset[str]) -> Grant:
        try:
            grant = await self._exchange(caller, scopes)
        except Unavailable as failed:
            self._problem = failed.private
            raise
        self._problem = ""
        ends = min(grant.expires_at, caller.expires_at)
        self._grants.put(key, grant, until=ends - limits.GRANT_SKEW_SECONDS)
        return grant

    async def _exchange(self, caller: Caller, scopes: frozenset[str]) -> Grant:
        try:
            reply = await self._outward.send(self._ask(caller, scopes))
        except OutwardError as failed:
            raise unusable(str(failed)) from None
        secrets = (caller.token, self._settings.client_secret)
        answer = _object(reply)
        if reply.status != 200:
            raise refusal(reply.status, answer, secrets)
        token = _token(answer, scopes | self._settings.harmless_scopes)
        proof = await self._proof(token)
        _check(proof, caller, scopes, self._settings)
        return Grant(
            issuer=caller.issuer,
            subject=caller.subject,
            audience=self._settings.audience,
            scopes=proof.scopes,
            expires_at=_end(answer, proof),
            secret=Secret(token),
            source="exchange",
            id=proof.token_id,
        )

    def _ask(self, caller: Caller, scopes: frozenset[str]) -> Ask:
        form = [
            ("grant_type", GRANT_TYPE),
            ("subject_token", caller.token.reveal()),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", ACCESS_TOKEN),
            ("audience", self._settings.audience),
            ("scope", " ".join(sorted(scopes))),
        ]
        if self._settings.resource is not None:
            form.append(("resource", self._settings.resource))
        headers = {
            "Authorization": self._authorization.reveal(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        return Ask(
            "POST",
            self._settings.token_endpoint,
            headers=headers,
            body=urlencode(form).encode(),
            seconds=limits.EXCHANGE_SECONDS,
            max_bytes=limits.JWKS_BYTES,
        )

    async def _proof(self, token: Bearer) -> Caller:
        """What the answer's token says, verified like any token, for Jira's audience."""
        try:
            return await self._verify(token)
        except Unauthenticated as wrong:
            raise _thrown_away(wrong.private) from None
        except Unavailable as down:
            raise unusable(f"the answer cannot be verified: {down.private}") from None


def _basic(client_id: str, secret: Secret) -> Secret:
    """`client_secret_basic`: both parts are form-encoded before Base64 (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    return Secret("Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii"))


def _object(reply: Reply) -> dict[str, Any]:
    try:
        found = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict):
        return found
    if reply.status == 200:
        raise _thrown_away("not a JSON object")
    return {}


def _token(answer: dict[str, Any], allowed: frozenset[str]) -> Bearer:
    """The access token of a well-formed answer (RFC 8693 §2.2.1)."""
    token, scope = answer.get("access_token"), answer.get("scope", "")
    if not isinstance(token, str) or not token:
        raise _thrown_away("access_token is missing")
    if answer.get("issued_token_type") not in (ACCESS_TOKEN, JWT):
        raise _thrown_away("issued_token_type is not an access token")
    if str(answer.get("token_type")).lower() != "bearer":
        raise _thrown_away("token_type is not Bearer")
    if not isinstance(scope, str) or not frozenset(scope.split()) <= allowed:
        raise _thrown_away("scope is more than was asked")
    return Bearer(token)


def _check(proof: Caller, caller: Caller, scopes: frozenset[str], settings: ExchangeSettings) -> None:
    """The token is the caller's, for what was asked and no longer. (Its audience was verified.)"""
    if proof.issuer != caller.issuer:
        raise _thrown_away("iss is another")
    if proof.subject != caller.subject:
        raise _thrown_away("sub is another person")
    if not proof.scopes <= scopes | settings.harmless_scopes:
        raise _thrown_away("scope is more than was asked")
    if not scopes <= proof.scopes:
        raise _thrown_away("scope is less than was asked")
    if proof.expires_at > caller.expires_at + settings.outlives:
        raise _thrown_away("exp is beyond the caller's token")


def _end(answer: dict[str, Any], proof: Caller) -> float:
    """Unix seconds; `expires_in` (RFC 6749 §5.1) may only shorten what the token says."""
    seconds = answer.get("expires_in", proof.expires_at)
    if type(seconds) not in (int, float) or not seconds > 0:
        raise _thrown_away("expires_in is malformed")
    return float(min(proof.expires_at, clock.wall() + seconds))


def _thrown_away(why: str) -> Unavailable:
    return unusable(f"the exchange's answer was thrown away: {why}")


def build(settings: Settings, parts: Parts) -> ExchangeSource:
    """The source for one provider: the one that it is restricted to, or the only one. Raises `ConfigError`."""
    named = settings.issuers or tuple(parts.issuers)
    if len(named) != 1 or named[0] not in parts.issuers:
        raise ConfigError(
            [
                f"jira.credential.issuers ({parts.site}): an exchange serves one provider; name one of "
                f"{', '.join(parts.issuers)}."
            ]
        )
    issuer = parts.issuers[named[0]]
    order = ExchangeSettings(
        issuer=issuer,
        token_endpoint=settings.token_endpoint,
        client_id=settings.client_id,
        client_secret=Secret(settings.client_secret.get_secret_value()),
        audience=settings.audience,
        read_scope=settings.read_scope,
        write_scope=settings.write_scope,
        resource=settings.resource,
        harmless_scopes=frozenset(settings.harmless_scopes),
        outlives=settings.outlives,
    )
    return ExchangeSource(order, parts.outward, parts.verifier(issuer, settings.audience))
