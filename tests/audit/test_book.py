"""The files: one a month, one process at a time, each beginning where the last one ended."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, limits
from gateway.audit import months, record
from gateway.audit.book import Book, Entry
from gateway.audit.checkpoint import SecondPlace, Signer
from gateway.audit.keys import signing_key
from gateway.audit.sqlite import LogFileError
from gateway.audit.verify import verify
from gateway.errors import Sealed
from tests.audit.world import contents, log_in, month_file, of_kind, plain, told


def at(*when: int) -> float:
    """Seconds from now to a moment in UTC."""
    return datetime(*when, tzinfo=UTC).timestamp() - clock.wall()  # type: ignore[arg-type, misc]


def book_in(folder: Path, second: Path | None = None) -> Book:
    """A book that is not open yet."""
    return Book(folder, Signer("log", signing_key(folder / "k")), SecondPlace(second) if second else None)


def entry(n: int, kind: str = "call", **fields: Any) -> Entry:
    """One record of the call `n`."""
    return Entry(record.encoded(plain(n, **{"kind": kind, **fields})), kind, f"call-{n}")


async def test_the_file_is_ours_alone(tmp_path: Path) -> None:
    """File, write-ahead log and key are readable by their owner only; the public key by all."""
    async with log_in(tmp_path / "data") as log:
        await log.append(plain(1))
        modes = {
            p.name.split(".", 1)[1]: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "data").iterdir()
        }
    assert modes == {"db": 0o600, "db-wal": 0o600, "db-shm": 0o600, "key": 0o600, "lock": 0o600, "pub": 0o644}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


async def test_durability_is_switched_on(tmp_path: Path) -> None:
    """Write-ahead log, full synchronisation and secure deletion are what SQLite says is in force."""
    book = book_in(tmp_path)
    book.open()
    assert book._file is not None
    asked = ("journal_mode", "synchronous", "secure_delete", "fullfsync")
    found = [book._file._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]
    book.close()
    assert found == [b"wal", 2, 1, 1]


async def test_rotation_loses_nothing(tmp_path: Path) -> None:
    """Over three months all records are there, each file goes on from the last, and the whole verifies."""
    data, second = tmp_path / "data", tmp_path / "far"
    with clock.shifted(wall=at(2026, 11, 30, 23, 59, 50)):
        async with log_in(data, second) as log:
            await log.append(plain(1))
            with clock.shifted(wall=20):
                await asyncio.gather(*(log.append(plain(n)) for n in range(2, 40)))
            with clock.shifted(wall=32 * 86400):
                await log.append(plain(40))
    names = [p.name for p in months.files(data)]
    assert names == ["audit-2026-11.db", "audit-2026-12.db", "audit-2027-01.db"]
    assert [t["id"] for t in of_kind(data, "call")] == [f"call-{n}" for n in range(1, 41)]
    for older, newer in pairwise(names):
        last_note = contents(data / older)[1][-1][1]
        first = told(data / newer)[0]
        assert first["previous"] == {"file": older, "checkpoint": last_note}
        assert told(data / older)[-1]["kind"] == record.CLOSED
    report = verify(data, second=second)
    assert report.ok, report
    assert [f.proven == f.records for f in report.files] == [True] * 3
    assert SecondPlace(second).names() == [n.removesuffix(".db") for n in names]


async def test_a_restart_in_a_later_month_goes_on_in_a_new_file(tmp_path: Path) -> None:
    """The old file is closed, and calls that it left open are taken over and closed in the new one."""
    with clock.shifted(wall=at(2026, 11, 15)):
        book = book_in(tmp_path)
        book.open()
        book.write([entry(1, record.DECISION, tool="jira_comment", subject="ana")])
        book._release()  # as after kill -9: no last checkpoint
    with clock.shifted(wall=at(2026, 12, 15)):
        async with log_in(tmp_path, name="log"):
            pass
    assert [p.name for p in months.files(tmp_path)] == ["audit-2026-11.db", "audit-2026-12.db"]
    assert [t["id"] for t in of_kind(tmp_path, record.IN_DOUBT)] == ["call-1"]
    report = verify(tmp_path)
    assert report.ok, report
    assert [(d.id, d.closed) for d in report.in_doubt] == [("call-1", True)]


async def test_an_outcome_after_midnight_is_no_doubt(tmp_path: Path) -> None:
    """A write that is decided in one month and ends in the next is in doubt in neither file."""
    with clock.shifted(wall=at(2026, 11, 30, 23, 59)):
        async with log_in(tmp_path) as log:
            await log.append(plain(1, kind=record.DECISION, outcome=None))
            with clock.shifted(wall=120):
                await log.append(plain(1, kind=record.OUTCOME))
    assert len(months.files(tmp_path)) == 2
    for path in (tmp_path, *months.files(tmp_path)):
        report = verify(path)
        assert report.ok, report
        assert report.in_doubt == ()


async def test_a_clock_set_back_changes_nothing(tmp_path: Path) -> None:
    """An hour back over a month's end, within a run and over a restart, never reopens a closed file."""
    with clock.shifted(wall=at(2026, 12, 1, 0, 10)):
        async with log_in(tmp_path) as log:
            await log.append(plain(1))
            with clock.shifted(wall=-3600):
                await log.append(plain(2))
        with clock.shifted(wall=-3600):
            async with log_in(tmp_path) as log:
                await log.append(plain(3))
    assert [p.name for p in months.files(tmp_path)] == ["audit-2026-12.db"]
    assert [t["id"] for t in of_kind(tmp_path, "call")] == ["call-1", "call-2", "call-3"]
    assert verify(tmp_path).ok


@pytest.mark.parametrize("at_step", ["keep_checkpoint", "create"])
async def test_a_rotation_that_is_interrupted_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_step: str
) -> None:
    """When the disk fails at either step of a rotation, the next write finishes it and the chain is whole."""
    from gateway.audit import sqlite

    with clock.shifted(wall=at(2026, 11, 30)):
        book = book_in(tmp_path)
        book.open()
        book.write([entry(1)])

        def full(*_: object) -> None:
            raise LogFileError("disk full")

        with clock.shifted(wall=2 * 86400):
            with monkeypatch.context() as broken:
                broken.setattr(sqlite.Appending, at_step, full)
                with pytest.raises(LogFileError, match="disk full"):
                    book.write([entry(2)])
            book.write([entry(3)])
            book.close()
    assert [t["id"] for t in of_kind(tmp_path, "call")] == ["call-1", "call-3"]
    assert [t["kind"] for t in told(months.files(tmp_path)[0])].count(record.CLOSED) == 1
    assert verify(tmp_path).ok, verify(tmp_path)


async def test_a_closed_file_is_not_reopened_by_a_clock_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between closing a month and beginning the next, then a clock back in the old month: on we go."""
    from gateway.audit import sqlite

    with clock.shifted(wall=at(2026, 12, 1, 0, 1)):
        with clock.shifted(wall=-600):
            book = book_in(tmp_path)
            book.open()
            book.write([entry(1)])

        def crash(*_: object) -> None:
            raise LogFileError("power cut")

        with monkeypatch.context() as broken:
            broken.setattr(sqlite.Appending, "create", crash)
            with pytest.raises(LogFileError, match="power cut"):
                book.write([entry(2)])
        book._release()
        with clock.shifted(wall=-600):
            book = book_in(tmp_path)
            book.open()
            book.write([entry(3)])
            book.close()
    assert [p.name for p in months.files(tmp_path)] == ["audit-2026-11.db", "audit-2026-12.db"]
    assert told(tmp_path / "audit-2026-11.db")[-1]["kind"] == record.CLOSED
    assert verify(tmp_path).ok, verify(tmp_path)


def test_a_write_that_was_durable_but_failed_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk has more than we believe, the disk is right: the tree is built again."""
    from gateway.audit import sqlite

    book = book_in(tmp_path)
    book.open()
    append = sqlite.Appending.append

    def late(*arguments: Any) -> None:
        append(*arguments)
        raise LogFileError("the answer was lost")

    with monkeypatch.context() as broken:
        broken.setattr(sqlite.Appending, "append", late)
        with pytest.raises(LogFileError, match="lost"):
            book.write([entry(1)])
    assert book.write([entry(2)]) == 2
    book.close()
    assert [t["id"] for t in of_kind(tmp_path, "call")] == ["call-1", "call-2"]
    assert verify(tmp_path).ok


def test_a_half_made_file_is_made_anew(tmp_path: Path) -> None:
    """What a crash left of a file under construction does not stand in the way."""
    name = months.name(months.current())
    (tmp_path / f"{name}.new").write_bytes(b"half")
    book = book_in(tmp_path)
    assert book.open().file == name
    book.close()
    assert verify(tmp_path).ok


async def test_a_second_log_on_the_folder_is_refused(tmp_path: Path) -> None:
    """In one process and from another one, while the first goes on undisturbed."""
    async with log_in(tmp_path) as log:
        with pytest.raises(Sealed) as refused:
            async with log_in(tmp_path):
                pass
        assert f"process {os.getpid()} already writes" in refused.value.private
        code = (
            "import asyncio, sys, pathlib; from gateway.audit.log import SqliteAuditLog\n"
            "p = pathlib.Path(sys.argv[1])\n"
            "try: asyncio.run(SqliteAuditLog(p, p / 'audit.key').start())\n"
            "except Exception as e: print(type(e).__name__, e.private)"
        )
        other = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert other.stdout.startswith(f"Sealed process {os.getpid()} already writes"), other
        await log.append(plain(1))
    async with log_in(tmp_path) as log:
        await log.append(plain(2))
    assert verify(tmp_path).ok


async def test_checkpoints_come_by_number_and_by_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is signed after so many records, one after so many seconds, and none when nothing is new."""
    monkeypatch.setattr(limits, "CHECKPOINT_RECORDS", 10)
    book = book_in(tmp_path)
    book.open()
    assert book.checkpoint_due() == 0.0  # what was there at the start is signed at once
    book.checkpoint()
    book.write([entry(n) for n in range(9)])
    assert 0 < (book.checkpoint_due() or 0) <= limits.CHECKPOINT_SECONDS
    book.write([entry(9)])
    assert book.checkpoint_due() == 0.0
    book.checkpoint()
    assert book.checkpoint_due() is None and book.signed == 11
    with clock.shifted(mono=3600):
        assert book.checkpoint_due() is None
        book.write([entry(10)])
        assert book.checkpoint_due() == 0.0
    book.close()
    assert [size for size, _ in contents(month_file(tmp_path))[1]] == [1, 11, 12]


def changed(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(month_file(folder), isolation_level=None)
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE record SET body = body || x'20' WHERE seq = 2", "is not a record"),
        ("UPDATE record SET body = CAST(body || ' ' AS BLOB) WHERE seq = 2", "not the signed ones"),
        ("DELETE FROM record WHERE seq = 2", "record 2 is missing"),
        ("DELETE FROM record WHERE seq > 2", "only 3 of 6 signed records are left"),
        ("DELETE FROM record", "signed records are left"),
        ("UPDATE checkpoint SET note = replace(note, 'audit', 'other')", "no valid signature"),
        ("DROP TABLE record", "no such table"),
    ],
)
def test_the_log_does_not_go_on_from_a_changed_file(tmp_path: Path, statement: str, why: str) -> None:
    """A file that does not match its own last checkpoint is not appended to: the start is refused."""
    book = book_in(tmp_path)
    book.open()
    book.write([entry(n) for n in range(1, 6)])
    book.close()
    changed(tmp_path, statement)
    before = month_file(tmp_path).read_bytes()
    with pytest.raises(LogFileError, match=why):
        book_in(tmp_path).open()
    assert month_file(tmp_path).read_bytes() == before


def test_a_put_back_copy_is_noticed_by_the_second_place(tmp_path: Path) -> None:
    """An older copy of the file, or none at all, does not start when the second place knows better."""
    data, far = tmp_path / "data", tmp_path / "far"
    data.mkdir()
    book = book_in(data, far)
    book.open()
    book.write([entry(1)])
    book.close()
    path = month_file(data)
    copy = path.read_bytes()
    book = book_in(data, far)
    book.open()
    book.write([entry(2)])
    book.close()
    path.write_bytes(copy)
    with pytest.raises(LogFileError, match="only 2 of 3 signed records are left"):
        book_in(data, far).open()
    path.unlink()
    with pytest.raises(LogFileError, match="is gone"):
        book_in(data, far).open()
    assert not path.exists()


def test_another_key_does_not_go_on(tmp_path: Path) -> None:
    """Without the key that signed its checkpoints a record is not continued."""
    data, far = tmp_path / "data", tmp_path / "far"
    data.mkdir()
    book = book_in(data, far)
    book.open()
    book.close()
    (data / "k").unlink()
    with pytest.raises(LogFileError, match="another key"):
        book_in(data, far).open()
    with pytest.raises(LogFileError, match="no valid signature"):
        book_in(data).open()


async def test_a_second_place_that_fails_is_told_and_mended(tmp_path: Path) -> None:
    """The record goes on without its second place, says so, and uses it again when it is back."""
    far = tmp_path / "far"
    async with log_in(tmp_path / "data", far) as log:
        await log.append(plain(1))
        assert "kept in a second place" in log.state()[1]
    book = book_in(tmp_path / "other", far / "audit.pub")  # a file where a folder should be
    book.open()
    book.write([entry(1)])
    book.checkpoint()
    assert "Not a directory" in book.second_problem or "File exists" in book.second_problem
    book._second = SecondPlace(tmp_path / "back")
    book.write([entry(2)])
    book.checkpoint()
    assert book.second_problem == ""
    book.close()


@pytest.mark.parametrize("how", ["deleted", "put back", "folder deleted"])
def test_a_file_taken_away_while_open_is_noticed(tmp_path: Path, how: str) -> None:
    """SQLite would go on writing into a file without a name; we do not, nor do we begin a new one."""
    data = tmp_path / "data"
    data.mkdir()
    book = book_in(data)
    book.open()
    book.close()
    path = month_file(data)
    older = path.read_bytes()
    book = book_in(data)
    book.open()
    book.write([entry(1)])
    data.rename(tmp_path / "elsewhere")
    data.mkdir()
    if how != "folder deleted":
        (data / "k").write_bytes((tmp_path / "elsewhere" / "k").read_bytes())
    if how == "put back":
        path.write_bytes(older)
    with clock.shifted(mono=limits.AUDIT_LOOK_SECONDS + 1):
        for _ in range(3):
            with pytest.raises(LogFileError):
                book.write([entry(2)])
    book._release()
    assert [p.read_bytes() == older for p in months.files(data)] == ([True] if how == "put back" else [])
