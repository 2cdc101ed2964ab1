"""Who refreshes, who waits, and what is said about it."""

import asyncio
import logging
from dataclasses import replace

import pytest

from gateway import clock, limits
from gateway.credential.pace import Pace
from gateway.credential.renewal import Ambiguous, ClientRefused, TryLater
from gateway.credential.vault import LinkKey
from gateway.errors import ConsentRequired, Sealed, Unavailable
from gateway.store.memory import MemoryStore
from tests.credential.rotating import ANA, BO, PACE, World, settled, until

DAY = 86_400.0


@pytest.fixture
def world() -> World:
    return World()


async def test_a_token_with_life_left_is_given_as_it_is(world: World) -> None:
    """Nobody is asked."""
    link = await world.linked(left=3000)
    assert (await world.replica().fresh(ANA)).generation == link.generation
    assert world.server.asked == 0


async def test_an_ended_one_is_refreshed(world: World) -> None:
    """The next generation, with a token that is good, and no intent left."""
    link = await world.linked(left=-5)
    fresh = await world.replica().fresh(ANA)
    assert fresh.generation == link.generation + 1
    assert fresh.tokens.expires_at > clock.wall() + 3500
    assert world.server.asked == 1 and await world.alive()
    assert (await world.stored()).intent_at is None
    assert [one["generation"] for one in world.told("link.refreshed")] == [fresh.generation]


async def test_near_its_end_it_is_served_while_it_is_refreshed(world: World) -> None:
    """Nobody waits; the next call finds the new one."""
    link = await world.linked(left=50)
    replica = world.replica()
    assert (await replica.fresh(ANA)).generation == link.generation
    await asyncio.wait([replica.begin(link)])
    assert (await replica.fresh(ANA)).generation == link.generation + 1
    assert world.server.asked == 1


async def test_the_skew_is_drawn_between_one_and_two_minutes(world: World) -> None:
    """At 121 seconds nobody refreshes, at 59 everybody does, in between some do."""
    begun = []
    for left in (121, 90, 59):
        asked = 0
        for number in range(40):
            key = LinkKey("https://idp.test", f"p{number}", "cloud")
            await world.linked(key, left=left)
            replica = world.replica()
            await replica.fresh(key)
            asked += len(replica._under_way)
            if replica._under_way:
                await asyncio.wait(replica._under_way)
        begun.append(asked)
    assert begun[0] == 0 and 0 < begun[1] < 40 and begun[2] == 40


async def test_an_open_end_is_looked_after_by_the_next_call(world: World) -> None:
    """A token with life left is served, and its old intent is not left to the sweeper alone."""
    link = await world.linked(left=3000)
    world.vault.links[ANA] = replace(link, intent_at=clock.wall() - PACE.lease - 1)
    replica = world.replica()
    assert (await replica.fresh(ANA)).generation == link.generation
    await until(lambda: world.vault.links[ANA].generation == link.generation + 1)


async def test_a_short_life_is_not_all_skew(world: World) -> None:
    """A token that lives a minute is used for half of it."""
    link = await world.linked(left=60)
    tokens = replace(link.tokens, expires_at=clock.wall() + 40)
    world.vault.links[ANA] = replace(link, tokens=tokens, refreshed_at=clock.wall() - 20)
    replica = world.replica()
    await replica.fresh(ANA)
    assert world.server.asked == 0 and not replica._under_way


async def test_of_many_calls_on_many_replicas_one_asks(world: World) -> None:
    """Two hundred calls on four replicas: one request, one generation, for each of two people."""
    for key in (ANA, BO):
        await world.linked(key, left=-5)
    world.server.after = lambda: asyncio.sleep(0.05)
    replicas = [world.replica() for _ in range(4)]
    found = await asyncio.gather(
        *(replicas[n % 4].fresh((ANA, BO)[n % 2 if n < 100 else (n + 1) % 2]) for n in range(200))
    )
    assert world.server.asked == 2
    assert {link.generation for link in found} == {2}
    assert len({link.tokens.access.reveal() for link in found}) == 2


async def test_who_waits_is_told_by_another_replica() -> None:
    """By its message, long before the next poll."""
    world = World(pace=replace(PACE, poll=1000.0))
    await world.linked(left=-5)
    first, second = world.replica(), world.replica()
    hold = asyncio.Event()
    world.server.after = hold.wait  # type: ignore[assignment]
    async with second:
        one = asyncio.create_task(first.fresh(ANA))
        await until(lambda: world.server.asked)
        two = asyncio.create_task(second.fresh(ANA))
        await until(lambda: second._news._waiting)
        hold.set()
        async with asyncio.timeout(30):
            assert (await one).generation == (await two).generation == 2
    assert world.server.asked == 1


async def test_a_refused_token_is_renewed_once_for_all(world: World) -> None:
    """Jira says 401 to many calls at once; who comes later gets what is there."""
    link = await world.linked(left=3000)
    replicas = [world.replica() for _ in range(3)]
    found = await asyncio.gather(*(replicas[n % 3].renew(ANA, link.generation) for n in range(30)))
    assert {one.generation for one in found} == {link.generation + 1}
    assert (await replicas[0].renew(ANA, link.generation)).generation == link.generation + 1
    assert world.server.asked == 1


async def test_jira_that_refuses_every_new_token_is_not_believed_for_ever(world: World) -> None:
    """After so many in ten minutes it is Jira that is wrong, and the authorization server is left alone."""
    link = await world.linked(left=3000)
    replica = world.replica()
    for _ in range(limits.RENEWALS_IN_WINDOW):
        link = await replica.renew(ANA, link.generation)
    with pytest.raises(Unavailable) as caught:
        await replica.renew(ANA, link.generation)
    assert caught.value.part == "credential" and world.server.asked == limits.RENEWALS_IN_WINDOW


async def test_without_a_link_the_person_must_connect(world: World) -> None:
    """Also when it has ended, and nobody is asked."""
    for ask in (world.replica().fresh(ANA), world.replica().renew(ANA, 1)):
        with pytest.raises(ConsentRequired):
            await ask
    link = await world.linked()
    await world.vault.end(ANA, link.generation, "revoked")
    with pytest.raises(ConsentRequired):
        await world.replica().fresh(ANA)
    assert world.server.asked == 0


async def test_what_the_answer_leaves_out_is_as_it_was(world: World) -> None:
    """No scopes: the old ones. No refresh token: the old one."""
    link = await world.linked(left=-5)
    world.server.scopes, world.server.keeps = frozenset(), True
    fresh = await world.replica().fresh(ANA)
    assert fresh.tokens.scopes == link.tokens.scopes
    assert fresh.tokens.refresh is not None and link.tokens.refresh is not None
    assert fresh.tokens.refresh.reveal() == link.tokens.refresh.reveal()


async def test_without_a_refresh_token_it_lives_as_long_as_its_access_token(world: World) -> None:
    """Served to its end, then ended as `expired`."""
    link = await world.linked(left=50)
    world.vault.links[ANA] = replace(link, tokens=replace(link.tokens, refresh=None))
    assert (await world.replica().fresh(ANA)).generation == link.generation
    with clock.shifted(wall=60), pytest.raises(ConsentRequired):
        await world.replica().fresh(ANA)
    assert world.told("link.ended")[0]["reason"] == "expired"


async def test_a_dead_grant_is_ended_and_on_record(world: World) -> None:
    """`revoked`, once, with a tombstone; the next call asks nobody."""
    link = await world.linked(left=-5)
    world.server.tokens.end("ana", reason="password")
    replica = world.replica()
    for _ in range(2):
        with pytest.raises(ConsentRequired):
            await replica.fresh(ANA)
    head = await world.vault.head(ANA)
    assert (head.ended, head.generation) == ("revoked", link.generation)
    assert [one["reason"] for one in world.told("link.ended")] == ["revoked"]
    assert world.told("link.ended")[0]["account"] == "acc-ana"
    assert world.server.asked == 1


async def test_a_grant_of_a_year_is_expired(world: World) -> None:
    """Not revoked: nobody did anything."""
    link = await world.linked(left=-5)
    world.vault.links[ANA] = replace(link, linked_at=clock.wall() - 366 * DAY)
    world.server.tokens.end("ana")
    with pytest.raises(ConsentRequired):
        await world.replica().fresh(ANA)
    assert world.told("link.ended")[0]["reason"] == "expired"


async def test_an_end_before_anybody_saw_it_is_rotation_lost(world: World) -> None:
    """An old intent without an end, and the server says the token is spent."""
    link = await world.linked(left=-5)
    assert link.tokens.refresh is not None
    world.server.tokens.refresh(link.tokens.refresh.reveal(), "app")  # somebody asked, and died
    world.vault.links[ANA] = replace(link, intent_at=clock.wall() - 3600)
    with clock.shifted(wall=700), pytest.raises(ConsentRequired):
        await world.replica().fresh(ANA)
    assert world.told("link.ended")[0]["reason"] == "rotation_lost"


async def test_dead_for_us_but_moved_is_alive(world: World) -> None:
    """`invalid_grant` is no end when another replica has meanwhile brought a new generation."""
    link = await world.linked(left=-5)

    async def elsewhere() -> None:
        world.server.tokens.end("ana")
        await world.vault.replace(ANA, link.generation, world.server.consent("ana"))

    world.server.before = elsewhere
    assert (await world.replica().fresh(ANA)).generation == link.generation + 1
    assert world.told("link.ended") == [] and await world.alive()


@pytest.mark.parametrize("failure", [ClientRefused("401 access_denied"), TryLater("429"), TryLater("503")])
async def test_an_answer_that_did_nothing_leaves_the_grant(
    world: World, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """No intent stays, nobody asks again for a while, then it works."""
    link = await world.linked(left=-5)

    async def fails() -> None:
        raise failure

    world.server.before = fails
    replicas = [world.replica(), world.replica()]
    with caplog.at_level(logging.ERROR):
        for replica in replicas * 2:
            with pytest.raises(Unavailable) as caught:
                await replica.fresh(ANA)
            assert caught.value.part == "credential"
    assert world.server.asked == 1
    assert (await world.stored()).intent_at is None
    assert ("our client is refused" in caplog.text) == isinstance(failure, ClientRefused)
    world.server.before = World().server.before
    with clock.shifted(mono=3, wall=3):
        assert (await replicas[1].fresh(ANA)).generation == link.generation + 1
    assert world.told("link.ended") == []


async def test_each_failure_waits_longer_up_to_a_minute(world: World) -> None:
    """2, 4, 8 … 60 seconds."""
    await world.linked(left=-5)

    async def fails() -> None:
        raise TryLater("429")

    world.server.before = fails
    replica, shift, waits = world.replica(), 0.0, []
    for _ in range(7):
        asked, waited = world.server.asked, 0.0
        while world.server.asked == asked:
            with clock.shifted(mono=shift, wall=shift), pytest.raises(Unavailable):
                await replica.fresh(ANA)
            if world.server.asked == asked:
                shift, waited = shift + 1, waited + 1
        waits.append(waited)
        shift += 0.001
    assert waits[0] == 0
    assert all(abs(found - asked) <= 1 for found, asked in zip(waits[1:], (2, 4, 8, 16, 32, 60), strict=True))


async def test_no_answer_deletes_nothing(world: World) -> None:
    """The intent stays, it is on record, and asking again within the leeway heals it, by whoever asks."""
    link = await world.linked(left=-5)

    async def lost() -> None:
        raise Ambiguous("no whole answer")

    world.server.after = lost
    replica = world.replica(pace=replace(PACE, lease=3600.0))  # who asked knows that it is over
    with pytest.raises(Unavailable):
        await replica.fresh(ANA)
    stored = await world.stored()
    assert stored.generation == link.generation and stored.intent_at is not None
    assert len(world.told("link.refresh_ambiguous")) == 1
    world.server.after = World().server.after
    with clock.shifted(mono=5, wall=5):
        assert (await replica.fresh(ANA)).generation == link.generation + 1
    assert await world.alive()


async def test_a_server_that_takes_too_long_is_not_waited_for(world: World) -> None:
    """The request ends before 40 % of the lease, as ambiguous."""
    await world.linked(left=-5)
    world.server.before = lambda: asyncio.sleep(3600)
    with pytest.raises(Unavailable):
        await world.replica(pace=replace(PACE, ask=0.05)).fresh(ANA)
    assert len(world.told("link.refresh_ambiguous")) == 1
    assert Pace().ask < 0.4 * Pace().lease
    assert Pace().ask > limits.EXCHANGE_SECONDS
    assert Pace().ask + 2 * limits.DATABASE_SECONDS < Pace().lease


async def test_a_broken_server_is_ambiguous_too(world: World) -> None:
    """Whatever it raised, the request may have been sent."""
    await world.linked(left=-5)

    async def breaks() -> None:
        raise KeyError("a bug")

    world.server.after = breaks
    with pytest.raises(Unavailable):
        await world.replica().fresh(ANA)
    assert (await world.stored()).intent_at is not None
    assert len(world.told("link.refresh_ambiguous")) == 1


async def test_a_waiter_that_leaves_stops_nothing(world: World) -> None:
    """The call was cancelled; the refresh goes on for the others, and to its end."""
    link = await world.linked(left=-5)
    hold = asyncio.Event()
    world.server.after = hold.wait  # type: ignore[assignment]
    replica = world.replica()
    calls = [asyncio.create_task(replica.fresh(ANA)) for _ in range(3)]
    await until(lambda: world.server.asked)
    for call in calls[:2]:
        call.cancel()
    hold.set()
    assert (await calls[2]).generation == link.generation + 1
    assert calls[0].cancelled() and calls[1].cancelled()


async def test_leaving_waits_for_what_is_under_way(world: World) -> None:
    """SIGTERM: the refresh ends although its caller is gone."""
    link = await world.linked(left=-5)
    hold = asyncio.Event()
    world.server.after = hold.wait  # type: ignore[assignment]
    async with world.replica() as replica:
        call = asyncio.create_task(replica.fresh(ANA))
        await until(lambda: world.server.asked)
        call.cancel()
        asyncio.get_running_loop().call_later(0.02, hold.set)
    assert (await world.stored()).generation == link.generation + 1
    assert await world.alive()


async def test_leaving_does_not_wait_for_ever(world: World) -> None:
    """A server that hangs: the process ends, the intent stays, and another replica heals it."""
    link = await world.linked(left=-5)
    world.server.after = lambda: asyncio.sleep(3600)
    async with world.replica(pace=replace(PACE, stop=0.01)) as replica:
        call = asyncio.create_task(replica.fresh(ANA))
        await until(lambda: world.server.asked)
    assert isinstance(await settled(call), Unavailable)
    world.server.after = World().server.after
    with clock.shifted(mono=40, wall=40):
        assert (await world.replica().fresh(ANA)).generation == link.generation + 1


async def test_a_closed_record_loses_no_tokens(world: World) -> None:
    """What happened has happened; the error is in the log."""
    await world.linked(left=-5)
    world.record_is_closed = Sealed("disk full")
    assert (await world.replica().fresh(ANA)).generation == 2
    assert await world.alive()


async def test_the_store_away_serves_what_is_good(world: World) -> None:
    """No lease can be had: a token with life left is given, without it the store is named as down."""

    class Away(MemoryStore):
        async def add(self, key: str, value: bytes, seconds: float) -> bool:
            raise Unavailable("away", part="store")

    world.store = Away()
    link = await world.linked(left=5)
    replica = world.replica()
    assert (await replica.fresh(ANA)).generation == link.generation
    with clock.shifted(wall=6), pytest.raises(Unavailable) as caught:
        await replica.fresh(ANA)
    assert caught.value.part == "store"
    assert world.server.asked == 0 and (await world.stored()).intent_at is None


async def test_an_unknown_upstream_is_not_refreshed(world: World) -> None:
    """A site that was taken out of the settings: unavailable, and the grant is as it was."""
    key = LinkKey("https://idp.test", "ana", "gone")
    await world.linked(key, left=-5)
    with pytest.raises(Unavailable):
        await world.replica().fresh(key)
    assert (await world.stored(key)).intent_at is None


async def test_nothing_names_a_person_or_a_token_in_the_store(world: World) -> None:
    """Keys are digests; values are random."""
    await world.linked(left=-5)
    await world.replica().fresh(ANA)
    seen: list[str] = []
    replica = world.replica()

    class Watched(MemoryStore):
        async def add(self, key: str, value: bytes, seconds: float) -> bool:
            seen.append(f"{key} {value!r}")
            return await super().add(key, value, seconds)

        async def publish(self, channel: str, message: bytes) -> None:
            seen.append(f"{channel} {message!r}")

    world.store = Watched()
    link = await world.stored()
    replica = world.replica()
    await replica.renew(ANA, link.generation)
    secret = link.tokens.refresh.reveal() if link.tokens.refresh else ""
    assert seen and not [text for text in seen for word in ("ana", ISSUER_WORD, secret) if word in text]


ISSUER_WORD = "idp.test"
