"""Authorization codes: kept by their digest, for a minute, used once (RFC 6749 §4.1.2, RFC 9700 §2.1.1).

A code that comes a second time was stolen or repeated: whoever redeemed it first loses what it gave.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway import limits
from gateway.signin.flows import digest
from gateway.store import Store


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for."""

    client: str
    redirect_uri: str
    challenge: str
    """PKCE S256 (RFC 7636 §4.2)."""
    family: Mapping[str, Any]
    """What the family begins with (`families.py`), as JSON has it."""


class Codes:
    """Codes in the `Store`. Every method raises `Unavailable` when it does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def issue(self, code: Code) -> str:
        """A new code."""
        made = secrets.token_urlsafe(32)
        kept = {
            "client": code.client,
            "redirect_uri": code.redirect_uri,
            "challenge": code.challenge,
            "family": dict(code.family),
        }
        await self._store.put(_key(made), orjson.dumps(kept), limits.CODE_SECONDS)
        return made

    async def look(self, code: str) -> Code | None:
        """What it stands for, without using it."""
        kept = await self._store.get(_key(code))
        return Code(**orjson.loads(kept)) if kept is not None else None

    async def use(self, code: str, family: str) -> bool:
        """Whether it was still there: of many at once exactly one gets True."""
        # Noted before it goes, so that nobody finds it gone and not noted.
        await self._store.put(_used(code), family.encode(), limits.FLOW_SECONDS)
        return await self._store.take(_key(code)) is not None

    async def again(self, code: str) -> str | None:
        """A code that is gone came again: the family that it began, or is about to; None when it began none lately.

        That is noted before anybody looks for the family. Who begins it looks for the note afterwards
        (`came_again`), so of two at the same moment at least one sees the other.
        """
        kept = await self._store.get(_used(code))
        if kept is None:
            return None
        await self._store.put(_again(code), b"1", limits.FLOW_SECONDS)
        return kept.decode()

    async def came_again(self, code: str) -> bool:
        """Whether somebody else came with it since it was used."""
        return await self._store.get(_again(code)) is not None


def _key(code: str) -> str:
    return f"code:{digest(code)}"


def _used(code: str) -> str:
    return f"code-used:{digest(code)}"


def _again(code: str) -> str:
    return f"code-again:{digest(code)}"
