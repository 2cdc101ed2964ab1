"""How far a person's assistants have come: for the check list of the Connect page, and nothing else.

    asked    a client came as far as the sign-in of this person       (this file, a day)
    signed   it has a family                                          (families.py)
    called   a call came with a token of that family, first and last  (this file, 90 days)

Before the sign-in nobody knows whose client it is: that it found and registered with us is known from the
moment in which its person signs in. What is kept here is never needed, so no failure of the store is told.
"""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

import orjson

from gateway import clock, limits
from gateway.errors import Unavailable
from gateway.signin.flows import digest
from gateway.store import Store


@dataclass(frozen=True, slots=True)
class Calls:
    """Unix seconds of the first and the last call with tokens of one family; None: none yet."""

    first: float | None = None
    last: float | None = None


class Progress:
    """Notes in the `Store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: OrderedDict[str, float] = OrderedDict()

    async def asked(self, issuer: str, subject: str, client_id: str) -> None:
        """That client sent this person here, who then signed in at the provider."""
        with suppress(Unavailable):
            known = {**await self._asked(issuer, subject), client_id: clock.wall()}
            newest = dict(sorted(known.items(), key=lambda one: -one[1])[: limits.ASKED_CLIENTS])
            await self._store.put(_person(issuer, subject), orjson.dumps(newest), limits.ASKED_SECONDS)

    async def asking(self, issuer: str, subject: str) -> dict[str, float]:
        """Client id -> when it last came so far, in the last day."""
        with suppress(Unavailable):
            return await self._asked(issuer, subject)
        return {}

    async def called(self, family: str) -> None:
        """A call came with a token of that family. Cheap: most calls are not written."""
        now = clock.wall()
        if not family or now - self._noted.get(family, 0.0) < limits.CALLED_NOTED_SECONDS:
            return
        self._noted[family] = now
        self._noted.move_to_end(family)
        while len(self._noted) > limits.FAMILIES_NOTED:
            self._noted.popitem(last=False)
        told = repr(now).encode()
        with suppress(Unavailable):
            await self._store.add(_first(family), told, limits.CALLED_SECONDS)
            await self._store.put(_last(family), told, limits.CALLED_SECONDS)

    async def calls(self, family: str) -> Calls:
        """When they came."""
        with suppress(Unavailable):
            first, last = await self._store.get(_first(family)), await self._store.get(_last(family))
            return Calls(float(first) if first else None, float(last) if last else None)
        return Calls()

    async def _asked(self, issuer: str, subject: str) -> dict[str, float]:
        kept = await self._store.get(_person(issuer, subject))
        return dict(orjson.loads(kept)) if kept else {}


def _person(issuer: str, subject: str) -> str:
    return f"asked:{digest(f'{issuer} {subject}')}"


def _first(family: str) -> str:
    return f"called:first:{family}"


def _last(family: str) -> str:
    return f"called:last:{family}"
