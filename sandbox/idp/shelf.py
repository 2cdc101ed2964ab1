"""A place for short-lived secrets: values under random keys that expire, never more than so many."""

import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """Holds values of one kind. `life` (seconds) and `now` are asked on each use, so tests may move both."""

    def __init__(self, life: Callable[[], float], now: Callable[[], float], most: int = 10_000) -> None:
        self._life = life
        self._now = now
        self._most = most
        self._items: dict[str, tuple[float, T]] = {}

    def put(self, value: T) -> str:
        """Keep `value`; its new key, 256 bits of chance. The oldest goes when the shelf is full."""
        if len(self._items) >= self._most:
            del self._items[next(iter(self._items))]
        key = secrets.token_urlsafe(32)
        self._items[key] = (self._now() + self._life(), value)
        return key

    def get(self, key: str) -> T | None:
        """The value, unless it was never here or has expired."""
        until, value = self._items.get(key, (0.0, None))
        if self._now() >= until:
            self._items.pop(key, None)
            return None
        return value

    def pop(self, key: str) -> T | None:
        """The value, which nobody gets a second time."""
        value = self.get(key)
        self._items.pop(key, None)
        return value
