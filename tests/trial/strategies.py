"""Four ways to refresh, from the most obvious one to ours. The first three are how others do it.

    none      every call whose token is near its end asks
    process   of the calls in one process one asks
    lock      the same, under a lock in Redis that has neither an owner nor a fence
    full      `gateway.credential.refresh`

All keep their tokens in the same vault; the first three write over whatever is there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from gateway import clock
from gateway.credential.pace import Pace
from gateway.credential.refresh import VaultRefresher
from gateway.credential.renewal import AuthorizationServer, GrantDead
from gateway.credential.vault import Link, LinkKey, Vault
from gateway.errors import ConsentRequired
from gateway.store import Store
from gateway.store.flight import SingleFlight

NAMES = ("none", "process", "lock", "full")
UPSTREAM = "cloud"


class Strategy(Protocol):
    """Gives a token that is good now."""

    async def fresh(self, key: LinkKey) -> Link:
        """Raises `ConsentRequired` or `Unavailable`, or what the server raised."""


class NoLock:
    """Read, ask, write."""

    def __init__(self, vault: Vault, server: AuthorizationServer, pace: Pace) -> None:
        self.vault = vault
        self.server = server
        self.pace = pace

    async def fresh(self, key: LinkKey) -> Link:
        link = await self._live(key)
        return await self._refreshed(link) if self.due(link) else link

    def due(self, link: Link) -> bool:
        life = link.tokens.expires_at - link.refreshed_at
        return link.tokens.expires_at - clock.wall() < min(self.pace.skew_least, life / 2)

    async def _refreshed(self, link: Link) -> Link:
        assert link.tokens.refresh is not None
        try:
            async with asyncio.timeout(self.pace.ask):
                tokens = await self.server.refresh(link.tokens.refresh)
        except GrantDead:
            now = await self._live(link.key)
            await self.vault.end(link.key, now.generation, "revoked")
            raise
        while True:  # the last writer wins, whatever the generation
            now = await self._live(link.key)
            if (kept := await self.vault.replace(link.key, now.generation, tokens)) is not None:
                return kept

    async def _live(self, key: LinkKey) -> Link:
        link = await self.vault.read(key)
        if link is None:
            raise ConsentRequired("connect")
        return link


class InProcess(NoLock):
    """Others in this process wait for the one."""

    def __init__(self, vault: Vault, server: AuthorizationServer, pace: Pace) -> None:
        super().__init__(vault, server, pace)
        self._flight: SingleFlight[LinkKey, Link] = SingleFlight()

    async def fresh(self, key: LinkKey) -> Link:
        link = await self._live(key)
        return await self._flight.run(key, lambda: self._again(key)) if self.due(link) else link

    async def _again(self, key: LinkKey) -> Link:
        link = await self._live(key)
        return await self._refreshed(link) if self.due(link) else link


class PlainLock(InProcess):
    """Others in other processes wait too, until the lock is gone or over. Whoever ends deletes the lock."""

    def __init__(self, vault: Vault, server: AuthorizationServer, pace: Pace, store: Store) -> None:
        super().__init__(vault, server, pace)
        self._store = store

    async def _again(self, key: LinkKey) -> Link:
        while True:
            link = await self._live(key)
            if not self.due(link):
                return link
            if await self._store.add(f"lock:{key.subject}", b"1", self.pace.lease):
                break
            await asyncio.sleep(self.pace.poll)
        try:
            return await super()._again(key)
        finally:
            await self._store.drop(f"lock:{key.subject}")


@asynccontextmanager
async def strategy(
    name: str, vault: Vault, store: Store, server: AuthorizationServer, pace: Pace
) -> AsyncIterator[Strategy]:
    """The one of that name, running."""
    if name == "full":
        refresher = VaultRefresher(vault, store, pace=pace)
        refresher.serve(UPSTREAM, server)
        async with refresher:
            yield refresher
        return
    if name == "lock":
        yield PlainLock(vault, server, pace, store)
    else:
        yield {"none": NoLock, "process": InProcess}[name](vault, server, pace)
