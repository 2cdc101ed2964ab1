"""The vault in SQL: `Vault` on a `Database`, every grant sealed (`seal.py`) under keys of a ring (`kek/`).

A row holds the data key, wrapped, and the tokens, sealed under it for exactly this person, upstream and
generation. What does not open is an error that names the row to the operator, never an absent link.
There is no way to keep a grant unsealed.

Costs on two cores, for tokens of 4 KB, are in docs/operate.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from gateway import clock, limits
from gateway.credential import kek, rows, seal
from gateway.credential.kek import KeyRefused, KeyRing, KeysDown, Wrapped
from gateway.credential.seal import Contents
from gateway.credential.vault import Link, LinkHead, LinkKey, TokenSet
from gateway.errors import ConfigError, Unavailable
from gateway.http import Outward
from gateway.settings import Settings
from gateway.store.flight import SingleFlight
from gateway.store.memory import ExpiringCache
from gateway.store.sql import Database

T = TypeVar("T")

log = logging.getLogger(__name__)


def vault_from(settings: Settings, outward: Outward, database: Database) -> "SealedVault | None":
    """The vault of the settings; None when no key is named and nobody needs one.

    Raises `ConfigError` when a source links people and there is no key to seal with.
    """
    keys = kek.ring(settings.vault, outward)
    if keys is not None:
        return SealedVault(database, keys)
    needed = [site.name for site in settings.jira if any(way.linked for way in site.credential)]
    if needed:
        raise ConfigError(
            [
                f"vault: people link their Jira at {', '.join(needed)}, and there is no key to seal that with. "
                "Set `vault.key_file`; `jira-agent-gateway vault rotate` makes the first key."
            ]
        )
    return None


class SealedVault:
    """See `Vault` of `vault.py`. Every `Unavailable` is of part `vault` or `store`."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._data_keys: ExpiringCache[tuple[LinkKey, Wrapped], bytes] = ExpiringCache(
            limits.DATA_KEYS_CACHED
        )
        self._unwrapping: SingleFlight[tuple[LinkKey, Wrapped], bytes] = SingleFlight()
        self._touched: ExpiringCache[LinkKey, bool] = ExpiringCache(limits.DATA_KEYS_CACHED)
        self._active = ""
        self._problem = "not started"
        self._strange = ""

    async def start(self) -> None:
        """Prove the key. Raises `ConfigError` when it does not hold to what it wrapped for; a key service that
        does not answer only makes us unready, and is proved before anything is sealed. Keys that are not
        those under which links were sealed are told: they may have been destroyed on purpose."""
        try:
            await self._proved()
            await self._known_again()
        except (KeysDown, KeyRefused) as down:
            self._problem = str(down)

    async def watch(self) -> None:
        """For ever: while the keys could not be used, see whether they can."""
        while True:
            await asyncio.sleep(limits.PART_LOOK_SECONDS)
            if self._problem:
                with suppress(ConfigError):
                    await self.start()

    def state(self) -> tuple[bool, str]:
        """(whether the keys were there when last used, the id of the one that wraps or what is wrong)."""
        return not self._problem, self._problem or f"key {self._active}{self._strange}"

    async def read(self, key: LinkKey) -> Link | None:
        """See `Vault`."""
        row = await self._database.read(partial(rows.live, key))
        return None if row is None else await self._opened(key, row)

    async def head(self, key: LinkKey) -> LinkHead | None:
        """See `Vault`."""
        return await self._database.read(partial(rows.head, key))

    async def link(self, key: LinkKey, account: str, tokens: TokenSet) -> Link:
        """See `Vault`. Each link has a data key of its own."""
        context = seal.context(key)
        data_key, wrapped = await self._asked(self._new_data_key(context), key)
        contents = Contents(account, tokens)
        for _ in range(limits.LINK_TRIES):
            before = await self._database.read(partial(rows.generation, key))
            generation = (before or 0) + 1
            sealed = seal.seal(data_key, key, generation, contents)
            now = clock.wall()
            written = rows.Written(generation, contents, wrapped, sealed, now)
            if await self._database.run(partial(rows.put, key, before, written)):
                self._remember(key, wrapped, data_key)
                return Link(key, generation, account, tokens, now, now, now)
        raise _unavailable(f"{key}: others linked the same at each of {limits.LINK_TRIES} tries")

    async def intend(self, key: LinkKey, generation: int, *, after: float | None = None) -> bool:
        """See `Vault`. The data key is unwrapped anew before: what the refresh brings must be sealed at once,
        and a key service that went away since the last use would lose it."""
        row = await self._database.read(partial(rows.live, key))
        if row is None or row.generation != generation:
            return False
        await self._unwrapped(key, rows.wrapped(row))
        return await self._database.run(partial(rows.intend, key, generation, after, clock.wall()))

    async def settle(self, key: LinkKey, generation: int) -> bool:
        """See `Vault`."""
        return await self._database.run(partial(rows.settle, key, generation))

    async def replace(self, key: LinkKey, generation: int, tokens: TokenSet) -> Link | None:
        """See `Vault`."""
        row = await self._database.read(partial(rows.live, key))
        if row is None or row.generation != generation:
            return None
        link = await self._opened(key, row)
        data_key = await self._data_key(key, rows.wrapped(row))
        now = clock.wall()
        sealed = seal.seal(data_key, key, generation + 1, Contents(link.account, tokens))
        if not await self._database.run(partial(rows.replace, key, generation, tokens, sealed, now)):
            return None
        return Link(key, generation + 1, link.account, tokens, link.linked_at, now, link.used_at)

    async def end(self, key: LinkKey, generation: int, reason: str) -> bool:
        """See `Vault`."""
        if not reason:
            raise ValueError("a grant ends for a reason")
        ended = await self._database.run(partial(rows.end, key, generation, reason, clock.wall()))
        if ended:
            await self._forgotten(key)
        return ended

    async def unlink(self, key: LinkKey) -> None:
        """See `Vault`. Its generation is kept for a day (see `rows.unlink`)."""
        await self._database.run(partial(rows.unlink, key, clock.wall()))
        await self._forgotten(key)

    async def touch(self, key: LinkKey) -> None:
        """See `Vault`."""
        now = clock.wall()
        if self._touched.get(key):
            return
        await self._database.run(partial(rows.touch, key, now))
        self._touched.put(key, True, until=now + limits.LINK_TOUCH_SECONDS)

    async def of(self, issuer: str, subject: str) -> Sequence[LinkHead]:
        """See `Vault`."""
        return await self._database.read(partial(rows.of, issuer, subject))

    async def holders(self, upstream: str, account: str) -> Sequence[LinkKey]:
        """See `Vault`."""
        return await self._database.read(partial(rows.holders, upstream, account))

    async def intents(self, before: float) -> Sequence[LinkKey]:
        """See `Vault`. The oldest come first, at most `INTENTS_READ`."""
        return await self._database.read(partial(rows.intents, before))

    async def idle(
        self,
        refreshed_before: float,
        limit: int,
        upstreams: Collection[str] | None = None,
        after: LinkHead | None = None,
    ) -> Sequence[LinkHead]:
        """See `Vault`."""
        return await self._database.read(partial(rows.idle, refreshed_before, limit, upstreams, after))

    async def _opened(self, key: LinkKey, row: Any) -> Link:
        if row.version != seal.VERSION:
            raise self._unreadable(key, f"its envelope is of version {row.version}")
        data_key = await self._data_key(key, rows.wrapped(row))
        try:
            contents = seal.unseal(data_key, key, row.generation, rows.sealed(row))
        except seal.Broken as broken:
            raise self._unreadable(key, str(broken)) from None
        if (row.account, row.scopes) != rows.shown(contents):
            raise self._unreadable(key, "its account or scopes are not those that were sealed")
        return Link(
            key,
            row.generation,
            contents.account,
            contents.tokens,
            row.linked_at,
            row.refreshed_at,
            row.used_at,
            row.intent_at,
        )

    async def _data_key(self, key: LinkKey, wrapped: Wrapped) -> bytes:
        """The unwrapped data key, from memory for five minutes; of many at once one asks."""
        known = self._data_keys.get((key, wrapped))
        if known is None:
            work = partial(self._unwrapped, key, wrapped)
            known = await self._unwrapping.run((key, wrapped), work)
        return known

    async def _unwrapped(self, key: LinkKey, wrapped: Wrapped) -> bytes:
        data_key = await self._asked(self._keys.unwrap(wrapped, seal.context(key)), key)
        self._remember(key, wrapped, data_key)
        return data_key

    def _remember(self, key: LinkKey, wrapped: Wrapped, data_key: bytes) -> None:
        self._data_keys.put((key, wrapped), data_key, until=clock.wall() + limits.DATA_KEY_SECONDS)

    async def _new_data_key(self, context: kek.Context) -> tuple[bytes, Wrapped]:
        if not self._active:
            await self._proved()
        return await self._keys.fresh(context)

    async def _proved(self) -> None:
        self._active = await kek.proved(self._keys)
        self._problem = ""

    async def _known_again(self) -> None:
        opened: dict[str, bool] = {}
        for row in await self._database.read(rows.samples):
            found = rows.wrapped(row)
            try:
                await self._keys.unwrap(found, seal.context(rows.key_of(row)))
                opened[found.key_id] = True
            except KeyRefused:
                opened.setdefault(found.key_id, False)
        strange = ", ".join(sorted(key_id for key_id, known in opened.items() if not known))
        self._strange = f"; no link under {strange} opens: is it another key of that name?" if strange else ""
        if strange:
            log.error("vault: %s%s", self._active, self._strange)

    async def _asked(self, asking: Awaitable[T], key: LinkKey) -> T:
        try:
            answer = await asking
        except KeysDown as down:
            self._problem = str(down)
            raise _unavailable(f"{key}: {down}") from None
        except KeyRefused as refused:
            raise self._unreadable(key, str(refused)) from None
        except ConfigError as unfit:
            self._problem = str(unfit)
            raise _unavailable(f"{key}: {unfit}") from None
        self._problem = ""
        return answer

    async def _forgotten(self, key: LinkKey) -> None:
        """The data key leaves memory, and what was deleted the file, where that can be done at once."""
        self._data_keys.drop_if(lambda known: known[0] == key)
        with suppress(Unavailable):
            await self._database.scrub()

    def _unreadable(self, key: LinkKey, why: str) -> Unavailable:
        log.error("%s cannot be read: %s", key, why)
        return _unavailable(f"{key}: {why}")


def _unavailable(why: str) -> Unavailable:
    return Unavailable(
        "Your link to Jira cannot be read now. Try again in a minute; if it stays so, tell the operator.",
        part="vault",
        private=why,
    )
