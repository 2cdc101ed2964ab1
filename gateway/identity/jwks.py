"""The keys of the issuers: fetched when needed, kept a while, never at a token's command.

    age of the keys     what happens when a token comes
    < 300 s             used
    300 s … 1 h         fetched again first; when that fails, the old ones are used
    > 1 h               nobody gets in until the issuer answers

A token whose key is unknown may cause one fetch a cooldown, whatever the number of such tokens. An
answer that is empty, too large, ambiguous or not a key set is a failed fetch: it replaces nothing.
Waiting is measured on the monotonic clock, so a stepped wall clock changes nothing here.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from gateway import clock, limits
from gateway.errors import Unavailable
from gateway.http import Outward
from gateway.identity.claims import check_header
from gateway.identity.discovery import Unusable, document, jwks_uri
from gateway.identity.profiles import IssuerProfile
from gateway.jose import BadSignature, JoseError, Key, Unverified, public_key, signed_claims
from gateway.store.flight import SingleFlight


class UnknownKey(JoseError):
    """The issuer has no such key."""


def key_ring(profiles: Iterable[IssuerProfile], outward: Outward) -> dict[str, "IssuerKeys"]:
    """The keys of each profile's issuer, by issuer; share it among all who verify."""
    return {profile.issuer: IssuerKeys(profile, outward) for profile in profiles}


class IssuerKeys:
    """The public keys of one issuer."""

    def __init__(self, profile: IssuerProfile, outward: Outward) -> None:
        self._profile = profile
        self._outward = outward
        self._uri: str | None = None
        self._keys: Mapping[str, Key] = {}
        self._asked = -inf
        """When the fetch began that brought the keys in hand: a key published later is not in them."""
        self._tried = -inf
        self._failure = ""
        self._forced = -inf
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._flight: SingleFlight[str, None] = SingleFlight()

    async def key(self, kid: str) -> Key | None:
        """The key of that id; None when the issuer has none. Raises `Unavailable`."""
        came = clock.mono()
        await self._current()
        if kid not in self._keys and self._asked < came:
            await self._once_more(kid)
        return self._keys.get(kid)

    async def signed(
        self, token: str, unverified: Unverified, profile: IssuerProfile
    ) -> tuple[dict[str, Any], Key]:
        """The claims of `token` that a key of the issuer signed, and that key; `profile` says which kind of token.

        Raises `Unauthenticated` for its header, `UnknownKey`, `BadSignature` or another `JoseError`, and
        `Unavailable`.
        """
        key = await self.key(check_header(unverified.header, profile))
        if key is None:
            raise UnknownKey("signed with a key that the issuer does not have")
        try:
            return signed_claims(token, key, profile.algorithms), key
        except BadSignature:
            newer = await self.replacement(key)
            if newer is None:
                raise
            return signed_claims(token, newer, profile.algorithms), newer

    async def replacement(self, old: Key) -> Key | None:
        """Another key that the issuer now has under the same id; None when it is still the same."""
        if self._keys.get(old.kid) == old:
            await self._once_more(old.thumbprint)
        found = self._keys.get(old.kid)
        return None if found == old else found

    def state(self) -> tuple[bool, str]:
        """(ready, one line). Asks the issuer when there are no usable keys, so that waiting heals."""
        usable = bool(self._keys) and self._age() < limits.JWKS_STALE_SECONDS
        if not usable and self._may_try():
            self._flight.start("", self._fetch)
        keys = f"{self._profile.issuer}: {len(self._keys)} keys"
        if self._keys:
            keys += f", {self._age():.0f} s old"
        return usable or not self._failure, f"{keys}; {self._failure}" if self._failure else keys

    async def _current(self) -> None:
        if self._age() >= limits.JWKS_TTL_SECONDS and (self._may_try() or "" in self._flight):
            await self._flight.run("", self._fetch)
        if not self._keys or self._age() >= limits.JWKS_STALE_SECONDS:
            raise Unavailable(
                "The identity provider cannot be reached; try again in a minute.",
                part="identity",
                private=f"no usable keys of {self._profile.issuer}: {self._failure}",
            )

    async def _once_more(self, mark: str) -> None:
        """Fetch before the time because of `mark`, unless that was done lately for it or for another."""
        now = clock.mono()
        if "" not in self._flight:
            if now - self._forced < limits.JWKS_COOLDOWN_SECONDS:
                return
            if now - self._unknown.get(mark, -inf) < limits.JWKS_NEGATIVE_SECONDS:
                return
            self._forced = now
        await self._flight.run("", self._fetch)
        if not self._failure:
            self._unknown[mark] = now
            self._unknown.move_to_end(mark)
            while len(self._unknown) > limits.JWKS_NEGATIVE_KEPT:
                self._unknown.popitem(last=False)

    async def _fetch(self) -> None:
        began = self._tried = clock.mono()
        try:
            self._uri = self._uri or await jwks_uri(self._profile, self._outward)
            found = _keys(await document(self._uri, self._outward))
        except Unusable as why:
            self._failure = str(why)
            self._uri = None
            self._tried = clock.mono()
        else:
            self._keys, self._asked, self._failure = found, began, ""

    def _age(self) -> float:
        return clock.mono() - self._asked

    def _may_try(self) -> bool:
        if not self._failure:
            return True
        pause = limits.JWKS_COOLDOWN_SECONDS if self._keys else limits.JWKS_RETRY_SECONDS
        return clock.mono() - self._tried >= pause


def _keys(key_set: dict[str, object]) -> dict[str, Key]:
    """The usable keys by id (RFC 7517 §5: members that are not understood are passed over)."""
    members = key_set.get("keys")
    if not isinstance(members, list) or len(members) > limits.JWKS_KEYS:
        raise Unusable(f"not a key set of at most {limits.JWKS_KEYS} keys")
    found: dict[str, Key] = {}
    for member in members:
        try:
            key = public_key(member)
        except JoseError:
            continue
        if key.kid in found:
            raise Unusable(f"two keys have the id {key.kid!r}")
        found[key.kid] = key
    if not found:
        raise Unusable("the key set has no usable key")
    return found
