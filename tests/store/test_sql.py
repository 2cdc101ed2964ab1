"""The database: opened safely, brought up to date once, honest when it is away."""

import asyncio
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Insert

from gateway import limits
from gateway.errors import ConfigError, Unavailable
from gateway.store import engines
from gateway.store.sql import Connection, Database, IntegrityError, func, insert, select, text, update
from gateway.store.tables import metadata, revocations
from tests.credential.sealing import KINDS
from tests.servers import PASSWORD, Postgres

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store/gateway.db"
    made: str = request.getfixturevalue("postgres_url")
    return made


def note(reason: str = "") -> Insert:
    """A row to write."""
    return insert(revocations).values(kind="user", not_before=1.0, created=2.0, reason=reason)


def count(connection: Connection) -> int:
    """How many rows there are."""
    return int(connection.execute(select(func.count()).select_from(revocations)).scalar_one())


async def test_the_migrations_make_the_tables(url: str) -> None:
    """What `tables.py` says is what the history leads to."""
    async with Database(url) as database:
        different = await database.read(
            lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
        )
    assert different == []


async def test_a_second_start_finds_all(url: str) -> None:
    """Nothing is made anew."""
    async with Database(url) as database:
        await database.run(lambda connection: connection.execute(note()))
    async with Database(url) as database:
        assert await database.read(count) == 1


async def test_replicas_may_start_at_once(url: str) -> None:
    """One brings the schema up to date, the others wait for it."""
    replicas = [Database(url) for _ in range(6)]
    try:
        await asyncio.gather(*(one.start() for one in replicas))
        assert [await one.read(count) for one in replicas] == [0] * 6
    finally:
        await asyncio.gather(*(one.stop() for one in replicas))


async def test_a_newer_schema_is_not_touched(url: str) -> None:
    """An older gateway says what to do, and does nothing."""
    async with Database(url) as database:
        await database.run(
            lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        )
    with pytest.raises(ConfigError, match=r"newer gateway \(revision 9999; this one knows up to 0\d+\)"):
        await Database(url).start()


async def test_work_that_raises_leaves_nothing(url: str) -> None:
    """One transaction; what the work raises comes through."""

    def work(connection: Connection) -> None:
        connection.execute(note())
        raise KeyError("ours")

    async with Database(url) as database:
        with pytest.raises(KeyError, match="ours"):
            await database.run(work)
        assert await database.read(count) == 0
        assert database.state() == (True, database.kind)


async def test_a_conflict_is_told_as_such(url: str) -> None:
    """Two rows of one key: that is no failure of the database."""
    async with Database(url) as database:
        row = {"kind": "user", "not_before": 1.0, "created": 2.0, "seq": 7}
        await database.run(lambda connection: connection.execute(insert(revocations).values(row)))
        with pytest.raises(IntegrityError):
            await database.run(lambda connection: connection.execute(insert(revocations).values(row)))
        assert database.state()[0]


async def test_numbers_only_grow(url: str) -> None:
    """Also after the newest row was deleted: who follows the table misses nothing."""
    async with Database(url) as database:

        def add(connection: Connection) -> int:
            return int(connection.execute(note().returning(revocations.c.seq)).scalar_one())

        assert [await database.run(add) for _ in range(3)] == [1, 2, 3]
        await database.run(
            lambda connection: connection.execute(text("DELETE FROM revocations WHERE seq = 3"))
        )
        assert await database.run(add) == 4


async def test_fifty_writers_wait_for_each_other(url: str) -> None:
    """A read and a write in one transaction lose no update."""
    async with Database(url) as database:
        await database.run(lambda connection: connection.execute(note("0")))

        def add(connection: Connection) -> None:
            row = select(revocations.c.reason).with_for_update()
            n = int(connection.execute(row).scalar_one())
            connection.execute(update(revocations).values(reason=str(n + 1)))

        await asyncio.gather(*(database.run(add) for _ in range(50)))
        assert await database.read(lambda c: c.execute(select(revocations.c.reason)).scalar_one()) == "50"


BAD_URLS = {
    "no url": "somewhere",
    "another database": "mysql+pymysql://u:canary-password@h/d",
    "another driver": "postgresql+psycopg2://u:canary-password@h/d",
    "memory": "sqlite://",
    "memory by name": "sqlite:///:memory:",
    "options of a file": "sqlite:///a.db?mode=ro",
    "a host of a file": "sqlite://host/a.db",
    "empty": "",
}


@pytest.mark.parametrize("bad", BAD_URLS.values(), ids=BAD_URLS.keys())
def test_a_bad_url_is_said_at_start(bad: str) -> None:
    """One sentence with the remedy, without the password."""
    with pytest.raises(ConfigError, match=r"^database\.url: .*sqlite:///FILE") as raised:
        Database(bad)
    assert "canary" not in str(raised.value)


def test_the_driver_of_postgresql_may_be_left_out() -> None:
    """The usual way to write the address does."""
    assert Database("postgresql://u@h/d")._url.drivername == "postgresql+psycopg"


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Database, log and folder; a file with more rights loses them."""
    file = tmp_path / "made" / "gateway.db"
    file.parent.mkdir()
    file.touch(mode=0o644)
    other = tmp_path / "deep" / "down" / "gateway.db"
    for place in (file, other):
        async with Database(f"sqlite:///{place}") as database:
            await database.run(lambda connection: connection.execute(note()))
            found = {one.name: stat.S_IMODE(one.stat().st_mode) for one in place.parent.iterdir()}
        assert len(found) == 3 and set(found.values()) == {0o600}, found
    assert stat.S_IMODE(other.parent.stat().st_mode) == 0o700


async def test_a_commit_is_synced(tmp_path: Path) -> None:
    """An intent that the power took would be a lost grant."""
    async with Database(f"sqlite:///{tmp_path}/g.db") as database:
        asked = ("synchronous", "journal_mode", "secure_delete", "foreign_keys")
        told = await database.read(
            lambda connection: [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in asked]
        )
    assert told == [2, "wal", 1, 1]


def holding(folder: Path, text: bytes) -> list[str]:
    """Files that hold the text."""
    return [one.name for one in folder.iterdir() if text in one.read_bytes()]


async def test_what_is_deleted_leaves_the_files(tmp_path: Path) -> None:
    """Neither the database nor its log holds it after a scrub."""
    async with Database(f"sqlite:///{tmp_path}/g.db") as database:
        await database.run(lambda connection: connection.execute(note("canary-of-a-row")))
        assert holding(tmp_path, b"canary-of-a-row")
        await database.run(lambda connection: connection.execute(text("DELETE FROM revocations")))
        await database.scrub()
        assert not holding(tmp_path, b"canary-of-a-row")


async def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    """A long write of another process keeps nobody from reading."""
    url = f"sqlite:///{tmp_path}/g.db"
    async with Database(url) as database, Database(url) as other:
        writing, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(connection: Connection) -> None:
            connection.execute(note())
            loop.call_soon_threadsafe(writing.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()

        task = asyncio.create_task(other.run(slow))
        await writing.wait()
        assert await database.read(count) == 0
        go_on.set()
        await task
        assert await database.read(count) == 1


async def test_a_locked_file_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot write in time is told that it is the store."""
    monkeypatch.setattr(engines, "_PRAGMAS", ("busy_timeout = 50", *engines._PRAGMAS[1:]))
    async with Database(f"sqlite:///{tmp_path}/g.db") as database:
        engine = database._engine
        assert engine is not None
        with engine.connect() as blocking:
            blocking.execute(note())
            with pytest.raises(Unavailable) as raised:
                await database.run(lambda connection: connection.execute(note("canary-value")))
        assert raised.value.part == "store" and "locked" in raised.value.private
        assert "canary" not in raised.value.private + raised.value.public
        assert database.state()[0] is False
        await database.run(lambda connection: connection.execute(note()))
        assert database.state() == (True, "sqlite")


async def test_a_file_that_cannot_be_is_said_at_start(tmp_path: Path) -> None:
    """A folder in its place."""
    (tmp_path / "g.db").mkdir()
    with pytest.raises(ConfigError, match=r"database\.url: the database cannot be used"):
        await Database(f"sqlite:///{tmp_path}/g.db").start()


async def test_a_stopped_database_is_unavailable(tmp_path: Path) -> None:
    """Before the start and after the end, not a crash."""
    database = Database(f"sqlite:///{tmp_path}/g.db")
    with pytest.raises(Unavailable):
        await database.read(count)
    async with database:
        pass
    with pytest.raises(Unavailable):
        await database.run(count)


WRITER = """
import asyncio, sys
from gateway.store.sql import Database, insert
from gateway.store.tables import revocations

async def main():
    async with Database(sys.argv[1]) as database:
        for n in range(25):
            row = dict(kind="user", not_before=1.0, created=n, reason=sys.argv[2])
            await database.run(lambda c: c.execute(insert(revocations).values(row)))
asyncio.run(main())
"""


@pytest.fixture
def writers(url: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes that write at the same time."""
    command = [sys.executable, "-c", WRITER, url]
    started = [subprocess.Popen([*command, name], cwd=ROOT, stderr=subprocess.PIPE) for name in ("a", "b")]
    yield started
    for one in started:
        if one.poll() is None:
            one.kill()
            one.communicate()


async def test_two_processes_write_one_database(url: str, writers: list[subprocess.Popen[bytes]]) -> None:
    """Both start it, both write, nothing is lost and nobody fails."""
    for one in writers:
        _, said = await asyncio.to_thread(one.communicate)
        assert one.returncode == 0, said.decode()
    async with Database(url) as database:
        assert await database.read(count) == 50


@pytest.mark.needs_servers
async def test_a_postgresql_that_stops_and_comes_back() -> None:
    """While it is away each piece of work says so; afterwards the same pool works."""
    with Postgres() as server:
        async with Database(server.url()) as database:
            await database.run(lambda connection: connection.execute(note()))
            for away in (server.stop, server.kill):
                await asyncio.to_thread(away)
                for _ in range(2):
                    with pytest.raises(Unavailable) as raised:
                        await database.read(count)
                    assert raised.value.part == "store" and PASSWORD not in raised.value.private
                assert database.state()[0] is False
                await asyncio.to_thread(server.start)
                assert await database.read(count) == 1
                assert database.state() == (True, "postgresql")
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            assert await database.read(count) == 1, "nobody asked in between, and nobody sees a thing"


@pytest.mark.needs_servers
async def test_a_postgresql_that_hangs_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each caller is let go after its time; the answer that comes later is nobody's."""
    with Postgres() as server:
        async with Database(server.url()) as database:
            assert await database.read(count) == 0
            monkeypatch.setattr(limits, "DATABASE_SECONDS", 0.2)
            server.pause()
            waiting = [database.read(count) for _ in range(3 * limits.DATABASE_CONNECTIONS)]
            told = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(one, Unavailable) and one.part == "store" for one in told)
            server.resume()
            monkeypatch.setattr(limits, "DATABASE_SECONDS", 60.0)
            assert await database.read(count) == 0


@pytest.mark.needs_servers
async def test_a_slow_statement_is_ended_by_the_server(postgres_url: str) -> None:
    """Also when nobody waits for it any more, so that it cannot hold a lock."""
    async with Database(postgres_url) as database:
        told = await database.read(
            lambda c: {
                name: c.execute(text(f"SHOW {name}")).scalar_one()
                for name in ("statement_timeout", "lock_timeout")
            }
        )
        assert told == {"statement_timeout": "4s", "lock_timeout": "4s"}
        with pytest.raises(Unavailable) as raised:
            await database.read(
                lambda connection: connection.execute(
                    text("SET LOCAL statement_timeout = 20; SELECT pg_sleep(60)")
                )
            )
        assert "statement timeout" in raised.value.private


@pytest.mark.needs_servers
@pytest.mark.parametrize("wrong", ["password", "database", "port"])
async def test_a_postgresql_that_cannot_be_used_is_said_at_start(postgres_url: str, wrong: str) -> None:
    """Which is wrong, without the password."""
    url = {
        "password": postgres_url.replace(PASSWORD, "canary-wrong"),
        "database": postgres_url.rpartition("/")[0] + "/nowhere",
        "port": "postgresql+psycopg://postgres:canary-wrong@127.0.0.1:1/x",
    }[wrong]
    with pytest.raises(ConfigError, match=r"database\.url: the database cannot be used") as raised:
        await Database(url).start()
    assert "canary" not in str(raised.value)


async def test_a_step_that_fails_leaves_the_schema_as_it_was(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole upgrade is one transaction, so that the next start begins where this one did."""
    real = command.upgrade

    def fails(config: Config, revision: str) -> None:
        real(config, revision)
        raise OSError("the power")

    monkeypatch.setattr(command, "upgrade", fails)
    with pytest.raises(ConfigError):
        await Database(url).start()
    monkeypatch.undo()
    async with Database(url) as database:
        assert await database.read(count) == 0
