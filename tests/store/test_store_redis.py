"""The store of several replicas, on a real Redis that is stopped, killed and paused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from gateway.errors import ConfigError, Unavailable
from gateway.store import Store
from gateway.store.redis import PREFIX, RedisStore
from tests.servers import Redis
from tests.store.conformance import LONG, PATIENCE, Conformance, closed, until

pytestmark = pytest.mark.needs_servers

OPERATIONS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "get": lambda store: store.get("a"),
    "put": lambda store: store.put("a", b"x", LONG),
    "add": lambda store: store.add("a", b"x", LONG),
    "take": lambda store: store.take("a"),
    "drop": lambda store: store.drop("a"),
    "release": lambda store: store.release("a", b"x"),
    "count": lambda store: store.count("a", LONG),
    "publish": lambda store: store.publish("a", b"x"),
}


class TestRedis(Conformance):
    """The promises of every store."""

    @pytest.fixture
    async def store(self, redis_url: str) -> AsyncIterator[Store]:
        async with RedisStore(redis_url, seconds=PATIENCE) as opened:
            yield opened


@pytest.fixture(scope="module")
def own() -> Iterator[Redis]:
    """A server that the tests of this file may stop."""
    with Redis() as server:
        yield server


async def test_two_replicas_share_it(redis_url: str) -> None:
    """Leases, values and messages of one are seen by the other."""
    async with RedisStore(redis_url, seconds=PATIENCE) as one, RedisStore(redis_url, seconds=PATIENCE) as two:
        assert await one.add("lease", b"one", LONG)
        assert not await two.add("lease", b"two", LONG)
        assert await two.get("lease") == b"one"
        assert not await two.release("lease", b"two")


@pytest.mark.parametrize("foreign", [b"", b"hello", b"\x01jag\x00\x00\x00\x00other", b"\x01jag"])
async def test_foreign_and_damaged_values_are_absent(
    redis_server: Redis, redis_url: str, foreign: bytes
) -> None:
    """Whatever somebody else wrote under our key."""
    async with RedisStore(redis_url, seconds=PATIENCE) as store:
        with redis_server.client() as beside:
            beside.set(PREFIX + "a", foreign, ex=600)
            assert await store.get("a") is None
            assert await store.take("a") is None


async def test_values_of_another_kind_are_absent(redis_server: Redis, redis_url: str) -> None:
    """A list under our key is no error, and what would never end does not hold a lease for ever."""
    async with RedisStore(redis_url, seconds=PATIENCE) as store:
        with redis_server.client() as beside:
            for key in "abcd":
                beside.rpush(PREFIX + key, "x")
            assert await store.get("a") is None
            assert await store.take("a") is None
            assert await store.add("b", b"mine", LONG)
            assert await store.get("b") == b"mine"
            assert await store.count("c", LONG) == 1
            assert await store.count("c", LONG) == 2
            assert not await store.release("d", b"x")
            assert beside.pttl(PREFIX + "c") > 0
    assert store.state() == (False, "stopped")


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_redis_that_hangs_is_given_up(own: Redis, name: str) -> None:
    """Every operation ends as `Unavailable` of part `store`, and works when Redis goes on."""
    async with RedisStore(own.url, seconds=0.3) as store:
        await until(lambda: _tried(store, "get"))
        own.pause()
        try:
            with pytest.raises(Unavailable) as caught:
                await OPERATIONS[name](store)
            assert caught.value.part == "store"
            assert not store.state()[0]
        finally:
            own.resume()
        await until(lambda: _tried(store, name))
        assert store.state() == (True, "redis")


async def _tried(store: Store, name: str) -> bool:
    try:
        await OPERATIONS[name](store)
    except Unavailable:
        return False
    return True


async def test_a_redis_that_is_gone_is_unavailable_until_it_is_back() -> None:
    """Killed, every operation says so at once; restarted, each connection is replaced without an error."""
    with Redis() as server:
        async with RedisStore(server.url, seconds=PATIENCE) as store:
            await asyncio.gather(*(store.put(f"k{n}", b"x", LONG) for n in range(20)))
            server.kill()
            for work in OPERATIONS.values():
                with pytest.raises(Unavailable) as caught:
                    await work(store)
                assert caught.value.part == "store"
            server.start()
            for work in OPERATIONS.values():
                await work(store)
            assert await store.get("k1") is None  # it forgot all


async def test_it_starts_without_redis() -> None:
    """The order of start-up does not matter; it is not ready until then."""
    with Redis() as server:
        server.kill()
        async with RedisStore(server.url, seconds=PATIENCE) as store:
            assert not store.state()[0]
            server.start()
            assert await store.get("a") is None
            assert store.state()[0]


async def test_a_listener_survives_a_restart() -> None:
    """It hears what is said after Redis came back."""
    with Redis() as server:
        async with RedisStore(server.url, seconds=PATIENCE) as store:
            heard = store.listen("news")
            await _said(store, heard)
            server.kill()
            server.start()
            await _said(store, heard)
            await closed(heard)


async def _said(store: Store, heard: AsyncIterator[bytes]) -> None:
    """Publish until it is heard; the first may be lost on a connection that broke meanwhile."""
    waiting = asyncio.ensure_future(anext(heard))

    async def told() -> bool:
        with suppress(Unavailable):
            await store.publish("news", b"hello")
        return waiting.done()

    await until(told)
    assert waiting.result() == b"hello"


async def test_many_at_once_wait_for_a_connection(redis_url: str) -> None:
    """More than there are connections: each gets its own answer."""
    async with RedisStore(redis_url, seconds=PATIENCE) as store:
        await asyncio.gather(*(store.put(f"k{n}", b"%d" % n, LONG) for n in range(300)))
        assert await asyncio.gather(*(store.get(f"k{n}") for n in range(300))) == [
            b"%d" % n for n in range(300)
        ]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "redis://", "", "redis://h:1/0?socket_timeout=900", "memory"]
)
def test_an_address_that_is_none_is_a_wrong_setting(url: str) -> None:
    """Said at the start, with what to write."""
    with pytest.raises(ConfigError) as caught:
        RedisStore(url)
    assert "store.url" in caught.value.problems[0]
