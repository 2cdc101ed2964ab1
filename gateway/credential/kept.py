"""Grants that are obtained with the caller's own token, kept to their end, and asked for once.

A grant ends with the token that the provider was shown for it. Where people sign in with us that is the
provider's own, of that very sign-in, and may end before ours.

Kept                 what a grant is kept under: who calls, and what else the provider may have decided on
the token's digest   what a running request is shared under, so that one token's refusal is never another token's
"""

import hashlib
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from gateway import limits
from gateway.credential import Presented, as_they_came
from gateway.errors import GatewayError, Unavailable
from gateway.model import Caller, Grant
from gateway.store.flight import SingleFlight
from gateway.store.memory import ExpiringCache

Fetch = Callable[[Caller, frozenset[str]], Awaitable[Grant]]
"""(caller, scopes) -> a fresh grant that was checked to be the caller's. Raises a `GatewayError`."""


class Kept(NamedTuple):
    """Whose grant it is, by which sign-in, and for what."""

    issuer: str
    subject: str
    client: str
    actor: str | None
    session: str
    """The sign-in at the provider, where it names it."""
    family: str
    """The sign-in with us, where people sign in here."""
    acr: str | None
    allowed: frozenset[str]
    """Scopes of the caller's own token."""
    scopes: frozenset[str]


class KeptGrants:
    """The grants of one source in this process."""

    def __init__(
        self, fetch: Fetch, subject: Presented = as_they_came, *, cached: int = limits.GRANTS_CACHED
    ) -> None:
        self._fetch = fetch
        self._subject = subject
        self._grants: ExpiringCache[Kept, Grant] = ExpiringCache(cached)
        self._flight: SingleFlight[Hashable, Grant] = SingleFlight()
        self._forgotten = 0
        self.problem = ""
        """Why the last attempt failed, for the operator; empty when it did not."""

    async def grant(self, caller: Caller, scopes: frozenset[str], refused: Grant | None = None) -> Grant:
        """The caller's, kept or fresh, and never `refused`; it ends with the caller's token at the latest."""
        sign_in = (caller.session, caller.family, caller.acr)
        key = Kept(*caller.key, caller.actor, *sign_in, caller.scopes, scopes)
        found = self._grants.get(key)
        if found is None or (refused is not None and found.secret is refused.secret):
            self._grants.drop(key)
            digest = hashlib.sha256(caller.token.reveal().encode()).digest()
            found = await self._flight.run(
                (key, digest), partial(self._fresh, key, caller, scopes, self._forgotten)
            )
        if found.expires_at <= caller.expires_at:
            return found
        return replace(found, expires_at=caller.expires_at)

    def forget(
        self, issuer: str, subject: str, *, client: str = "", actor: str = "", session: str = ""
    ) -> None:
        """Drop what is kept of callers whom all of these fit, and keep nothing that is being obtained at the moment.

        Empty fits everybody; `session` is the sign-in at the provider, or ours.
        """
        self._forgotten += 1
        named = {"issuer": issuer, "subject": subject, "client": client, "actor": actor}
        wanted = {name: value for name, value in named.items() if value}
        self._grants.drop_if(
            lambda key: (
                all(getattr(key, name) == wanted[name] for name in wanted)
                and (not session or session in (key.session, key.family))
            )
        )

    def __len__(self) -> int:
        return len(self._grants)

    async def _fresh(self, key: Kept, caller: Caller, scopes: frozenset[str], forgotten: int) -> Grant:
        try:
            shown = await self._subject(caller)
            grant = await self._fetch(shown, scopes)
        except Unavailable as failed:
            self.problem = failed.private
            raise
        except GatewayError:  # the provider answered, and what it said is about this person
            self.problem = ""
            raise
        self.problem = ""
        if grant.expires_at > shown.expires_at:
            grant = replace(grant, expires_at=shown.expires_at)
        if forgotten == self._forgotten:
            self._grants.put(key, grant, until=grant.expires_at - limits.GRANT_SKEW_SECONDS)
        return grant
