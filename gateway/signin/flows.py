"""What a browser has begun and another server will send it back from: kept here, once, for ten minutes.

The `state` of an authorization request (RFC 6749 §10.12) is the key. What is kept under it, PKCE
verifier and nonce among it, never leaves; of the key only a digest is stored. A flow ends at its first
use, whoever uses it, and only in the browser that began it. Each has its own key, so two tabs do not
disturb each other.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

import orjson

from gateway import limits
from gateway.store import Store

Facts = Mapping[str, Any]


class Flows:
    """Flows in the `Store`. Every method raises `Unavailable` when it does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, purpose: str, browser: str, facts: Facts) -> str:
        """The state of a new flow. `browser` is the secret of the browser's cookie."""
        state = secrets.token_urlsafe(32)
        kept = orjson.dumps({"browser": digest(browser), "facts": dict(facts)})
        await self._store.put(_key(purpose, state), kept, limits.FLOW_SECONDS)
        return state

    async def end(self, purpose: str, state: str, browser: str | None) -> Facts | None:
        """The facts, once; None when there is no such flow, it is too old, or another browser began it."""
        kept = await self._store.take(_key(purpose, state)) if state else None
        if kept is None or browser is None:
            return None
        found = orjson.loads(kept)
        same = secrets.compare_digest(found["browser"], digest(browser))
        return dict(found["facts"]) if same else None


def digest(secret: str) -> str:
    """What is stored of a random secret: who reads the store cannot use it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(purpose: str, state: str) -> str:
    return f"flow:{purpose}:{digest(state)}"
