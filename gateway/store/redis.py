"""The `Store` of several replicas, in Redis: the one door of redis-py.

Redis may lose what it holds: a failover drops the last writes, a restart everything. So nothing here is
the only copy of anything, and a lease says who works first, never who may write (that is the vault's
compare-and-set).

What two replicas must not do at once is one script. Values carry a mark and a checksum: what others wrote
under our keys, what was damaged, and what would never end, counts as absent.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import RedisError, ResponseError

from gateway import limits
from gateway.errors import ConfigError, Unavailable

T = TypeVar("T")

PREFIX = "jag:"
_MARK = b"\x01jag"

_ADD = """
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('PTTL', KEYS[1]) < 0 then redis.call('DEL', KEYS[1]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
_TAKE = """
local value = redis.pcall('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return type(value) == 'string' and value or false
"""
_RELEASE = """
local value = redis.pcall('GET', KEYS[1])
return value == ARGV[1] and redis.call('DEL', KEYS[1]) or 0
"""
_COUNT = """
local n = redis.pcall('INCR', KEYS[1])
if type(n) ~= 'number' or n < 1 then
  redis.call('SET', KEYS[1], 1)
  n = 1
end
if n == 1 or redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return n
"""


class RedisStore:
    """See `Store`. `url` is `redis://` or `rediss://`; raises `ConfigError` for another.

    Nothing is asked twice but `get`, once more when its connection was dead. Each operation ends within
    `seconds`, waiting for a connection included.
    """

    def __init__(self, url: str, *, seconds: float = limits.STORE_SECONDS) -> None:
        self._url = _checked(url)
        self._seconds = seconds
        self._client: Redis | None = None
        self._problem = "not started"

    async def __aenter__(self) -> Self:
        self._client = Redis.from_pool(
            BlockingConnectionPool.from_url(
                self._url,
                max_connections=limits.STORE_CONNECTIONS,
                timeout=self._seconds,
                **self._connecting(self._seconds),
            )
        )
        self._problem = ""
        with suppress(Unavailable):  # the order of start-up does not matter; `/readyz` tells
            await self._look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        self._problem = "stopped"
        if client is not None:
            await client.aclose()

    async def get(self, key: str) -> bytes | None:
        """See `Store`."""
        return _value(await self._ask(lambda redis: redis.get(PREFIX + key), again=True))

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """See `Store`."""
        await self._ask(lambda redis: redis.set(PREFIX + key, _marked(value), px=_ms(seconds)))

    async def add(self, key: str, value: bytes, seconds: float) -> bool:
        """See `Store`."""
        return bool(await self._script(_ADD, key, _marked(value), _ms(seconds)))

    async def take(self, key: str) -> bytes | None:
        """See `Store`."""
        return _value(await self._script(_TAKE, key))

    async def drop(self, key: str) -> None:
        """See `Store`."""
        await self._ask(lambda redis: redis.delete(PREFIX + key))

    async def release(self, key: str, value: bytes) -> bool:
        """See `Store`."""
        return bool(await self._script(_RELEASE, key, _marked(value)))

    async def count(self, key: str, seconds: float) -> int:
        """See `Store`."""
        return int(await self._script(_COUNT, key, _ms(seconds)))

    async def publish(self, channel: str, message: bytes) -> None:
        """See `Store`."""
        await self._ask(lambda redis: redis.publish(PREFIX + channel, _marked(message)))

    async def listen(self, channel: str) -> AsyncIterator[bytes]:
        """See `Store`. It has a connection of its own, and makes another one when that breaks, for ever."""
        while True:
            client = Redis.from_url(
                self._url, health_check_interval=limits.PART_LOOK_SECONDS, **self._connecting(None)
            )
            try:
                async with client.pubsub() as heard:
                    await heard.subscribe(PREFIX + channel)
                    async for said in heard.listen():
                        if said["type"] == "message" and (message := _value(said["data"])) is not None:
                            yield message
            except (RedisError, OSError) as lost:
                self._problem = type(lost).__name__
            finally:
                await client.aclose()
            await asyncio.sleep(limits.STORE_RELISTEN_SECONDS)

    def state(self) -> tuple[bool, str]:
        """(whether the last work was done, `redis` or what is wrong)."""
        return not self._problem, self._problem or "redis"

    async def watch(self) -> None:
        """For ever: ask now and then, so that `state` is true also when nobody works."""
        while True:
            await asyncio.sleep(limits.PART_LOOK_SECONDS)
            with suppress(Unavailable):
                await self._look()

    async def _look(self) -> None:
        await self._ask(lambda redis: redis.ping())

    async def _script(self, source: str, key: str, *arguments: bytes | int) -> Any:
        return await self._ask(lambda redis: redis.eval(source, 1, PREFIX + key, *arguments))

    async def _ask(self, work: Callable[[Any], Awaitable[T]], *, again: bool = False) -> T | None:
        """What `work` gives; None for a value of another kind than ours. Raises `Unavailable`."""
        client = self._client
        if client is None:
            raise _unavailable(self._problem)
        try:
            async with asyncio.timeout(self._seconds):
                try:
                    answer = await work(client)
                except Broken:
                    if not again:
                        raise
                    answer = await work(client)
        except TimeoutError:
            self._problem = f"no answer in {self._seconds:g} s"
        except ResponseError as said:
            if str(said).startswith("WRONGTYPE"):
                return None
            self._problem = f"Redis says {str(said).partition(' ')[0]}"
        except (RedisError, OSError) as failed:
            self._problem = type(failed).__name__
        else:
            self._problem = ""
            return answer
        raise _unavailable(self._problem)

    def _connecting(self, seconds: float | None) -> dict[str, Any]:
        """How connections are made: nothing is asked again behind our back."""
        return {
            "socket_timeout": seconds,
            "socket_connect_timeout": self._seconds,
            "socket_keepalive": True,
            "retry": Retry(NoBackoff(), 0),
            "decode_responses": False,
        }


def _checked(url: str) -> str:
    parts = urlsplit(url)
    options = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ConfigError(
            ["store.url: not the address of a Redis. Write `redis://HOST:PORT/0` or `rediss://…`."]
        )
    if any(not name.startswith("ssl_") for name in options):
        raise ConfigError(["store.url: only options that begin with `ssl_` are taken; remove the others."])
    return url


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _marked(value: bytes) -> bytes:
    return _MARK + zlib.crc32(value).to_bytes(4, "big") + value


def _value(kept: Any) -> bytes | None:
    """What we once put there, or None."""
    if not isinstance(kept, bytes) or not kept.startswith(_MARK):
        return None
    value = kept[len(_MARK) + 4 :]
    return value if kept == _marked(value) else None


def _unavailable(why: str) -> Unavailable:
    return Unavailable(
        "What the gateway's replicas share cannot be reached now. "
        "Try again in a minute; if it stays so, tell the operator.",
        part="store",
        private=why,
    )
