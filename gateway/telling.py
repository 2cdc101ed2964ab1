"""That somebody was cut off, on record: once in each replica's record, whatever was down in between.

The rows in the database count; the record itself says which of them it has, by their numbers:

    access.revoked   number     one row
    access.known     numbers    at each start, when all older rows are on record: the last of them

So a start looks back to the last `access.known`, and tells what was written while no gateway ran. What the
record could not take is told when it works again, in order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway import limits
from gateway.audit.lookback import newest_first
from gateway.audit.sqlite import LogFileError
from gateway.errors import Sealed
from gateway.identity.revocation import Revocation

REVOKED = "access.revoked"
KNOWN = "access.known"

UNTOLD = ("not_before", "created")

Events = Callable[..., Awaitable[None]]
"""(kind, **fields) -> once this is durable in the record. Raises `Sealed`."""


class Telling:
    """Puts revocations on record, in the order in which this replica heard of them."""

    def __init__(self, events: Events, folder: Path) -> None:
        """`folder` is that of the record."""
        self._events = events
        self._folder = folder
        self._heard: set[int] = set()
        self._waiting: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    def hear(self, one: Revocation) -> None:
        """It goes on record as soon as `run` gets to it; once, however often it is heard of."""
        if one.number in self._heard:
            return
        self._heard.add(one.number)
        told = {name: value for name, value in asdict(one).items() if value and name not in UNTOLD}
        self._waiting.put_nowait((REVOKED, {"of": told.pop("kind"), **told}))

    async def catch_up(self, rows: Sequence[Revocation]) -> None:
        """Tell of each row that is not on record yet; `rows` are all of them, in order."""
        last = rows[-1].number if rows else 0
        recorded = await asyncio.to_thread(on_record, self._folder)
        if last < max(recorded, default=0):  # numbers never go back: it is another database
            recorded = set()
        known = max(recorded, default=0) - limits.REVOCATIONS_OVERLAP
        self._heard.update(one.number for one in rows if one.number <= known or one.number in recorded)
        for one in rows:
            self.hear(one)
        latest = [one.number for one in rows if one.number > last - limits.REVOCATIONS_OVERLAP]
        self._waiting.put_nowait((KNOWN, {"numbers": latest}))

    async def run(self) -> None:
        """For ever: tell what waits."""
        while True:
            kind, told = await self._waiting.get()
            await self._tell(kind, told)

    async def _tell(self, kind: str, told: dict[str, Any]) -> None:
        """However long it takes."""
        while True:
            try:
                return await self._events(kind, **told)
            except Sealed:
                await asyncio.sleep(limits.AUDIT_PROBE_SECONDS)


def on_record(folder: Path) -> set[int]:
    """Numbers of the rows that the record has; of the older ones those that the last `access.known` names.

    A file that cannot be read ends it: rather twice on record than not at all.
    """
    found: set[int] = set()
    try:
        for told in newest_first(folder, "access."):
            for one in told:
                found.update(one.get("numbers", ()), [one["number"]] if "number" in one else ())
            if any(one["kind"] == KNOWN for one in told):
                break
    except (LogFileError, ValueError):
        pass
    return found
