"""Our own keys, with which the gateway proves itself at providers (RFC 7523), and their publication.

The file holds two keys: the first signs, the second is published beside it. `roll` lets the second
sign, withdraws the first and publishes a new one. So whoever keeps our key set for a while already
knows each key before it is used, and an assertion of the old key, good for a minute, is spent by then.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gateway.files import Watched, kept, write_atomically
from gateway.jose import Key, SigningKey, new_signing_key, public_key, signing_keys

KEY_FILE = "client-keys.pem"
"""Its name in the folder of the record, unless set otherwise."""


class _Ring(NamedTuple):
    """What the file says, and what every call needs of it: made when the file is read."""

    signing: tuple[SigningKey, ...]
    public: Mapping[str, Key]


class ClientKeys:
    """The keys in a file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        """They are made when the file is absent. Raises ValueError, OSError."""
        kept(path, lambda: pem_text(new_signing_key(), new_signing_key()))
        try:
            self._keys = Watched(path, _ring)
        except ValueError as wrong:
            raise ValueError(f"{path}: {wrong}") from None

    @property
    def signing(self) -> SigningKey:
        """The one that signs now."""
        return self._keys.value().signing[0]

    def jwks(self) -> dict[str, Any]:
        """The public halves of all (RFC 7517 §5)."""
        return {"keys": [key.jwk() for key in self._keys.value().signing]}

    def public(self) -> Mapping[str, Key]:
        """The same by id, to verify with."""
        return self._keys.value().public

    def changed_at(self) -> float:
        """Unix seconds of the last change."""
        return self._keys.changed_at()

    def state(self) -> tuple[bool, str]:
        """Ready, and what is wrong with a change that was not taken."""
        return True, self._keys.problem or f"key {self.signing.kid[:8]} signs"


def roll(path: Path) -> tuple[SigningKey, SigningKey]:
    """The next key signs from now on, a new one comes after it. Both, in that order. Raises ValueError, OSError."""
    current = signing_keys(kept(path, lambda: pem_text(new_signing_key())))
    following = (current[1] if len(current) > 1 else new_signing_key(), new_signing_key())
    write_atomically(path, pem_text(*following))
    return following


def _ring(pem: bytes) -> _Ring:
    keys = signing_keys(pem)
    return _Ring(keys, {key.kid: public_key(key.jwk()) for key in keys})


def pem_text(*keys: SigningKey) -> bytes:
    """Keys as their file holds them."""
    return b"".join(key.pem.strip() + b"\n" for key in keys)
