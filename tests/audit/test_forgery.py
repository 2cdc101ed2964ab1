"""Forgeries that need no key: a row before the first one, and a record without any checkpoint."""

import sqlite3
from pathlib import Path

import pytest

from gateway import clock
from gateway.audit.log import SqliteAuditLog
from gateway.audit.verify import verify


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A record of twenty, stopped and signed, with its second place beside it."""
    log = SqliteAuditLog(tmp_path / "audit", tmp_path / "audit/key", tmp_path / "second")
    await log.start()
    for n in range(20):
        await log.append({"kind": "call", "id": f"c{n}", "outcome": "denied"})
    await log.stop()
    return tmp_path


def change(folder: Path, statement: str, *values: object) -> None:
    (file,) = (folder / "audit").glob("audit-*.db")
    with sqlite3.connect(file) as opened:
        opened.execute(statement, values)
    opened.close()


def test_it_was_whole(folder: Path) -> None:
    """Nothing speaks against the untouched record."""
    assert verify(folder / "audit", second=folder / "second").ok


def test_a_row_before_the_first_is_found(folder: Path) -> None:
    """`tail` would show it, so `verify` must see it."""
    forged = b'{"kind":"call","id":"f00","subject":"ceo","outcome":"answered"}'
    change(folder, "INSERT INTO record VALUES (-1, ?)", forged)
    assert not verify(folder / "audit", second=folder / "second").ok


def test_a_record_whose_checkpoints_were_taken_out_is_not_believed(folder: Path) -> None:
    """Also without the second place: an old file with no signature at all proves nothing."""
    change(folder, "DELETE FROM checkpoint")
    change(folder, "UPDATE record SET body = CAST(replace(body, 'denied', 'blamed') AS BLOB) WHERE seq = 9")
    with clock.shifted(wall=3600):
        assert not verify(folder / "audit").ok
    assert not verify(folder / "audit", second=folder / "second").ok
