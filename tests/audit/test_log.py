"""The log as the event loop sees it: durable or `Sealed`, at once or within the deadline."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit import record
from gateway.audit.book import Book, Entry
from gateway.audit.log import SqliteAuditLog
from gateway.audit.sqlite import Appending, LogFileError
from gateway.audit.verify import verify
from gateway.errors import Sealed
from tests.audit.world import contents, log_in, month_file, of_kind, plain

DEADLINE = 0.25


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for it, or fail."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def test_an_append_returns_when_another_connection_sees_it(tmp_path: Path) -> None:
    """The number that comes back is that of a row that is there already."""
    async with log_in(tmp_path) as log:
        for n in range(5):
            seq = await log.append(plain(n))
            assert contents(month_file(tmp_path))[0][seq] == (seq, record.encoded(plain(n)))


async def test_the_stored_bytes_are_the_hashed_bytes(tmp_path: Path) -> None:
    """The root of the last checkpoint is the tree over the bodies as they lie in the file."""
    from gateway.audit.checkpoint import Verifier
    from gateway.audit.merkle import Tree, leaf_hash

    async with log_in(tmp_path) as log:
        await asyncio.gather(*(log.append(plain(n)) for n in range(33)))
    rows, notes = contents(month_file(tmp_path))
    signed = Verifier.parse((tmp_path / "audit.pub").read_text()).open(notes[-1][1])
    assert (signed.size, signed.root) == (len(rows), Tree(leaf_hash(body) for _, body in rows).root())


async def test_those_who_wait_share_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends that come while one is written are committed together, in order."""
    batches: list[int] = []
    write = Book.write

    def slow(self: Book, entries: list[Entry]) -> int:
        batches.append(len(entries))
        time.sleep(0.02)
        return write(self, entries)

    monkeypatch.setattr(Book, "write", slow)
    async with log_in(tmp_path) as log:
        numbers = await asyncio.gather(*(log.append(plain(n)) for n in range(600)))
    assert numbers == sorted(numbers) and len(set(numbers)) == 600
    assert len(batches) <= 8 and max(batches) <= 256
    assert [t["id"] for t in of_kind(tmp_path, "call")] == [f"call-{n}" for n in range(600)]


async def test_what_cannot_be_utf8_is_recorded_all_the_same(tmp_path: Path) -> None:
    """Lone surrogates and numbers beyond 64 bits find an encoding; nothing seals."""
    odd = plain(1, text="\ud800", number=2**70, found=frozenset({"b", "a"}), other={3: b"x"})
    async with log_in(tmp_path) as log:
        await log.append(odd)
        assert log.state()[0]
    found = of_kind(tmp_path, "call")[0]
    assert (found["text"], found["number"], found["found"]) == ("\ud800", 2**70, ["a", "b"])
    assert verify(tmp_path).ok


async def test_a_cancelled_caller_does_not_take_its_record_back(tmp_path: Path) -> None:
    """The record is written, and the others in its batch are not disturbed."""
    async with log_in(tmp_path) as log:
        gone = asyncio.create_task(log.append(plain(1)))
        stays = asyncio.create_task(log.append(plain(2)))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone
    assert [t["id"] for t in of_kind(tmp_path, "call")] == ["call-1", "call-2"]


async def test_before_the_start_and_after_the_stop_it_is_sealed(tmp_path: Path) -> None:
    """A log that is not open refuses, and says why."""
    log = SqliteAuditLog(tmp_path, tmp_path / "audit.key")
    with pytest.raises(Sealed):
        await log.append(plain(1))
    assert log.state()[0] is False
    await log.start()
    assert log.state()[0] is True
    await log.stop()
    await log.stop()
    with pytest.raises(Sealed):
        await log.append(plain(1))
    assert log.state()[0] is False and "closed" in log.state()[1]


async def test_stop_writes_what_waits(tmp_path: Path) -> None:
    """Records that were queued before the stop are durable and under the last checkpoint."""
    log = SqliteAuditLog(tmp_path, tmp_path / "audit.key")
    await log.start()
    waiting = [asyncio.create_task(log.append(plain(n))) for n in range(300)]
    await asyncio.sleep(0)
    await log.stop()
    assert len(await asyncio.gather(*waiting)) == 300
    report = verify(tmp_path)
    assert report.ok and report.files[0].proven == report.files[0].records == 302


async def test_the_state_says_what_is_so(tmp_path: Path) -> None:
    """Ready with file, count and checkpoint; and, since no checkpoint leaves us, unanchored."""
    async with log_in(tmp_path) as log:
        ready, line = log.state()
        assert ready and month_file(tmp_path).name in line
        assert "2 records" in line and line.endswith("unanchored")


async def test_it_starts_sealed_when_it_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is a file, and a key that is none, refuse the start with one sentence."""
    (tmp_path / "file").write_text("x")
    log = SqliteAuditLog(tmp_path / "file" / "data", tmp_path / "audit.key")
    with pytest.raises(Sealed) as refused:
        await log.start()
    assert "Not a directory" in refused.value.private and log.state()[0] is False
    (tmp_path / "audit.key").write_text("no key")
    with pytest.raises(Sealed, match="cannot write its record"):
        await SqliteAuditLog(tmp_path / "data", tmp_path / "audit.key").start()


class Disk:
    """An append that fails or hangs on demand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.hang = threading.Event()
        self.hang.set()
        self.tries = 0
        append = Appending.append

        def faulty(file: Appending, seq: int, bodies: Any) -> None:
            self.tries += 1
            self.hang.wait(20)
            if self.full:
                raise LogFileError("disk full")
            append(file, seq, bodies)

        monkeypatch.setattr(Appending, "append", faulty)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk that can be full, or hang."""
    return Disk(monkeypatch)


async def test_a_failed_append_seals_until_a_probe_succeeds(tmp_path: Path, disk: Disk) -> None:
    """The failed call and all later ones are refused, only the probe touches the disk, and it unseals."""
    async with log_in(tmp_path, probe_seconds=0.05) as log:
        disk.full = True
        with pytest.raises(Sealed) as refused:
            await log.append(plain(1))
        assert "disk full" in refused.value.private
        ready, line = log.state()
        assert not ready and line.startswith("sealed since") and "disk full" in line
        tries = disk.tries
        for n in range(50):
            with pytest.raises(Sealed):
                await log.append(plain(n))
        assert disk.tries == tries
        await until(lambda: disk.tries > tries + 2)
        assert log.state()[0] is False
        disk.full = False
        await until(lambda: log.state()[0])
        await log.append(plain(2))
    unsealed = of_kind(tmp_path, record.UNSEALED)
    assert len(unsealed) == 1 and unsealed[0]["why"] == "disk full" and unsealed[0]["refused"] >= 50
    assert [t["id"] for t in of_kind(tmp_path, "call")] == ["call-2"]
    assert verify(tmp_path).ok


async def test_a_blocked_append_seals_within_the_deadline(tmp_path: Path, disk: Disk) -> None:
    """Those who wait are refused together after the deadline, later ones at once, and none of them hangs."""
    async with log_in(tmp_path, seconds=DEADLINE, probe_seconds=0.05) as log:
        disk.hang.clear()
        loop = asyncio.get_running_loop()
        began = loop.time()
        first = asyncio.create_task(log.append(plain(1)))
        await asyncio.sleep(DEADLINE / 2)
        late = asyncio.create_task(log.append(plain(2)))
        outcomes = await asyncio.wait_for(asyncio.gather(first, late, return_exceptions=True), 5)
        assert [type(o) for o in outcomes] == [Sealed, Sealed]
        assert DEADLINE <= loop.time() - began < 5
        later = asyncio.create_task(log.append(plain(3)))
        await asyncio.sleep(0)
        assert later.done() and isinstance(later.exception(), Sealed)
        assert log.state()[0] is False
        disk.hang.set()
        await until(lambda: log.state()[0])
        await log.append(plain(4))
    # The first was being written and may become durable; the second was taken back; the third never left.
    assert [t["id"] for t in of_kind(tmp_path, "call")] == ["call-1", "call-4"]
    assert verify(tmp_path).ok


async def test_a_locked_file_seals(tmp_path: Path) -> None:
    """Another process that holds SQLite's lock costs one deadline, not a hang; then it goes on."""
    async with log_in(tmp_path, seconds=DEADLINE, probe_seconds=0.05) as log:
        other = sqlite3.connect(month_file(tmp_path), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Sealed):
            await asyncio.wait_for(log.append(plain(1)), 5)
        other.execute("ROLLBACK")
        other.close()
        await until(lambda: log.state()[0])
        await log.append(plain(2))
    assert verify(tmp_path).ok


async def test_stop_does_not_hang_on_a_blocked_disk(tmp_path: Path, disk: Disk) -> None:
    """Stopping takes no longer than an append may."""
    log = SqliteAuditLog(tmp_path, tmp_path / "audit.key", seconds=DEADLINE, probe_seconds=60)
    await log.start()
    disk.hang.clear()
    with pytest.raises(Sealed):
        await log.append(plain(1))
    await asyncio.wait_for(log.stop(), 5)
    assert log.state()[0] is False
    disk.hang.set()
    await until(lambda: not any(t.name == "audit-writer" for t in threading.enumerate()))


async def test_a_full_disk_seals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own `database or disk is full` seals; room again, and the probe unseals."""
    quota = ["PRAGMA max_page_count=8"]
    append = Appending.append

    def small(file: Appending, seq: int, bodies: Any) -> None:
        file._connection.execute(quota[0])
        append(file, seq, bodies)

    monkeypatch.setattr(Appending, "append", small)
    async with log_in(tmp_path, probe_seconds=0.05) as log:
        written = 0
        with pytest.raises(Sealed) as refused:
            for written in range(100):
                await log.append(plain(written, pad="x" * 900))
        assert "full" in refused.value.private
        quota[0] = "PRAGMA max_page_count=100000"
        await until(lambda: log.state()[0])
        await log.append(plain(1000))
    ids = [t["id"] for t in of_kind(tmp_path, "call")]
    assert ids == [*(f"call-{n}" for n in range(written)), "call-1000"]
    assert verify(tmp_path).ok


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from gateway.audit.log import SqliteAuditLog
from gateway.errors import Sealed

async def main(folder):
    log = SqliteAuditLog(folder, folder / "audit.key", probe_seconds=0.05)
    await log.start()
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    durable = 0
    try:
        while durable < 2000:
            await log.append({"kind": "call", "id": f"call-{durable}", "pad": "x" * 900})
            durable += 1
    except Sealed as sealed:
        print(durable, log.state()[0], flush=True)
        print(sealed.private, flush=True)
    for _ in range(20):
        try:
            await log.append({"kind": "call", "id": "never"})
        except Sealed:
            continue
        print("released", flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while not log.state()[0]:
        await asyncio.sleep(0.01)
    await log.append({"kind": "call", "id": "again"})
    await log.stop()

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_the_kernel_refusing_to_let_files_grow_seals(tmp_path: Path) -> None:
    """RLIMIT_FSIZE: sealed within one call, nothing acknowledged is lost, and it recovers by itself."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    durable, ready = done.stdout.split()[:2]
    assert ready == "False" and 10 < int(durable) < 2000 and "released" not in done.stdout
    ids = [t["id"] for t in of_kind(tmp_path, "call")]
    assert ids == [*(f"call-{n}" for n in range(int(durable))), "again"]
    assert verify(tmp_path).ok, verify(tmp_path)


async def test_a_failed_checkpoint_seals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that cannot be stored is a log that cannot be written."""
    from gateway import limits

    monkeypatch.setattr(limits, "CHECKPOINT_RECORDS", 5)
    tries = []

    def full(*_: object) -> None:
        tries.append(1)
        raise LogFileError("no room for a checkpoint")

    async with log_in(tmp_path, probe_seconds=0.05) as log:
        with monkeypatch.context() as broken:
            broken.setattr(Appending, "keep_checkpoint", full)
            # which of them are written before the checkpoint fails is the scheduler's affair
            stored = await asyncio.gather(*(log.append(plain(n)) for n in range(5)), return_exceptions=True)
            assert {type(found) for found in stored} <= {int, Sealed}
            await until(lambda: not log.state()[0])
            assert "no room for a checkpoint" in log.state()[1]
            await asyncio.sleep(0.02)
            assert len(tries) < 10  # tried with a probe, not in a circle
        await until(lambda: log.state()[0])
    assert verify(tmp_path).ok


async def test_no_future_is_left_behind(tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """Sealing with cancelled and waiting callers leaves no unretrieved error in asyncio's log."""
    caplog.set_level(logging.DEBUG, "asyncio")
    async with log_in(tmp_path, seconds=DEADLINE, probe_seconds=0.02) as log:
        disk.hang.clear()
        tasks = [asyncio.create_task(log.append(plain(n))) for n in range(20)]
        await asyncio.sleep(0.01)
        for task in tasks[:10]:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(f) for f in found} == {asyncio.CancelledError, Sealed}
        del tasks, found
        disk.full = True
        disk.hang.set()
        await asyncio.sleep(0.1)
    assert "never retrieved" not in caplog.text
