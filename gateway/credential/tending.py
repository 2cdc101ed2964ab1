"""What nobody waits for: refreshes whose end nobody wrote, and grants that nobody uses.

A refresh that was interrupted must be asked again soon: Atlassian takes a spent token for ten minutes,
and after that its reuse ends the grant. An idle grant must be refreshed within ninety days.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from gateway import clock, limits
from gateway.credential.pace import Pace
from gateway.credential.vault import SIGN_IN, WAITING, Link, LinkHead, LinkKey, Vault
from gateway.errors import GatewayError, Unavailable

log = logging.getLogger(__name__)


class Begins(Protocol):
    """Who refreshes."""

    @property
    def vault(self) -> Vault: ...

    def begin(self, link: Link) -> asyncio.Task[Link]: ...


class Tending:
    """Of one process; the lease keeps the replicas from doing the same."""

    def __init__(self, refresher: Begins, served: Collection[str], pace: Pace) -> None:
        self._refresher = refresher
        self._served = served
        self._pace = pace
        self._problem = ""
        self._open = 0
        self._after: LinkHead | None = None
        """The idle grant at which the last look ended; None: it got to the end of them."""

    async def sweep(self) -> None:
        """For ever."""
        await self._for_ever(self._pace.sweep, self.sweep_once)

    async def tend(self) -> None:
        """For ever."""
        await self._for_ever(self._pace.tend, self.tend_once)

    async def sweep_once(self) -> None:
        """Ask again for every refresh that was begun more than a lease ago. Raises `Unavailable`."""
        keys = await self._refresher.vault.intents(clock.wall() - self._pace.lease)
        self._open = len(keys)
        await self._each(keys, lambda link: link.intent_at is not None)
        await self._drop_unconfirmed()

    async def tend_once(self) -> None:
        """Refresh what was not refreshed for a month. Raises `Unavailable`.

        A look goes on where the last one ended: grants that cannot be unsealed, or whose provider is away, stay
        the oldest for ever and would hold up all others.
        """
        before = clock.wall() - self._pace.idle
        kept = tuple(name for name in self._served if not name.startswith(SIGN_IN))  # a sign-in may lapse
        begun = 0
        while begun < limits.REFRESH_TEND_LINKS:
            heads = await self._refresher.vault.idle(before, limits.REFRESH_TEND_LINKS, kept, self._after)
            self._after = heads[-1] if len(heads) == limits.REFRESH_TEND_LINKS else None
            begun += await self._each([head.key for head in heads], lambda link: link.refreshed_at < before)
            if self._after is None:
                return

    async def _drop_unconfirmed(self) -> None:
        """Tokens that waited too long for the person's word are destroyed."""
        before = clock.wall() - limits.LINK_CONFIRM_SECONDS
        waiting = [f"{name}{WAITING}" for name in self._served]
        for head in await self._refresher.vault.idle(before, limits.REFRESH_TEND_LINKS, waiting):
            await self._refresher.vault.unlink(head.key)

    def state(self) -> tuple[bool, str]:
        """(whether the last look was possible, how many ends it found open, or what is wrong)."""
        return not self._problem, self._problem or f"{self._open} refreshes without a known end"

    async def _for_ever(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds * random.uniform(0.75, 1.25))  # noqa: S311 - replicas spread, no secret
            try:
                await work()
                self._problem = ""
            except Unavailable as away:
                self._problem = away.private or away.part
            except Exception as failed:  # it goes on: whoever is open now must be asked for within minutes
                log.exception("tending linked grants")
                self._problem = type(failed).__name__

    async def _each(self, keys: Sequence[LinkKey], wanted: Callable[[Link], bool]) -> int:
        """How many refreshes were begun; each has ended."""
        turns = asyncio.Semaphore(limits.REFRESH_AT_ONCE)

        async def one(key: LinkKey) -> bool:
            async with turns:
                try:
                    link = await self._refresher.vault.read(key)
                    if link is None or not wanted(link):
                        return False
                    await asyncio.wait([self._refresher.begin(link)])
                except GatewayError as failed:
                    log.warning("%s: %s", key, failed.private)
                    return False
                return True

        return sum(await asyncio.gather(*(one(key) for key in keys if key.upstream in self._served)))
