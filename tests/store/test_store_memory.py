"""The store of one process."""

import pytest

from gateway.store import Store
from gateway.store.memory import MemoryStore
from tests.store.conformance import LONG, Conformance


class TestMemory(Conformance):
    """The promises of every store."""

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


async def test_strangers_cannot_fill_it() -> None:
    """The oldest entry goes; what is over goes before what is not."""
    store = MemoryStore(entries=3)
    await store.put("over", b"", -1.0)
    for key in ("a", "b", "c"):
        await store.put(key, b"x", LONG)
    assert [await store.get(key) for key in ("a", "b", "c")] == [b"x"] * 3
    await store.put("d", b"x", LONG)
    assert [await store.get(key) for key in ("a", "d")] == [None, b"x"]
    for n in range(10):
        await store.count(f"stranger {n}", LONG)
    assert await store.get("d") == b"x"
