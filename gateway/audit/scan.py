"""Checking one file of the record, front to back. See `verify.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway import clock, limits
from gateway.audit import record
from gateway.audit.checkpoint import BadNote, Checkpoint, Verifier
from gateway.audit.merkle import Tree, leaf_hash
from gateway.audit.sqlite import LogFileError, Looking


@dataclass(frozen=True, slots=True)
class Seen:
    """One record, as it names itself."""

    seq: int
    time: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A write that was decided and whose outcome is not in the record.

    `closed`: the gateway noticed it at a later start. What became of it in Jira is not known either way.
    `seq` is 0 when the decision stands in an earlier file.
    """

    id: str
    seq: int
    time: str = ""
    tool: str = ""
    subject: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was found in one file."""

    file: str
    records: int
    """Records that are whole and in order."""
    proven: int
    """How many of them, from the first, a good signature covers."""
    checkpoints: int
    last_good: Seen | None
    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    in_doubt: tuple[InDoubt, ...]

    @property
    def ok(self) -> bool:
        """Nothing speaks against it."""
        return not self.problems


class Scan:
    """One pass over a file; afterwards `report()`. Does not raise on anything that a file can hold."""

    def __init__(self, path: Path, verifier: Verifier | None, second: str | None = None) -> None:
        self.path = path
        self.problems: list[str] = []
        self.first: Mapping[str, Any] = {}
        """The first record."""
        self.last: Mapping[str, Any] = {}
        """The last one that could be read."""
        self.last_note: Checkpoint | None = None
        self.proven = 0
        self._verifier = verifier
        self._tree = Tree()
        self._signed: dict[int, set[bytes]] = {}
        self._checkpoints = 0
        self._broken = False
        self._doubts: dict[str, InDoubt] = {}
        self._closed: list[InDoubt] = []
        self._last_good: Seen | None = None
        try:
            with Looking(path) as file:
                self._run(file, second)
        except LogFileError as cause:
            self._says(cause)

    def report(self) -> FileReport:
        """What was found."""
        taken_over = set(_names(self.last)) if self.last.get("kind") == record.CLOSED else set()
        open_calls = [d for d in self._doubts.values() if d.id not in taken_over]
        unsigned = self._tree.size - self.proven
        remarks = (f"the last {unsigned} records are under no checkpoint yet",) if unsigned else ()
        return FileReport(
            file=str(self.path),
            records=self._tree.size,
            proven=self.proven,
            checkpoints=self._checkpoints,
            last_good=self._last_good,
            problems=tuple(dict.fromkeys(self.problems)),
            remarks=remarks if not self.problems else (),
            in_doubt=(*self._closed, *open_calls),
        )

    def follows(self, older: "Scan | None", verifier: Verifier | None) -> None:
        """Hold the first leaf against the file before."""
        if not self._tree.size:
            return
        previous = self.first.get("previous")
        if self.first.get("kind") != record.OPENED:
            self._says("the first record is not the opening of a file")
        elif previous is None and older is not None:
            self._says(f"it does not go on from {older.path.name}")
        elif isinstance(previous, dict) and verifier is not None:
            try:
                signed = verifier.open(str(previous.get("checkpoint")))
            except BadNote as wrong:
                self._says(f"the checkpoint of the file before: {wrong}")
                return
            if older is not None and (signed.origin, signed.size) != (
                f"{verifier.name}/{older.path.stem}",
                older.proven,
            ):
                self._says(f"it goes on from {signed.origin} at {signed.size}, not from {older.path.name}")
            elif older is not None and older.last_note != signed:
                self._says(f"{older.path.name} does not end as this file says that it did")

    def _says(self, problem: object) -> None:
        self.problems.append(str(problem))

    def _run(self, file: Looking, second: str | None) -> None:
        try:
            for problem in file.damage():
                self._says(problem)
            for size, note in file.checkpoints():
                self._note(size, note)
        except LogFileError as cause:
            self._says(cause)
        if second is not None:
            self._opened(second, "the second place's checkpoint")
        try:
            for seq, body in file.rows():
                if not self._row(seq, body):
                    break
        except LogFileError as cause:
            self._says(f"record {self._tree.size} cannot be read ({cause})")
        self._ends(file)

    def _note(self, size: int, note: str) -> None:
        self._checkpoints += 1
        found = self._opened(note, f"the checkpoint at {size}")
        if found is not None and found.size != size:
            self._says(f"the checkpoint at {size} is about {found.size} records")
        self.last_note = found

    def _opened(self, note: str, what: str) -> Checkpoint | None:
        if self._verifier is None:
            return None
        try:
            found = self._verifier.open(note)
        except BadNote as wrong:
            self._says(f"{what}: {wrong}")
            return None
        if found.origin != f"{self._verifier.name}/{self.path.stem}":
            self._says(f"{what} is about {found.origin}")
        self._signed.setdefault(found.size, set()).add(found.root)
        return found

    def _row(self, seq: int, body: bytes) -> bool:
        """Whether to go on: a break in the order ends the pass, so no loop in a damaged file can hold us."""
        if seq != self._tree.size:
            self._says(f"record {self._tree.size} is missing: the next row is {seq}")
            return False
        try:
            told = record.decoded(body)
        except ValueError:
            self._says(f"record {seq} is not readable")
            return False
        self._tree.append(leaf_hash(body))
        self._call(seq, told)
        roots = self._signed.pop(seq + 1, None)
        if roots is not None and roots != {self._tree.root()}:
            self._says(f"the first {seq + 1} records are not the ones that were signed")
            self._broken = True
        elif roots is not None and not self._broken:
            self.proven = seq + 1
        return True

    def _call(self, seq: int, told: Mapping[str, Any]) -> None:
        self.last = told
        if seq == 0:
            self.first = told
            self._doubts = {name: InDoubt(name, 0) for name in _names(told)}
        kind, name = told.get("kind"), str(told.get("id"))
        if kind == record.DECISION:
            time, tool, subject = (str(told.get(k)) for k in ("time", "tool", "subject"))
            self._doubts[name] = InDoubt(name, seq, time, tool, subject)
        elif kind == record.OUTCOME:
            open_call = self._doubts.pop(name, None)
            if open_call and "happened" in told and told["happened"] is None:  # told, and still unknown
                self._closed.append(replace(open_call, closed=True))
        elif kind == record.IN_DOUBT:
            self._closed.append(replace(self._doubts.pop(name, InDoubt(name, 0)), closed=True))

    def _ends(self, file: Looking) -> None:
        if not self._checkpoints and _age(self.first) > limits.UNSIGNED_SECONDS:
            self._says(
                "no signed checkpoint is here, so nothing in it is proven: they were taken out, or never made"
            )
        if self._signed:
            self._says(f"{max(self._signed)} records were signed, but only {self._tree.size} are here")
        good = self.proven if self._broken else self._tree.size
        try:
            seq, body = next(file.rows(good - 2))
            told = record.decoded(body)
        except (LogFileError, ValueError, StopIteration):
            return
        if seq == good - 1:
            self._last_good = Seen(seq, *(str(told.get(k) or "") for k in ("time", "kind", "id")))


def _age(told: Mapping[str, Any]) -> float:
    """seconds since the record was written, by its own word; 0 when it does not say."""
    try:
        return clock.wall() - datetime.fromisoformat(str(told.get("time"))).timestamp()
    except ValueError:
        return 0.0


def _names(told: Mapping[str, Any]) -> list[str]:
    names = told.get("open")
    return [str(n) for n in names] if isinstance(names, list) else []
