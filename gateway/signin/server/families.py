"""Families: one sign-in of one person with one assistant, and the refresh token that continues it.

A refresh token is `FAMILY.GENERATION.SECRET.TAG`. Of its secret only a digest is kept. The tag shows that
we made it, whatever its generation; so an old one that comes back is known for what it is, and a made-up
one ends nobody's sign-in.

    presented            within the grace              after it
    the current one      the next one                  the next one
    the one before it    the current one, once more    somebody else has it: the family ends
    an older one         refused                       the family ends

The current token is sealed with the one before it, which only its holder has.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import orjson

from gateway import clock
from gateway.credential.seal import Broken, decrypted, encrypted
from gateway.model import Secret
from gateway.settings.signin import SignIn
from gateway.store.sql import Connection, Database, and_, delete, insert, or_, select, update
from gateway.store.tables import families

_FORM = re.compile(r"([A-Za-z0-9_-]{22})\.([0-9]{1,9})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{32})")

REUSED = "reused"


@dataclass(frozen=True, slots=True)
class FamilyHead:
    """What may be shown of one. Times are Unix seconds."""

    id: str
    issuer: str
    """The company's provider, and below the person there."""
    subject: str
    client: str
    host: str
    """Where the answer went (`host_of`)."""
    assurance: str
    scopes: frozenset[str]
    resource: str
    began_at: float
    used_at: float
    """The last sign-in or refresh."""
    expires_at: float
    """It is over then, unless it is refreshed before and the provider's own session goes on."""
    ended: str = ""
    """Why it is over, if it is."""

    def told(self) -> dict[str, str]:
        """Whose it is, as the record names it."""
        return {"issuer": self.issuer, "subject": self.subject, "client": self.client, "family": self.id}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the provider said of the person, last time."""

    email: str | None = None
    groups: frozenset[str] = frozenset()
    sid: str = ""
    acr: str | None = None
    amr: frozenset[str] = frozenset()
    auth_time: float | None = None
    until: float = 0.0
    """Unix seconds at which the sign-in is over whatever the provider says; `expires_at` is never later."""
    tag_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Family:
    """One, whole."""

    head: FamilyHead
    facts: Facts
    generation: int = 0
    current: str = field(default="", repr=False)
    previous: str = field(default="", repr=False)
    rotated_at: float | None = None
    successor: bytes | None = field(default=None, repr=False)


class Reused(Exception):
    """A refresh token that was used before came back, too late: whoever has it, the sign-in must end."""


class Families:
    """The table. Every method raises `Unavailable` when the database does not answer."""

    def __init__(self, database: Database, *, grace: float, idle: float) -> None:
        """`grace` and `idle` in seconds."""
        self._database = database
        self._grace = grace
        self._idle = idle

    @classmethod
    def of_settings(cls, database: Database, order: SignIn) -> Self:
        """With what the settings say of both."""
        return cls(database, grace=order.grace_seconds, idle=order.refresh_days * 86_400.0)

    async def begin(self, head: FamilyHead, facts: Facts) -> tuple[Family, Secret]:
        """A new one, and its first refresh token."""
        facts = replace(facts, tag_key=secrets.token_hex(16))
        token, digest = _new(head.id, 1, facts)
        row = {**_row(head, facts), "generation": 1, "current": digest}
        await self._database.run(lambda connection: connection.execute(insert(families).values(row)))
        return Family(head, facts, 1, digest), token

    async def find(self, token: str) -> Family | None:
        """The living family of a refresh token of ours, whatever its generation; None for any other text."""
        parts = _FORM.fullmatch(token)
        family = await self.by_id(parts[1]) if parts else None
        if parts is None or family is None or family.head.ended:
            return None
        tag = _tag(family.facts, parts[1], parts[2], parts[3])
        now = clock.wall()
        over = now >= family.head.expires_at or now - family.head.used_at >= self._idle
        return family if hmac.compare_digest(tag, parts[4]) and not over else None

    async def by_id(self, id: str) -> Family | None:
        """The family of that id, also when it is over."""
        query = select(families).where(families.c.id == id)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return _family(row) if row is not None else None

    async def standing(self, token: str, family: Family) -> bool:
        """Whether the token may be used: it is current, or was until just now. Raises `Reused`."""
        digest = _digest(token)
        if digest == family.current:
            return True
        graced = family.rotated_at is not None and clock.wall() - family.rotated_at < self._grace
        if graced:
            return digest == family.previous
        raise Reused

    async def rotate(self, token: str, family: Family, facts: Facts, expires_at: float) -> Secret | None:
        """The successor of a token that is `standing`; for the one before the current, the current one.

        None when the family ended meanwhile, or the token's time passed.
        """
        facts = replace(facts, tag_key=family.facts.tag_key, until=family.facts.until)
        for _ in range(3):  # each round somebody else was faster
            if _digest(token) != family.current:
                return await self._successor(token, family.head.id)
            successor, digest = _new(family.head.id, family.generation + 1, facts)
            sealed = encrypted(_seal_key(token), successor.reveal().encode(), family.head.id.encode())
            values = {
                "generation": family.generation + 1,
                "current": digest,
                "previous": family.current,
                "rotated_at": clock.wall(),
                "successor": sealed,
                "used_at": clock.wall(),
                "expires_at": expires_at,
                "facts": _packed(facts),
            }
            if await self._swap(family, values):
                return successor
            found = await self.by_id(family.head.id)
            if found is None or found.head.ended:
                return None
            family = found
        return None

    async def _successor(self, token: str, id: str) -> Secret | None:
        """The current one, as its row is now: asking the provider took a while."""
        family = await self.by_id(id)
        if family is None or family.head.ended or _digest(token) != family.previous:
            return None
        return _opened(token, family)

    async def end(self, id: str, reason: str) -> bool:
        """It is over: no refresh token of it is good. False when it was over already."""
        gone = {"ended": reason, "ended_at": clock.wall(), "successor": None}
        change = update(families).where(and_(families.c.id == id, families.c.ended == "")).values(gone)
        return await self._database.run(lambda connection: connection.execute(change).rowcount) == 1

    async def of(self, issuer: str, subject: str) -> Sequence[FamilyHead]:
        """The living ones of a person, newest first."""
        return await self._heads(families.c.issuer == issuer, families.c.subject == subject)

    async def with_client(self, client: str) -> Sequence[FamilyHead]:
        """The living ones with that assistant."""
        return await self._heads(families.c.client == client)

    async def at(self, issuer: str, sid: str) -> Sequence[FamilyHead]:
        """The living ones of one session at that provider."""
        mark = f'"sid":{orjson.dumps(sid).decode()},'
        return await self._heads(
            families.c.issuer == issuer, families.c.facts.contains(mark, autoescape=True)
        )

    async def living(self) -> Sequence[FamilyHead]:
        """All that are not over."""
        return await self._heads()

    async def forget(self, before: float) -> int:
        """Rows that were over before that time go; how many."""
        old = or_(
            and_(families.c.ended != "", families.c.ended_at < before),
            families.c.expires_at < before,
            families.c.used_at < before - self._idle,
        )
        return await self._database.run(
            lambda connection: connection.execute(delete(families).where(old)).rowcount
        )

    async def _swap(self, family: Family, values: dict[str, Any]) -> bool:
        same = and_(
            families.c.id == family.head.id,
            families.c.generation == family.generation,
            families.c.ended == "",
        )
        change = update(families).where(same).values(values)
        return await self._database.run(lambda connection: connection.execute(change).rowcount) == 1

    async def _heads(self, *conditions: Any) -> list[FamilyHead]:
        now = clock.wall()
        alive = (
            families.c.ended == "",
            families.c.expires_at > now,
            families.c.used_at > now - self._idle,
        )
        query = select(families).where(and_(*alive, *conditions)).order_by(families.c.used_at.desc())

        def work(connection: Connection) -> list[FamilyHead]:
            return [_head(row) for row in connection.execute(query)]

        return await self._database.read(work)


def facts_of(told: Mapping[str, Any]) -> Facts:
    """Facts as JSON has them."""
    return Facts(**{**told, "groups": frozenset(told["groups"]), "amr": frozenset(told["amr"])})


ASSERTED = "asserted."
"""Beginning of the id of a sign-in that an identity assertion stood for: it has no grant of the provider, and
its refresh token is given to nobody."""


def new_id() -> str:
    """128 random bits; the `sid` of the access tokens."""
    return secrets.token_urlsafe(16)


def _new(id: str, generation: int, facts: Facts) -> tuple[Secret, str]:
    secret = secrets.token_urlsafe(32)
    token = f"{id}.{generation}.{secret}.{_tag(facts, id, str(generation), secret)}"
    return Secret(token), _digest(token)


def _tag(facts: Facts, *parts: str) -> str:
    return hmac.new(bytes.fromhex(facts.tag_key), ".".join(parts).encode(), hashlib.sha256).hexdigest()[:32]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _seal_key(token: str) -> bytes:
    return hashlib.sha256(b"successor\0" + token.encode()).digest()


def _opened(token: str, family: Family) -> Secret | None:
    if family.successor is None:
        return None
    try:
        return Secret(decrypted(_seal_key(token), family.successor, family.head.id.encode()).decode())
    except Broken:
        return None


def _packed(facts: Facts) -> str:
    told = asdict(facts) | {"groups": sorted(facts.groups), "amr": sorted(facts.amr)}
    return orjson.dumps(told).decode()


def _row(head: FamilyHead, facts: Facts) -> dict[str, Any]:
    return {**asdict(head), "scopes": " ".join(sorted(head.scopes)), "facts": _packed(facts)}


def _head(row: Any) -> FamilyHead:
    names = FamilyHead.__dataclass_fields__.keys() - {"scopes"}
    return FamilyHead(scopes=frozenset(row.scopes.split()), **{name: getattr(row, name) for name in names})


def _family(row: Any) -> Family:
    facts = facts_of(orjson.loads(row.facts))
    return Family(_head(row), facts, row.generation, row.current, row.previous, row.rotated_at, row.successor)
