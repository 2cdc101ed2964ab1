"""What must not lose a grant: a crash at each step, pauses, a store that forgets, a vault that is away.

`Mortal` counts every operation that a process makes on the vault, the store and the server. The process is
killed at each in turn, before it happened and after; another replica then does what replicas do.
"""

import asyncio
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from gateway import clock, limits
from gateway.credential.refresh import VaultRefresher
from gateway.credential.renewal import TryLater
from gateway.credential.vault import Link, LinkKey
from gateway.errors import ConsentRequired, Unavailable
from gateway.store.memory import MemoryStore
from tests.credential.rotating import ANA, ISSUER, PACE, Crash, Mortal, World, settled, until
from tests.credential.shelf import MemoryVault

LEASE = PACE.lease + 1


async def steps() -> list[str]:
    """The operations of one refresh that goes well."""
    world, mortal = World(), Mortal()
    await world.linked(left=-5)
    await world.replica(mortal).fresh(ANA)
    return mortal.names


async def test_the_steps_are_these() -> None:
    """In this order, and the server is asked after the intent and before anything else is written."""
    assert await steps() == [
        *("read", "get", "add", "read"),
        *("intend", "refresh", "replace"),
        *("release", "publish"),
    ]


async def died(world: World, step: int, *, late: bool) -> None:
    """A process that refreshes dies at that step."""
    mortal = Mortal()
    mortal.dies_at, mortal.late = step, late
    ended = await settled(world.replica(mortal).fresh(ANA))
    assert mortal.dead and isinstance(ended, Crash), ended


STEPS = range(1, 10)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_pitfall_21_a_crash_at_any_step_loses_nothing_with_a_leeway(step: int, late: bool) -> None:
    """A lease later another replica sweeps; the grant is alive and the access token good."""
    world = World()
    await world.linked(left=-5)
    await died(world, step, late=late)
    with clock.shifted(mono=LEASE, wall=LEASE):
        other = world.replica()
        await other._tending.sweep_once()
        link = await world.stored()
        assert link.intent_at is None
        fresh = await other.fresh(ANA)
        assert fresh.generation >= 2 and await world.alive()
        assert world.server.tokens.access(fresh.tokens.access.reveal())
    assert world.told("link.ended") == [] and world.server.tokens.reuses == 0


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_without_a_leeway_only_an_unsaved_rotation_is_lost(step: int, late: bool) -> None:
    """No client can undo that: the only good token died with its process. The person is told so."""
    world = World()
    world.server.tokens.rules.leeway = 0.0
    await world.linked(left=-5)
    await died(world, step, late=late)
    names = await steps()
    unsaved = (names[step - 1], late) in (("refresh", True), ("replace", False))
    with clock.shifted(mono=LEASE, wall=LEASE):
        ended = await settled(world.replica().fresh(ANA))
        assert isinstance(ended, ConsentRequired) == unsaved
        assert await world.alive() != unsaved
    assert [one["reason"] for one in world.told("link.ended")] == ["rotation_lost"] * unsaved


@pytest.mark.parametrize("step", range(1, 8))
async def test_after_a_crash_the_next_call_waits_no_longer_than_the_lease(step: int) -> None:
    """Also without a sweep, and a call before that is told to come back, not to connect again."""
    world = World(pace=replace(PACE, wait=0.05))
    await world.linked(left=-5)
    await died(world, step, late=True)
    early = await settled(world.replica().fresh(ANA))
    assert not isinstance(early, ConsentRequired | Crash)
    with clock.shifted(mono=LEASE, wall=LEASE):
        assert (await world.replica(pace=PACE).fresh(ANA)).generation == 2


async def test_pitfall_21_a_pause_before_the_request_stops_it() -> None:
    """The process slept for more than half of its lease after the intent: it does not ask any more."""
    world = World()
    await world.linked(left=-5)

    class Sleeps(MemoryVault):
        async def intend(self, key: LinkKey, generation: int, *, after: float | None = None) -> bool:
            done = await super().intend(key, generation, after=after)
            stack.enter_context(clock.shifted(mono=16, wall=16))
            return done

    with ExitStack() as stack:
        vault = Sleeps()
        vault.links = world.vault.links
        world.vault = vault
        with pytest.raises(Unavailable):
            await world.replica().fresh(ANA)
        assert world.server.asked == 0
        assert (await world.stored()).intent_at is not None


@pytest.mark.parametrize("clocks", [{"mono": 16.0}, {"wall": 16.0}])
async def test_a_sleeping_machine_is_noticed_by_either_clock(clocks: dict[str, float]) -> None:
    """The monotonic clock may stand still while a machine sleeps, the wall clock while it is set."""
    world = World()
    await world.linked(left=-5)
    store = MemoryStore()
    add = store.add

    async def slow(key: str, value: bytes, seconds: float) -> bool:
        done = await add(key, value, seconds)
        stack.enter_context(clock.shifted(**clocks))
        return done

    with ExitStack() as stack:
        store.add = slow  # type: ignore[method-assign]
        world.store = store
        with pytest.raises(Unavailable):
            await world.replica().fresh(ANA)
    assert world.server.asked == 0


async def test_a_holder_paused_beyond_its_lease_overwrites_nothing() -> None:
    """It has rotated, sleeps, another replica refreshes and saves, it wakes: the later generation stands."""
    world = World()
    await world.linked(left=-5)
    hold, rotated = asyncio.Event(), asyncio.Event()

    async def paused() -> None:
        if not rotated.is_set():
            rotated.set()
            await hold.wait()

    world.server.after = paused
    first, second = world.replica(), world.replica()
    sleeping = asyncio.create_task(first.fresh(ANA))
    await until(rotated.is_set)
    with clock.shifted(mono=LEASE, wall=LEASE):
        theirs = await second.fresh(ANA)
        hold.set()
        ours = await sleeping
        assert ours.generation == theirs.generation == 2
        assert ours.tokens.access.reveal() == theirs.tokens.access.reveal()
        assert (await world.stored()).tokens.access.reveal() == theirs.tokens.access.reveal()
        assert await world.alive()
    assert len(world.told("link.refreshed")) == 1


async def test_a_holder_paused_before_its_request_loses_nothing_with_a_leeway() -> None:
    """It asks with the spent token: within the leeway that is another pair, which is thrown away."""
    world = World()
    await world.linked(left=-5)
    hold, begun = asyncio.Event(), asyncio.Event()

    async def paused() -> None:
        if not begun.is_set():
            begun.set()
            await hold.wait()

    world.server.before = paused
    first, second = world.replica(), world.replica()
    sleeping = asyncio.create_task(first.fresh(ANA))
    await until(begun.is_set)
    with clock.shifted(mono=LEASE, wall=LEASE):
        await second.fresh(ANA)
        hold.set()
        await sleeping
        assert await world.alive()
    assert world.server.tokens.reuses == 0


async def test_pitfall_21_a_store_that_forgets_lets_nobody_ask_twice() -> None:
    """Redis restarted empty in the middle: the open intent in the database keeps the others away."""
    world = World()
    world.server.tokens.rules.leeway = 0.0
    await world.linked(left=-5)
    hold = asyncio.Event()
    world.server.after = hold.wait  # type: ignore[assignment]
    first = asyncio.create_task(world.replica().fresh(ANA))
    await until(lambda: world.server.asked)
    world.store._entries.clear()
    second = asyncio.create_task(world.replica().fresh(ANA))
    await asyncio.sleep(0.1)
    assert world.server.asked == 1
    hold.set()
    assert (await first).generation == (await second).generation == 2
    assert await world.alive() and world.server.tokens.reuses == 0


async def test_without_any_lease_the_database_decides() -> None:
    """Replicas that do not share a store at all: of ten that read the same, one asks."""
    world = World()
    world.server.tokens.rules.leeway = 0.0
    await world.linked(left=-5)
    replicas = []
    for _ in range(10):
        world.store = MemoryStore()
        replicas.append(world.replica())
    found = await asyncio.gather(*(replica.fresh(ANA) for replica in replicas))
    assert {link.generation for link in found} == {2}
    assert world.server.asked == 1 and await world.alive()


async def test_a_vault_that_is_away_after_the_rotation_is_waited_for() -> None:
    """The tokens exist nowhere else: they are saved when it is back, and nobody asks meanwhile."""
    world = World(pace=replace(PACE, wait=0.05))
    world.server.tokens.rules.leeway = 0.0
    await world.linked(left=-5)

    async def away() -> None:
        world.vault.broken = True

    world.server.after = away
    replica = world.replica()
    with pytest.raises(Unavailable):
        await replica.fresh(ANA)
    for _ in range(3):
        with clock.shifted(mono=LEASE, wall=LEASE), suppress(Unavailable):
            await world.replica().fresh(ANA)
    world.vault.broken = False
    await until(lambda: world.vault.links[ANA].generation == 2)
    assert await world.alive() and world.server.asked == 1


async def test_while_new_tokens_wait_for_the_vault_the_lease_is_held() -> None:
    """Asking again would spend, at a strict server, what we hold in memory."""
    world = World()
    world.server.tokens.rules.leeway = 0.0
    await world.linked(left=-5)
    gate = asyncio.Event()

    class Refuses(MemoryVault):
        async def replace(self, key: LinkKey, generation: int, tokens: object) -> object:  # type: ignore[override]
            if not gate.is_set():
                raise Unavailable("away", part="vault")
            return await super().replace(key, generation, tokens)  # type: ignore[arg-type]

    vault = Refuses()
    vault.links = world.vault.links
    world.vault = vault
    holder = asyncio.create_task(world.replica().fresh(ANA))
    await until(lambda: world.server.asked)
    with clock.shifted(mono=20, wall=20):
        await asyncio.sleep(0.1)  # it has tried again, and extended
        with clock.shifted(mono=20, wall=20):
            other = asyncio.create_task(world.replica().fresh(ANA))
            await asyncio.sleep(0.1)
            assert world.server.asked == 1
            gate.set()
            assert (await holder).generation == (await other).generation == 2
    assert await world.alive()


async def test_a_commit_whose_answer_is_lost_is_found() -> None:
    """The database replaced the tokens and then hung: they are not asked for again, and are on record."""
    world = World()
    await world.linked(left=-5)

    class Deaf(MemoryVault):
        async def replace(self, key: LinkKey, generation: int, tokens: object) -> object:  # type: ignore[override]
            done = await super().replace(key, generation, tokens)  # type: ignore[arg-type]
            if done is not None:
                raise Unavailable("no answer", part="vault")
            return None

    vault = Deaf()
    vault.links = world.vault.links
    world.vault = vault
    assert (await world.replica().fresh(ANA)).generation == 2
    assert await world.alive() and world.server.asked == 1
    assert len(world.told("link.refreshed")) == 1


async def test_a_disconnect_in_the_middle_stands() -> None:
    """The person disconnected while the server was asked: nothing is kept, and the call says connect."""
    world = World()
    await world.linked(left=-5)
    world.server.after = lambda: world.vault.unlink(ANA)
    with pytest.raises(ConsentRequired):
        await world.replica().fresh(ANA)
    assert await world.vault.read(ANA) is None
    assert world.told("link.ended") == []


async def test_an_undone_refresh_does_not_hide_an_older_open_one() -> None:
    """429 after an attempt without an answer: the intent of that one stays for the sweeper."""
    world = World()
    link = await world.linked(left=-5)
    world.vault.links[ANA] = replace(link, intent_at=clock.wall() - LEASE)

    async def busy() -> None:
        raise TryLater("429")

    world.server.before = busy
    with pytest.raises(Unavailable):
        await world.replica().fresh(ANA)
    assert (await world.stored()).intent_at is not None


async def test_the_sweeper_asks_again_for_old_intents_alone() -> None:
    """One that is younger than a lease belongs to somebody; one without a known upstream is left."""
    world = World()
    keys = [LinkKey(ISSUER, f"p{n}", "cloud") for n in range(20)]
    for number, key in enumerate(keys):
        link = await world.linked(key, left=3000)
        age = LEASE if number < 12 else 5
        world.vault.links[key] = replace(link, intent_at=clock.wall() - age)
    other = LinkKey(ISSUER, "x", "removed-site")
    link = await world.linked(other, left=3000)
    world.vault.links[other] = replace(link, intent_at=clock.wall() - LEASE)
    replicas: list[VaultRefresher] = [world.replica() for _ in range(3)]
    await asyncio.gather(*(replica._tending.sweep_once() for replica in replicas))
    assert world.server.asked == 12
    open_still = {key for key, link in world.vault.links.items() if link.intent_at is not None}
    assert open_still == {*keys[12:], other}
    assert replicas[0].state()[0]


async def test_what_nobody_confirmed_is_destroyed() -> None:
    """Tokens that wait for the person's word are gone soon after the question ended; a fresh one waits on."""
    world = World()
    for subject, age in (("old", limits.LINK_CONFIRM_SECONDS + 1), ("new", 5.0)):
        key = LinkKey(ISSUER, subject, "cloud/confirm")
        link = await world.linked(key, left=3000)
        world.vault.links[key] = replace(link, refreshed_at=clock.wall() - age)
    await world.replica()._tending.sweep_once()
    assert [key.subject for key in world.vault.links] == ["new"] and world.server.asked == 0


async def test_idle_people_are_refreshed_after_a_month() -> None:
    """Twenty of them by three replicas, once each; who used theirs is left alone."""
    world = World()
    idle = [LinkKey(ISSUER, f"idle{n}", "cloud") for n in range(20)]
    for key in (*idle, ANA):
        link = await world.linked(key, left=-5)
        days = 31 if key in idle else 29
        world.vault.links[key] = replace(link, refreshed_at=clock.wall() - days * 86_400)
    await asyncio.gather(*(world.replica()._tending.tend_once() for _ in range(3)))
    assert world.server.asked == 20
    assert {key.subject for key, link in world.vault.links.items() if link.generation == 2} == {
        key.subject for key in idle
    }


async def idling(world: World, count: int) -> list[LinkKey]:
    """Grants that nobody used for more than a month, the oldest first."""
    keys = [LinkKey(ISSUER, f"idle{n:02}", "cloud") for n in range(count)]
    for n, key in enumerate(keys):
        link = await world.linked(key, left=-5)
        world.vault.links[key] = replace(link, refreshed_at=clock.wall() - (31 + count - n) * 86_400)
    return keys


def renewed(world: World) -> list[LinkKey]:
    """Whose grants were refreshed."""
    return sorted((key for key, link in world.vault.links.items() if link.generation == 2), key=str)


async def test_grants_that_cannot_be_unsealed_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than one look refreshes, and the oldest: it passes over them."""
    monkeypatch.setattr(limits, "REFRESH_TEND_LINKS", 5)
    world = World()
    keys = await idling(world, 20)
    read = world.vault.read

    async def unsealed(key: LinkKey) -> Link | None:
        if key in keys[:12]:
            raise Unavailable("x", part="vault")
        found: Link | None = await read(key)
        return found

    monkeypatch.setattr(world.vault, "read", unsealed)
    await world.replica()._tending.tend_once()
    assert renewed(world) == keys[12:]


async def test_grants_whose_refresh_fails_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look goes on behind them, and begins again when it got to the end."""
    monkeypatch.setattr(limits, "REFRESH_TEND_LINKS", 5)
    world = World()
    keys = await idling(world, 12)
    replica = world.replica()
    begin, away = replica.begin, set(keys[:5])

    async def fails() -> Link:
        raise Unavailable("x", part="credential")

    monkeypatch.setattr(
        replica, "begin", lambda link: asyncio.create_task(fails()) if link.key in away else begin(link)
    )
    found = []
    for _ in range(3):
        await replica._tending.tend_once()
        found.append(len(renewed(world)))
    assert found == [0, 5, 7]
    away.clear()
    await replica._tending.tend_once()
    assert renewed(world) == keys


async def test_tending_survives_what_it_meets() -> None:
    """The vault away, then a bug: it says so, goes on, and is well again."""
    world = World(pace=replace(PACE, sweep=0.01))
    await world.linked(left=3000)
    world.vault.intents = _broken
    async with world.replica() as replica:
        await until(lambda: not replica.state()[0])
        assert "KeyError" in replica.state()[1]
        del world.vault.intents
        await until(lambda: replica.state()[0])
        link = world.vault.links[ANA]
        world.vault.links[ANA] = replace(link, intent_at=clock.wall() - LEASE)
        await until(lambda: world.vault.links[ANA].generation == 2)


async def _broken(before: float) -> list[LinkKey]:
    raise KeyError("a bug")


async def test_the_end_of_a_year_is_noted_weeks_before() -> None:
    """Once a week, by the refresh that every grant has at least once a month."""
    world = World()
    await world.linked(left=-5)
    replica = world.replica()
    for day in (300, 325, 326, 333):
        shift = day * 86_400.0
        world.server.tokens.rules.idle = shift + 1
        with clock.shifted(wall=shift, mono=shift):
            assert (await replica.fresh(ANA)).generation > 1
    noted = world.told("link.ends_soon")
    assert len(noted) == 2 and noted[0]["subject"] == "ana"
    head = await world.vault.head(ANA)
    assert noted[0]["ends"] == clock.iso(head.ends_at(365))
    assert head.ends_at(None) is None
