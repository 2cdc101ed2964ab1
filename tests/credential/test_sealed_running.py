"""A vault in use: keys that are rotated under it, processes that die, services that fail."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway import clock, limits
from gateway.credential import kek, rows
from gateway.credential.kek import Context, KeyRing, KeysDown, Wrapped, local
from gateway.credential.rewrap import holdings, rewrap
from gateway.credential.sealed import SealedVault, vault_from
from gateway.credential.vault import LinkKey
from gateway.errors import ConfigError, Unavailable
from gateway.http import Outward
from gateway.settings import Settings, Vault
from gateway.store.sql import Database
from tests.credential import sealing
from tests.credential.sealing import (
    ANA,
    BEN,
    FIRST_KEY,
    ISSUER,
    database,
    database_url,
    ring_file,
    said,
    tokens,
)

__all__ = ["database", "database_url"]

ROOT = Path(__file__).resolve().parent.parent.parent
PEOPLE = [LinkKey(ISSUER, f"p{n:03}", "cloud") for n in range(12)]


async def test_keys_are_rotated_while_everybody_refreshes(database: Database, tmp_path: Path) -> None:
    """Two replicas read and replace without a pause, keys change three times, and nothing is lost."""
    file = ring_file(tmp_path, ("k1", FIRST_KEY))
    replicas = [SealedVault(database, local.LocalRing(local.read_file(file), file)) for _ in range(2)]
    current = {key: (await replicas[0].link(key, "acc", tokens())).generation for key in PEOPLE}
    newest: dict[LinkKey, Any] = {}
    stop = asyncio.Event()

    async def use(vault: SealedVault, key: LinkKey) -> None:
        while not stop.is_set():
            found = await vault.read(key)
            assert found is not None
            given = tokens()
            assert await vault.intend(key, found.generation)
            assert await vault.replace(key, found.generation, given)
            current[key], newest[key] = found.generation + 1, given
            await asyncio.sleep(0)

    users = [asyncio.create_task(use(replicas[n % 2], key)) for n, key in enumerate(PEOPLE)]
    try:
        for _ in range(3):
            active = await asyncio.to_thread(local.rotate, file)
            report = await rewrap(database, local.LocalRing(local.read_file(file), file), active)
            assert not report.refused and report.moved == len(PEOPLE)
    finally:
        stop.set()
        await asyncio.gather(*users)
    ring_file(tmp_path, (active, local.read_file(file)[active]))
    alone = SealedVault(database, local.LocalRing(local.read_file(file), file))
    for key in PEOPLE:
        found = await alone.read(key)
        assert found is not None
        assert (found.generation, said(found.tokens)) == (current[key], said(newest[key]))


async def test_a_rewrap_that_was_interrupted_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done stays; what cannot be unwrapped is named, and the others are moved."""
    monkeypatch.setattr("gateway.credential.rewrap.BATCH", 5)
    vault = SealedVault(database, sealing.local("k1"))
    for key in PEOPLE:
        await vault.link(key, "acc", tokens())
    await vault.end(PEOPLE[11], 1, "revoked")
    failing = Failing(sealing.local("k2", "k1"), after=7)
    with pytest.raises(Unavailable, match="Run it again"):
        await rewrap(database, failing, "k2")
    assert [(one.key_id, one.links) for one in (await holdings(database)).keys] == [("k1", 6), ("k2", 5)]

    def harm(connection: Any) -> None:
        assert rows.rewrap(
            PEOPLE[8], rows.wrapped(rows.live(PEOPLE[8], connection)), Wrapped("k1", b"x"), connection
        )

    await database.run(harm)
    seen: list[int] = []
    report = await rewrap(database, sealing.local("k2", "k1"), "k2", seen.append)
    assert (report.moved, [key for key, _ in report.refused], seen) == (5, [PEOPLE[8]], [5, 1])
    held = await holdings(database)
    assert [(one.key_id, one.links) for one in held.keys] == [("k1", 1), ("k2", 10)]
    assert (held.live, held.ended, held.begun) == (11, 1, 0)


async def test_a_row_that_changed_meanwhile_is_left_alone(database: Database) -> None:
    """A new link has another data key: the one that was wrapped anew is not written over it."""
    vault = SealedVault(database, sealing.local("k1"))
    await vault.link(ANA, "acc", tokens())
    given = tokens()

    class Slow(Failing):
        async def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
            await vault.link(ANA, "acc", given)
            return await super().rewrap(wrapped, context)

    report = await rewrap(database, Slow(sealing.local("k2", "k1"), after=9), "k2")
    assert report.moved == 0
    found = await vault.read(ANA)
    assert found is not None and said(found.tokens) == said(given)


class Failing:
    """A ring whose service goes down after so many uses."""

    def __init__(self, ring: KeyRing, *, after: int) -> None:
        self.ring = ring
        self.left = after
        self.uses = 0

    def _use(self) -> None:
        self.uses += 1
        if self.uses > self.left:
            raise KeysDown("the service is away")

    async def fresh(self, context: Context) -> tuple[bytes, Wrapped]:
        self._use()
        return await self.ring.fresh(context)

    async def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        self._use()
        await asyncio.sleep(0)
        return await self.ring.unwrap(wrapped, context)

    async def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
        self._use()
        return await self.ring.rewrap(wrapped, context)


async def test_a_data_key_is_asked_for_once_in_five_minutes(database: Database) -> None:
    """Many at once are one, and after that it is in memory for so long."""
    await SealedVault(database, sealing.local()).link(ANA, "acc", tokens())
    ring = Failing(sealing.local(), after=100)
    vault = SealedVault(database, ring)
    await asyncio.gather(*(vault.read(ANA) for _ in range(20)))
    assert ring.uses == 1
    with clock.shifted(wall=limits.DATA_KEY_SECONDS - 1):
        await vault.read(ANA)
        assert ring.uses == 1
    with clock.shifted(wall=limits.DATA_KEY_SECONDS + 1):
        await vault.read(ANA)
        assert ring.uses == 2
    await vault.unlink(ANA)
    assert not len(vault._data_keys)


async def test_no_refresh_is_begun_that_could_not_be_sealed(database: Database) -> None:
    """The key is there before the provider is asked: what it gives must be kept at once."""
    await SealedVault(database, sealing.local()).link(ANA, "acc", tokens())
    ring = Failing(sealing.local(), after=0)
    vault = SealedVault(database, ring)
    with pytest.raises(Unavailable, match="tell the operator"):
        await vault.intend(ANA, 1)
    assert await vault.intents(clock.wall() + 9) == []
    ring.left = 3
    assert await vault.read(ANA)
    with clock.shifted(wall=limits.DATA_KEY_SECONDS - 1):
        assert await vault.intend(ANA, 1)
    ring.left = 0
    given = tokens()
    with clock.shifted(wall=limits.DATA_KEY_SECONDS + 9):
        assert await vault.replace(ANA, 1, given), "the service is away again, and the key in memory"
    found = await vault.read(ANA)
    assert found is not None and said(found.tokens) == said(given)


async def test_a_key_service_that_comes_back_makes_it_ready(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at again while it is away, also when nobody asks."""
    monkeypatch.setattr(limits, "PART_LOOK_SECONDS", 0.01)
    ring = Failing(sealing.local(), after=0)
    vault = SealedVault(database, ring)
    await vault.start()
    assert vault.state() == (False, "the service is away")
    watching = asyncio.create_task(vault.watch())
    ring.left = 10**9
    for _ in range(6000):
        if vault.state()[0]:
            break
        await asyncio.sleep(0.01)
    assert vault.state() == (True, "key k1")
    watching.cancel()


CRASHER = """
import asyncio, sys
from gateway.credential.sealed import SealedVault
from gateway.store.sql import Database
from tests.credential.sealing import ANA, local, tokens

async def main():
    async with Database(sys.argv[1]) as database:
        vault = SealedVault(database, local())
        await vault.link(ANA, "acc", tokens())
        assert await vault.replace(ANA, 1, tokens())
        assert await vault.intend(ANA, 2)
        print("asking the provider", flush=True)
        await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_an_intent_outlives_a_kill(database: Database, database_url: str) -> None:
    """SIGKILL while the provider is asked: another process reads what was begun, and when."""
    before = clock.wall()
    process = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-c", CRASHER, database_url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == b"asking the provider\n"
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.communicate)
    vault = SealedVault(database, sealing.local())
    assert await vault.intents(clock.wall()) == [ANA]
    found = await vault.read(ANA)
    assert found is not None and found.generation == 2
    assert found.intent_at is not None and before <= found.intent_at <= clock.wall()
    assert await vault.replace(ANA, 2, tokens())
    assert await vault.intents(clock.wall()) == []


async def test_the_database_away_is_the_store(tmp_path: Path) -> None:
    """Every method says so; the part is named."""
    database = Database(f"sqlite:///{tmp_path}/g.db")
    vault = SealedVault(database, sealing.local())
    async with database:
        await vault.link(ANA, "acc", tokens())
    asked: list[Callable[[], Awaitable[Any]]] = [
        lambda: vault.read(ANA),
        lambda: vault.head(ANA),
        lambda: vault.link(BEN, "acc", tokens()),
        lambda: vault.intend(ANA, 1),
        lambda: vault.settle(ANA, 1),
        lambda: vault.replace(ANA, 1, tokens()),
        lambda: vault.end(ANA, 1, "revoked"),
        lambda: vault.unlink(ANA),
        lambda: vault.touch(ANA),
        lambda: vault.of(ISSUER, "ana"),
        lambda: vault.intents(0),
        lambda: vault.idle(0, 1),
    ]
    for ask in asked:
        with pytest.raises(Unavailable) as raised:
            await ask()
        assert raised.value.part == "store"


def settings(linked: bool, vault: Vault) -> Settings:
    """Of a gateway with one site, whose people link it or not."""
    way = type("Way", (), {"linked": linked})()
    site = type("Site", (), {"name": "cloud", "credential": (way,)})()
    return Settings.model_construct(jira=(site,), vault=vault)


def test_pitfall_22_without_a_key_nobody_can_link(tmp_path: Path) -> None:
    """A source that keeps grants and no key: the gateway does not start, and says how to make one."""
    database = Database(f"sqlite:///{tmp_path}/g.db")
    with pytest.raises(ConfigError, match=r"at cloud.*vault rotate"):
        vault_from(settings(True, Vault()), Outward(), database)
    assert vault_from(settings(False, Vault()), Outward(), database) is None
    text = SecretStr(ring_file(tmp_path, ("k1", FIRST_KEY)).read_text())
    for linked in (True, False):
        assert vault_from(settings(linked, Vault(key_secret=text)), Outward(), database)


def test_every_kind_of_ring_has_the_face() -> None:
    """One file each; what the settings may name is there."""
    for name in Vault.model_fields["provider"].annotation.__args__:  # type: ignore[union-attr]
        assert callable(__import__(f"{kek.__name__}.{name}", fromlist=["ring"]).ring)
