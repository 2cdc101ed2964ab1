"""Key-encryption keys: who wraps the data keys of the vault, behind one face.

local      a ring of keys in a file or a secret (`local.py`)
openbao    OpenBao or HashiCorp Vault, transit engine (`openbao.py`)
awskms     AWS KMS (`awskms.py`; the extra `awskms`)

A data key is 32 random bytes and seals one link. It is wrapped for one context, the link's, and in
another one it does not unwrap: rows that were exchanged in the database open nothing.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol

from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.settings import Vault

DATA_KEY_BYTES = 32

Context = Mapping[str, str]
"""What a wrapped key is bound to, by name; none of it is secret, and key services may log it."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as it is kept."""

    key_id: str
    """Whose key wrapped it: an id of the ring, `NAME:v3` of transit, an ARN of KMS."""
    data: bytes = field(repr=False)


class KeyRefused(Exception):
    """It does not unwrap: the key is gone, or the bytes or the context are not those that were wrapped."""


class KeysDown(Exception):
    """Who holds the keys does not answer, or does not let us in."""


class KeyRing(Protocol):
    """Raises `KeyRefused` or `KeysDown`; their text holds no key."""

    async def fresh(self, context: Context) -> tuple[bytes, Wrapped]:
        """A new data key, and the same wrapped under the key that wraps now."""

    async def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """The data key."""

    async def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
        """The same data key under the key that wraps now."""


def ring(settings: Vault, outward: Outward) -> KeyRing | None:
    """The ring of the settings; None when they name no key. Raises `ConfigError`."""
    found: KeyRing | None = import_module(f"{__name__}.{settings.provider}").ring(settings, outward)
    return found


async def proved(keys: KeyRing) -> str:
    """The id of the key that wraps now, seen to wrap, to unwrap, and to hold to the context.

    Raises `ConfigError` for a key that does not, such as a transit key that is not derived.
    """
    ours, other = ({"purpose": "proof", "of": secrets.token_hex(8)} for _ in range(2))
    data_key, wrapped = await keys.fresh(ours)
    if len(data_key) != DATA_KEY_BYTES or await keys.unwrap(wrapped, ours) != data_key:
        raise ConfigError([f"vault: key {wrapped.key_id} does not unwrap what it wrapped. Use another one."])
    try:
        await keys.unwrap(wrapped, other)
    except KeyRefused:
        return wrapped.key_id
    raise ConfigError(
        [
            f"vault: key {wrapped.key_id} also unwraps for another context, so that grants could be exchanged "
            "between people. Make the transit key with `derived=true`."
        ]
    )
