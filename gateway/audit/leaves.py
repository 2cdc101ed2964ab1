"""What the writer remembers of one file: its tree, its open calls and its last record."""

from collections.abc import Iterable, Sequence

from gateway.audit import record
from gateway.audit.checkpoint import Checkpoint
from gateway.audit.merkle import Tree, leaf_hash
from gateway.audit.sqlite import LogFileError


class Leaves:
    """The leaves of one file, of which only the last is kept."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.pending = record.Pending()
        self._last = b""

    @property
    def size(self) -> int:
        """How many there are."""
        return self.tree.size

    @property
    def closed(self) -> bool:
        """Whether the last record closes the file."""
        return self._last.startswith(f'{{"kind":"{record.CLOSED}"'.encode())

    def add(self, body: bytes, kind: str, call_id: str) -> None:
        """A record that was just stored."""
        self.pending.note(self.size, kind, call_id)
        self.tree.append(leaf_hash(body))
        self._last = body

    def read(self, body: bytes) -> None:
        """A record as it was stored. Raises ValueError when it cannot be read as one."""
        self.pending.read(self.size, body)
        self.tree.append(leaf_hash(body))
        self._last = body

    @classmethod
    def of(cls, rows: Iterable[tuple[int, bytes]], claims: Sequence[Checkpoint]) -> "Leaves":
        """From the stored rows, if they are what every claim says. Raises LogFileError."""
        found, roots = cls(), {c.size: b"" for c in claims}
        for seq, body in rows:
            if seq != found.size:
                raise LogFileError(f"record {found.size} is missing")
            try:
                found.read(body)
            except ValueError as wrong:
                raise LogFileError(f"record {seq} is damaged: {wrong}") from wrong
            if found.size in roots:
                roots[found.size] = found.tree.root()
        for c in claims:
            if c.size > found.size:
                raise LogFileError(f"only {found.size} of {c.size} signed records are left")
            if c.root != roots[c.size]:
                raise LogFileError(f"the first {c.size} records are not the signed ones")
        if not found.size:
            raise LogFileError("there is no record in it")
        return found
