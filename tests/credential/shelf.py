"""A vault in memory and a refresher as simple as can be: what the linked sources are tested on.

The vault keeps the promises of its face (generations, compare-and-set, tombstones). The refresher keeps
one of its own: of many at once, one asks.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from gateway import clock
from gateway.credential.renewal import AuthorizationServer, GrantDead
from gateway.credential.vault import Link, LinkHead, LinkKey, TokenSet
from gateway.errors import ConsentRequired, Unavailable

SKEW = 90.0


class MemoryVault:
    """A `Vault`. `broken` makes it unusable; `slow` is how long each look takes."""

    def __init__(self) -> None:
        self.links: dict[LinkKey, Link] = {}
        self.ended: dict[LinkKey, tuple[LinkHead, str]] = {}
        self.broken = False
        self.slow = 0.0
        self.touched: list[LinkKey] = []

    async def _open(self) -> None:
        await asyncio.sleep(self.slow)
        if self.broken:
            raise Unavailable("The vault cannot be read.", part="vault")

    async def read(self, key: LinkKey) -> Link | None:
        await self._open()
        return self.links.get(key)

    async def head(self, key: LinkKey) -> LinkHead | None:
        await self._open()
        if key in self.ended:
            head, reason = self.ended[key]
            return replace(head, ended=reason)
        return _head(self.links[key]) if key in self.links else None

    async def link(self, key: LinkKey, account: str, tokens: TokenSet) -> Link:
        await self._open()
        before = self.links.get(key) or self.ended.pop(key, (None, ""))[0]
        now = clock.wall()
        generation = 1 if before is None else before.generation + 1
        self.links[key] = Link(key, generation, account, tokens, now, now, now)
        return self.links[key]

    async def intend(self, key: LinkKey, generation: int, *, after: float | None = None) -> bool:
        await self._open()
        found = self.links.get(key)
        if found is None or (found.generation, found.intent_at) != (generation, after):
            return False
        self.links[key] = replace(found, intent_at=clock.wall())
        return True

    async def settle(self, key: LinkKey, generation: int) -> bool:
        return await self._swap(key, generation, intent_at=None) is not None

    async def replace(self, key: LinkKey, generation: int, tokens: TokenSet) -> Link | None:
        return await self._swap(
            key,
            generation,
            generation=generation + 1,
            tokens=tokens,
            refreshed_at=clock.wall(),
            intent_at=None,
        )

    async def _swap(self, key: LinkKey, expected: int, **changes: object) -> Link | None:
        await self._open()
        found = self.links.get(key)
        if found is None or found.generation != expected:
            return None
        self.links[key] = replace(found, **changes)  # type: ignore[arg-type]
        return self.links[key]

    async def end(self, key: LinkKey, generation: int, reason: str) -> bool:
        await self._open()
        found = self.links.get(key)
        if found is None or found.generation != generation:
            return False
        self.ended[key] = (_head(self.links.pop(key)), reason)
        return True

    async def unlink(self, key: LinkKey) -> None:
        await self._open()
        self.links.pop(key, None)
        self.ended.pop(key, None)

    async def touch(self, key: LinkKey) -> None:
        self.touched.append(key)

    async def of(self, issuer: str, subject: str) -> Sequence[LinkHead]:
        return [
            _head(link) for key, link in self.links.items() if (key.issuer, key.subject) == (issuer, subject)
        ]

    async def holders(self, upstream: str, account: str) -> Sequence[LinkKey]:
        await self._open()
        return [
            key for key, link in self.links.items() if (key.upstream, link.account) == (upstream, account)
        ]

    async def intents(self, before: float) -> Sequence[LinkKey]:
        return [key for key, link in self.links.items() if link.intent_at and link.intent_at < before]

    async def idle(
        self,
        refreshed_before: float,
        limit: int,
        upstreams: Collection[str] | None = None,
        after: LinkHead | None = None,
    ) -> Sequence[LinkHead]:
        old = [_head(link) for link in self.links.values() if link.refreshed_at < refreshed_before]
        old = sorted((o for o in old if upstreams is None or o.key.upstream in upstreams), key=_age)
        return [o for o in old if after is None or _age(o) > _age(after)][:limit]


def _age(head: LinkHead) -> tuple[float, str]:
    return head.refreshed_at, repr(head.key)


class SimpleRefresher:
    """A `Refresher` of one process."""

    def __init__(self, vault: Any = None) -> None:
        self.vault = vault or MemoryVault()
        self.servers: dict[str, AuthorizationServer] = {}
        self._locks: defaultdict[LinkKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    def serve(self, upstream: str, server: AuthorizationServer, *, lasts_days: int | None = None) -> None:
        self.servers[upstream] = server

    def heed(self, drop: Callable[[Callable[[LinkKey], bool]], None]) -> None:
        """It hears of everything at once: there is one process."""

    async def changed(self, key: LinkKey) -> None:
        """Whoever keeps something is asked by `forget`."""

    async def fresh(self, key: LinkKey) -> Link:
        link = await self._read(key)
        if link.tokens.expires_at - SKEW > clock.wall():
            return link
        return await self.renew(key, link.generation)

    async def renew(self, key: LinkKey, generation: int) -> Link:
        async with self._locks[key]:
            link = await self._read(key)
            if link.generation != generation:
                return link
            assert link.tokens.refresh is not None
            try:
                tokens = await self.servers[key.upstream].refresh(link.tokens.refresh)
            except GrantDead:
                await self.vault.end(key, generation, "revoked")
                raise ConsentRequired("Connect again.", private="dead") from None
            except Exception as failed:
                raise Unavailable("It cannot be refreshed.", part="credential", private=str(failed)) from None
            kept = replace(tokens, scopes=tokens.scopes or link.tokens.scopes)
            replaced: Link | None = await self.vault.replace(key, generation, kept)
            assert replaced is not None
            return replaced

    async def _read(self, key: LinkKey) -> Link:
        link: Link | None = await self.vault.read(key)
        if link is None:
            raise ConsentRequired("Connect.")
        return link


def _head(link: Link) -> LinkHead:
    return LinkHead(
        link.key,
        link.generation,
        link.account,
        link.tokens.scopes,
        link.linked_at,
        link.refreshed_at,
        link.used_at,
    )
