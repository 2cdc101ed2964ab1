"""Shared short-lived state. Nothing here is ever the only copy of something that matters.

Store       what replicas share for seconds or minutes: leases, codes, browser sessions
            memory.py for one process, redis.py for several
Database    what must outlive a restart, in SQL (`sql.py`; tables in `tables.py`)
"""

from collections.abc import AsyncIterator
from typing import Protocol


class Store(Protocol):
    """Keys are text, values bytes; every entry ends by itself. Raises `Unavailable` with part `store`."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, seconds: float) -> None: ...

    async def add(self, key: str, value: bytes, seconds: float) -> bool:
        """Put unless it is there; whether it was put. Of many at once exactly one succeeds."""

    async def take(self, key: str) -> bytes | None:
        """Get and delete in one step: of many at once exactly one gets it."""

    async def drop(self, key: str) -> None: ...

    async def release(self, key: str, value: bytes) -> bool:
        """Delete if it still holds `value`: how the owner of a lease gives it back."""

    async def count(self, key: str, seconds: float) -> int:
        """How many times it was counted, this one included, since the first in the last `seconds`."""

    async def publish(self, channel: str, message: bytes) -> None:
        """Tell whoever listens now; nothing is kept."""

    def listen(self, channel: str) -> AsyncIterator[bytes]:
        """Messages from now on. May miss some when the connection breaks: a hint, never the truth."""

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`)."""
