"""What every `Store` promises, as tests that take the store as a fixture.

class TestMine(Conformance):
    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]: ...
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.store import Store

LONG = 600.0
SHORT = 0.05
PATIENCE = 30.0


async def until(look: Callable[[], Awaitable[object]]) -> None:
    """Wait until `look()` gives something true."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await look():
                return
            await asyncio.sleep(0.01)


class Conformance:
    """Inherit it, and give it a `store`."""

    async def test_what_was_put_is_there_until_its_end(self, store: Store) -> None:
        """And then it is not; putting again replaces value and end."""
        assert await store.get("a") is None
        await store.put("a", b"one", LONG)
        assert await store.get("a") == b"one"
        await store.put("a", b"two", SHORT)

        async def gone() -> bool:
            return await store.get("a") is None

        await until(gone)

    @pytest.mark.parametrize("value", [b"", b"\x00\xff\r\n", b"x" * 100_000])
    async def test_values_are_bytes(self, store: Store, value: bytes) -> None:
        """Whatever is in them."""
        await store.put("a", value, LONG)
        assert await store.get("a") == value
        assert await store.take("a") == value

    async def test_keys_are_text(self, store: Store) -> None:
        """Names of people and addresses may be in them."""
        for key in ("ä b", "x\n*", "user:ana@corp.test", "{a}"):
            await store.put(key, key.encode(), LONG)
        for key in ("ä b", "x\n*", "user:ana@corp.test", "{a}"):
            assert await store.get(key) == key.encode()

    async def test_of_many_adds_one_succeeds(self, store: Store) -> None:
        """And it is the one whose value is there."""
        put = await asyncio.gather(*(store.add("a", b"%d" % n, LONG) for n in range(50)))
        assert put.count(True) == 1
        assert await store.get("a") == b"%d" % put.index(True)

    async def test_add_succeeds_again_after_the_end(self, store: Store) -> None:
        """A lease of somebody who died ends by itself."""
        assert await store.add("a", b"one", SHORT)
        await until(lambda: store.add("a", b"two", LONG))
        assert await store.get("a") == b"two"

    async def test_of_many_takes_one_gets_it(self, store: Store) -> None:
        """A code is redeemed once."""
        await store.put("a", b"one", LONG)
        took = await asyncio.gather(*(store.take("a") for _ in range(50)))
        assert sorted(filter(None, took)) == [b"one"]
        assert await store.get("a") is None

    async def test_drop_needs_nothing_to_be_there(self, store: Store) -> None:
        """Twice is fine."""
        await store.put("a", b"one", LONG)
        await store.drop("a")
        await store.drop("a")
        assert await store.get("a") is None

    async def test_only_the_owner_releases(self, store: Store) -> None:
        """A lease that ended and was taken by somebody else stays theirs."""
        await store.add("a", b"theirs", LONG)
        assert not await store.release("a", b"mine")
        assert await store.get("a") == b"theirs"
        assert await store.release("a", b"theirs")
        assert not await store.release("a", b"theirs")
        assert await store.get("a") is None

    async def test_counts_in_a_window(self, store: Store) -> None:
        """Each call is counted once, whoever makes it; after the window it begins anew."""
        counted = await asyncio.gather(*(store.count("a", LONG) for _ in range(50)))
        assert sorted(counted) == list(range(1, 51))
        assert await store.count("b", LONG) == 1

        async def anew() -> bool:
            return await store.count("c", SHORT) == 1

        assert await anew()
        await until(anew)

    async def test_who_listens_hears(self, store: Store) -> None:
        """Each listener of that channel, from when it listens; nobody else."""
        here, elsewhere = store.listen("news"), store.listen("other")
        first, other = asyncio.ensure_future(anext(here)), asyncio.ensure_future(anext(elsewhere))
        async with asyncio.timeout(PATIENCE):
            while not first.done():
                await store.publish("news", b"\x00hello")
                await asyncio.sleep(0.01)
        assert await first == b"\x00hello"
        assert not other.done()
        other.cancel()
        await asyncio.wait([other])
        await closed(here, elsewhere)

    async def test_a_cancelled_call_spoils_no_other(self, store: Store) -> None:
        """No answer reaches anybody but who asked."""
        keys = [f"k{n}" for n in range(40)]
        for key in keys:
            await store.put(key, key.encode(), LONG)
        for round_ in range(10):
            asked = [asyncio.create_task(store.get(key)) for key in keys]
            for _ in range(round_):
                await asyncio.sleep(0)
            for task in asked[::2]:
                task.cancel()
            await asyncio.wait(asked)
            told = [None if task.cancelled() else task.result() for task in asked]
            assert all(got in (None, key.encode()) for key, got in zip(keys, told, strict=True))
            assert [await store.get(key) for key in keys] == [key.encode() for key in keys]


async def closed(*listening: AsyncIterator[bytes]) -> None:
    """End listeners as the end of their loop would."""
    for one in listening:
        await one.aclose()  # type: ignore[attr-defined]
