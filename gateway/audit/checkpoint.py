"""Checkpoints: "the tree had so many leaves and this root, at this time", signed.

The form is the C2SP `tlog-checkpoint` in a C2SP `signed-note`, so other people's tools can read it:

    jira-agent-gateway/audit-2026-11        origin: the log's name and the file's
    1234                                    number of leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=   root, base64
    time 2026-11-22T03:04:05.678Z           extension line

    — jira-agent-gateway syBjS/NqaeaDmawirGZtdkOy8X2dRNdD5RtV9eh4fB4u…

The signature is Ed25519 over everything up to the empty line; its first four bytes name the key.
"""

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.files import write_atomically

_ED25519 = b"\x01"
"""Signature type of C2SP signed-note."""


class BadNote(ValueError):
    """Not a checkpoint of this log: its form, its key or its signature is wrong."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one log file claimed at one time. `time` is RFC 3339 in UTC."""

    origin: str
    size: int
    root: bytes
    time: str

    @property
    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\ntime {self.time}\n"


def _parse(text: str) -> Checkpoint:
    try:
        origin, size, root, time = text.removesuffix("\n").split("\n")
        parsed = Checkpoint(
            origin, int(size), base64.b64decode(root, validate=True), time.removeprefix("time ")
        )
    except (ValueError, binascii.Error) as wrong:
        raise BadNote("not the form of a checkpoint") from wrong
    if parsed.text != text or len(parsed.root) != 32 or parsed.size < 0:
        raise BadNote("not the form of a checkpoint")
    return parsed


class Verifier:
    """Checks notes by one public key under one name."""

    def __init__(self, name: str, key: Ed25519PublicKey) -> None:
        if not name or any(c.isspace() or c == "+" for c in name):
            raise ValueError(f"a log's name has no spaces and no plus sign: {name!r}")
        self.name = name
        self._key = key
        self._raw = _ED25519 + key.public_bytes_raw()
        self.key_id = sha256(name.encode() + b"\n" + self._raw).digest()[:4]

    @classmethod
    def parse(cls, line: str) -> "Verifier":
        """From the line that `str()` gives: `name+key id+key`. Raises BadNote."""
        try:
            name, key_id, encoded = line.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
            if raw[:1] != _ED25519:
                raise BadNote("not an Ed25519 key")
            found = cls(name, Ed25519PublicKey.from_public_bytes(raw[1:]))
        except (ValueError, binascii.Error) as wrong:
            raise BadNote("not a public key of a log") from wrong
        if found.key_id.hex() != key_id:
            raise BadNote("the key does not match its id")
        return found

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self._raw).decode()}"

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in `note`, if this key signed it. Raises BadNote."""
        text, gap, signatures = note.partition("\n\n")
        if not gap or not signatures.endswith("\n"):
            raise BadNote("not the form of a signed note")
        signed = text + "\n"
        for line in signatures.removesuffix("\n").split("\n"):
            if self._signed(line, signed.encode()):
                return _parse(signed)
        raise BadNote(f"no valid signature of key {self.key_id.hex()}")

    def _signed(self, line: str, text: bytes) -> bool:
        try:
            dash, name, encoded = line.split(" ")
            raw = base64.b64decode(encoded, validate=True)
            if dash != "—" or name != self.name or raw[:4] != self.key_id:
                return False
            self._key.verify(raw[4:], text)
        except (ValueError, binascii.Error, InvalidSignature):
            return False
        # base64 has several spellings of the same bytes; only one is ours.
        return base64.b64encode(raw).decode() == encoded


class Signer:
    """Signs checkpoints of one log."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = Verifier(name, key.public_key())

    def sign(self, checkpoint: Checkpoint) -> str:
        """The note."""
        signature = self.verifier.key_id + self._key.sign(checkpoint.text.encode())
        return f"{checkpoint.text}\n— {self.verifier.name} {base64.b64encode(signature).decode()}\n"


class SecondPlace:
    """A folder elsewhere that keeps the last checkpoint of every file, and the public key.

    Whoever cuts or rewrites a file must also reach this folder, so put it on another machine's disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, name: str, note: str) -> None:
        """Replace the note of the file called `name`, atomically. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self.folder / f"{name}.checkpoint", note.encode(), 0o644)

    def note(self, name: str) -> str | None:
        """The note kept for the file called `name`. Raises OSError."""
        return _text(self.folder / f"{name}.checkpoint")

    def names(self) -> list[str]:
        """The files that have a note here, in order. Raises OSError."""
        return sorted(p.stem for p in self.folder.glob("audit-*.checkpoint"))

    def keep_key(self, verifier: Verifier) -> None:
        """Remember the public key at the first time. Raises BadNote when another one is here, OSError."""
        known = self.key()
        if known is None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.folder / "audit.pub", f"{verifier}\n".encode(), 0o644)
        elif known.strip() != str(verifier):
            raise BadNote(f"{self.folder} keeps checkpoints of another key ({known.strip()})")

    def key(self) -> str | None:
        """The public key's line. Raises OSError."""
        return _text(self.folder / "audit.pub")


def _text(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else None
