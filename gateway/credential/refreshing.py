"""One refresh of one generation of a grant, by who holds its lease.

    read again              another replica may be done, or be at it: then nothing is asked
    write down the intent   durably, so that an end that nobody saw is known
    ask once                unless more than half of the lease is gone
    replace                 compare-and-set on the generation; the tokens exist nowhere else until then

| the server said | the grant                                                              |
| --------------- | ---------------------------------------------------------------------- |
| new tokens      | the next generation, or another replica's if that was quicker          |
| it is dead      | ended, unless another replica has brought a later generation           |
| not this client | as it was                                                              |
| later           | as it was                                                              |
| nothing usable  | as it was, and the intent stays: the sweeper asks again                |

It ended as `expired` by age, as `rotation_lost` when an earlier refresh has no known end, else as `revoked`.

A crash between "rotated there" and "replaced here" is healed by asking again within the server's leeway.
A server without one has then forgotten the only token we know; no client can undo that.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway import clock, limits
from gateway.credential import Events
from gateway.credential.lease import Lease
from gateway.credential.pace import Pace
from gateway.credential.renewal import Ambiguous, AuthorizationServer, ClientRefused, GrantDead, TryLater
from gateway.credential.vault import Link, LinkKey, TokenSet, Vault
from gateway.errors import ConsentRequired, Sealed, Unavailable
from gateway.store import Store
from gateway.store.memory import ExpiringCache

DAY = 86_400.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where grants of one upstream are refreshed, and how many days they last at most."""

    server: AuthorizationServer
    lasts_days: int | None = None

    def ends_at(self, link: Link) -> float:
        """Unix seconds; infinite where a grant lives as long as it is refreshed."""
        return float("inf") if self.lasts_days is None else link.linked_at + self.lasts_days * DAY


class Refreshing:
    """The steps under the lease. Raises `ConsentRequired` when the grant is dead, and `Unavailable`."""

    def __init__(
        self, vault: Vault, store: Store, events: Events, pace: Pace, upstreams: Mapping[str, Upstream]
    ) -> None:
        self._vault = vault
        self._store = store
        self._events = events
        self._pace = pace
        self._upstreams = upstreams
        self._over: ExpiringCache[LinkKey, float] = ExpiringCache(limits.GRANTS_CACHED)
        """When an attempt of this process ended that left its intent open."""

    async def run(self, lease: Lease, key: LinkKey, generation: int) -> Link | None:
        """The grant in a later generation; None while somebody else may be at it, lease or not."""
        link = await self._vault.read(key)
        if link is None:
            raise gone(key)
        if link.generation != generation:
            return link
        if self._others_may_be_at(link):
            return None
        upstream = self._upstreams.get(key.upstream)
        if upstream is None:
            raise unrefreshed(f"{key}: nobody refreshes this upstream here")
        if link.tokens.refresh is None:
            return await self._unrefreshable(link)
        self._in_time(lease, key)
        if not await self._vault.intend(key, generation, after=link.intent_at):
            return await self._moved(key)
        self._in_time(lease, key)  # the intent stays: somebody may have taken over and written the same
        try:
            async with asyncio.timeout(self._pace.ask):
                tokens = await upstream.server.refresh(link.tokens.refresh)
        except Exception as failed:
            return await self._unanswered(lease, link, upstream, failed)
        return await self._kept(lease, link, upstream, tokens)

    def _others_may_be_at(self, link: Link) -> bool:
        """An intent younger than a lease, and not of an attempt that we know to be over. Redis may have
        forgotten who holds the lease; the database has not."""
        begun = link.intent_at
        return (
            begun is not None
            and clock.wall() - begun < self._pace.lease
            and begun > (self._over.get(link.key) or 0.0)
        )

    def _in_time(self, lease: Lease, key: LinkKey) -> None:
        if lease.left() < self._pace.lease / 2:
            raise unrefreshed(f"{key}: half of the lease was gone before the request")

    async def _unanswered(self, lease: Lease, link: Link, upstream: Upstream, failed: Exception) -> Link:
        """What becomes of the grant when no tokens came."""
        key = link.key
        if isinstance(failed, GrantDead):
            return await self._dead(link, upstream, str(failed))
        if isinstance(failed, ClientRefused):
            log.error("%s: our client is refused; correct its secret (%s)", key.upstream, failed)
        if isinstance(failed, ClientRefused | TryLater):
            if link.intent_at is None and lease.left() > 0:
                await self._vault.settle(key, link.generation)
        else:  # whatever it was, the request may have been sent
            if not isinstance(failed, Ambiguous | TimeoutError):
                log.error("%s: the refresh broke", key, exc_info=failed)
            now = clock.wall()
            self._over.put(key, now, until=now + self._pace.lease)
            await self._event("link.refresh_ambiguous", link)
        await self._back_off(lease.name)
        raise unrefreshed(f"{key}: {type(failed).__name__}: {failed}") from None

    async def _unrefreshable(self, link: Link) -> Link:
        """It lives as long as its access token."""
        if clock.wall() < link.tokens.expires_at:
            raise unrefreshed(f"{link.key}: there is no refresh token")
        return await self._ended(link, "expired", "there is no refresh token")

    async def _dead(self, link: Link, upstream: Upstream, why: str) -> Link:
        """`invalid_grant` ends the generation that was asked for; if another replica has brought a later one,
        that lives."""
        if clock.wall() >= upstream.ends_at(link):
            return await self._ended(link, "expired", why)
        return await self._ended(link, "revoked" if link.intent_at is None else "rotation_lost", why)

    async def _ended(self, link: Link, reason: str, why: str) -> Link:
        """A tombstone, on record; unless another replica was quicker with a new generation."""
        if not await self._vault.end(link.key, link.generation, reason):
            return await self._moved(link.key)
        await self._event("link.ended", link, reason=reason)
        raise gone(link.key, f"{reason}: {why}")

    async def _moved(self, key: LinkKey) -> Link:
        link = await self._vault.read(key)
        if link is None:
            raise gone(key)
        return link

    async def _kept(self, lease: Lease, link: Link, upstream: Upstream, given: TokenSet) -> Link:
        """The new tokens in the vault. While it is away they are only here: we try for as long as we live,
        and hold the lease, because asking again would spend what we hold."""
        key, old = link.key, link.tokens
        tokens = replace(given, scopes=given.scopes or old.scopes, refresh=given.refresh or old.refresh)
        while True:
            try:
                kept = await self._vault.replace(key, link.generation, tokens)
                now = kept or await self._vault.read(key)
                break
            except Unavailable as away:
                log.error("%s: new tokens cannot be kept yet: %s", key, away.private)
                with suppress(Unavailable):
                    await lease.extend()
                await asyncio.sleep(self._pace.save_pause)
        if now is None:
            raise gone(key)
        if now.tokens.access.reveal() == tokens.access.reveal():  # or somebody else's, which is as good
            await self._event("link.refreshed", now, generation=now.generation)
            await self._note_its_end(lease.name, now, upstream)
        return now

    async def _note_its_end(self, name: str, link: Link, upstream: Upstream) -> None:
        """Once a week on record, from some weeks before the grant reaches its greatest age."""
        ends = upstream.ends_at(link)
        if clock.wall() < ends - self._pace.notice:
            return
        with suppress(Unavailable):
            if await self._store.add(f"noted:{name}", b"", self._pace.noted):
                await self._event("link.ends_soon", link, ends=clock.iso(ends))

    async def _back_off(self, name: str) -> None:
        """Nobody asks again for a while; longer each time."""
        with suppress(Unavailable):
            times = await self._store.count(f"failed:{name}", 10 * self._pace.backoff_most)
            pause = min(self._pace.backoff_first * 2.0 ** min(times - 1, 30), self._pace.backoff_most)
            await self._store.put(later(name), b"", pause)

    async def _event(self, kind: str, link: Link, **fields: object) -> None:
        """On record. What happened has happened: a record that is closed for now changes nothing."""
        key = link.key
        about = {"issuer": key.issuer, "subject": key.subject, "upstream": key.upstream}
        try:
            await self._events(kind, **about, account=link.account, **fields)
        except Sealed:
            log.error("%s: %s could not be recorded", key, kind)


def later(name: str) -> str:
    """The mark in the `Store` that forbids to ask now."""
    return f"later:{name}"


def gone(key: LinkKey, why: str = "it is not there") -> ConsentRequired:
    """There is no live grant. Who knows the connect page says it better."""
    return ConsentRequired("Connect your Jira account in your browser.", private=f"{key}: {why}")


def unrefreshed(why: str) -> Unavailable:
    """It cannot be refreshed now; the grant is as it was, as far as we know."""
    return Unavailable(
        "Your connection to Jira cannot be renewed right now. Try again in a minute; nothing is lost.",
        part="credential",
        private=why,
    )
