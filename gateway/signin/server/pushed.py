"""The people whom the provider pushes, as rows: which of its ids is whom, and whether they still belong there.

A person who was deleted stays as a row that is not shown, so that they can come back as the same one.
"""

import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway import clock
from gateway.store.sql import Connection, Database, IntegrityError, func, insert, select, update
from gateway.store.tables import pushed_people

ROWS = pushed_people.c


@dataclass(frozen=True, slots=True)
class Pushed:
    """One of them. Times are Unix seconds."""

    id: str
    subject: str
    external_id: str
    user_name: str
    display_name: str
    active: bool
    created_at: float
    changed_at: float
    deleted: bool = False


class Taken(Exception):
    """There is such a person already (RFC 7644 §3.12 `uniqueness`)."""


class PushedPeople:
    """Those of one issuer. Raises `Unavailable`."""

    def __init__(self, database: Database, issuer: str) -> None:
        self.issuer = issuer
        self._database = database

    async def find(self, id: str) -> Pushed | None:
        """By our id."""
        found = await self._read(ROWS.id == id, ROWS.deleted == 0)
        return found[0] if found else None

    async def of_subject(self, subject: str) -> Pushed | None:
        """Also one who was deleted."""
        found = await self._read(ROWS.subject == subject)
        return found[0] if found else None

    async def named(self, attribute: str, value: str) -> list[Pushed]:
        """By `userName`, whatever its case, `externalId` or `id`."""
        column = {"username": ROWS.user_name, "externalid": ROWS.external_id, "id": ROWS.id}[attribute]
        same = func.lower(column) == value.lower() if attribute == "username" else column == value
        return await self._read(same, ROWS.deleted == 0)

    async def page(self, start: int, count: int) -> tuple[int, list[Pushed]]:
        """(how many there are, `count` of them from the `start`-th on, counted from 0)."""

        def work(connection: Connection) -> tuple[int, list[Pushed]]:
            mine = (ROWS.issuer == self.issuer, ROWS.deleted == 0)
            total = connection.execute(
                select(func.count()).select_from(pushed_people).where(*mine)
            ).scalar_one()
            query = select(pushed_people).where(*mine).order_by(ROWS.created_at, ROWS.id)
            rows = connection.execute(query.limit(count).offset(start))
            return int(total), [_pushed(row) for row in rows]

        return await self._database.read(work)

    async def add(self, subject: str, external_id: str, user_name: str, name: str, *, active: bool) -> Pushed:
        """A new one, or one who comes back. Raises `Taken`."""
        now = clock.wall()
        values = {
            "external_id": external_id,
            "user_name": user_name,
            "display_name": name,
            "active": int(active),
            "deleted": 0,
            "changed_at": now,
        }

        def work(connection: Connection) -> None:
            mine = (ROWS.issuer == self.issuer, ROWS.subject == subject)
            back = update(pushed_people).where(*mine, ROWS.deleted == 1).values(values)
            if connection.execute(back).rowcount == 0:
                own = {"id": uuid.uuid4().hex, "issuer": self.issuer, "subject": subject, "created_at": now}
                connection.execute(insert(pushed_people).values(**own, **values))

        try:
            await self._database.run(work)
        except IntegrityError:
            raise Taken from None
        found = await self.of_subject(subject)
        assert found is not None
        return found

    async def change(self, id: str, **values: Any) -> None:
        """Only what is named, so that two requests at once do not undo each other."""
        changed = update(pushed_people).where(ROWS.issuer == self.issuer, ROWS.id == id)
        statement = changed.values(**values, changed_at=clock.wall())
        await self._database.run(lambda connection: connection.execute(statement).rowcount)

    async def _read(self, *conditions: Any) -> list[Pushed]:
        return await self._database.read(partial(self._rows, conditions))

    def _rows(self, conditions: tuple[Any, ...], connection: Connection) -> list[Pushed]:
        query = select(pushed_people).where(ROWS.issuer == self.issuer, *conditions)
        return [_pushed(row) for row in connection.execute(query)]


def _pushed(row: Any) -> Pushed:
    return Pushed(
        row.id,
        row.subject,
        row.external_id,
        row.user_name,
        row.display_name,
        bool(row.active),
        row.created_at,
        row.changed_at,
        bool(row.deleted),
    )
