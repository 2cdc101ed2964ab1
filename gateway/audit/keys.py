"""The two secrets of the record, each a file that only its owner may read, made at the first start.

The Ed25519 key signs checkpoints; its public half lies beside it as `NAME.pub` and may be shown to
anybody. The other key makes digests of free text, so that a known text can be looked for in the
record while the record alone tells nothing about it.
"""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.files import kept


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in the PEM file `path`, made there when the file is absent.

    Raises ValueError when the file holds something else, OSError when it cannot be read or made.
    """
    pem = kept(path, _new_pem)
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
        key = bytes.fromhex(kept(path, lambda: secrets.token_hex(32).encode() + b"\n").decode().strip())
    except UnicodeDecodeError as wrong:
        raise ValueError(f"{path} does not hold hexadecimal digits") from wrong
    if len(key) < 32:
        raise ValueError(f"{path} holds {len(key)} bytes; at least 32 are needed")
    return key


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
