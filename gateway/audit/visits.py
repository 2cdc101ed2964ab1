"""Sessions for the record: the protocol has none, so we call one what a reviewer would.

A session is what one person does with one assistant out of one sign-in, without a pause of `IDLE_GAP_SECONDS`.
Each replica tells its own; a restart begins new ones.
"""

import secrets
from collections import OrderedDict

from gateway import clock, limits
from gateway.model import Caller

Key = tuple[str, str, str, str]


class Visits:
    """The sessions that run now, by person, assistant and sign-in."""

    def __init__(self, size: int = limits.SESSIONS_FOLLOWED) -> None:
        self._size = size
        self._last: OrderedDict[Key, tuple[str, float]] = OrderedDict()

    def seen(self, caller: Caller) -> tuple[str, float | None]:
        """A call came: (the session's id, seconds since its last call; None for its first)."""
        key = (caller.issuer, caller.subject, caller.client, caller.family or caller.session)
        now = clock.mono()
        id, before = self._last.pop(key, ("", -limits.IDLE_GAP_SECONDS))
        idle = now - before
        if not id or idle >= limits.IDLE_GAP_SECONDS:
            id, idle = secrets.token_hex(8), -1.0
        self._last[key] = (id, now)
        while len(self._last) > self._size:
            self._last.popitem(last=False)
        return id, None if idle < 0 else round(idle, 3)
