"""Refreshing over a real PostgreSQL, a real Redis and a server that answers over HTTP, each of which fails.

Two replicas with connections of their own. The server is strict: whoever asks twice loses the grant.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway import clock
from gateway.credential.client import OAuthClient
from gateway.credential.codegrant import App
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.pace import Pace
from gateway.credential.refresh import VaultRefresher
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import Link, LinkKey, TokenSet
from gateway.errors import ConsentRequired, Unavailable
from gateway.http import Outward
from gateway.model import Secret
from gateway.settings import ClientSettings, SecretStr
from gateway.store.redis import RedisStore
from gateway.store.sql import Database
from sandbox.atlassian import App as Registered
from sandbox.atlassian import Atlassian, create_app
from sandbox.jira import Fault, Kind
from sandbox.serve import Served, listen
from tests.credential.rotating import PATIENCE
from tests.credential.sealing import local
from tests.servers import Postgres, Redis

pytestmark = pytest.mark.needs_servers

PACE = Pace(poll=0.02, save_pause=0.02, wait=PATIENCE, ask=PATIENCE, backoff_first=0.01, backoff_most=0.02)


class Hooked:
    """An `AuthorizationServer` around another: `after` its answer came something may happen."""

    def __init__(self, inner: App) -> None:
        self.inner = inner
        self.after: Callable[[], Awaitable[object]] | None = None

    async def refresh(self, refresh: Secret) -> TokenSet:
        given = await self.inner.refresh(refresh)
        if self.after is not None:
            after, self.after = self.after, None
            await after()
        return given


@dataclass
class Replica:
    """One process's share, in this process."""

    refresher: VaultRefresher
    vault: SealedVault
    server: Hooked


@dataclass
class World:
    """Everything running. `people` are new in each test."""

    postgres: Postgres
    redis: Redis
    jira: Atlassian
    one: Replica
    two: Replica
    key: LinkKey

    async def linked(self, *, left: float) -> Link:
        """A grant whose access token has so much time left."""
        scopes = frozenset({"read:jira-work", "offline_access"})
        pair = self.jira.tokens.consent(self.key.subject, "app", scopes)
        given = TokenSet(Secret(pair.access), Secret(pair.refresh), clock.wall() + left, scopes)
        return await self.one.vault.link(self.key, "acc", given)

    async def alive(self) -> bool:
        """Whether what is kept would still be taken."""
        link = await patiently(lambda: self.two.vault.read(self.key))
        refresh = link.tokens.refresh if link is not None else None
        return refresh is not None and self.jira.tokens.live(refresh.reveal())

    @property
    def asked(self) -> int:
        """Refreshes that reached the server."""
        return self.jira.counts["refresh_token"]


async def patiently(ask: Callable[[], Awaitable[Link | None]]) -> Link | None:
    """Again while something is away: it has just come back."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await ask()
            except Unavailable:
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[Postgres, Redis]]:
    """Servers that the tests of this file may stop."""
    with Postgres() as postgres, Redis() as redis:
        yield postgres, redis


@asynccontextmanager
async def replica(url: str, postgres: Postgres, redis: Redis) -> AsyncIterator[Replica]:
    """With connections of its own; it does not tend."""
    async with AsyncExitStack() as stack:
        outward = await stack.enter_async_context(Outward())
        store = await stack.enter_async_context(RedisStore(redis.url, seconds=1.0))
        database = await stack.enter_async_context(Database(postgres.url()))
        vault = SealedVault(database, local())
        await vault.start()
        settings = ClientSettings(
            client_id="app", client_secret=SecretStr("secret"), client_auth="client_secret_post"
        )
        app = App(TokenEndpoint(outward, url, OAuthClient(settings), seconds=PATIENCE), "")
        server = Hooked(app)
        refresher = VaultRefresher(vault, store, pace=PACE)
        refresher.serve("cloud", server)
        yield Replica(refresher, vault, server)


@pytest.fixture
async def world(own: tuple[Postgres, Redis], request: pytest.FixtureRequest) -> AsyncIterator[World]:
    postgres, redis = own
    app = create_app([Registered("app", ["secret"], "")], strict=True)
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/oauth/token"
    key = LinkKey("https://idp.test", request.node.name, "cloud")
    async with (
        Served(app, listening),
        replica(url, postgres, redis) as one,
        replica(url, postgres, redis) as two,
    ):
        yield World(postgres, redis, app.state.atlassian, one, two, key)


async def test_two_replicas_ask_once(world: World) -> None:
    """Forty calls on both: one request, one generation."""
    link = await world.linked(left=-5)
    both = (world.one, world.two)
    found = await asyncio.gather(*(both[n % 2].refresher.fresh(world.key) for n in range(40)))
    assert {one.generation for one in found} == {link.generation + 1}
    assert world.asked == 1 and await world.alive()


@pytest.mark.parametrize("how", ["kill", "pause", "stop"])
async def test_without_redis_what_is_good_is_served(world: World, how: str) -> None:
    """Down or hanging: the store is named, nobody is asked, and afterwards it works."""
    link = await world.linked(left=3000)
    getattr(world.redis, how)()
    try:
        with clock.shifted(wall=2950):
            assert (await world.one.refresher.fresh(world.key)).generation == link.generation
            assert world.one.refresher._under_way
        with clock.shifted(wall=3010), pytest.raises(Unavailable) as caught:
            await world.one.refresher.fresh(world.key)
        assert caught.value.part == "store"
        assert world.asked == 0
    finally:
        world.redis.resume() if how == "pause" else world.redis.start()
    with clock.shifted(wall=3010):
        fresh = await patiently(lambda: world.two.refresher.fresh(world.key))
    assert fresh is not None and fresh.generation == link.generation + 1
    assert world.asked == 1 and await world.alive()


async def test_a_redis_that_restarts_empty_in_the_middle_loses_nothing(world: World) -> None:
    """The lease is forgotten while the server is asked; the open intent keeps the other replica away."""
    link = await world.linked(left=-5)
    rotated, go_on = asyncio.Event(), asyncio.Event()

    async def restart() -> None:
        await asyncio.to_thread(world.redis.kill)
        await asyncio.to_thread(world.redis.start)
        rotated.set()
        await go_on.wait()

    world.one.server.after = restart
    first = asyncio.create_task(world.one.refresher.fresh(world.key))
    await rotated.wait()
    second = asyncio.create_task(patiently(lambda: world.two.refresher.fresh(world.key)))
    await asyncio.sleep(0.2)
    go_on.set()
    assert (await first).generation == link.generation + 1
    found = await second
    assert found is not None and found.generation == link.generation + 1
    assert world.asked == 1 and await world.alive()


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_database_that_dies_after_the_rotation_gets_the_tokens_later(world: World, how: str) -> None:
    """They exist in memory only; nobody asks again, and they are saved when it is back."""
    link = await world.linked(left=-5)
    down = asyncio.Event()

    async def die() -> None:
        await asyncio.to_thread(getattr(world.postgres, how))
        down.set()

    world.one.server.after = die
    first = asyncio.create_task(world.one.refresher.fresh(world.key))
    await down.wait()
    with pytest.raises(Unavailable):
        await world.two.refresher.fresh(world.key)
    await asyncio.to_thread(world.postgres.start)
    assert (await first).generation == link.generation + 1
    assert world.asked == 1 and await world.alive()


async def test_a_database_that_hangs_after_the_rotation_gets_the_tokens_later(world: World) -> None:
    """It may have written them before it hung: that is looked up, not asked for again."""
    link = await world.linked(left=-5)

    async def hang() -> None:
        world.postgres.pause()
        asyncio.get_running_loop().call_later(7, world.postgres.resume)

    world.one.server.after = hang
    first = await world.one.refresher.fresh(world.key)
    assert first.generation == link.generation + 1
    assert world.asked == 1 and await world.alive()


async def test_without_a_database_nobody_is_asked(world: World) -> None:
    """No intent, no request."""
    await world.linked(left=-5)
    world.postgres.kill()
    try:
        with pytest.raises(Unavailable) as caught:
            await world.one.refresher.fresh(world.key)
        assert caught.value.part in ("store", "vault")
        assert world.asked == 0
    finally:
        world.postgres.start()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.RESET, effect=True),
        Fault(Kind.TRUNCATED, effect=True),
        Fault(Kind.STATUS, status=502, effect=True),
        Fault(Kind.LOGIN_PAGE, effect=True),
        Fault(Kind.STATUS, status=429),
        Fault(Kind.STATUS, status=500),
        Fault(Kind.STATUS, status=503),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status if fault.kind == Kind.STATUS else ''}",
)
async def test_an_answer_that_is_lost_or_wrong_is_healed_within_the_leeway(
    world: World, fault: Fault
) -> None:
    """Whether the rotation happened or not, over HTTP, by the other replica."""
    world.jira.rules.leeway = 600.0
    link = await world.linked(left=-5)
    world.jira.faults.once(fault)
    with pytest.raises(Unavailable):
        await world.one.refresher.fresh(world.key)
    with clock.shifted(mono=31, wall=31):
        fresh = await patiently(lambda: world.two.refresher.fresh(world.key))
    assert fresh is not None and fresh.generation == link.generation + 1
    with clock.shifted(wall=1200):
        assert await world.alive()


async def test_a_wrong_secret_never_touches_the_grant(world: World) -> None:
    """401 `access_denied`, until the secret is right again."""
    link = await world.linked(left=-5)
    world.jira.apps["app"].secrets[:] = ["another"]
    with pytest.raises(Unavailable) as caught:
        await world.one.refresher.fresh(world.key)
    assert caught.value.part == "credential" and await world.alive()
    world.jira.apps["app"].secrets[:] = ["secret"]
    fresh = await patiently(lambda: world.two.refresher.fresh(world.key))
    assert fresh is not None and fresh.generation == link.generation + 1


async def test_a_grant_that_was_removed_there_is_ended_here(world: World) -> None:
    """403 `invalid_grant`: a tombstone that says why, on both replicas."""
    await world.linked(left=-5)
    world.jira.tokens.end(world.key.subject)
    for one in (world.one, world.two):
        with pytest.raises(ConsentRequired):
            await one.refresher.fresh(world.key)
    head = await world.two.vault.head(world.key)
    assert head is not None and head.ended == "revoked"
    assert world.asked == 1
