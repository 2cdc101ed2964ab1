"""In-process stores: a bounded cache whose entries die on time, and a sliding-window counter."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from gateway import clock

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
