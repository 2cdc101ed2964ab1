"""The two secrets of the record, each a file that only its owner may read, made at the first start.

The Ed25519 key signs checkpoints; its public half lies beside it as `NAME.pub` and may be shown to
anybody. The other key makes digests of free text, so that a known text can be looked for in the
record while the record alone tells nothing about it.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in the PEM file `path`, made there when the file is absent.

    Raises ValueError when the file holds something else, OSError when it cannot be read or made.
    """
    pem = _kept(path, _new_pem)
    try:
        key = load_pem_private_key(pem, password=None)
    except Exception as wrong:
        raise ValueError(f"{path} is not a PEM private key") from wrong
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds a {type(key).__name__}; an Ed25519 key is needed")
    return key


def digest_key(path: Path) -> bytes:
    """The 32 bytes in `path` (hexadecimal), made there when it is absent. Raises ValueError, OSError."""
    try:
        key = bytes.fromhex(_kept(path, lambda: secrets.token_hex(32).encode() + b"\n").decode().strip())
    except UnicodeDecodeError as wrong:
        raise ValueError(f"{path} does not hold hexadecimal digits") from wrong
    if len(key) < 32:
        raise ValueError(f"{path} holds {len(key)} bytes; at least 32 are needed")
    return key


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """`path` holds either what it held before or all of `data`, whatever happens. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, make())
    return path.read_bytes()


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
