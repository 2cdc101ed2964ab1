"""Clients as rows of the table `clients`: what the registry asks of SQL. Each function is one piece of work."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway import limits
from gateway.signin.server import Client
from gateway.store.sql import Connection, and_, delete, insert, or_, select, update
from gateway.store.tables import clients, consents

columns = clients.columns


@dataclass(frozen=True, slots=True)
class Kept:
    """A row: the client, and of a document when it was fetched (None: never yet) and until when it is fresh."""

    client: Client
    fetched_at: float | None
    fresh_until: float


def read(id: str, connection: Connection) -> Kept | None:
    """The client of that id."""
    row = connection.execute(select(clients).where(columns.id == id)).first()
    return None if row is None else _kept(row)


def every(connection: Connection) -> list[Kept]:
    """All, the newest first."""
    return [_kept(row) for row in connection.execute(select(clients).order_by(columns.created_at.desc()))]


def add(client: Client, connection: Connection) -> None:
    """A new one. Raises `IntegrityError` when somebody was quicker."""
    connection.execute(insert(clients).values(_row(client)))


def add_or_find(client: Client, connection: Connection) -> Client:
    """The one of that id when it still counts, and it counts as used; else `client` as new. Raises
    `IntegrityError` when somebody was quicker."""
    found = read(client.id, connection)
    if found is not None and (
        found.client.admission == "refused" or not over(found.client, client.created_at)
    ):
        touch(client.id, client.created_at, connection)
        return found.client
    if found is not None:  # its time is over; one that came since we looked is not deleted, but in our way
        drop(client.id, connection, found.client.created_at)
    add(client, connection)
    return client


def keep_document(client: Client, fetched_at: float, fresh_until: float, connection: Connection) -> bool:
    """What was fetched; what was decided about it here stays. Whether it is new. Raises `IntegrityError`."""
    fetched = {"fetched_at": fetched_at, "fresh_until": fresh_until}
    said = {"name": client.name, "facts": _facts(client)}
    done = connection.execute(update(clients).where(columns.id == client.id).values(**said, **fetched))
    if done.rowcount:
        return False
    connection.execute(insert(clients).values({**_row(client), **fetched}))
    return True


def postpone(id: str, fresh_until: float, connection: Connection) -> None:
    """The copy serves until then without another try."""
    connection.execute(update(clients).where(columns.id == id).values(fresh_until=fresh_until))


def decide(id: str, values: Mapping[str, Any], connection: Connection) -> bool:
    """What an administrator says of it; whether it is there."""
    return bool(connection.execute(update(clients).where(columns.id == id).values(values)).rowcount)


def touch(id: str, now: float, connection: Connection) -> None:
    """It is used; noted at most once an hour."""
    old = columns.used_at < now - limits.CLIENT_TOUCH_SECONDS
    connection.execute(update(clients).where(columns.id == id, old).values(used_at=now))


def drop(id: str, connection: Connection, created_at: float | None = None) -> bool:
    """Delete it, or only the one that came at that moment; whether it was there."""
    mine = [columns.id == id, *([columns.created_at == created_at] if created_at is not None else [])]
    return bool(connection.execute(delete(clients).where(*mine)).rowcount)


def revoke(id: str, connection: Connection) -> bool:
    """Delete it and people's consents to it: the same words bring back the same id, but not those. Whether it
    was there."""
    connection.execute(delete(consents).where(consents.c.client == id))
    return drop(id, connection)


def forget(before: float, admitted: bool, connection: Connection) -> int:
    """Delete those that came by themselves and were not used since `before`; how many.

    A refusal stays, and so does a document that somebody has an opinion of: it waits for nobody, or it has
    an owner, groups or an end. `admitted`: whether admission alone is no opinion.
    """
    alone = columns.admission == "pending"
    if admitted:
        alone = or_(alone, and_(columns.owner == "", columns.groups == "", columns.expires_at.is_(None)))
    mine = or_(columns.registration == "dynamic", and_(columns.registration == "document", alone))
    unused = and_(columns.used_at < before, columns.created_at < before, columns.admission != "refused")
    return connection.execute(delete(clients).where(mine, unused)).rowcount


def over(client: Client, now: float) -> bool:
    """Whether its time has ended."""
    return client.expires_at is not None and client.expires_at <= now


def _row(client: Client) -> dict[str, Any]:
    """Its columns, but for those of a document."""
    return {
        "id": client.id,
        "registration": client.registration,
        "name": client.name,
        "facts": _facts(client),
        "secret_digest": client.secret_digest,
        "admission": client.admission,
        "owner": client.owner,
        "groups": " ".join(sorted(client.groups)),
        "created_at": client.created_at,
        "used_at": client.used_at,
        "expires_at": client.expires_at,
    }


def _facts(client: Client) -> str:
    told = {
        "redirect_uris": client.redirect_uris,
        "auth_method": client.auth_method,
        "jwks": client.jwks,
        "grant_types": sorted(client.grant_types),
    }
    return orjson.dumps(told).decode()


def _kept(row: Any) -> Kept:
    facts = orjson.loads(row.facts)
    client = Client(
        id=row.id,
        registration=row.registration,
        name=row.name,
        redirect_uris=tuple(facts["redirect_uris"]),
        auth_method=facts["auth_method"],
        secret_digest=row.secret_digest,
        jwks=facts["jwks"],
        grant_types=frozenset(facts["grant_types"]),
        admission=row.admission,
        owner=row.owner,
        groups=frozenset(row.groups.split()),
        expires_at=row.expires_at,
        created_at=row.created_at,
        used_at=row.used_at,
    )
    return Kept(client, row.fetched_at, row.fresh_until or 0.0)
