"""All data keys under the key that wraps now: what the vault holds by key, and how it is moved.

Only the wrapping changes. Tokens, generations and who uses them at the same time are not concerned: a row
is changed only while it holds the very data key that was wrapped anew. What is interrupted goes on where
it was, because the rows tell which are left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gateway.credential import rows, seal
from gateway.credential.kek import KeyRefused, KeyRing, KeysDown, Wrapped
from gateway.credential.vault import LinkKey
from gateway.errors import Unavailable
from gateway.store.sql import Connection, Database, func, select, tuple_
from gateway.store.tables import links

BATCH = 100


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What one key wraps."""

    key_id: str
    links: int
    oldest: float
    """Unix seconds of the refresh that is longest ago."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the vault holds, without looking into it."""

    keys: Sequence[KeyUse]
    ended: int
    """Tombstones: grants that died, of which people are told until they link again."""
    begun: int
    """Refreshes whose end nobody wrote yet."""

    @property
    def live(self) -> int:
        """Grants that can be used."""
        return sum(one.links for one in self.keys)


@dataclass(slots=True)
class Moved:
    """How a rewrap went."""

    active: str
    moved: int = 0
    refused: list[tuple[LinkKey, str]] = field(default_factory=list)
    """Links whose data key does not unwrap: these people link again."""


async def holdings(database: Database) -> Holdings:
    """Counted in one transaction. Raises `Unavailable`."""
    return await database.read(_holdings)


async def rewrap(
    database: Database, keys: KeyRing, active: str, done: Callable[[int], None] = lambda links: None
) -> Moved:
    """Wrap every data key that is not under `active` anew; `done` is told of each batch.

    Raises `Unavailable` when the key service or the database stops answering; what was done stays.
    """
    report = Moved(active)
    after: Any | None = None
    while batch := await database.read(partial(_left, active, after)):
        changed = [(rows.key_of(row), rows.wrapped(row), await _anew(keys, row, report)) for row in batch]
        report.moved += await database.run(partial(_write, changed))
        done(len(batch))
        after = batch[-1]
    return report


async def _anew(keys: KeyRing, row: Any, report: Moved) -> Wrapped | None:
    key = rows.key_of(row)
    try:
        return await keys.rewrap(rows.wrapped(row), seal.context(key))
    except KeyRefused as refused:
        report.refused.append((key, str(refused)))
        return None
    except KeysDown as down:
        raise Unavailable(
            "The keys of the vault cannot be used now; what was wrapped anew stays so. Run it again.",
            part="vault",
            private=str(down),
        ) from None


def _left(active: str, after: Any | None, connection: Connection) -> Sequence[Any]:
    wanted = select(*rows.KEY, links.c.key_id, links.c.wrapped).where(rows.LIVE, links.c.key_id != active)
    if after is not None:
        wanted = wanted.where(tuple_(*rows.KEY) > tuple_(*after[: len(rows.KEY)]))
    return connection.execute(wanted.order_by(*rows.KEY).limit(BATCH)).all()


def _write(changed: Sequence[tuple[LinkKey, Wrapped, Wrapped | None]], connection: Connection) -> int:
    return sum(rows.rewrap(key, old, new, connection) for key, old, new in changed if new is not None)


def _holdings(connection: Connection) -> Holdings:
    by_key = (
        select(links.c.key_id, func.count().label("links"), func.min(links.c.refreshed_at).label("oldest"))
        .where(rows.LIVE)
        .group_by(links.c.key_id)
        .order_by(links.c.key_id)
    )
    ended = select(func.count()).where(links.c.ended.not_in(("", rows.UNLINKED)))
    begun = select(func.count()).where(rows.LIVE, links.c.intent_at.is_not(None))
    return Holdings(
        [KeyUse(row.key_id, row.links, row.oldest) for row in connection.execute(by_key)],
        ended=connection.execute(ended).scalar_one(),
        begun=connection.execute(begun).scalar_one(),
    )
