"""The `Refresher`: keeps linked grants alive, and never loses one that can be kept.

    fresh, renew     a call needs an access token                      here
      one flight     of many calls in this process one refreshes       `store/flight.py`
      one lease      of many replicas one asks, the others wait        `lease.py`
      the steps      intent, one request, compare-and-set              `refreshing.py`
    tending          what nobody waits for: open ends, idle people     `tending.py`

An access token that has some life left is served while it is being refreshed, so that nobody waits. When
Redis is away no lease can be had: what is still good is served, and nothing is asked.
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from gateway import clock, limits
from gateway.credential import Events, unrecorded
from gateway.credential.lease import Lease, News
from gateway.credential.pace import Pace
from gateway.credential.refreshing import Refreshing, Upstream, gone, later, unrefreshed
from gateway.credential.renewal import AuthorizationServer
from gateway.credential.tending import Tending
from gateway.credential.vault import Link, LinkKey, Vault
from gateway.errors import Unavailable
from gateway.store import Store
from gateway.store.flight import SingleFlight


class VaultRefresher:
    """See `Refresher`. Inside `async with` it also tends; leaving waits for refreshes under way."""

    def __init__(
        self, vault: Vault, store: Store, *, events: Events = unrecorded, pace: Pace | None = None
    ) -> None:
        """`events` puts on record: `link.refreshed`, `link.refresh_ambiguous`, `link.ended`, `link.ends_soon`."""
        self._vault = vault
        self._store = store
        self._pace = pace or Pace()
        self._upstreams: dict[str, Upstream] = {}
        self._steps = Refreshing(vault, store, events, self._pace, self._upstreams)
        self._flight: SingleFlight[tuple[LinkKey, int], Link] = SingleFlight()
        self._under_way: set[asyncio.Task[Link]] = set()
        self._news = News(store)
        self._tending = Tending(self, self._upstreams, self._pace)
        self._background: list[asyncio.Task[None]] = []

    @property
    def vault(self) -> Vault:
        """See `Refresher`."""
        return self._vault

    def serve(self, upstream: str, server: AuthorizationServer, *, lasts_days: int | None = None) -> None:
        """See `Refresher`."""
        self._upstreams[upstream] = Upstream(server, lasts_days)

    def heed(self, drop: Callable[[Callable[[LinkKey], bool]], None]) -> None:
        """See `Refresher`."""
        self._news.heed(lambda name: drop(lambda key: _name(key) == name))

    async def changed(self, key: LinkKey) -> None:
        """See `Refresher`. When the store is away, the others notice when they look at the vault."""
        with suppress(Unavailable):
            await self._news.changed(_name(key))

    async def fresh(self, key: LinkKey) -> Link:
        """See `Refresher`."""
        link = await self._live(key)
        if not self._due(link):
            return link
        task = self.begin(link)
        if self._left(link) > min(self._pace.margin, _life(link) / 4):
            return link
        try:
            return await self._awaited(task)
        except Unavailable:
            if self._left(link) > 0:
                return link
            raise

    async def renew(self, key: LinkKey, generation: int) -> Link:
        """See `Refresher`."""
        link = await self._live(key)
        if link.generation != generation:
            return await self.fresh(key)
        if self._left(link) > 0:
            await self._count_renewal(link)
        return await self._awaited(self.begin(link))

    def begin(self, link: Link) -> asyncio.Task[Link]:
        """The refresh of that generation, under way. It belongs to nobody who waits for it."""
        task = self._flight.start((link.key, link.generation), partial(self._work, link.key, link.generation))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`)."""
        return self._tending.state()

    async def __aenter__(self) -> Self:
        self._background = [
            asyncio.create_task(work)
            for work in (self._news.listen(), self._tending.sweep(), self._tending.tend())
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.wait(self._background)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._pace.stop)
        for left in set(self._under_way):
            left.cancel()

    async def _work(self, key: LinkKey, generation: int) -> Link:
        """Refresh, or wait until another replica did: whichever comes first."""
        name = _name(key)
        ends = clock.mono() + 2 * self._pace.lease
        while clock.mono() < ends:
            if await self._store.get(later(name)) is not None:
                raise unrefreshed(f"{key}: it failed just now")
            link = await self._once(name, key, generation)
            if link is not None and link.generation != generation:
                return link
            await self._news.wait(name, self._pace.poll)
        raise unrefreshed(f"{key}: another replica did not end its refresh")

    async def _once(self, name: str, key: LinkKey, generation: int) -> Link | None:
        """What is there after one try to be the one; None or the old generation: somebody else is at it."""
        lease = Lease(self._store, name, self._pace.lease)
        if not await lease.take():
            return await self._live(key)
        link, tried = None, True
        try:
            link = await self._steps.run(lease, key, generation)
            tried = link is not None
        finally:
            await lease.over(tell=tried)
        return link

    async def _awaited(self, task: asyncio.Task[Link]) -> Link:
        done, _ = await asyncio.wait([task], timeout=self._pace.wait)
        if not done or task.cancelled():
            raise unrefreshed("the refresh takes longer than a call may wait, or the process stops")
        return task.result()

    async def _live(self, key: LinkKey) -> Link:
        link = await self._vault.read(key)
        if link is None:
            raise gone(key)
        return link

    async def _count_renewal(self, link: Link) -> None:
        """Jira refuses a token that has not ended: a new one helps, or none does. A generation counts once."""
        name, window = _name(link.key), 10 * self._pace.backoff_most
        if not await self._store.add(f"refused:{name}:{link.generation}", b"", window):
            return
        if await self._store.count(f"renewed:{name}", window) > limits.RENEWALS_IN_WINDOW:
            raise unrefreshed(f"{link.key}: Jira refuses one new access token after the other")

    def _due(self, link: Link) -> bool:
        """Near its end, or with a refresh whose end nobody wrote for longer than a lease."""
        if link.intent_at is not None and clock.wall() - link.intent_at > self._pace.lease:
            return True
        return self._left(link) < min(self._skew(link), _life(link) / 2)

    def _skew(self, link: Link) -> float:
        """Drawn once for each generation and process."""
        drawn = hashlib.sha256(f"{id(self)} {link.key} {link.generation}".encode()).digest()[0] / 255
        return self._pace.skew_least + drawn * (self._pace.skew_most - self._pace.skew_least)

    def _left(self, link: Link) -> float:
        return link.tokens.expires_at - clock.wall()


def _life(link: Link) -> float:
    """Seconds that the access token lives in all."""
    return max(0.0, link.tokens.expires_at - link.refreshed_at)


def _name(key: LinkKey) -> str:
    """In Redis nobody is named."""
    parts = (key.tenant, key.issuer, key.subject, key.upstream)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
