"""To whom people have said yes: a row for each person, assistant, host that the answer goes to, and endpoint."""

from typing import Any

from gateway import clock
from gateway.store.sql import Connection, Database, and_, delete, insert, select
from gateway.store.tables import consents


class Consents:
    """The table. Every method raises `Unavailable` when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def given(self, issuer: str, subject: str, client: str, host: str, resource: str) -> frozenset[str]:
        """The scopes that this person has allowed that assistant there; none without a consent."""
        query = select(consents.c.scopes).where(_is(issuer, subject, client, host, resource))
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return frozenset(row.scopes.split()) if row is not None else frozenset()

    async def give(
        self, issuer: str, subject: str, client: str, host: str, resource: str, scopes: frozenset[str]
    ) -> None:
        """In the place of what was given before."""
        row = {
            "issuer": issuer,
            "subject": subject,
            "client": client,
            "host": host,
            "resource": resource,
            "scopes": " ".join(sorted(scopes)),
            "given_at": clock.wall(),
        }

        def work(connection: Connection) -> None:
            connection.execute(delete(consents).where(_is(issuer, subject, client, host, resource)))
            connection.execute(insert(consents).values(row))

        await self._database.run(work)

    async def withdraw(self, issuer: str, subject: str, client: str) -> None:
        """The next sign-in with that assistant asks again."""
        mine = and_(consents.c.issuer == issuer, consents.c.subject == subject, consents.c.client == client)
        await self._database.run(lambda connection: connection.execute(delete(consents).where(mine)))


def _is(issuer: str, subject: str, client: str, host: str, resource: str) -> Any:
    return and_(
        consents.c.issuer == issuer,
        consents.c.subject == subject,
        consents.c.client == client,
        consents.c.host == host,
        consents.c.resource == resource,
    )
