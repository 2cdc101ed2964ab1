"""The rows of the vault: each statement of it, and nothing that knows a key.

Every change names the generation that it was decided on; a row that has moved on, or ended, is not
touched, and the answer is False. So of many writers of one generation exactly one gets through.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import limits
from gateway.credential import seal
from gateway.credential.kek import Wrapped
from gateway.credential.seal import Contents
from gateway.credential.vault import LinkHead, LinkKey, TokenSet
from gateway.store.sql import (
    Connection,
    IntegrityError,
    and_,
    bindparam,
    delete,
    insert,
    select,
    tuple_,
    update,
)
from gateway.store.tables import links

UNLINKED = "unlinked"
"""Why a row ended that its person disconnected: to everybody else it is not there."""


KEY = (links.c.tenant, links.c.issuer, links.c.subject, links.c.upstream)
LIVE = links.c.ended == ""


@dataclass(frozen=True, slots=True)
class Written:
    """A new grant as it goes into its row."""

    generation: int
    contents: Contents
    wrapped: Wrapped
    sealed: bytes
    now: float


def shown(contents: Contents) -> tuple[str, str]:
    """Account and scopes as they stand beside what is sealed, for heads."""
    return contents.account, " ".join(sorted(contents.tokens.scopes))


def wrapped(row: Any) -> Wrapped:
    """The data key of a row. What is no bytes, because somebody changed it, is none that opens."""
    return Wrapped(row.key_id, row.wrapped if isinstance(row.wrapped, bytes) else b"")


def sealed(row: Any) -> bytes:
    """The sealed tokens of a row."""
    return row.sealed if isinstance(row.sealed, bytes) else b""


def key_of(row: Any) -> LinkKey:
    """Whose row it is."""
    return LinkKey(row.issuer, row.subject, row.upstream, row.tenant)


def live(key: LinkKey, connection: Connection) -> Any | None:
    """The row of a grant that has not ended."""
    return connection.execute(_ROW, _named(key)).one_or_none()


def generation(key: LinkKey, connection: Connection) -> int | None:
    """Of any row, ended or not."""
    found: int | None = connection.execute(select(links.c.generation).where(_is(key))).scalar_one_or_none()
    return found


def head(key: LinkKey, connection: Connection) -> LinkHead | None:
    """What may be shown, also of an ended grant."""
    row = connection.execute(_HEADS.where(_is(key))).one_or_none()
    return None if row is None else _head(row)


def of(issuer: str, subject: str, connection: Connection) -> Sequence[LinkHead]:
    """Heads of one person."""
    theirs = _HEADS.where(links.c.issuer == issuer, links.c.subject == subject)
    return [_head(row) for row in connection.execute(theirs.order_by(links.c.upstream))]


def holders(upstream: str, account: str, connection: Connection) -> list[LinkKey]:
    """Whose live grants at an upstream are of that account."""
    statement = select(*KEY).where(links.c.upstream == upstream, links.c.account == account, LIVE)
    return [key_of(row) for row in connection.execute(statement)]


def samples(connection: Connection) -> list[Any]:
    """A few live rows under each key that wraps any, to see whether the keys in hand are theirs."""
    named = select(links.c.key_id).where(LIVE).distinct()
    found: list[Any] = []
    for key_id in connection.execute(named).scalars().all():
        found += connection.execute(select(links).where(LIVE, links.c.key_id == key_id).limit(3))
    return found


def intents(before: float, connection: Connection) -> Sequence[LinkKey]:
    """Refreshes that were begun and whose end nobody wrote, oldest first."""
    begun = select(*KEY).where(links.c.intent_at < before, LIVE).order_by(links.c.intent_at)
    return [key_of(row) for row in connection.execute(begun.limit(limits.INTENTS_READ))]


def idle(
    refreshed_before: float,
    limit: int,
    upstreams: Collection[str] | None,
    after: LinkHead | None,
    connection: Connection,
) -> Sequence[LinkHead]:
    """Live grants that were not refreshed since, oldest first; those that come after `after`."""
    order = (links.c.refreshed_at, *KEY)
    old = _HEADS.where(links.c.refreshed_at < refreshed_before, LIVE).order_by(*order)
    if upstreams is not None:  # others would fill the page for ever
        old = old.where(links.c.upstream.in_(upstreams))
    if after is not None:
        key = after.key
        there = (after.refreshed_at, key.tenant, key.issuer, key.subject, key.upstream)
        old = old.where(tuple_(*order) > there)
    return [_head(row) for row in connection.execute(old.limit(limit))]


def put(key: LinkKey, before: int | None, written: Written, connection: Connection) -> bool:
    """A new row, or the new grant in the place of generation `before`."""
    account, scopes = shown(written.contents)
    values = {
        "generation": written.generation,
        "account": account,
        "scopes": scopes,
        "version": seal.VERSION,
        "key_id": written.wrapped.key_id,
        "wrapped": written.wrapped.data,
        "sealed": written.sealed,
        "linked_at": written.now,
        "refreshed_at": written.now,
        "used_at": written.now,
        "intent_at": None,
        "ended": "",
        "ended_at": None,
    }
    if before is not None:
        return _changed(
            connection, update(links).where(_is(key), links.c.generation == before).values(values)
        )
    try:
        with connection.begin_nested():
            connection.execute(insert(links).values(**_named(key), **values))
    except IntegrityError:  # somebody was quicker
        return False
    return True


def intend(key: LinkKey, generation: int, after: float | None, now: float, connection: Connection) -> bool:
    """A refresh begins, unless another one began since the intent `after` was read."""
    seen = links.c.intent_at.is_(None) if after is None else links.c.intent_at == after
    return _changed(connection, _at(key, generation).where(seen).values(intent_at=now))


def settle(key: LinkKey, generation: int, connection: Connection) -> bool:
    """It changed nothing."""
    return _changed(connection, _at(key, generation).values(intent_at=None))


def replace(
    key: LinkKey, generation: int, tokens: TokenSet, sealed: bytes, now: float, connection: Connection
) -> bool:
    """It brought new tokens. The data key stays, so that wrapping it anew at the same time is no conflict."""
    values = {
        "generation": generation + 1,
        "scopes": " ".join(sorted(tokens.scopes)),
        "version": seal.VERSION,
        "sealed": sealed,
        "refreshed_at": now,
        "intent_at": None,
    }
    return _changed(connection, _at(key, generation).values(values))


def end(key: LinkKey, generation: int, reason: str, now: float, connection: Connection) -> bool:
    """Data key and tokens are overwritten; who, when and why stays."""
    return _changed(connection, _at(key, generation).values(_ended(reason, now)))


def unlink(key: LinkKey, now: float, connection: Connection) -> None:
    """The row goes: at once for everybody who asks, and after a day from the table.

    A refresh of the old grant may be under way. Would the next link begin at generation 1 again, the late
    answer of that refresh could pass for its successor.
    """
    connection.execute(
        update(links)
        .where(_is(key))
        .values(**_ended(UNLINKED, now), account="", scopes="", generation=links.c.generation + 1)
    )
    forgotten = now - limits.LINK_TOMBSTONE_SECONDS
    connection.execute(delete(links).where(links.c.ended == UNLINKED, links.c.ended_at < forgotten))


def rewrap(key: LinkKey, old: Wrapped, new: Wrapped, connection: Connection) -> bool:
    """The same data key under another key, while it is still this one."""
    same = update(links).where(_is(key), links.c.key_id == old.key_id, links.c.wrapped == old.data)
    return _changed(connection, same.values(key_id=new.key_id, wrapped=new.data))


def touch(key: LinkKey, now: float, connection: Connection) -> None:
    """It was used, unless that was noted within the hour."""
    noted = now - limits.LINK_TOUCH_SECONDS
    connection.execute(update(links).where(_is(key), links.c.used_at < noted).values(used_at=now))


_ROW = select(links).where(*(column == bindparam(column.name) for column in KEY), LIVE)
"""Made once, because each call reads a row: making the statement costs as much as running it."""

_HEADS = select(
    *KEY,
    links.c.generation,
    links.c.account,
    links.c.scopes,
    links.c.linked_at,
    links.c.refreshed_at,
    links.c.used_at,
    links.c.ended,
).where(links.c.ended != UNLINKED)


def _named(key: LinkKey) -> dict[str, str]:
    return {"tenant": key.tenant, "issuer": key.issuer, "subject": key.subject, "upstream": key.upstream}


def _is(key: LinkKey) -> Any:
    return and_(*(links.c[name] == value for name, value in _named(key).items()))


def _at(key: LinkKey, generation: int) -> Any:
    return update(links).where(_is(key), links.c.generation == generation, LIVE)


def _ended(reason: str, now: float) -> dict[str, Any]:
    return {
        "ended": reason,
        "ended_at": now,
        "key_id": "",
        "wrapped": None,
        "sealed": None,
        "intent_at": None,
    }


def _changed(connection: Connection, statement: Any) -> bool:
    return bool(connection.execute(statement).rowcount == 1)


def _key(row: Any) -> LinkKey:
    return LinkKey(row.issuer, row.subject, row.upstream, row.tenant)


def _head(row: Any) -> LinkHead:
    return LinkHead(
        key=key_of(row),
        generation=row.generation,
        account=row.account,
        scopes=frozenset(row.scopes.split()),
        linked_at=row.linked_at,
        refreshed_at=row.refreshed_at,
        used_at=row.used_at,
        ended=row.ended,
    )
