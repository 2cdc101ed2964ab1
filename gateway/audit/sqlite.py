"""The only door to SQLite: one file of the record, opened to append or only to look.

    record(seq INTEGER PRIMARY KEY, body BLOB NOT NULL)        leaf `seq` of the file's tree
    checkpoint(size INTEGER PRIMARY KEY, note TEXT NOT NULL)   what was signed about the first `size` leaves

Nothing is kept twice and nothing stands outside the leaves, so there is nothing to disagree: the
time, the caller and the outcome are read from the very bytes that were hashed. There is no index
either; finding a call scans the file (about a second for a million records).

A file under its name always has its first leaf: it is made under another name and renamed.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from gateway import clock, limits
from gateway.audit.pages import Pages
from gateway.files import sync_folder

SCHEMA = (
    "CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL)",
)
APPLICATION_ID = 0x4A414752
"""`JAGR` in the file's header."""

BODY_BYTES = 64 * 1024 * 1024
"""bytes. No record comes near; a damaged length must not eat the memory."""


class LogFileError(Exception):
    """The file cannot be read or written as a file of the record. The text is one sentence part."""


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError, OverflowError, MemoryError) as cause:
        raise LogFileError(str(cause)) from cause


class _File:
    """What both kinds of opening can do."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        connection.text_factory = bytes
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, BODY_BYTES)

    def rows(self, after: int = -(2**63)) -> Iterator[tuple[int, bytes]]:
        """(seq, body) in the table's own order: those after `after`. Raises LogFileError, also midway."""
        statement = "SELECT seq, body, typeof(body) FROM record NOT INDEXED WHERE seq > ?"
        with _told():
            for seq, body, kind in self._connection.execute(statement, (after,)):
                if kind != b"blob":
                    raise LogFileError(f"row {seq!r} is not a record")
                yield seq, body

    def checkpoints(self) -> list[tuple[int, str]]:
        """(size, note), in order. Raises LogFileError."""
        with _told():
            statement = "SELECT size, note, typeof(note) FROM checkpoint ORDER BY size"
            found = self._connection.execute(statement).fetchall()
            if any(kind != b"text" for _, _, kind in found):
                raise LogFileError("a checkpoint is not a text")
            return [(size, note.decode("utf-8", "backslashreplace")) for size, note, _ in found]

    def count(self) -> int:
        """Records by the highest number. Raises LogFileError."""
        with _told():
            return int(self._connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM record").fetchone()[0])

    def close(self) -> None:
        """Close; an error at this point changes nothing that is durable."""
        with suppress(sqlite3.Error):
            self._connection.close()


class Appending(_File):
    """The one open file that grows. Used by one thread."""

    def __init__(self, path: Path) -> None:
        with _told():
            self._inode, self._look_again = path.stat().st_ino, 0.0
            # Numbers of parameters vary with the batch, and each has its prepared statement.
            connection = sqlite3.connect(
                path,
                timeout=limits.AUDIT_BUSY_SECONDS,
                isolation_level=None,
                cached_statements=limits.AUDIT_BATCH + 16,
                check_same_thread=False,
            )
            super().__init__(path, connection)
            try:
                _prepare(connection, "WAL")
            except BaseException:
                self.close()
                raise

    @classmethod
    def create(cls, path: Path, first: bytes) -> Self:
        """A new file with `first` as its first leaf, readable by its owner only. Raises LogFileError."""
        making = path.with_name(f"{path.name}.new")
        with _told():
            if path.exists():
                raise LogFileError("it is there already")
            for leftover in (making, making.with_name(f"{making.name}-journal")):
                leftover.unlink(missing_ok=True)
            os.close(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            connection = sqlite3.connect(making, isolation_level=None)
            try:
                _prepare(connection, "DELETE")
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute("BEGIN")
                for statement in SCHEMA:
                    connection.execute(statement)
                connection.execute("INSERT INTO record VALUES (0, ?)", (first,))
                connection.execute("COMMIT")
            finally:
                connection.close()
            making.rename(path)
            sync_folder(path.parent)
        return cls(path)

    def append(self, seq: int, bodies: Sequence[bytes]) -> None:
        """Store `bodies` as leaves `seq`, `seq` + 1, … and return when all are durable. Raises LogFileError.

        One statement for all: it is its own transaction, and each further one would hand the
        interpreter lock to a busy event loop and wait to get it back.
        """
        values: list[object] = []
        for number, body in enumerate(bodies, seq):
            values += (number, body)
        marks = ",(?,?)" * (len(bodies) - 1)
        with _told():
            self._connection.execute(f"INSERT INTO record VALUES (?,?){marks}", values)  # noqa: S608
            if clock.mono() >= self._look_again:
                self._look_again = clock.mono() + limits.AUDIT_LOOK_SECONDS
                if self.path.stat().st_ino != self._inode:
                    raise LogFileError(f"{self.path.name} was replaced while it was open")

    def keep_checkpoint(self, size: int, note: str) -> None:
        """Store a signed note about the first `size` leaves. Raises LogFileError."""
        with _told():
            self._connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?)", (size, note))


def _prepare(connection: sqlite3.Connection, journal: str) -> None:
    mode = connection.execute(f"PRAGMA journal_mode={journal}").fetchone()[0]
    if (mode.decode() if isinstance(mode, bytes) else mode).upper() != journal:
        raise sqlite3.OperationalError(f"journal mode {journal} is not possible here")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")  # macOS: through the disk's own cache
    connection.execute("PRAGMA checkpoint_fullfsync=ON")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute("PRAGMA trusted_schema=OFF")


class Looking(_File):
    """A file, or a copy of one, opened so that looking cannot change it. Raises LogFileError."""

    def __init__(self, path: Path) -> None:
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        waiting = path.with_name(f"{path.name}-wal")
        with _told():
            if not path.is_file():
                raise LogFileError("there is no such file")
            self._settled = not waiting.exists() or waiting.stat().st_size == 0
            super().__init__(path, _connected(path, "immutable=1" if self._settled else "mode=ro"))
            try:
                try:
                    self._begin()
                except sqlite3.OperationalError:
                    # Beside a write-ahead log SQLite needs a file of its own; a read-only folder denies it.
                    if self._settled:
                        raise
                    self._connection.close()
                    super().__init__(path, _connected(self._copied(path, waiting), "mode=rw"))
                    self._begin()
            except BaseException:
                self.close()
                raise

    def _copied(self, *sources: Path) -> Path:
        self._copy = tempfile.TemporaryDirectory(prefix="audit-")
        for source in sources:
            shutil.copyfile(source, Path(self._copy.name) / source.name)
        return Path(self._copy.name) / sources[0].name

    def _begin(self) -> None:
        self._connection.execute("PRAGMA trusted_schema=OFF")
        self._connection.execute("PRAGMA cell_size_check=ON")
        # One transaction for all that is read: a view that stands still while others write.
        self._connection.execute("BEGIN")
        # Nothing but our tables may be read: a view under the name of one could run for ever.
        found = self._connection.execute("SELECT sql FROM sqlite_schema").fetchall()
        if [sql for (sql,) in found] != [s.encode() for s in SCHEMA]:
            raise LogFileError("it does not have the tables of a record")

    def damage(self) -> list[str]:
        """What SQLite and the form of the file say against it; empty when nothing. Raises LogFileError."""
        with _told():
            wrong = [
                f"SQLite: {_line(row[0])}" for row in self._connection.execute("PRAGMA integrity_check(20)")
            ]
            if self._connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                wrong.append("the header does not name a file of the record")
            if self._connection.execute("PRAGMA freelist_count").fetchone()[0]:
                wrong.append("there are free pages: something was deleted")
            wrong = [w for w in wrong if w != "SQLite: ok"]
            if self._settled and not wrong:
                wrong += Pages(self.path).strays()
            return wrong

    def newest(self, count: int) -> list[tuple[int, bytes]]:
        """The last `count` records, oldest first. Raises LogFileError."""
        with _told():
            statement = "SELECT seq, body FROM record ORDER BY seq DESC LIMIT ?"
            return self._connection.execute(statement, (count,)).fetchall()[::-1]

    def naming(self, text: str) -> list[tuple[int, bytes]]:
        """The records whose bytes contain `text`, in order. Raises LogFileError."""
        with _told():
            statement = "SELECT seq, body FROM record WHERE instr(body, ?) ORDER BY seq"
            return self._connection.execute(statement, (text.encode(),)).fetchall()

    def close(self) -> None:
        super().close()
        if self._copy is not None:
            self._copy.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connected(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, timeout=limits.AUDIT_BUSY_SECONDS, isolation_level=None
    )


def _line(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return " ".join(text.split())[:200]
