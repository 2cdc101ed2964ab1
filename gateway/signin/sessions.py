"""Who a browser is signed in as. The cookie holds a random id, the `Store` its digest and the person.

    session:ID      issuer, subject, e-mail, name, groups, begun; ends 8 h after the sign-in whatever happens
    seen:ID         ends after 30 min without a visit, and the session with it

A sign-in always makes a new id (no fixation), and ends the session that the browser had. Two entries
rather than one that is written at each visit: a visit at the moment of a sign-out could bring it back.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from gateway import clock, limits
from gateway.errors import Unauthenticated
from gateway.model import Person
from gateway.signin.flows import digest
from gateway.store import Store


@dataclass(frozen=True, slots=True)
class Session:
    """One browser, signed in."""

    id: str = field(repr=False)
    person: Person
    begun: float
    """Unix seconds of the sign-in."""
    sid: str = ""
    """The provider's name for its own session (`sid` of the ID token), where it has one."""
    groups: frozenset[str] = frozenset()
    """As the provider sent them at the sign-in; what they mean here is for the `roles` table."""

    def form_token(self, form: str) -> str:
        """What a form of ours carries, so that no other page can send it: good for this form and session."""
        return hmac.new(self.id.encode(), f"form {form}".encode(), hashlib.sha256).hexdigest()

    def sent(self, form: str, token: str) -> bool:
        """Whether `token` shows that our own page sent `form`."""
        return hmac.compare_digest(self.form_token(form).encode(), token.encode())


class Sessions:
    """Browser sessions. Every method raises `Unavailable` when the `Store` does not answer.

    `check` raises `Unauthenticated` for a session whose person or sign-in was cut off, and `Unavailable`
    when that cannot be known.
    """

    def __init__(self, store: Store, check: Callable[[Session], None] = lambda session: None) -> None:
        self._store = store
        self._check = check

    async def begin(
        self,
        person: Person,
        sid: str = "",
        *,
        groups: frozenset[str] = frozenset(),
        instead_of: str | None = None,
    ) -> Session:
        """A new session; the one whose id the browser brought along is over."""
        if instead_of:
            await self.end(instead_of)
        session = Session(secrets.token_urlsafe(32), person, clock.wall(), sid, groups)
        name = digest(session.id)
        kept = {
            "issuer": person.issuer,
            "subject": person.subject,
            "email": person.email,
            "name": person.name,
            "begun": session.begun,
            "sid": sid,
            "groups": sorted(groups),
        }
        await self._store.put(f"seen:{name}", b"1", limits.SESSION_IDLE_SECONDS)
        await self._store.put(f"session:{name}", orjson.dumps(kept), limits.SESSION_SECONDS)
        return session

    async def of(self, id: str | None) -> Session | None:
        """The session of that id, if it lives; a visit keeps it from going idle."""
        if not id:
            return None
        name = digest(id)
        kept = await self._store.get(f"session:{name}")
        if kept is None or await self._store.get(f"seen:{name}") is None:
            return None
        found = orjson.loads(kept)
        begun, sid = float(found.pop("begun")), str(found.pop("sid"))
        groups = frozenset(found.pop("groups", ()))
        session = Session(id, Person(**found), begun, sid, groups)
        try:
            self._check(session)
        except Unauthenticated:
            return None
        await self._store.put(f"seen:{name}", b"1", limits.SESSION_IDLE_SECONDS)
        return session

    async def end(self, id: str) -> None:
        """Sign-out of one browser."""
        name = digest(id)
        await self._store.drop(f"session:{name}")
        await self._store.drop(f"seen:{name}")
