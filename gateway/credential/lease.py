"""Who may refresh a grant now: a lease in the `Store`, and the news that it is over.

The lease keeps others from asking at the same time. It does not protect what is written: its holder may
be paused beyond its end, Redis may forget it. That is what the vault's generation is for.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from gateway import clock
from gateway.errors import Unavailable
from gateway.store import Store

CHANNEL = "refreshed"
CHANGED = "changed"
"""Begins a message that tells of a link and not of a lease."""


class Lease:
    """One holder's."""

    def __init__(self, store: Store, name: str, seconds: float) -> None:
        self._store = store
        self.name = name
        self._seconds = seconds
        self._owner = secrets.token_bytes(16)
        self._since = (clock.mono(), clock.wall())

    async def take(self) -> bool:
        """Whether it was free. Counted from before the question was sent."""
        self._since = (clock.mono(), clock.wall())
        return await self._store.add(self._key, self._owner, self._seconds)

    def left(self) -> float:
        """Seconds, by the less favourable of two clocks: one stands still while a machine sleeps."""
        mono, wall = self._since
        return self._seconds - max(clock.mono() - mono, clock.wall() - wall)

    async def extend(self) -> None:
        """As if it were taken now, if it is still ours."""
        since = (clock.mono(), clock.wall())
        if await self._store.get(self._key) == self._owner:
            await self._store.put(self._key, self._owner, self._seconds)
            self._since = since

    async def over(self, *, tell: bool) -> None:
        """Give it back, and `tell` who waits. When the store is away, the lease ends by itself."""
        with suppress(Unavailable):
            await self._store.release(self._key, self._owner)
            if tell:
                await self._store.publish(CHANNEL, self.name.encode())

    @property
    def _key(self) -> str:
        return f"lease:{self.name}"


class News:
    """Wakes who waits for a lease of another process, and tells of links that their person changed.

    A lost message costs one poll, or what is kept is used until the vault is looked at again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed: list[Callable[[str], None]] = []
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def listen(self) -> None:
        """For ever."""
        async for message in self._store.listen(CHANNEL):
            kind, _, name = message.decode(errors="replace").rpartition(":")
            if kind == CHANGED:
                for hears in self._changed:
                    hears(name)
            for waiting in self._waiting.get(name, ()):
                waiting.set()

    def heed(self, hears: Callable[[str], None]) -> None:
        """It hears of each link that was changed, in whatever process."""
        self._changed.append(hears)

    async def changed(self, name: str) -> None:
        """Tell every process. Raises `Unavailable`."""
        await self._store.publish(CHANNEL, f"{CHANGED}:{name}".encode())

    async def wait(self, name: str, seconds: float) -> None:
        """Until there is news of that lease, or so long."""
        event = asyncio.Event()
        self._waiting[name].add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            self._waiting[name].discard(event)
            if not self._waiting[name]:
                del self._waiting[name]
