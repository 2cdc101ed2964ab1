"""Replicas that refresh grants at a server that rotates, all in one process; any of them may die at any step."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gateway import clock
from gateway.credential.pace import Pace
from gateway.credential.refresh import VaultRefresher
from gateway.credential.renewal import GrantDead
from gateway.credential.vault import Link, LinkKey, TokenSet, Vault
from gateway.model import Secret
from gateway.store import Store
from gateway.store.memory import MemoryStore
from sandbox.atlassian import RULES
from sandbox.rotation import Ended, Pair, RotatingTokens
from tests.credential.shelf import MemoryVault

ISSUER = "https://idp.test"
ANA = LinkKey(ISSUER, "ana", "cloud")
BO = LinkKey(ISSUER, "bo", "cloud")
APP = "app"
PATIENCE = 30.0

PACE = Pace(poll=0.01, wait=PATIENCE, save_pause=0.01, stop=PATIENCE)
"""As in production, but nobody sits in a test and waits; lives and leases are moved by the clock."""

Hook = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """A hook that does nothing."""


@dataclass
class Server:
    """An `AuthorizationServer` with Atlassian's rules; `before` and `after` the rotation something may happen."""

    tokens: RotatingTokens = field(default_factory=lambda: RotatingTokens(replace(RULES), clock.wall))
    before: Hook = nothing
    after: Hook = nothing
    asked: int = 0
    scopes: frozenset[str] | None = None
    """What the answer says instead of the truth."""
    keeps: bool = False
    """Whether the answer leaves out the refresh token."""

    async def refresh(self, refresh: Secret) -> TokenSet:
        self.asked += 1
        await self.before()
        try:
            pair = self.tokens.refresh(refresh.reveal(), APP)
        except Ended as ended:
            raise GrantDead(str(ended)) from None
        await self.after()
        given = self.given(pair)
        if self.keeps:
            given = replace(given, refresh=None)
        return given if self.scopes is None else replace(given, scopes=self.scopes)

    def given(self, pair: Pair) -> TokenSet:
        return TokenSet(
            Secret(pair.access), Secret(pair.refresh), clock.wall() + self.tokens.rules.access, pair.scopes
        )

    def consent(self, account: str) -> TokenSet:
        return self.given(self.tokens.consent(account, APP, frozenset({"read:jira-work", "offline_access"})))


class Crash(BaseException):
    """The process died there. Not an Exception: nothing may handle it."""


class Mortal:
    """A face of something shared, as one process sees it: `dies_at` counts its operations, and every one
    after that fails too. `late`: the operation at which it dies has happened."""

    def __init__(self) -> None:
        self.count = itertools.count(1)
        self.dies_at: int | None = None
        self.late = False
        self.dead = False
        self.names: list[str] = []

    def face(self, thing: Any, *names: str) -> Any:
        mortal = self

        class Face:
            def __getattr__(self, name: str) -> Any:
                found = getattr(thing, name)
                return mortal._counted(found, name) if name in names else found

        return Face()

    def _counted(self, work: Any, name: str) -> Any:
        async def counted(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Crash
            self.names.append(name)
            now = next(self.count) == self.dies_at
            if now and not self.late:
                self.dead = True
                raise Crash
            done = await work(*args, **kwargs)
            if now:
                self.dead = True
                raise Crash
            return done

        return counted


VAULT = ("read", "head", "intend", "settle", "replace", "end")
STORE = ("get", "put", "add", "release", "count", "publish")


class World:
    """One vault, one store, one server, and replicas."""

    def __init__(self, vault: Any = None, store: Any = None, pace: Pace = PACE) -> None:
        self.vault: Any = vault or MemoryVault()
        self.store: Any = store or MemoryStore()
        self.server = Server()
        self.pace = pace
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.record_is_closed: Exception | None = None

    def replica(self, mortal: Mortal | None = None, **how: Any) -> VaultRefresher:
        """Another process. It does not tend unless it is entered."""
        vault: Vault = self.vault
        store: Store = self.store
        server: Any = self.server
        if mortal is not None:
            vault, store = mortal.face(vault, *VAULT), mortal.face(store, *STORE)
            server = mortal.face(server, "refresh")
        made = VaultRefresher(vault, store, events=self._record, pace=how.pop("pace", self.pace))
        made.serve("cloud", server, **{"lasts_days": 365, **how})
        return made

    async def linked(self, key: LinkKey = ANA, *, left: float = 10.0) -> Link:
        """A new grant whose access token has so much time left."""
        await self.vault.link(key, f"acc-{key.subject}", self.server.consent(key.subject))
        return await self.aged(key, left)

    async def aged(self, key: LinkKey = ANA, left: float = 10.0) -> Link:
        """Its access token ends so many seconds from now."""
        link: Link = self.vault.links[key]
        tokens = replace(link.tokens, expires_at=clock.wall() + left)
        self.vault.links[key] = replace(link, tokens=tokens, refreshed_at=link.refreshed_at - 3600)
        return await self.stored(key)

    async def stored(self, key: LinkKey = ANA) -> Link:
        found: Link | None = await self.vault.read(key)
        assert found is not None
        return found

    async def alive(self, key: LinkKey = ANA) -> bool:
        """Whether the grant is kept, and the server would take its refresh token."""
        link: Link | None = await self.vault.read(key)
        if link is None:
            return False
        assert link.tokens.refresh is not None
        return self.server.tokens.live(link.tokens.refresh.reveal())

    def told(self, kind: str) -> list[dict[str, Any]]:
        """What was put on record of that kind."""
        return [fields for name, fields in self.events if name == kind]

    async def _record(self, kind: str, **fields: Any) -> None:
        if self.record_is_closed is not None:
            raise self.record_is_closed
        self.events.append((kind, fields))


async def until(look: Callable[[], object]) -> None:
    """Let the others run until `look()` gives something true."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if look():
                return
            await asyncio.sleep(0.001)


async def settled(work: Awaitable[Any]) -> Any:
    """What it gives, or the error it ends with."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await work
    except (Exception, Crash) as failed:
        return failed
