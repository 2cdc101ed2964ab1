"""The registry: which assistants there are, who answers for them, and which of them may ask people to sign in.

    static      an administrator added it                            admitted
    dynamic     it registered itself (RFC 7591)                      by the setting `signin.admission`
    document    its id is the https address of its own description   by the setting `signin.admission`

All of it is in SQL, so every replica knows the same clients and a restart forgets none. A document is
fetched when its copy is no longer fresh (`copies.py`).

A client that registers itself as others did is the same client: its id is the digest of what it said, so
that of many at once the database lets one in. Only a client without a secret can be the same: an answer
that repeats a secret would give it to whoever says the same words, and one with a new secret would lock
the first one out.
"""

import hashlib
import math
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson

from gateway import clock, limits
from gateway.credential import Events, unrecorded
from gateway.secret import Secret
from gateway.settings.signin import SignIn
from gateway.signin.server import Admission, AuthMethod, Client, UnknownClient, client_rows
from gateway.signin.server.client_rows import Kept, over
from gateway.signin.server.copies import Copies, Fetches
from gateway.signin.server.redirects import portless, refusal
from gateway.store.memory import ExpiringCache, WindowCounter
from gateway.store.sql import Database, IntegrityError

CONFIDENTIAL = frozenset({"client_secret_basic", "client_secret_post"})
"""Ways of authentication that need a secret of ours."""


class Unacceptable(Exception):
    """A client cannot be registered like that. The text is one sentence for its developer or administrator."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A client that was registered, and its secret, told this once; None when it has none."""

    client: Client
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What an administrator says of a client; None leaves a thing as it is."""

    owner: str | None = None
    groups: Collection[str] | None = None
    expires_at: float | None = None
    """Unix seconds; `math.inf`: it stays."""

    def values(self) -> dict[str, Any]:
        """As columns. Raises `Unacceptable`."""
        found: dict[str, Any] = {}
        if self.owner is not None:
            found["owner"] = printable(self.owner)
        if self.groups is not None:
            if any(not group or not group.isprintable() or " " in group for group in self.groups):
                raise Unacceptable("A group is a role's name, without spaces.")
            found["groups"] = " ".join(sorted(self.groups))
        if self.expires_at is not None:
            found["expires_at"] = None if self.expires_at == math.inf else self.expires_at
        return found


class Registry:
    """`Clients`, and what administrators and `/register` do with them. All of it raises `Unavailable` when the
    database does not answer, and `Sealed` when a change cannot be put on record."""

    def __init__(
        self, database: Database, documents: Fetches, settings: SignIn, *, events: Events = unrecorded
    ) -> None:
        self._database = database
        self._copies = Copies(database, documents)
        self._settings = settings
        self._events = events
        self._touched: ExpiringCache[str, bool] = ExpiringCache(limits.CLIENTS_CACHED)
        self._strange: WindowCounter[str] = WindowCounter(3_600.0)

    async def find(self, client_id: str, source: str = "") -> Client:
        """See `Clients`. Redirect URIs that the settings no longer allow are not among its."""
        kept = await self._kept(client_id)
        known = kept is not None and kept.client.registration != "document"
        # Whom we refuse or no longer know is not asked for its description either.
        closed = kept is not None and (kept.client.admission == "refused" or over(kept.client, clock.wall()))
        if client_id.startswith("https://") and not known and not closed:
            if kept is None and self._strange.count(source) >= self._settings.registrations_per_hour:
                raise UnknownClient("Too many new clients came from this address; try in an hour.")
            kept, new = await self._copies.fresh(client_id, kept, self._admission())
            if new:
                self._strange.add(source)
                await self._told("registered", kept.client)
        if kept is None or over(kept.client, clock.wall()):
            raise UnknownClient("There is no such client here, or its time is over; register again.")
        taken = [uri for uri in kept.client.redirect_uris if not self.refusal(uri)]
        return replace(kept.client, redirect_uris=tuple(taken))

    async def used(self, client_id: str) -> None:
        """See `Clients`."""
        if self._touched.get(client_id) is None:
            now = clock.wall()
            await self._database.run(partial(client_rows.touch, client_id, now))
            self._touched.put(client_id, True, until=now + limits.CLIENT_TOUCH_SECONDS)

    async def peek(self, client_id: str) -> Client | None:
        """As it is known here, expired ones too; None for any other text. Nothing is fetched."""
        try:
            kept = await self._kept(client_id)
        except UnknownClient:
            return None
        return None if kept is None else kept.client

    async def listed(self) -> list[Client]:
        """All, the newest first."""
        return [kept.client for kept in await self._database.read(client_rows.every)]

    def refusal(self, uri: str) -> str:
        """Why a redirect URI is not taken here; empty when it is."""
        return refusal(uri, self._settings.private_schemes)

    async def same(self, wish: Client, software: str = "") -> Client | None:
        """The client that registered itself with the same words before."""
        if wish.auth_method in CONFIDENTIAL:
            return None
        found = await self.peek(_same_id(wish, software))
        return None if found is None or over(found, clock.wall()) else found

    async def register_dynamic(self, wish: Client, software: str = "") -> Issued:
        """Take in a client that registers itself; only what it says of itself counts in `wish`."""
        now, secret, id = clock.wall(), None, _same_id(wish, software)
        if wish.auth_method in CONFIDENTIAL:
            secret, id = _new_secret(), f"dynamic-{secrets.token_hex(16)}"
        client = replace(
            wish,
            id=id,
            registration="dynamic",
            secret_digest=_digest(secret),
            admission=self._admission(),
            created_at=now,
            used_at=0.0,
        )
        work = partial(client_rows.add_or_find, client)
        try:
            found = await self._database.run(work)
        except IntegrityError:  # another one was quicker with the same
            found = await self._database.run(work)
        if found is client:
            await self._told("registered", client)
        return Issued(found, secret)

    async def add_static(
        self,
        name: str,
        redirect_uris: Collection[str],
        *,
        auth_method: AuthMethod = "none",
        jwks: Mapping[str, Any] | None = None,
        terms: Terms | None = None,
        by: str = "",
    ) -> Issued:
        """Register a client for an administrator; `by` is who. Raises `Unacceptable`."""
        for uri in redirect_uris:
            if why := self.refusal(uri):
                raise Unacceptable(f"{uri[:200]!r} is not taken as a redirect URI. {why}")
        if not redirect_uris and auth_method == "none":
            raise Unacceptable("A client without a secret or keys needs a redirect URI.")
        if (auth_method == "private_key_jwt") != (jwks is not None):
            raise Unacceptable("Keys go with private_key_jwt, and private_key_jwt with keys.")
        values = (terms or Terms()).values()
        values["groups"] = frozenset(values.get("groups", "").split())
        secret = _new_secret() if auth_method in CONFIDENTIAL else None
        client = Client(
            id=f"static-{secrets.token_hex(16)}",
            registration="static",
            name=printable(name),
            redirect_uris=tuple(dict.fromkeys(redirect_uris)),
            auth_method=auth_method,
            secret_digest=_digest(secret),
            jwks=jwks,
            created_at=clock.wall(),
            **values,
        )
        await self._database.run(partial(client_rows.add, client))
        await self._told("registered", client, by)
        return Issued(client, secret)

    async def admit(self, client_id: str, terms: Terms | None = None, by: str = "") -> Client:
        """From now on it may ask people. An https id may be admitted before it is first seen. Raises
        `UnknownClient` and `Unacceptable`."""
        return await self._decided(client_id, "admitted", terms or Terms(), by)

    async def refuse(self, client_id: str, by: str = "") -> Client:
        """From now on it may ask nobody, and registering again with the same words does not help it. Raises
        `UnknownClient`."""
        return await self._decided(client_id, "refused", Terms(), by)

    async def revoke(self, client_id: str, by: str = "") -> bool:
        """It is there no more, with all that people allowed it; it has to register again. Whether it was there."""
        found = await self.peek(client_id)
        if found is None or not await self._database.run(partial(client_rows.revoke, client_id)):
            return False
        await self._told("revoked", found, by)
        return True

    async def forget_unused(self) -> int:
        """Delete those that came by themselves and were unused for long; how many. Run it daily. None goes
        before the last refresh token that it may have is over."""
        longest = max(limits.CLIENT_UNUSED_SECONDS, self._settings.refresh_days * 86_400.0)
        open_to_all = self._settings.admission == "open"
        return await self._database.run(partial(client_rows.forget, clock.wall() - longest, open_to_all))

    def _admission(self) -> Admission:
        return "admitted" if self._settings.admission == "open" else "pending"

    async def _kept(self, client_id: str) -> Kept | None:
        """The row. Raises `UnknownClient` for what cannot be an id (RFC 6749 appendix A.1)."""
        if not (client_id.isascii() and client_id.isprintable() and 0 < len(client_id) <= limits.URI_CHARS):
            raise UnknownClient("The client_id is missing, too long, or not of printable ASCII characters.")
        return await self._database.read(partial(client_rows.read, client_id))

    async def _decided(self, client_id: str, admission: Admission, terms: Terms, by: str) -> Client:
        values = {"admission": admission, **terms.values()}
        before = await self._kept(client_id)
        if before is None:
            if not client_id.startswith("https://"):
                raise UnknownClient("There is no client of that id.")
            now = clock.wall()
            unseen = Client(client_id, "document", admission=admission, created_at=now)
            await self._database.run(partial(client_rows.add, unseen))
        await self._database.run(partial(client_rows.decide, client_id, values))
        after = await self._kept(client_id)
        if after is None:
            raise UnknownClient("There is no client of that id any more.")
        await self._told(admission, after.client, by)
        return after.client

    async def _told(self, what: str, client: Client, by: str = "") -> None:
        told = {"client": client.id, "registration": client.registration, "name": client.name}
        told |= {"admission": client.admission, "by": by, "owner": client.owner}
        await self._events(f"client.{what}", **{name: value for name, value in told.items() if value})


def printable(text: str) -> str:
    """One short line with nothing in it that a terminal or a page would obey: a stranger wrote it."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(kept.split())[: limits.CLIENT_NAME_CHARS].strip()


def _same_id(client: Client, software: str) -> str:
    """The id that equal registrations share: a digest of what makes two the same. On loopback the port does not:
    many apps take another each time."""
    said = {
        "name": client.name,
        "redirects": sorted({portless(uri) for uri in client.redirect_uris}),
        "software": software,
        "method": client.auth_method,
        "jwks": client.jwks,
    }
    digest = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"dynamic-{digest[:32]}"


def _new_secret() -> Secret:
    return Secret(secrets.token_urlsafe(32))


def _digest(secret: Secret | None) -> str:
    return hashlib.sha256(secret.reveal().encode()).hexdigest() if secret is not None else ""
