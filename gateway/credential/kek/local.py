"""A ring of keys of our own: one `ID:base64 of 32 bytes` a line. The first one wraps, all unwrap.

The file is read again when it changed, so that a key is rotated under a running gateway. A file that
others may read, or that became unreadable or wrong, is not believed: the keys before it stay in use.
"""

import base64
import binascii
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import clock
from gateway.credential import seal
from gateway.credential.kek import DATA_KEY_BYTES, Context, KeyRefused, Wrapped
from gateway.errors import ConfigError
from gateway.files import write_atomically
from gateway.http import Outward
from gateway.settings import Vault

LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([A-Za-z0-9+/]{43}=)")


class LocalRing:
    """Keys by their ids, the first one first. `file` is where they are looked for again."""

    def __init__(self, keys: dict[str, bytes], file: Path | None = None) -> None:
        self._keys = keys
        self._file = file
        self._stamp: tuple[int, int, int] | None = (
            None  # read once more at the first use: it may have changed
        )

    async def fresh(self, context: Context) -> tuple[bytes, Wrapped]:
        """See `KeyRing`."""
        data_key = secrets.token_bytes(DATA_KEY_BYTES)
        return data_key, self._wrap(data_key, context)

    async def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """See `KeyRing`."""
        return self._unwrap(wrapped, context)

    async def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
        """See `KeyRing`."""
        return self._wrap(self._unwrap(wrapped, context), context)

    def _wrap(self, data_key: bytes, context: Context) -> Wrapped:
        key_id, key = next(iter(self._current().items()))
        return Wrapped(key_id, seal.encrypted(key, data_key, _bound(key_id, context)))

    def _unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        key = self._current().get(wrapped.key_id)
        if key is None:
            raise KeyRefused(f"key {wrapped.key_id} is not in the ring")
        try:
            return seal.decrypted(key, wrapped.data, _bound(wrapped.key_id, context))
        except seal.Broken:
            raise KeyRefused(
                f"the data key does not unwrap under {wrapped.key_id}: it was changed or is of another link, "
                "or the key is another one of that name"
            ) from None

    def _current(self) -> dict[str, bytes]:
        stamp = _stamp(self._file)
        if self._file is not None and stamp is not None and stamp != self._stamp:
            try:
                self._keys = read_file(self._file)
                self._stamp = stamp
            except ConfigError:
                pass  # looked at again with the next use; `vault status` and `check` say what is wrong
        return self._keys


def ring(settings: Vault, outward: Outward) -> LocalRing | None:
    """The ring of the settings. Raises `ConfigError`."""
    secret = settings.key_secret.get_secret_value()
    if secret and settings.key_file is not None:
        raise ConfigError(["vault: `key_file` and `key_secret` are both set. Remove one of them."])
    if settings.key_file is not None:
        return LocalRing(read_file(settings.key_file), settings.key_file)
    return LocalRing(read(secret, "vault.key_secret")) if secret else None


def read_file(file: Path) -> dict[str, bytes]:
    """The keys in `file`. Raises `ConfigError`, also when everybody on the machine may read it."""
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="ascii")
    except FileNotFoundError:
        raise ConfigError(
            [f"vault.key_file: {file} is not there. `jira-agent-gateway vault rotate` makes the first key."]
        ) from None
    except (OSError, UnicodeDecodeError) as unreadable:
        why = getattr(unreadable, "strerror", None) or "not text"
        raise ConfigError([f"vault.key_file: {file} cannot be read ({why})."]) from None
    if mode & 0o007:
        raise ConfigError([f"vault.key_file: everybody may use {file}. Take their rights: chmod o= {file}"])
    return read(text, str(file))


def read(text: str, where: str) -> dict[str, bytes]:
    """The keys in `text`, in their order. Raises `ConfigError`, which does not show them."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        found = LINE.fullmatch(written)
        if found is None or found[1] in keys:
            raise ConfigError(
                [
                    f"{where}, line {number}: write `ID:base64 of 32 bytes`, and each ID once (letters, digits, ._-)."
                ]
            )
        keys[found[1]] = _decoded(found[2], f"{where}, line {number}")
    if not keys:
        raise ConfigError([f"{where}: there is no key in it. Write `ID:base64 of 32 bytes`."])
    return keys


def line(key_id: str) -> str:
    """A line of the ring with a new key."""
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(32)).decode()}\n"


def _decoded(encoded: str, where: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ConfigError([f"{where}: the key is not base64."]) from None


def _bound(key_id: str, context: Context) -> bytes:
    return seal.framed("jiragw-kek/1", key_id, *(part for item in sorted(context.items()) for part in item))


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    try:
        found = file.stat() if file is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)


def rotate(file: Path) -> str:
    """Put a new key first in `file`, which is made when it is not there; its id.

    The file keeps its owner and rights. Raises `ConfigError`, also when somebody else is at it: of two at
    once one would write over the other's key, and what it had wrapped would be lost.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(file.parent):
            return _put_first(file)
    except OSError as failed:
        raise ConfigError(
            [f"vault.key_file: {file} cannot be written ({failed.strerror}). Nothing was changed."]
        ) from None


def _put_first(file: Path) -> str:
    there = file.exists()
    known = read_file(file) if there else {}
    today = clock.iso()[:10]
    key_id = next(name for name in (today, *(f"{today}.{n}" for n in range(2, 1000))) if name not in known)
    before, text = (file.stat(), file.read_bytes()) if there else (None, b"")
    write_atomically(file, line(key_id).encode() + text)
    if before is not None:
        os.chown(file, before.st_uid, before.st_gid)
        file.chmod(stat.S_IMODE(before.st_mode))
    return key_id


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(["vault.key_file: another rotation is under way. Wait for its end."]) from None
        yield
    finally:
        os.close(handle)
