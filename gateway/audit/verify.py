"""Checking the record without the gateway, from the files alone. Never raises on what it finds.

For each file: SQLite's own check, every row in order, the tree over the stored bytes, every signature,
the root at every signed size, the first leaf against the file before, and the second place's checkpoint
against the tree. A record is *good* when a signed root covers it, or when it is whole, in order and
nothing that is signed speaks against it.

What this cannot find: a change to records younger than the last checkpoint (ten seconds at most, none
after a clean stop) by somebody who can write the file; and a history rewritten by a holder of the
signing key who also reached the second place. Because of the latter the log is called *unanchored* until
checkpoints leave the operator's hands.
"""

from dataclasses import dataclass
from pathlib import Path

from gateway.audit import months, record
from gateway.audit.checkpoint import BadNote, SecondPlace, Verifier
from gateway.audit.scan import FileReport, InDoubt, Scan, Seen

__all__ = ["FileReport", "InDoubt", "Report", "Seen", "verify"]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in all files."""

    files: tuple[FileReport, ...]
    problems: tuple[str, ...] = ()
    anchored: bool = False
    """Whether a checkpoint left the operator's hands; nothing can make it so yet."""

    @property
    def ok(self) -> bool:
        """Nothing speaks against any of it."""
        return not self.problems and bool(self.files) and all(f.ok for f in self.files)

    @property
    def in_doubt(self) -> tuple[InDoubt, ...]:
        """Of all files."""
        return tuple(d for f in self.files for d in f.in_doubt)


def verify(path: Path, *, key: str | None = None, second: Path | None = None) -> Report:
    """Check one file, or every file of a folder, which is better: a missing file is found as well.

    `key` is the public key's line as in `audit.pub`. Every key that is known (`key`, the one in the
    second place, the one beside the files) must be the same.
    """
    problems: list[str] = []
    try:
        whole = path.is_dir()
        folder = path if whole else path.parent
        files = months.files(path) if whole else [path]
        verifier = _trusted({"the given key": key, **_keys(folder, second)}, problems)
        notes = _second_notes(second)
    except OSError as cause:
        return Report((), (f"{path} cannot be read: {cause}",))
    if not files:
        problems.append(f"there is no file of the record in {path}")
    if whole:
        gone = notes.keys() - {f.stem for f in files}
        problems += [f"{n}.db is gone: the second place has a checkpoint of it" for n in sorted(gone)]
    scans = [Scan(f, verifier, notes.get(f.stem)) for f in files]
    before = None if whole else _before(path, verifier)
    for older, newer in zip([before, *scans], scans, strict=False):
        newer.follows(older, verifier)
    for older in scans[:-1]:
        if older.last.get("kind") != record.CLOSED:
            older.problems.append("a later file exists, but this one was never closed")
    return Report(tuple(s.report() for s in scans), tuple(problems))


def _keys(folder: Path, second: Path | None) -> dict[str, str | None]:
    return {
        "the second place": SecondPlace(second).key() if second else None,
        "audit.pub": SecondPlace(folder).key(),
    }


def _trusted(lines: dict[str, str | None], problems: list[str]) -> Verifier | None:
    found: list[Verifier] = []
    for where, line in lines.items():
        try:
            found += [Verifier.parse(line)] if line is not None else []
        except BadNote as wrong:
            problems.append(f"{where}: {wrong}")
    if len({str(v) for v in found}) > 1:
        problems.append("the public keys that are known differ: " + ", ".join(str(v) for v in found))
    if not found:
        problems.append("no public key is known, so no signature can be checked; give the one in audit.pub")
        return None
    return found[0]


def _second_notes(second: Path | None) -> dict[str, str]:
    if second is None:
        return {}
    place = SecondPlace(second)
    return {name: place.note(name) or "" for name in place.names()}


def _before(path: Path, verifier: Verifier | None) -> Scan | None:
    """The file before a single one, when it lies beside it."""
    older = [f for f in months.files(path.parent) if f.name < path.name]
    return Scan(older[-1], verifier) if older else None
