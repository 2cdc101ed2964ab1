"""Each revocation is on record once, whatever was down in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import limits
from gateway.app import Gateway
from gateway.audit.log import SqliteAuditLog
from gateway.audit.trail import Recorder
from gateway.errors import Sealed
from gateway.identity.revocation import Revocation, Revocations
from gateway.store.sql import Database
from gateway.telling import Telling, on_record
from tests.speaking import recorded
from tests.world import World


def row(number: int) -> Revocation:
    """The row of that number."""
    return Revocation("user", 1.0, "https://idp.test", f"p{number}", reason="killed", number=number)


class Replica:
    """One run of a gateway with its record; `told` are the numbers that the record got in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[int] = []
        self.sealed = 0
        """How many records are refused before one is taken."""
        self.known = asyncio.Event()

    @asynccontextmanager
    async def running(self, *numbers: int) -> AsyncIterator[Telling]:
        """Started when the database has these rows."""
        log = SqliteAuditLog(self.folder / "audit", self.folder / "key")
        recorder = Recorder(log, version="test", key=b"k" * 32)
        await recorder.start()

        async def event(kind: str, **fields: Any) -> None:
            if self.sealed:
                self.sealed -= 1
                raise Sealed("the disk is full")
            await recorder.event(kind, **fields)
            self.told += [fields["number"]] if "number" in fields else []
            if kind == "access.known":
                self.known.set()

        telling = Telling(event, self.folder / "audit")
        await telling.catch_up([row(number) for number in numbers])
        running = asyncio.create_task(telling.run())
        try:
            async with asyncio.timeout(20):
                await self.known.wait()
            yield telling
        finally:
            running.cancel()
            await recorder.stop()


async def start(folder: Path, *numbers: int) -> list[int]:
    """The numbers that a start with these rows tells."""
    replica = Replica(folder)
    async with replica.running(*numbers):
        return replica.told


async def test_what_was_written_while_no_gateway_ran_is_told_at_the_next_start(tmp_path: Path) -> None:
    """Once: the start after that has nothing to tell."""
    assert await start(tmp_path) == []
    assert await start(tmp_path, 1, 2) == [1, 2]
    assert await start(tmp_path, 1, 2) == []
    assert await start(tmp_path, 1, 2, 5) == [5]


async def test_what_was_told_while_running_is_not_told_at_the_next_start(tmp_path: Path) -> None:
    """Nor twice in one run; a number that was committed late is told all the same."""
    replica = Replica(tmp_path)
    async with replica.running(1) as telling:
        for number in (4, 3, 4):
            telling.hear(row(number))
        async with asyncio.timeout(20):
            while len(replica.told) < 3:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
    assert replica.told == [1, 4, 3]
    assert await start(tmp_path, 1, 2, 3, 4) == [2]


async def test_what_the_record_could_not_take_is_told_when_it_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, and everything."""
    monkeypatch.setattr(limits, "AUDIT_PROBE_SECONDS", 0.01)
    replica = Replica(tmp_path)
    replica.sealed = 5
    async with replica.running(1, 2):
        assert replica.told == [1, 2]
    assert on_record(tmp_path / "audit") == {1, 2}


async def test_many_old_rows_are_not_looked_for_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start names the last of them, so the next one needs no older record."""
    monkeypatch.setattr(limits, "REVOCATIONS_OVERLAP", 3)
    assert await start(tmp_path, *range(1, 10)) == list(range(1, 10))
    known = [r["numbers"] for r in recorded(tmp_path / "audit") if r["kind"] == "access.known"]
    assert known == [[7, 8, 9]]
    assert await start(tmp_path, *range(1, 11)) == [10]


async def test_another_database_is_told_of_whole(tmp_path: Path) -> None:
    """Its numbers begin again; that those of the old one are on record says nothing of them."""
    await start(tmp_path, *range(1, 150))
    assert await start(tmp_path, 1, 2) == [1, 2]


async def test_a_gateway_tells_what_was_done_while_it_was_down(tmp_path: Path) -> None:
    """The command writes into the database; the record of the next start says it, with its reason."""
    async with World(tmp_path, serve=False) as world:
        url = world.settings.database.url.get_secret_value()
        async with Database(url) as database:
            await Revocations(database).add(Revocation("client", 1.0, client="demo", reason="killed"))
        await world.recorded("access.known")
        before = [r for r in world.records() if r["kind"] == "access.known"]
        assert before[0]["numbers"] == []
        await world.recorded("access.revoked")
        await world._stack.aclose()
        async with Database(url) as database:
            await Revocations(database).add(Revocation("agent", 1.0, client="robot", reason="killed"))
        async with Gateway(world.settings).running():
            async with asyncio.timeout(20):
                while not [r for r in world.records() if r.get("client") == "robot"]:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.01)
    told = [r for r in world.records() if r["kind"] == "access.revoked"]
    assert [(r["of"], r["client"], r["number"]) for r in told] == [
        ("client", "demo", 1),
        ("agent", "robot", 2),
    ]
