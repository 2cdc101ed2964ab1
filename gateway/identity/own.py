"""Tokens that we issued ourselves, where assistants sign in with us: verified here, without asking anybody.

Whom such a token names is the person at the company's provider (`idp`, `sub`), not somebody of ours: so
policy, linked accounts, revocations and the record know one person, whichever way they came.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway import clock, limits
from gateway.errors import Unauthenticated
from gateway.identity import Authenticator
from gateway.identity.claims import caller_from, check_header, verified_claims
from gateway.identity.profiles import IssuerProfile
from gateway.identity.roles import RoleTable, is_name
from gateway.jose import JoseError, Key, Unverified, parse, signed_claims
from gateway.model import Bearer, Caller
from gateway.store.memory import ExpiringCache


class OwnTokens:
    """An `Authenticator` of our tokens, and of all others by `others`.

    Of the others people's are refused with `programs_only`: they would come by no assistant that was admitted here.
    `keys` are those that we publish now; `roles` those of each provider, by its issuer identifier.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: Callable[[], Mapping[str, Key]],
        roles: Mapping[str, RoleTable],
        others: Authenticator | None,
        *,
        programs_only: bool = True,
        cached: int = limits.TOKENS_CACHED,
    ) -> None:
        self._profile = IssuerProfile(
            issuer,
            audience,
            algorithms=frozenset({"ES256"}),
            required=frozenset({"jti", "idp", "sid", "assurance", "began"}),
        )
        self._keys = keys
        self._roles = roles
        self._others = others
        self._programs_only = programs_only
        self._verified: ExpiringCache[bytes, tuple[Caller, Key]] = ExpiringCache(cached)

    async def authenticate(self, bearer: Bearer) -> Caller:
        """The caller. Raises `Unauthenticated`, or `Unavailable` with part `identity` for tokens of others."""
        if len(bearer) > limits.TOKEN_BYTES or not bearer.isascii():
            raise Unauthenticated("too large or not ASCII")
        digest = hashlib.sha256(bearer.encode("ascii")).digest()
        remembered = self._verified.get(digest)
        if remembered is not None:
            caller, key = remembered
            if self._keys().get(key.kid) == key:
                return caller
            self._verified.drop(digest)
        unverified = self._ours(bearer)
        if unverified is None:
            if self._others is None:
                raise Unauthenticated("no token of ours")
            caller = await self._others.authenticate(bearer)
            if self._programs_only and not caller.service:
                raise Unauthenticated("people come with tokens of ours here, not with their provider's")
            return caller
        caller, key = self._verify(bearer, unverified)
        self._verified.put(digest, (caller, key), until=caller.expires_at + limits.LEEWAY_SECONDS)
        return caller

    def state(self) -> tuple[bool, str]:
        """Ready: our own keys are at hand. The line names the others."""
        ours = f"{self._profile.issuer}: {len(self._keys())} keys"
        return True, ours if self._others is None else f"{ours}; {self._others.state()[1]}"

    def _ours(self, bearer: Bearer) -> Unverified | None:
        try:
            unverified = parse(bearer)
        except JoseError:
            return None
        return unverified if unverified.claims.get("iss") == self._profile.issuer else None

    def _verify(self, bearer: Bearer, unverified: Unverified) -> tuple[Caller, Key]:
        key = self._keys().get(check_header(unverified.header, self._profile))
        if key is None:
            raise Unauthenticated("signed with a key that is not ours")
        try:
            signed = signed_claims(bearer, key, self._profile.algorithms)
        except JoseError as wrong:
            raise Unauthenticated(str(wrong)) from None
        claims = verified_claims(signed, self._profile, clock.wall())
        provider, known = claims["idp"], self._roles.get(str(claims["idp"]))
        if known is None:
            raise Unauthenticated("its person is of a provider that is no longer in the settings")
        if claims["assurance"] not in ("attested", "asserted"):
            raise Unauthenticated("assurance is malformed")
        session, began = claims.get("idp_sid", ""), claims["began"]
        if not isinstance(began, int | float):
            raise Unauthenticated("began is malformed")
        caller = caller_from(claims, replace(self._profile, roles=known), bearer)
        return replace(
            caller,
            issuer=str(provider),
            assurance=str(claims["assurance"]),
            family=caller.session,
            issued_at=float(began),  # a refresh makes nobody newer than a cut-off
            session=str(session) if is_name(session) else "",
        ), key
