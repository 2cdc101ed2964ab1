"""One replica of a trial: a process of its own, with its own connections, that may be killed at any moment."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from gateway.credential.client import OAuthClient
from gateway.credential.codegrant import App
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.kek.local import LocalRing
from gateway.credential.pace import Pace
from gateway.credential.renewal import GrantDead
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import LinkKey
from gateway.errors import ConsentRequired
from gateway.http import Outward
from gateway.settings import ClientSettings, SecretStr
from gateway.store.redis import RedisStore
from gateway.store.sql import Database
from tests.trial.strategies import UPSTREAM, Strategy, strategy

ISSUER = "https://idp.test"
CLIENT = ("app", "app-secret")
KEY = {"k1": bytes(range(32))}
WORK_SECONDS = 4.0


class Phase(IntEnum):
    """What all replicas do now; told in shared memory."""

    STARTING = 0
    WORKING = 1
    """People call."""
    RESTING = 2
    """Nobody calls; what tends goes on."""
    OVER = 3


class Count(IntEnum):
    """Where a replica counts what its calls came to, in shared memory that survives it."""

    READY = 0
    SERVED = 1
    FAILED = 2
    """The person was told to try again."""
    ENDED = 3
    """The person was told to connect again."""


@dataclass(slots=True)
class Shared:
    """Memory that the parent and a replica share; without locks, since a killed process gives none back."""

    phase: Any
    began: Any
    """The monotonic clock when people began to work; one machine has one."""
    counts: Any


@dataclass(frozen=True, slots=True)
class Order:
    """What a replica must know. `stumbles`: seconds that a write to the vault may take longer."""

    seed: int
    day: str
    """Of what all replicas draw how long each person works."""
    strategy: str
    people: int
    pace: Pace
    token_url: str
    database_url: str
    redis_url: str
    stumbles: float


def person(number: int) -> LinkKey:
    """The key of that person's grant."""
    return LinkKey(ISSUER, f"person-{number}", UPSTREAM)


def works_until(order: Order, number: int) -> float:
    """Seconds after the beginning at which that person goes home: nobody calls for them any more."""
    return random.Random(f"{order.day} {number}").uniform(0.25, 1.0) * WORK_SECONDS


def main(order: Order, shared: Shared) -> None:
    """The process. What it would log is what the trial makes happen."""
    logging.disable(logging.CRITICAL)
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(order, shared))


class Stumbling(SealedVault):
    """A database that is slow now and then, so that a crash falls between two steps more often."""

    def __init__(self, database: Database, keys: LocalRing, dice: random.Random, seconds: float) -> None:
        super().__init__(database, keys)
        self._dice = dice
        self._seconds = seconds

    async def intend(self, key: LinkKey, generation: int, *, after: float | None = None) -> bool:
        await self._stumble()
        return await super().intend(key, generation, after=after)

    async def replace(self, key: LinkKey, generation: int, tokens: Any) -> Any:
        await self._stumble()
        return await super().replace(key, generation, tokens)

    async def _stumble(self) -> None:
        if self._seconds and self._dice.random() < 0.5:
            await asyncio.sleep(self._dice.random() * self._seconds)


async def _run(order: Order, shared: Shared) -> None:
    dice = random.Random(order.seed)
    async with AsyncExitStack() as stack:
        outward = await stack.enter_async_context(Outward())
        store = await stack.enter_async_context(RedisStore(order.redis_url))
        database = await stack.enter_async_context(Database(order.database_url))
        vault = Stumbling(database, LocalRing(KEY), dice, order.stumbles)
        await vault.start()
        client = OAuthClient(
            ClientSettings(
                client_id=CLIENT[0], client_secret=SecretStr(CLIENT[1]), client_auth="client_secret_post"
            )
        )
        app = App(TokenEndpoint(outward, order.token_url, client, seconds=order.pace.ask), "")
        refreshing = await stack.enter_async_context(strategy(order.strategy, vault, store, app, order.pace))
        shared.counts[Count.READY] += 1
        await asyncio.gather(*(_calls(refreshing, order, n, dice, shared) for n in range(order.people)))


async def _calls(
    refreshing: Strategy, order: Order, number: int, dice: random.Random, shared: Shared
) -> None:
    """One person's assistant, over this replica. A call that has begun ends."""
    home = works_until(order, number)
    while shared.phase.value != Phase.OVER:
        await asyncio.sleep(dice.uniform(0.1, 0.5))
        if shared.phase.value == Phase.WORKING and time.monotonic() - shared.began.value < home:
            shared.counts[await _outcome(refreshing, person(number))] += 1


async def _outcome(refreshing: Strategy, key: LinkKey) -> Count:
    try:
        await refreshing.fresh(key)
    except (ConsentRequired, GrantDead):
        return Count.ENDED
    except Exception:
        return Count.FAILED
    return Count.SERVED


PRELOADED: Sequence[str] = ("tests.trial.replica", "psycopg", "sqlalchemy.dialects.postgresql.psycopg")
