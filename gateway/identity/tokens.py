"""An access token in, a `Caller` out. Whatever is wrong with a token, the answer is the same.

    size and form → issuer, looked up in the settings → header → key → signature → claims → groups → caller

Nothing in a token is ever fetched, and no claim but `iss` is read before the signature holds. A
verified token is remembered by its digest, never longer than it or its groups live, and only as long
as the issuer still has the key that signed it.
"""

import hashlib
from collections.abc import Iterable, Mapping

from gateway import clock, limits
from gateway.errors import ConfigError, Unauthenticated
from gateway.identity.claims import caller_from, verified_claims
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.groups.lookup import looked_up
from gateway.identity.jwks import IssuerKeys
from gateway.identity.profiles import IssuerProfile
from gateway.jose import JoseError, Key, Unverified, parse
from gateway.model import Bearer, Caller
from gateway.store.memory import ExpiringCache


class TokenAuthenticator:
    """Verifies signed access tokens (RFC 9068, or as the issuer's profile says): an `Authenticator`."""

    def __init__(
        self,
        profiles: Iterable[IssuerProfile],
        keys: Mapping[str, IssuerKeys],
        *,
        directories: Mapping[str, CachedGroups] | None = None,
        cached: int = limits.TOKENS_CACHED,
    ) -> None:
        """`keys` and `directories` by issuer."""
        listed = list(profiles)
        self._profiles = {profile.issuer: profile for profile in listed}
        self._keys = keys
        self._directories = directories or {}
        self._verified: ExpiringCache[bytes, tuple[Caller, Key]] = ExpiringCache(cached)
        if not listed or len(self._profiles) != len(listed):
            raise ConfigError(["Name at least one identity provider, and each issuer only once."])

    async def authenticate(self, bearer: Bearer) -> Caller:
        """The caller. Raises `Unauthenticated`, or `Unavailable` when the issuer's keys cannot be had."""
        if len(bearer) > limits.TOKEN_BYTES or not bearer.isascii():
            raise Unauthenticated("too large or not ASCII")
        digest = hashlib.sha256(bearer.encode("ascii")).digest()
        remembered = self._verified.get(digest)
        if remembered is not None:
            caller, key = remembered
            if await self._keys[caller.issuer].key(key.kid) == key:
                return caller
            self._verified.drop(digest)
        try:
            caller, key, until = await self._verify(bearer)
        except JoseError as wrong:
            raise Unauthenticated(str(wrong)) from None
        self._verified.put(digest, (caller, key), until=min(caller.expires_at + limits.LEEWAY_SECONDS, until))
        return caller

    def state(self) -> tuple[bool, str]:
        """(whether anybody's tokens can be verified, one line that names each issuer)."""
        states = [self._keys[issuer].state() for issuer in self._profiles]
        return any(ready for ready, _ in states), "; ".join(line for _, line in states)

    async def _verify(self, bearer: Bearer) -> tuple[Caller, Key, float]:
        unverified = parse(bearer)
        profile = self._profile(unverified)
        signed, key = await self._keys[profile.issuer].signed(bearer, unverified, profile)
        profile = profile.reading(signed)
        claims = verified_claims(signed, profile, clock.wall())
        groups, until = await looked_up(claims, profile, self._directories.get(profile.issuer))
        return caller_from(claims, profile, bearer, groups), key, until

    def _profile(self, unverified: Unverified) -> IssuerProfile:
        issuer = unverified.claims.get("iss")
        found = self._profiles.get(issuer) if isinstance(issuer, str) else None
        if found is None:
            raise Unauthenticated("iss is not one of ours")
        return found
