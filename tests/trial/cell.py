"""One cell of the table: a strategy against a server, with or without faults; how many grants it lost.

30 people, linked          each access token lives a second and a half
working                    their assistants call over 4 replicas; faults, if any, happen
resting                    nobody calls for a lease and two sweeps; then hours go by
counted                    whose grant is kept, and would still be taken
"""

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gateway import clock
from gateway.credential.kek.local import LocalRing
from gateway.credential.pace import Pace
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import TokenSet
from gateway.model import Secret
from gateway.store.sql import Database
from sandbox.atlassian import App, Atlassian, create_app
from sandbox.jira import Asked, Fault, Kind
from sandbox.serve import Served, listen
from tests.servers import Postgres, Redis
from tests.trial.replica import (
    CLIENT,
    KEY,
    PRELOADED,
    WORK_SECONDS,
    Count,
    Order,
    Phase,
    Shared,
    main,
    person,
)

PEOPLE, REPLICAS = 30, 4
FACTOR = 10.0
ACCESS_SECONDS = 1.5
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What is tried."""

    strategy: str
    leeway: bool
    faults: bool


def pace(cell: Cell) -> Pace:
    """Who sweeps and looks does so more often than in proportion, so that a trial ends."""
    quick = {
        "poll": 0.02,
        "sweep": 1.0,
        "backoff_most": 1.0,
        "skew_least": 2.0,
        "skew_most": 4.0,
        "margin": 0.5,
    }
    return replace(Pace().shrunk(FACTOR) if cell.faults else Pace(), **quick)


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    lost: int = 0
    asked: int = 0
    """Requests for a refresh that the server carried out or refused."""
    rotated: int = 0
    served: int = 0
    failed: int = 0
    ended: int = 0
    kills: int = 0
    pauses: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(*(getattr(self, name) + getattr(other, name) for name in Outcome.__slots__))


@dataclass(frozen=True, slots=True)
class Servers:
    """What all cells share."""

    postgres: Postgres
    redis: Redis
    database_url: str


class Replicas:
    """The processes of one cell."""

    def __init__(self, orders: list[Order]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        self._orders = orders
        self.phase: Any = self._context.Value("i", Phase.STARTING, lock=False)
        self.began: Any = self._context.Value("d", 0.0, lock=False)
        self._counts: list[Any] = [self._context.Array("l", len(Count), lock=False) for _ in orders]
        self._processes: list[Any] = [None for _ in orders]
        self._generation = 0

    def start(self, number: int) -> None:
        """Start or start again."""
        self._generation += 1
        order = replace(self._orders[number], seed=self._orders[number].seed + self._generation)
        shared = Shared(self.phase, self.began, self._counts[number])
        process = self._context.Process(target=main, args=(order, shared), daemon=True)
        process.start()
        self._processes[number] = process

    def signal(self, number: int, what: int) -> None:
        """To one that may just have ended."""
        with suppress(ProcessLookupError):
            os.kill(self._processes[number].pid, what)

    def kill(self, number: int) -> None:
        """As the kernel does when memory is out."""
        self.signal(number, signal.SIGCONT)
        self.signal(number, signal.SIGKILL)
        self._processes[number].join(PATIENCE)
        self._processes[number].close()

    def total(self, what: Count) -> int:
        """Over all replicas, dead ones included."""
        return sum(counts[what] for counts in self._counts)

    async def ready(self) -> None:
        """Until each has started. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if all(counts[Count.READY] for counts in self._counts):
                    return
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        """In good order; who does not end in time is killed."""
        self.phase.value = Phase.OVER
        for number, process in enumerate(self._processes):
            self.signal(number, signal.SIGCONT)
            await asyncio.to_thread(process.join, PATIENCE)
            self.kill(number)


async def run(cell: Cell, seed: int, servers: Servers) -> Outcome:
    """Try it once."""
    dice = random.Random(f"{seed} {cell}")
    servers.postgres.execute("TRUNCATE links")
    servers.redis.empty()
    app = create_app([App(CLIENT[0], [CLIENT[1]], "")], factor=FACTOR, strict=not cell.leeway)
    state: Atlassian = app.state.atlassian
    state.rules.access = ACCESS_SECONDS
    listening = listen("127.0.0.1", 0)
    async with Served(app, listening), Database(servers.database_url) as database:
        vault = SealedVault(database, LocalRing(KEY))
        await vault.start()
        orders = _orders(cell, dice, f"http://127.0.0.1:{listening.getsockname()[1]}/oauth/token", servers)
        replicas = Replicas(orders)
        try:
            for number in range(REPLICAS):
                replicas.start(number)
            await replicas.ready()
            await _link(vault, state)
            outcome = await _worked(cell, replicas, state, vault, dice)
        finally:
            await replicas.end()
        state.clock_skew += 2 * 600 / FACTOR  # hours go by, as far as the leeway is concerned
        outcome.lost = await _lost(vault, state)
        outcome.rotated, outcome.asked = state.tokens.refreshes, state.counts["refresh_token"]
    return outcome


def _orders(cell: Cell, dice: random.Random, url: str, servers: Servers) -> list[Order]:
    day = str(dice.random())
    return [
        Order(
            seed=dice.randrange(2**32),
            day=day,
            strategy=cell.strategy,
            people=PEOPLE,
            pace=pace(cell),
            token_url=url,
            database_url=servers.database_url,
            redis_url=servers.redis.url,
            stumbles=0.1 if cell.faults else 0.0,
        )
        for _ in range(REPLICAS)
    ]


async def _link(vault: SealedVault, state: Atlassian) -> None:
    for number in range(PEOPLE):
        key, scopes = person(number), frozenset({"read:jira-work", "offline_access"})
        pair = state.tokens.consent(key.subject, CLIENT[0], scopes)
        given = TokenSet(Secret(pair.access), Secret(pair.refresh), clock.wall() + ACCESS_SECONDS, scopes)
        await vault.link(key, f"acc-{number}", given)


async def _worked(
    cell: Cell, replicas: Replicas, state: Atlassian, vault: SealedVault, dice: random.Random
) -> Outcome:
    outcome = Outcome()
    if cell.faults:
        state.faults.before = _server_faults(dice)
    replicas.began.value = time.monotonic()
    replicas.phase.value = Phase.WORKING
    ends = replicas.began.value + WORK_SECONDS
    if cell.faults:
        async with asyncio.TaskGroup() as group:
            group.create_task(_kills(replicas, dice, ends, outcome))
            for number in range(REPLICAS // 2, REPLICAS):
                group.create_task(_pauses(replicas, number, dice, ends, outcome))
    await asyncio.sleep(max(0.0, ends - time.monotonic()))
    state.faults.clear()
    replicas.phase.value = Phase.RESTING
    if cell.strategy == "full":
        await _closed(vault)
    outcome.served, outcome.failed = replicas.total(Count.SERVED), replicas.total(Count.FAILED)
    outcome.ended = replicas.total(Count.ENDED)
    return outcome


async def _closed(vault: SealedVault) -> None:
    """Until no refresh is open. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if not await vault.intents(clock.wall() + PATIENCE):
                return
            await asyncio.sleep(0.1)


async def _kills(replicas: Replicas, dice: random.Random, ends: float, outcome: Outcome) -> None:
    """kill -9 of replica 0 or 1, and a new one in its place. (The others are paused: a process that is both
    would only be dead longer.)"""
    while time.monotonic() < ends:
        await asyncio.sleep(dice.uniform(0.2, 0.8))
        number = dice.randrange(REPLICAS // 2)
        await asyncio.to_thread(replicas.kill, number)
        outcome.kills += 1
        await asyncio.to_thread(replicas.start, number)


async def _pauses(
    replicas: Replicas, number: int, dice: random.Random, ends: float, outcome: Outcome
) -> None:
    """SIGSTOP for up to one and a quarter leases, as a garbage collection or a hypervisor does."""
    while time.monotonic() < ends:
        await asyncio.sleep(dice.uniform(0.1, 0.5))
        replicas.signal(number, signal.SIGSTOP)
        outcome.pauses += 1
        await asyncio.sleep(dice.uniform(0.05, 1.25) * Pace().shrunk(FACTOR).lease)
        replicas.signal(number, signal.SIGCONT)


def _server_faults(dice: random.Random) -> Callable[[Asked], Fault | None]:
    """One request in eight: the answer is lost after the rotation, or late, or there is none, or a refusal."""
    faults = (
        Fault(Kind.RESET, effect=True),
        Fault(Kind.HANG, effect=True),
        Fault(Kind.STATUS, status=502, effect=True),
        Fault(Kind.DELAY, seconds=0.6),
        Fault(Kind.DELAY, seconds=1.2),
        Fault(Kind.HANG),
        Fault(Kind.STATUS, status=429),
        Fault(Kind.STATUS, status=500),
    )

    def before(asked: Asked) -> Fault | None:
        return dice.choice(faults) if dice.random() < 0.125 else None

    return before


async def _lost(vault: SealedVault, state: Atlassian) -> int:
    """Whose grant has ended here, or would not be taken there any more."""
    lost = 0
    for number in range(PEOPLE):
        link = await vault.read(person(number))
        refresh = link.tokens.refresh if link is not None else None
        lost += refresh is None or not state.tokens.live(refresh.reveal())
    return lost
