"""Checkpoints, keys and the second place."""

import base64
import errno
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import BadNote, Checkpoint, SecondPlace, Signer, Verifier
from gateway.audit.keys import digest_key, signing_key
from gateway.files import write_atomically

CHECKPOINT = Checkpoint("log/audit-2026-11", 12, bytes(range(32)), "2026-11-22T03:04:05.678Z")


@pytest.fixture
def signer() -> Signer:
    """A log called `log` with a new key."""
    return Signer("log", Ed25519PrivateKey.generate())


def test_a_note_is_a_c2sp_checkpoint(signer: Signer) -> None:
    """Origin, size, root and an extension line, an empty line, and the signature with the key's id."""
    origin, size, root, time, empty, signature, end = signer.sign(CHECKPOINT).split("\n")
    assert (origin, size, time, empty, end) == (CHECKPOINT.origin, "12", f"time {CHECKPOINT.time}", "", "")
    assert base64.b64decode(root) == CHECKPOINT.root
    dash, name, encoded = signature.split(" ")
    assert (dash, name) == ("—", "log")
    assert base64.b64decode(encoded)[:4] == signer.verifier.key_id
    assert len(base64.b64decode(encoded)) == 4 + 64


def test_published_verifier_key_and_note() -> None:
    """The example key of Go's note package, whose line and signature others made, is read and verified."""
    verifier = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert verifier.key_id.hex() == "c74f20a3"
    assert str(verifier) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    line = (
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6R"
        "yyBwJnAM="
    )
    with pytest.raises(BadNote, match="form of a checkpoint"):  # signed well, but no checkpoint
        verifier.open(f"{text}\n{line}\n")
    with pytest.raises(BadNote, match="signature"):
        verifier.open(f"{text.replace('answer', 'Answer')}\n{line}\n")


def test_what_was_signed_is_read_back(signer: Signer) -> None:
    """Signing and opening are inverse, also through the public key's line."""
    note = signer.sign(CHECKPOINT)
    assert signer.verifier.open(note) == CHECKPOINT
    assert Verifier.parse(str(signer.verifier)).open(note) == CHECKPOINT


def test_every_changed_byte_is_noticed(signer: Signer) -> None:
    """No single changed character leaves the note valid."""
    note = signer.sign(CHECKPOINT)
    for at in range(len(note)):
        for other in {chr(ord(note[at]) ^ 1), "A", "\n", " ", ""} - {note[at]}:
            with pytest.raises(BadNote):
                signer.verifier.open(note[:at] + other + note[at + 1 :])


def test_a_signature_has_one_spelling(signer: Signer) -> None:
    """Base64 can spell the same bytes in several ways; only ours is taken, so that notes can be compared."""
    note = signer.sign(CHECKPOINT)
    assert note.endswith("=\n") and signer.verifier.open(note)
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/":
        changed = f"{note[:-3]}{other}=\n"
        if changed != note:
            with pytest.raises(BadNote):
                signer.verifier.open(changed)


@pytest.mark.parametrize(
    "note", ["", "\n\n", "a\n\nb\n", "a\n1\nAAAA\ntime x\n\n— log AAAA\n", "\x00" * 50, "—" * 9]
)
def test_garbage_is_a_bad_note(signer: Signer, note: str) -> None:
    """Whatever is not a note is refused as one."""
    with pytest.raises(BadNote):
        signer.verifier.open(note)


def test_another_key_of_the_same_name_is_refused(signer: Signer) -> None:
    """The name alone proves nothing."""
    with pytest.raises(BadNote, match="signature"):
        signer.verifier.open(Signer("log", Ed25519PrivateKey.generate()).sign(CHECKPOINT))


@pytest.mark.parametrize("line", ["", "a+b", "log+00000000+AAAA", "log+zz+!!", "a b+00000000+AQ=="])
def test_garbage_is_no_public_key(line: str) -> None:
    """A key's line is refused unless whole."""
    with pytest.raises(BadNote):
        Verifier.parse(line)


def test_keys_are_made_once_and_only_for_us(tmp_path: Path) -> None:
    """The first start makes the key files 0600, the next ones read them."""
    first, digest = signing_key(tmp_path / "k" / "audit.key"), digest_key(tmp_path / "k" / "digest.key")
    again = signing_key(tmp_path / "k" / "audit.key")
    assert first.private_bytes_raw() == again.private_bytes_raw()
    assert digest == digest_key(tmp_path / "k" / "digest.key") and len(digest) == 32
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "k").iterdir()} == {0o600}


def test_a_wrong_key_file_is_refused(tmp_path: Path) -> None:
    """A key that is damaged or too short is an error, never replaced."""
    (tmp_path / "bad").write_text("not a key")
    (tmp_path / "short").write_text("00ff")
    with pytest.raises(ValueError, match="not a PEM"):
        signing_key(tmp_path / "bad")
    with pytest.raises(ValueError, match="at least 32"):
        digest_key(tmp_path / "short")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="hexadecimal"):
        digest_key(tmp_path / "binary")
    assert (tmp_path / "bad").read_text() == "not a key"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle of a write changes nothing and leaves nothing behind."""
    target = tmp_path / "note"
    write_atomically(target, b"old")

    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_second_place_keeps_one_note_a_file_and_one_key(tmp_path: Path, signer: Signer) -> None:
    """Notes are replaced by name; another key is refused."""
    place = SecondPlace(tmp_path / "far")
    assert place.names() == [] and place.note("audit-2026-11") is None
    place.keep("audit-2026-11", "one")
    place.keep("audit-2026-11", "two")
    assert place.names() == ["audit-2026-11"] and place.note("audit-2026-11") == "two"
    place.keep_key(signer.verifier)
    place.keep_key(signer.verifier)
    with pytest.raises(BadNote, match="another key"):
        place.keep_key(Signer("log", Ed25519PrivateKey.generate()).verifier)
