"""In-process stores: a bounded cache whose entries die on time, a sliding-window counter, and the `Store`
of a gateway that is one process."""

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Generic, Self, TypeVar

from gateway import clock, limits

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """At most `size` entries, least recently used out first; an entry is gone at its wall-clock end."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, or None when absent or ended."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= clock.wall():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: K, value: V, *, until: float) -> None:
        """Keep `value` until the wall-clock time `until` (Unix seconds)."""
        self._entries[key] = (until, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget `key`; absent is fine."""
        self._entries.pop(key, None)

    def drop_if(self, condition: Callable[[K], bool]) -> None:
        """Forget every key that fulfils `condition`."""
        for key in [key for key in self._entries if condition(key)]:
            del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)


class WindowCounter(Generic[K]):
    """How often a key occurred in the last `seconds`."""

    def __init__(self, seconds: float, *, size: int = 10_000) -> None:
        self._seconds = seconds
        self._size = size
        self._times: OrderedDict[K, deque[float]] = OrderedDict()

    def count(self, key: K) -> int:
        """Occurrences of `key` in the window."""
        times = self._times.get(key)
        if times is None:
            return 0
        horizon = clock.mono() - self._seconds
        while times and times[0] <= horizon:
            times.popleft()
        return len(times)

    def add(self, key: K) -> None:
        """Count one more occurrence now."""
        self._times.setdefault(key, deque()).append(clock.mono())
        self._times.move_to_end(key)
        while len(self._times) > self._size:
            self._times.popitem(last=False)


class MemoryStore:
    """See `Store`. Nothing in it awaits, so every operation is one step; the oldest entry goes when it is full."""

    def __init__(self, *, entries: int = limits.STORE_ENTRIES) -> None:
        self._most = entries
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._listeners: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *ended: object) -> None:
        self._entries.clear()

    async def watch(self) -> None:
        """There is nothing to look after."""

    async def get(self, key: str) -> bytes | None:
        """See `Store`."""
        until, value = self._entries.get(key, (0.0, b""))
        return value if until > clock.mono() else None

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """See `Store`."""
        self._entries.pop(key, None)
        self._entries[key] = (clock.mono() + seconds, value)
        _bound(self._entries, self._most)

    async def add(self, key: str, value: bytes, seconds: float) -> bool:
        """See `Store`."""
        if await self.get(key) is not None:
            return False
        await self.put(key, value, seconds)
        return True

    async def take(self, key: str) -> bytes | None:
        """See `Store`."""
        value = await self.get(key)
        self._entries.pop(key, None)
        return value

    async def drop(self, key: str) -> None:
        """See `Store`."""
        self._entries.pop(key, None)

    async def release(self, key: str, value: bytes) -> bool:
        """See `Store`."""
        held = await self.get(key) == value
        if held:
            del self._entries[key]
        return held

    async def count(self, key: str, seconds: float) -> int:
        """See `Store`."""
        until, times = self._counts.pop(key, (0.0, 0))
        if until <= clock.mono():
            until, times = clock.mono() + seconds, 0
        self._counts[key] = (until, times + 1)
        _bound(self._counts, self._most)
        return times + 1

    async def publish(self, channel: str, message: bytes) -> None:
        """See `Store`."""
        for heard in self._listeners[channel]:
            heard.put_nowait(message)

    async def listen(self, channel: str) -> AsyncIterator[bytes]:
        """See `Store`."""
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._listeners[channel].add(heard)
        try:
            while True:
                yield await heard.get()
        finally:
            self._listeners[channel].discard(heard)

    def state(self) -> tuple[bool, str]:
        """Always ready: it is this process."""
        return True, "memory of this process"


def _bound(entries: OrderedDict[str, tuple[float, V]], most: int) -> None:
    """Those whose time is over go first; then the oldest."""
    if len(entries) <= most:
        return
    for key in [key for key, (until, _) in entries.items() if until <= clock.mono()]:
        del entries[key]
    while len(entries) > most:
        entries.popitem(last=False)
