"""An opaque access token in, a `Caller` out: the issuer is asked about it (RFC 7662).

    form → remembered? → a turn → each introspecting issuer in order, until one knows it → claims → caller

Only a token that cannot be a JWT is ever asked about, and only at the endpoints of the settings. With
several of them an answer counts only when it names its issuer. What strangers invent is remembered as
bad for a short while, and there are never more than a few questions at one time.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway import clock, limits
from gateway.errors import Unauthenticated, Unavailable
from gateway.http import Ask, Outward
from gateway.identity.claims import caller_from, verified_claims
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.groups.lookup import looked_up
from gateway.identity.profiles import OWN_CLIENT, IssuerProfile
from gateway.identity.wire import Client, Proof, form, silent, told
from gateway.model import Bearer, Caller
from gateway.store.flight import SingleFlight
from gateway.store.memory import ExpiringCache

_B68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750 §2.1."""
_KINDS = {"bearer", "access_token"}
"""`token_type` of a token that whoever bears it may use."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one issuer is asked, and as whom."""

    profile: IssuerProfile
    url: str
    client: Client

    def reading(self) -> IssuerProfile:
        """How its answers are read: the members of RFC 7662 §2.2, whatever its signed tokens look like."""
        return replace(
            self.profile,
            client=("client_id",),
            scope="scope",
            scope_list=False,
            token_id="jti",  # noqa: S106 - the name of a member
            required=frozenset(),
            programs=(*self.profile.programs, OWN_CLIENT),
        )


def question(url: str, proof: Proof, token: str) -> Ask:
    """What an introspection endpoint is asked about a token (RFC 7662 §2.1)."""
    return Ask(
        "POST",
        url,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            **proof.headers,
        },
        body=form([("token", token), ("token_type_hint", "access_token"), *proof.form]),
        seconds=limits.INTROSPECTION_SECONDS,
        max_bytes=limits.JWKS_BYTES,
    )


def opaque(bearer: str) -> bool:
    """Whether it is of a bearer's form and no JWT, not even a broken one: those have three or five parts."""
    return (
        _B68.fullmatch(bearer) is not None
        and bearer.count(".") not in (2, 4)
        and not bearer.startswith("eyJ")  # how every JSON object begins in base64url
    )


class IntrospectionAuthenticator:
    """Asks about opaque tokens: an `Authenticator`."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        outward: Outward,
        *,
        directories: Mapping[str, CachedGroups] | None = None,
    ) -> None:
        """`directories` by issuer."""
        self._endpoints = tuple(endpoints)
        self._outward = outward
        self._directories = directories or {}
        self._good: ExpiringCache[bytes, Caller] = ExpiringCache(limits.TOKENS_CACHED)
        self._bad: ExpiringCache[bytes, str] = ExpiringCache(limits.TOKENS_CACHED)
        self._flight: SingleFlight[bytes, Caller] = SingleFlight()
        self._turns = asyncio.Semaphore(limits.INTROSPECTIONS_AT_ONCE)
        self._failure = ""

    async def authenticate(self, bearer: Bearer) -> Caller:
        """The caller. Raises `Unauthenticated`, or `Unavailable` when no answer can be had."""
        if len(bearer) > limits.TOKEN_BYTES or not opaque(bearer):
            raise Unauthenticated("too large, or not an opaque token")
        digest = hashlib.sha256(bearer.encode("ascii")).digest()
        known = self._good.get(digest)
        if known is not None:
            return known
        bad = self._bad.get(digest)
        if bad is not None:
            raise Unauthenticated(bad)
        return await self._flight.run(digest, lambda: self._in_turn(bearer, digest))

    def state(self) -> tuple[bool, str]:
        """(whether the last question was answered, one line)."""
        clients = [endpoint.client.state() for endpoint in self._endpoints]
        lines = [
            self._failure or f"introspection at {len(self._endpoints)} endpoints",
            *(t for _, t in clients),
        ]
        return not self._failure and all(ready for ready, _ in clients), "; ".join(filter(None, lines))

    async def _in_turn(self, bearer: Bearer, digest: bytes) -> Caller:
        try:
            async with asyncio.timeout(limits.INTROSPECTION_SECONDS), self._turns:
                caller, until = await self._first(bearer)
        except TimeoutError:
            late = silent("introspection", "no turn or no answer in time")
            self._failure = late.private
            raise late from None
        except Unauthenticated as wrong:
            self._bad.put(digest, wrong.private, until=clock.wall() + limits.INTROSPECTED_BAD_SECONDS)
            raise
        except Unavailable as down:
            self._failure = down.private
            raise
        self._good.put(digest, caller, until=min(caller.expires_at, until))
        return caller

    async def _first(self, bearer: Bearer) -> tuple[Caller, float]:
        """Of the first issuer that knows the token. One that does not answer might have been the one."""
        silence: Unavailable | None = None
        for endpoint in self._endpoints:
            try:
                answer = await self._ask(endpoint, bearer)
            except Unavailable as down:
                silence = down
                continue
            if answer.get("active") is True and self._its_own(endpoint, answer):
                return await self._caller(endpoint, answer, bearer)
        if silence is not None:
            raise silence
        raise Unauthenticated("no issuer knows this opaque token as its own")

    def _its_own(self, endpoint: Endpoint, answer: Mapping[str, Any]) -> bool:
        """Whether the issuer that was asked issued it. The only one that is asked need not say so."""
        unsaid = endpoint.profile.issuer if len(self._endpoints) == 1 else None
        return bool(answer.get("iss", unsaid) == endpoint.profile.issuer)

    async def _ask(self, endpoint: Endpoint, bearer: Bearer) -> dict[str, Any]:
        status, answer = 0, dict[str, Any]()
        for proof in endpoint.client.proofs():
            status, answer = await told(self._outward, question(endpoint.url, proof, bearer), endpoint.url)
            if status != 401:  # RFC 7662 §2.3: the client itself is refused
                break
        if status == 200:
            endpoint.client.accepted(proof)
        if status != 200 or type(answer.get("active")) is not bool:
            raise silent(endpoint.url, f"status {status}, error {answer.get('error')!r}"[:200])
        self._failure = ""
        return answer

    async def _caller(
        self, endpoint: Endpoint, answer: Mapping[str, Any], bearer: Bearer
    ) -> tuple[Caller, float]:
        """The caller, and until when this answer holds."""
        now = clock.wall()
        claims = _claims(answer, endpoint.profile)
        profile = endpoint.reading().reading(claims)
        verified = verified_claims(claims, profile, now)
        groups, until = await looked_up(verified, profile, self._directories.get(profile.issuer))
        caller = caller_from(verified, profile, bearer, groups)
        return caller, min(until, now + limits.INTROSPECTED_SECONDS)


def _claims(answer: Mapping[str, Any], profile: IssuerProfile) -> dict[str, Any]:
    """The answer as claims, with what RFC 7662 §2.2 lets an issuer leave out. Raises `Unauthenticated`.

    A token of unknown age counts as the oldest that it can be, so that a revocation does not miss it.
    """
    kind = answer.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() not in _KINDS:
        raise Unauthenticated("token_type is of another kind of token")
    claims = {"iss": profile.issuer} | {name: value for name, value in answer.items() if value is not None}
    if type(claims.get("exp")) in (int, float):
        claims.setdefault("iat", claims["exp"] - int(profile.longest))
    return claims
