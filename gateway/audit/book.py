"""The record on disk: month files one after the other, their trees, and what was signed about them.

    audit-2026-10.db   …  audit.closed | last checkpoint
                                                │ is the first leaf of
    audit-2026-11.db   audit.opened  ◄──────────┘  record  record  …  checkpoints

Everything here is synchronous and belongs to one thread; `log.py` gives it one. What is on disk
counts: at the start, and after any failure, the tree is built again from the stored bytes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gateway import clock, limits
from gateway.audit import months, record
from gateway.audit.checkpoint import BadNote, Checkpoint, SecondPlace, Signer
from gateway.audit.leaves import Leaves
from gateway.audit.lock import locked
from gateway.audit.sqlite import Appending, LogFileError
from gateway.files import write_atomically


class Entry(NamedTuple):
    """One record to store: its bytes, and which call it opens or closes."""

    body: bytes
    kind: str
    call_id: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found at the start."""

    file: str
    records: int
    in_doubt: tuple[str, ...]


class Book:
    """The log, open for writing by this process alone."""

    def __init__(
        self,
        folder: Path,
        signer: Signer,
        second: SecondPlace | None = None,
        *,
        checkpoint_seconds: float = limits.CHECKPOINT_SECONDS,
    ) -> None:
        self.folder = folder
        self.second_problem = ""
        self.signed = 0
        """Leaves under the last checkpoint."""
        self.signed_at = clock.mono()
        self._signer = signer
        self._second = second
        self._checkpoint_seconds = checkpoint_seconds
        self._lock: int | None = None
        self._file: Appending | None = None
        self._leaves = Leaves()
        self._month_ends = 0.0
        self._newest = ""
        self._sound = False

    @property
    def size(self) -> int:
        """Records in it."""
        return self._leaves.size

    @property
    def name(self) -> str:
        """The file that is written now."""
        return self._file.path.name if self._file else ""

    def open(self) -> Recovery:
        """Lock, recover, and go on where the record ends. Raises LogFileError."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = locked(self.folder / "audit.lock")
        except OSError as cause:
            raise LogFileError(str(cause)) from cause
        try:
            self._second_place_knows_us()
            self._recover()
            self._publish_key()
        except BaseException:
            self._release()
            raise
        self.signed_at = clock.mono() - self._checkpoint_seconds  # so what was recovered is signed soon
        return Recovery(self.name, self.size, tuple(self._leaves.pending.calls))

    def write(self, entries: Sequence[Entry]) -> int:
        """Store `entries` durably, in order; the number of the first. Raises LogFileError, then try again."""
        self._mend()
        if clock.wall() >= self._month_ends:
            self._rotate()
        first = self.size
        self._append(entries)
        return first

    def checkpoint_due(self) -> float | None:
        """Seconds until a checkpoint is due; None while there is nothing new to sign."""
        unsigned = self.size - self.signed
        if not unsigned:
            return None
        if unsigned >= limits.CHECKPOINT_RECORDS:
            return 0.0
        return max(0.0, self.signed_at + self._checkpoint_seconds - clock.mono())

    def checkpoint(self) -> None:
        """Sign what is there now, unless it is signed. Raises LogFileError."""
        self._mend()
        if self.signed != self.size:
            self._sign()

    def close(self) -> None:
        """Sign the end, close and let go. Raises LogFileError; the file is closed nevertheless."""
        try:
            if self._sound:
                self.checkpoint()
        finally:
            self._release()

    # what is on disk

    def _recover(self) -> None:
        files = months.files(self.folder)
        if self._newest > max((p.name for p in files), default=""):
            raise LogFileError(f"{self._newest} is gone")
        if files:
            try:
                self._continue(files[-1])
            except LogFileError as cause:
                raise LogFileError(f"{files[-1].name}: {cause}") from cause
        else:
            self._begin(months.current(), {})
        self._newest = self.name
        self._sound = True

    def _continue(self, path: Path) -> None:
        """Build the tree from the stored bytes and hold it against all that is known about it."""
        self._close_file()
        file = Appending(path)
        try:
            own = [self._opened(path, note) for _, note in file.checkpoints()[-1:]]
            leaves = Leaves.of(file.rows(), [*own, *self._kept(path), *self._acknowledged(path)])
        except LogFileError:
            file.close()
            raise
        self._file, self._leaves, self.signed = file, leaves, own[0].size if own else 0
        self._month_ends = 0.0 if leaves.closed else months.end(months.of(path.name))

    def _kept(self, path: Path) -> list[Checkpoint]:
        """What the second place knows of it."""
        try:
            note = self._second.note(path.stem) if self._second else None
        except OSError as cause:
            self.second_problem = str(cause)
            return []
        return [self._opened(path, note)] if note else []

    def _acknowledged(self, path: Path) -> list[Checkpoint]:
        """What we told callers to be durable must be there, whoever put this file under its name."""
        ours = path.name == self._newest and self._leaves.size
        return (
            [Checkpoint(self._origin(path), self._leaves.size, self._leaves.tree.root(), "")] if ours else []
        )

    def _opened(self, path: Path, note: str) -> Checkpoint:
        try:
            found = self._signer.verifier.open(note)
        except BadNote as wrong:
            raise LogFileError(f"its last checkpoint: {wrong}") from wrong
        if found.origin != self._origin(path):
            raise LogFileError(f"its last checkpoint is about {found.origin}")
        return found

    def _second_place_knows_us(self) -> None:
        """A second place that tells of another key or of a later file means that something was put back."""
        if self._second is None:
            return
        try:
            self._second.keep_key(self._signer.verifier)
            known, ours = self._second.names(), [p.stem for p in months.files(self.folder)]
        except OSError as cause:
            self.second_problem = str(cause)
            return
        except BadNote as wrong:
            raise LogFileError(str(wrong)) from wrong
        if known and known[-1] > max(ours, default=""):
            raise LogFileError(f"{known[-1]}.db is gone, but {self._second.folder} keeps a checkpoint of it")

    def _publish_key(self) -> None:
        path, line = self.folder / "audit.pub", f"{self._signer.verifier}\n".encode()
        try:
            if not path.exists() or path.read_bytes() != line:
                write_atomically(path, line, 0o644)
        except OSError as cause:
            raise LogFileError(str(cause)) from cause

    def _mend(self) -> None:
        """After a failure nobody knows what became durable; look."""
        if self._sound:
            return
        if self._file is None or self._file.count() != self.size:
            self._recover()
        self._sound = True

    # growing

    def _append(self, entries: Sequence[Entry]) -> None:
        assert self._file is not None
        self._sound = False
        self._file.append(self.size, [e.body for e in entries])
        for e in entries:
            self._leaves.add(e.body, e.kind, e.call_id)
        self._sound = True

    def _begin(self, month: tuple[int, int], previous: dict[str, object]) -> None:
        path = self.folder / months.name(month)
        first = record.encoded(
            record.event(
                record.OPENED,
                origin=self._origin(path),
                key=str(self._signer.verifier),
                previous=previous or None,
                open=sorted(self._leaves.pending.calls),
            )
        )
        self._file = Appending.create(path, first)
        self._leaves, self.signed = Leaves(), 0
        self._leaves.read(first)
        self._month_ends = months.end(month)

    def _rotate(self) -> None:
        """Close this month's file, sign its end, and begin the next with what was signed."""
        assert self._file is not None
        old = self._file.path
        if not self._leaves.closed:
            closing = record.event(record.CLOSED, open=sorted(self._leaves.pending.calls))
            self._append([Entry(record.encoded(closing), record.CLOSED, "")])
        note = self._sign()
        self._sound = False
        self._close_file()
        # A clock that was set back must not lead into a file that is closed.
        self._begin(
            max(months.current(), months.after(months.of(old.name))), {"file": old.name, "checkpoint": note}
        )
        self._newest = self.name
        self._sound = True

    def _sign(self) -> str:
        assert self._file is not None
        path = self._file.path
        note = self._signer.sign(
            Checkpoint(self._origin(path), self.size, self._leaves.tree.root(), clock.iso())
        )
        self._sound = False
        self._file.keep_checkpoint(self.size, note)
        self._sound = True
        self.signed, self.signed_at = self.size, clock.mono()
        if self._second is not None:
            try:
                self._second.keep(path.stem, note)
                self.second_problem = ""
            except OSError as cause:
                self.second_problem = str(cause)
        return note

    def _origin(self, path: Path) -> str:
        return f"{self._signer.verifier.name}/{path.stem}"

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _release(self) -> None:
        self._close_file()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._sound = False
