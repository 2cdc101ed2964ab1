"""What `verify` finds: damage at every place, and every way to tamper that somebody with the files has."""

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import clock
from gateway.audit import record
from gateway.audit.book import Book, Entry
from gateway.audit.checkpoint import Checkpoint, SecondPlace, Signer
from gateway.audit.keys import signing_key
from gateway.audit.merkle import Tree, leaf_hash
from gateway.audit.sqlite import LogFileError
from gateway.audit.verify import Report, verify
from tests.audit.world import contents, month_file, plain, tampered

RECORDS = 60
FLIPS = 1_300


def grown(folder: Path, second: Path | None = None, records: int = RECORDS, *, close: bool = True) -> Book:
    """A record of small and large bodies, with four checkpoints."""
    rng = random.Random(records)
    book = Book(folder, Signer("log", signing_key(folder / "k")), SecondPlace(second) if second else None)
    book.open()
    for n in range(records):
        told = plain(n, pad="p" * rng.choice((10, 300, 900, 900, 6000 if n % 17 == 0 else 200)))
        book.write([Entry(record.encoded(told), "call", told["id"])])
        if n % (records // 4) == 7:
            book.checkpoint()
    if close:
        book.close()
    return book


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `data` with a clean record, and its second place `far`."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "data").mkdir()
    grown(folder / "data", folder / "far")
    return folder


def said(report: Report) -> str:
    """All problems in one text."""
    return "\n".join((*report.problems, *(p for f in report.files for p in f.problems)))


def test_a_clean_record_verifies(whole: Path) -> None:
    """Every record is under a good signature, nothing is in doubt, and it says that it is not anchored."""
    report = verify(whole / "data", second=whole / "far")
    assert report.ok and said(report) == ""
    (file,) = report.files
    assert file.records == file.proven == RECORDS + 1 and file.checkpoints == 5
    assert file.last_good is not None
    assert (file.last_good.seq, file.last_good.id) == (RECORDS, f"call-{RECORDS - 1}")
    assert file.in_doubt == () and file.remarks == ()
    assert report.anchored is False


def test_looking_changes_nothing(whole: Path) -> None:
    """Verifying leaves the folder as it was, to the byte and to the name."""
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (whole / "data").iterdir()}
    verify(whole / "data", second=whole / "far")
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (whole / "data").iterdir()} == before


def test_a_running_record_verifies(tmp_path: Path) -> None:
    """While it is written, and without disturbing the writer."""
    book = grown(tmp_path / "data", close=False)
    report = verify(tmp_path / "data")
    assert report.ok and report.files[0].records == RECORDS + 1
    assert report.files[0].proven < RECORDS and "under no checkpoint yet" in report.files[0].remarks[0]
    book.write([Entry(record.encoded(plain(7)), "call", "x")])
    book.close()
    assert verify(tmp_path / "data").ok


def test_open_files_in_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQLite may not make the file that it needs, a copy of ours is looked at, and taken away again."""
    from gateway.audit import sqlite

    book = grown(tmp_path / "data", close=False)
    connected, copies = sqlite._connected, []

    class Denied(sqlite3.Connection):
        def execute(self, *arguments: object) -> sqlite3.Cursor:
            raise sqlite3.OperationalError("unable to open database file")

    def denied(path: Path, how: str) -> sqlite3.Connection:
        if how == "mode=ro":
            return sqlite3.connect(path, factory=Denied)
        copies.append(path)
        return connected(path, how)

    monkeypatch.setattr(sqlite, "_connected", denied)
    before = sorted(p.name for p in (tmp_path / "data").iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = verify(tmp_path / "data")
    assert report.ok and report.files[0].records == RECORDS + 1
    assert copies and not [p for p in copies if p.parent.exists()]
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == before
    book.close()


def test_calls_in_doubt_are_listed(tmp_path: Path) -> None:
    """A decision without an outcome is named, with who and what; one with an outcome is not."""
    book = grown(tmp_path, records=8, close=False)
    for n, kind in ((1, record.DECISION), (2, record.DECISION), (1, record.OUTCOME)):
        told = plain(n, kind=kind, tool="jira_comment", subject="ana")
        book.write([Entry(record.encoded(told), kind, told["id"])])
    book.close()
    (doubt,) = verify(tmp_path).in_doubt
    assert (doubt.id, doubt.tool, doubt.subject) == ("call-2", "jira_comment", "ana")
    assert (doubt.seq, doubt.closed) == (10, False)


# F24a: torn files


def test_a_file_cut_at_any_offset_is_found_and_never_raises(whole: Path, tmp_path: Path) -> None:
    """Cut anywhere: no exception, not whole, and the last good record is one that was there."""
    shutil.copytree(whole / "data", tmp_path / "data")
    path = month_file(tmp_path / "data")
    data = path.read_bytes()
    rng = random.Random(1)
    cuts = {0, 1, 15, 16, 99, 100, 101, *range(len(data) - 120, len(data))}
    cuts |= {rng.randrange(len(data)) for _ in range(120)} | set(range(0, len(data), 4096))
    for cut in sorted(cuts):
        path.write_bytes(data[:cut])
        report = verify(tmp_path / "data")
        assert not report.ok, cut
        good = report.files[0].last_good
        assert good is None or good.id in ("", *(f"call-{n}" for n in range(RECORDS)))


def test_a_torn_write_ahead_log_loses_only_what_was_torn(tmp_path: Path) -> None:
    """Cut what a crash left at many offsets: a whole prefix is left, and the second place finds the loss."""
    book = grown(tmp_path / "data", tmp_path / "far", close=False)
    shutil.copytree(tmp_path / "data", tmp_path / "torn", ignore=shutil.ignore_patterns("*-shm"))
    book.close()
    rows, _ = contents(month_file(tmp_path / "data"))
    path = month_file(tmp_path / "torn")
    waiting = path.with_name(path.name + "-wal")
    main, log = path.read_bytes(), waiting.read_bytes()
    signed = 0
    rng = random.Random(2)
    for cut in sorted({len(log), *(rng.randrange(len(log)) for _ in range(150))}, reverse=True):
        path.write_bytes(main)
        waiting.write_bytes(log[:cut])
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        report = verify(tmp_path / "torn", second=None)
        (file,) = report.files
        signed = max(signed, file.proven)
        assert report.ok, said(report)
        if cut:
            assert contents(path)[0] == rows[: file.records]
        # The second place knows how many there were.
        assert verify(tmp_path / "torn", second=tmp_path / "far").ok is (file.records == RECORDS + 1)
    assert signed > 45


def test_garbage_is_not_whole_and_never_raises(tmp_path: Path) -> None:
    """Empty, random, a foreign database, a folder, nothing: all are told, none raises."""
    rng = random.Random(3)
    for n, data in enumerate(
        (b"", b"SQLite format 3\x00", rng.randbytes(5000), b"SQLite format 3\x00" + rng.randbytes(9000))
    ):
        path = tmp_path / f"audit-2026-0{n + 1}.db"
        path.write_bytes(data)
        assert not verify(path).ok
    foreign = sqlite3.connect(tmp_path / "audit-2026-09.db")
    foreign.execute("CREATE TABLE other (x)")
    foreign.close()
    assert "does not have the tables" in said(verify(tmp_path / "audit-2026-09.db"))
    assert not verify(tmp_path).ok
    assert not verify(tmp_path / "nothing.db").ok
    (tmp_path / "empty").mkdir()
    assert "no file of the record" in said(verify(tmp_path / "empty"))
    (tmp_path / "audit.pub").write_bytes(rng.randbytes(80))
    assert not verify(tmp_path).ok
    assert not verify(tmp_path, second=tmp_path / "audit.pub").ok


def test_a_view_in_place_of_the_table_is_not_read(whole: Path, tmp_path: Path) -> None:
    """A schema that computes rows for ever, or lies about them, is named and not followed."""
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i AS seq, x'7b7d' AS body FROM n"
    )
    with tampered(whole / "data", tmp_path / "data") as connection:
        connection.execute("ALTER TABLE record RENAME TO hidden")
        connection.execute(f"CREATE VIEW record AS {endless}")
    report = verify(tmp_path / "data")
    assert "does not have the tables" in said(report)
    assert report.files[0].records == 0


# F24b: tampering


def test_every_flipped_bit_is_found_or_proven_harmless(whole: Path, tmp_path: Path) -> None:
    """1,300 single bits over the whole file: whatever `verify` lets pass reads exactly as it was written."""
    shutil.copytree(whole / "data", tmp_path / "data")
    path = month_file(tmp_path / "data")
    data = path.read_bytes()
    truth = contents(path)
    rng = random.Random(4)
    offsets = [*range(100), *(rng.randrange(len(data)) for _ in range(FLIPS - 100))]
    found, harmless = 0, []
    for offset in offsets:
        flipped = bytearray(data)
        flipped[offset] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        if verify(tmp_path / "data", second=whole / "far").ok:
            assert contents(path) == truth, f"byte {offset} changed what is read, and nobody noticed"
            harmless.append(offset)
        else:
            found += 1
    print(f"{FLIPS} flips: {found} found, {len(harmless)} harmless: {harmless}")
    # Harmless are two fields of SQLite's header that carry nothing: the schema's cookie and the version.
    assert set(harmless) <= {*range(40, 44), *range(96, 100)}
    assert found >= 1_200


@pytest.mark.parametrize("odd", ["CAST(body AS TEXT)", "1", "NULL"])
def test_a_body_of_another_type_is_found(whole: Path, tmp_path: Path, odd: str) -> None:
    """The same bytes under another type, or none, are not what was stored."""
    with tampered(whole / "data", tmp_path / "data") as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        if odd == "NULL":
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')")
        else:
            connection.execute(f"UPDATE record SET body = {odd} WHERE seq = 30")
    assert not verify(tmp_path / "data").ok


def test_bytes_between_the_records_are_found(whole: Path, tmp_path: Path) -> None:
    """Unused room within a page, and pages behind the last one, may hold nothing."""
    shutil.copytree(whole / "data", tmp_path / "data")
    path = month_file(tmp_path / "data")
    data = bytearray(path.read_bytes())
    empty = data.index(bytes(64), 2 * 4096)
    data[empty + 20 : empty + 26] = b"hidden"
    path.write_bytes(data)
    assert "belong to no record" in said(verify(tmp_path / "data"))
    path.write_bytes((whole / "data" / path.name).read_bytes() + b"x" * 4096)
    assert not verify(tmp_path / "data").ok


def test_data_hidden_in_free_space_is_found(whole: Path, tmp_path: Path) -> None:
    """A deleted table leaves free pages, and pages behind the end are none of ours."""
    with tampered(whole / "data", tmp_path / "data") as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("CREATE TABLE other (x)")
        connection.execute("INSERT INTO other VALUES (zeroblob(20000))")
        connection.execute("DROP TABLE other")
    assert "free pages" in said(verify(tmp_path / "data"))


def rewrite(connection: sqlite3.Connection, change: Callable[[list[bytes]], list[bytes]]) -> None:
    bodies = [body for (body,) in connection.execute("SELECT body FROM record ORDER BY seq")]
    connection.execute("DELETE FROM record")
    connection.executemany("INSERT INTO record VALUES (?, ?)", enumerate(change(bodies)))
    connection.execute("VACUUM")


ATTACKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "delete": lambda rows: rows[:40] + rows[41:],
    "delete the last": lambda rows: rows[:-1],
    "cut the tail": lambda rows: rows[:50],
    "swap": lambda rows: [*rows[:40], rows[41], rows[40], *rows[42:]],
    "duplicate": lambda rows: [*rows[:40], rows[40], *rows[40:]],
    "insert": lambda rows: [*rows[:40], record.encoded(plain(999)), *rows[40:]],
    "append": lambda rows: [*rows, b"not json"],
    "change": lambda rows: [*rows[:40], rows[40].replace(b"answered", b"denied  "), *rows[41:]],
    "change the first": lambda rows: [rows[0].replace(b"audit", b"Audit"), *rows[1:]],
    "change the last": lambda rows: [*rows[:-1], rows[-1].replace(b"answered", b"denied  ")],
    "respell": lambda rows: [*rows[:40], rows[40].replace(b'":', b'": ', 1), *rows[41:]],
    "empty": lambda rows: [],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_changed_rows_are_found(whole: Path, tmp_path: Path, attack: str) -> None:
    """Deleted, moved, added, changed or respelled rows are not what was signed; the good part is named."""
    with tampered(whole / "data", tmp_path / "data") as connection:
        rewrite(connection, ATTACKS[attack])
    report = verify(tmp_path / "data")
    assert not report.ok
    good = report.files[0].last_good
    if attack in ("delete", "swap", "duplicate", "insert", "change", "respell"):
        assert good is not None and good.seq == 38  # the last signature before record 40 covers 39 records
    if attack in ("append",):
        assert good is not None and good.seq == RECORDS


@pytest.mark.parametrize(
    "hole", ["UPDATE record SET seq = seq + 1000 WHERE seq >= 40", "DELETE FROM record WHERE seq = 40"]
)
def test_a_hole_in_the_numbers_is_found(whole: Path, tmp_path: Path, hole: str) -> None:
    """A missing number is named."""
    with tampered(whole / "data", tmp_path / "data") as connection:
        connection.execute(hole)
    assert "record 40 is missing" in said(verify(tmp_path / "data"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE checkpoint SET size = size - 1 WHERE size = 9", "is about 9 records"),
        (
            "UPDATE checkpoint SET note = (SELECT max(note) FROM checkpoint WHERE size < 20) WHERE size = 54",
            "is about",
        ),
        ("UPDATE checkpoint SET note = 'nothing'", "not the form"),
        ("UPDATE checkpoint SET note = x'ff00'", "not a text"),
        (
            "DELETE FROM checkpoint WHERE size = 61; DELETE FROM record WHERE seq > 50",
            "free pages|signed, but only",
        ),
    ],
)
def test_changed_checkpoints_are_found(whole: Path, tmp_path: Path, change: str, why: str) -> None:
    """Moved, replaced and removed signatures are named."""
    with tampered(whole / "data", tmp_path / "data") as connection:
        connection.executescript(change)
    report = verify(tmp_path / "data", second=whole / "far")
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(said(report))


def forge(folder: Path, key: Ed25519PrivateKey, *, publish: bool) -> None:
    """Rewrite the record as the holder of `key` would have written it."""
    path = month_file(folder)
    connection = sqlite3.connect(path, isolation_level=None)
    signer = Signer("log", key)
    rewrite(connection, lambda rows: [rows[0], *rows[2:]])
    bodies = [body for (body,) in connection.execute("SELECT body FROM record ORDER BY seq")]
    tree = Tree(leaf_hash(b) for b in bodies)
    note = signer.sign(Checkpoint(f"log/{path.stem}", tree.size, tree.root(), clock.iso()))
    connection.execute("DELETE FROM checkpoint")
    connection.execute("INSERT INTO checkpoint VALUES (?, ?)", (tree.size, note))
    connection.execute("VACUUM")
    connection.close()
    if publish:
        (folder / "audit.pub").write_text(f"{signer.verifier}\n")


@pytest.mark.parametrize("publish", [False, True])
def test_a_record_signed_anew_with_another_key_is_found(whole: Path, tmp_path: Path, publish: bool) -> None:
    """By the key beside the files; when that is replaced too, by the second place."""
    shutil.copytree(whole / "data", tmp_path / "data")
    forge(tmp_path / "data", Ed25519PrivateKey.generate(), publish=publish)
    assert verify(tmp_path / "data").ok is publish  # this is what "unanchored" means
    report = verify(tmp_path / "data", second=whole / "far")
    assert not report.ok
    key = (whole / "data" / "audit.pub").read_text()
    assert "differ" in said(verify(tmp_path / "data", key=key)) or not publish


def test_a_record_signed_anew_with_the_true_key_is_found_by_the_second_place(
    whole: Path, tmp_path: Path
) -> None:
    """Even the holder of the key must reach the second place as well."""
    shutil.copytree(whole / "data", tmp_path / "data")
    forge(tmp_path / "data", signing_key(whole / "data" / "k"), publish=True)
    assert verify(tmp_path / "data").ok
    report = verify(tmp_path / "data", second=whole / "far")
    assert "signed, but only" in said(report)


# files of several months


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three months, with a second place."""
    folder = tmp_path_factory.mktemp("months")
    (folder / "data").mkdir()
    for n in range(3):
        with clock.shifted(wall=n * 32 * 86400.0):
            grown(folder / "data", folder / "far", 8)
    return folder


def test_the_months_are_a_chain(months: Path) -> None:
    """Each file alone and all together are whole."""
    report = verify(months / "data", second=months / "far")
    assert report.ok and len(report.files) == 3, said(report)
    for path in sorted((months / "data").glob("audit-*.db")):
        assert verify(path).ok


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_missing_file_is_found(months: Path, tmp_path: Path, gone: int) -> None:
    """The second place knows every file; without it the next file knows the one before."""
    shutil.copytree(months / "data", tmp_path / "data")
    path = sorted((tmp_path / "data").glob("audit-*.db"))[gone]
    path.unlink()
    assert f"{path.name} is gone" in said(verify(tmp_path / "data", second=months / "far"))
    if gone == 1:
        assert not verify(tmp_path / "data").ok


def test_an_older_copy_of_a_closed_file_is_found(months: Path, tmp_path: Path) -> None:
    """A closed file whose tail was cut, checkpoints and all, is not the one that the next goes on from."""
    shutil.copytree(months / "data", tmp_path / "data")
    path = sorted((tmp_path / "data").glob("audit-*.db"))[0]
    connection = sqlite3.connect(path, isolation_level=None)
    first = connection.execute("SELECT min(size) FROM checkpoint").fetchone()[0]
    connection.execute("DELETE FROM checkpoint WHERE size > ?", (first,))
    connection.execute("DELETE FROM record WHERE seq >= ?", (first,))
    connection.execute("VACUUM")
    connection.close()
    assert verify(path).ok  # alone it proves a prefix
    text = said(verify(tmp_path / "data"))
    assert "goes on from" in text and "never closed" in text


def test_a_closed_file_signed_anew_is_found(months: Path, tmp_path: Path) -> None:
    """With the true key, with as many records as before: the next file still holds the old root."""
    shutil.copytree(months / "data", tmp_path / "data")
    _, path, newest = sorted((tmp_path / "data").glob("audit-*.db"))
    connection = sqlite3.connect(path, isolation_level=None)
    rewrite(connection, lambda rows: [*rows[:3], rows[3].replace(b"answered", b"denied  "), *rows[4:]])
    bodies = [body for (body,) in connection.execute("SELECT body FROM record ORDER BY seq")]
    tree = Tree(leaf_hash(b) for b in bodies)
    signer = Signer("log", signing_key(tmp_path / "data" / "k"))
    note = signer.sign(Checkpoint(f"log/{path.stem}", tree.size, tree.root(), clock.iso()))
    connection.execute("DELETE FROM checkpoint")
    connection.execute("INSERT INTO checkpoint VALUES (?, ?)", (tree.size, note))
    connection.execute("VACUUM")
    connection.close()
    assert verify(path).ok
    for what in (tmp_path / "data", newest):
        assert f"{path.name} does not end as this file says" in said(verify(what))


def test_a_file_that_begins_from_nothing_is_found(months: Path, tmp_path: Path) -> None:
    """A later file in a folder must go on from the one before, even if the true key signed it."""
    shutil.copytree(months / "data", tmp_path / "data")
    (tmp_path / "fresh").mkdir()
    shutil.copy(months / "data" / "k", tmp_path / "fresh" / "k")
    with clock.shifted(wall=64 * 86400.0):
        grown(tmp_path / "fresh", records=8)
    newest = month_file(tmp_path / "fresh")
    assert verify(newest).ok
    shutil.copy(newest, tmp_path / "data" / newest.name)
    assert "does not go on from" in said(verify(tmp_path / "data"))


def test_a_checkpoint_of_another_file_proves_nothing(months: Path, tmp_path: Path) -> None:
    """A note is about one file, and is named when it lies with another."""
    shutil.copytree(months / "far", tmp_path / "far")
    notes = sorted((tmp_path / "far").glob("*.checkpoint"))
    shutil.copy(notes[0], notes[1])
    report = verify(months / "data", second=tmp_path / "far")
    assert f"the second place's checkpoint is about log/{notes[0].stem}" in said(report)


def test_reading_reports_instead_of_raising(tmp_path: Path) -> None:
    """The door to SQLite turns its errors into one of ours."""
    from gateway.audit.sqlite import Looking

    (tmp_path / "audit-2026-01.db").write_bytes(b"nonsense" * 100)
    with pytest.raises(LogFileError, match="not a database"):
        Looking(tmp_path / "audit-2026-01.db").checkpoints()
