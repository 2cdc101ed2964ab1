"""Who was cut off, and since when: on every replica, within a second, and still after a restart.

A revocation is a row in SQL with a number. Every replica reads the rows after the last number that it
knows, twice a second; what was issued before a row's `not_before` is refused from then on. So a command
line, a security event and another replica all cut off alike. A replica that could not read for a while
does not know whom to refuse, and refuses everybody.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Literal

from gateway import clock, limits
from gateway.errors import Unauthenticated, Unavailable
from gateway.identity import Authenticator
from gateway.model import Bearer, Caller, Secret
from gateway.store.sql import Connection, Database, insert, select
from gateway.store.tables import revocations

Kind = Literal["user", "session", "client", "agent", "family"]


@dataclass(frozen=True, slots=True)
class Revocation:
    """What is refused: everything of that person, sign-in, client or agent issued before `not_before`."""

    kind: Kind
    not_before: float
    """Unix seconds; `math.inf` refuses until a later row that is `LIFTED`."""
    issuer: str = ""
    subject: str = ""
    session: str = ""
    """`sid` of the sign-in at the provider; for a family its id, ours."""
    client: str = ""
    """The OAuth client id; for an agent the current actor (`act.sub`)."""
    reason: str = ""
    number: int = field(default=0, compare=False)
    """In the order in which they were written; 0 before it is."""
    created: float = field(default=0.0, compare=False)
    """Unix seconds at which it was written."""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is about."""
        return (self.kind, self.issuer, self.subject, self.session, self.client)


LIFTED = "lifted"
"""The reason of a row after which new sign-ins are let in again; what was issued before it stays refused."""

Told = Callable[[Revocation], None]


class Revocations:
    """The rows, as this replica knows them. `told` hears of each that comes after the first look."""

    def __init__(self, database: Database, told: Told = lambda one: None) -> None:
        self._database = database
        self._told = told
        self._known: dict[tuple[str, ...], float] = {}
        self._last = 0
        self._seen: set[int] = set()
        self._read_at = -float("inf")

    async def load(self) -> None:
        """Read what is new. Raises `Unavailable`."""
        began = clock.mono()
        for row in await self._database.read(self._latest):
            if row.number in self._seen:
                continue
            self._seen.add(row.number)
            self._last = max(self._last, row.number)
            self._known[row.key] = _refused_before(row, self._known.get(row.key, 0.0))
            if self._read_at > 0:  # what stood there at the start was told then
                self._told(row)
        self._seen = {seq for seq in self._seen if seq > self._last - limits.REVOCATIONS_OVERLAP}
        self._read_at = began

    async def watch(self) -> None:
        """For ever: read what is new, twice a second."""
        while True:
            await asyncio.sleep(limits.REVOCATIONS_LOOK_SECONDS)
            with suppress(Unavailable):
                await self.load()

    async def add(self, one: Revocation) -> None:
        """Durably, and here at once. Raises `Unavailable`."""
        await self._database.run(lambda connection: _write(connection, one))
        await self.load()

    def check(self, caller: Caller) -> None:
        """Raises `Unauthenticated` for who was cut off, and `Unavailable` when that cannot be known."""
        if clock.mono() - self._read_at > limits.REVOCATIONS_BLIND_SECONDS:
            raise Unavailable(
                "Whether you are still signed in cannot be checked now, and nothing was changed; "
                "try again in a minute, then tell the operator.",
                part="store",
                private="the revocations could not be read",
            )
        if self._known and any(caller.issued_at <= self._known.get(key, -1.0) for key in _keys(caller)):
            raise Unauthenticated("revoked")

    def state(self) -> tuple[bool, str]:
        """(whether they were read lately, one line for `/readyz`)."""
        age = clock.mono() - self._read_at
        if age > limits.REVOCATIONS_BLIND_SECONDS:
            return False, "the revocations cannot be read, so everybody is refused"
        return True, f"{len(self._known)} revocations"

    async def all(self) -> list[Revocation]:
        """Every row, in order. Raises `Unavailable`."""
        return await self._database.read(lambda connection: _rows(connection, 0))

    async def against(self, caller: Caller) -> Revocation | None:
        """The row that refuses this caller, if one does: the first. Raises `Unavailable`."""
        keys, known = _keys(caller), dict[tuple[str, ...], float]()
        found: dict[tuple[str, ...], Revocation] = {}
        for row in await self.all():
            if row.key not in keys:
                continue
            known[row.key] = _refused_before(row, known.get(row.key, 0.0))
            if caller.issued_at > known[row.key]:
                found.pop(row.key, None)  # lifted
            elif row.reason != LIFTED:
                found.setdefault(row.key, row)
        return min(found.values(), key=lambda row: row.number, default=None)

    def _latest(self, connection: Connection) -> list[Revocation]:
        """What is new, and the rows just before: a number may be committed after a higher one."""
        return _rows(connection, self._last - limits.REVOCATIONS_OVERLAP)


def somebody(
    issuer: str, subject: str, *, client: str = "", session: str = "", family: str = "", issued_at: float
) -> Caller:
    """Who is checked without a token: a browser's session, or a sign-in that is about to become one."""
    return Caller(
        issuer=issuer,
        subject=subject,
        client=client,
        scopes=frozenset(),
        expires_at=issued_at,
        token=Secret(""),
        session=session,
        family=family,
        issued_at=issued_at,
    )


class UnlessRevoked:
    """An `Authenticator` that also asks whether the caller was cut off."""

    def __init__(self, inner: Authenticator, revocations: Revocations) -> None:
        self._inner = inner
        self._revocations = revocations

    async def authenticate(self, bearer: Bearer) -> Caller:
        """The caller. Raises `Unauthenticated`, or `Unavailable` with part `identity` or `store`."""
        caller = await self._inner.authenticate(bearer)
        self._revocations.check(caller)
        return caller

    def state(self) -> tuple[bool, str]:
        """As the authenticator inside."""
        return self._inner.state()


def _keys(caller: Caller) -> list[tuple[str, ...]]:
    """Everything that a revocation of this caller could be about."""
    found: list[tuple[str, ...]] = [
        ("user", caller.issuer, caller.subject, "", ""),
        ("client", "", "", "", caller.client),
        ("client", caller.issuer, "", "", caller.client),
    ]
    if caller.session:
        found.append(("session", caller.issuer, "", caller.session, ""))
    if caller.family:
        found.append(("family", "", "", caller.family, ""))
    if caller.actor is not None:
        found.append(("agent", "", "", "", caller.actor))
    return found


def _refused_before(row: Revocation, known: float) -> float:
    """What was issued before is refused, from this row on; `known` is what was refused until then."""
    return row.not_before if row.reason == LIFTED else max(row.not_before, known)


def _rows(connection: Connection, after: int) -> list[Revocation]:
    """Those whose number is higher, in order."""
    query = select(revocations).where(revocations.columns.seq > after).order_by(revocations.columns.seq)
    return [
        Revocation(
            row.kind,
            row.not_before,
            row.issuer,
            row.subject,
            row.session,
            row.client,
            row.reason,
            row.seq,
            row.created,
        )
        for row in connection.execute(query)
    ]


def _write(connection: Connection, one: Revocation) -> None:
    told = asdict(one) | {"created": clock.wall()}
    del told["number"]
    connection.execute(insert(revocations).values(**told))
