"""What every vault does, whatever database it is on."""

import asyncio

import pytest

from gateway import clock, limits
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import Link, LinkKey, Vault
from gateway.store.sql import Database, func, select, update
from gateway.store.tables import links
from tests.credential.sealing import (
    ANA,
    BEN,
    ELSEWHERE,
    ISSUER,
    SECOND,
    TENANT,
    database,
    database_url,
    local,
    said,
    tokens,
    vault,
)

__all__ = ["database", "database_url", "vault"]


async def live(vault: Vault, key: LinkKey) -> Link:
    """The link, which is there."""
    link = await vault.read(key)
    assert link is not None
    return link


async def test_a_grant_comes_back_as_it_was_linked(vault: Vault, database: Database) -> None:
    """Tokens, scopes, account and times, also for another process with the same key."""
    given = tokens("a", "b")
    made = await vault.link(ANA, "acc-ana", given)
    assert (made.generation, made.account, made.intent_at) == (1, "acc-ana", None)
    for reader in (vault, SealedVault(database, local())):
        found = await live(reader, ANA)
        assert said(found.tokens) == said(given)
        assert (found.key, found.generation, found.account) == (ANA, 1, "acc-ana")
        assert found.linked_at == found.refreshed_at == found.used_at == made.linked_at


async def test_links_of_other_people_providers_sites_and_tenants_are_apart(vault: Vault) -> None:
    """Each part of the key counts."""
    keys = (ANA, BEN, ELSEWHERE, SECOND, TENANT)
    given = {key: tokens() for key in keys}
    for key in keys:
        await vault.link(key, f"acc-{key.subject}", given[key])
    for key in keys:
        assert said((await live(vault, key)).tokens) == said(given[key])
    await vault.unlink(ANA)
    assert await vault.read(ANA) is None
    assert [await vault.read(key) is None for key in keys[1:]] == [False] * 4


async def test_nothing_is_read_that_was_not_linked(vault: Vault) -> None:
    """No link, no head, and nothing to change."""
    assert await vault.read(ANA) is None
    assert await vault.head(ANA) is None
    assert await vault.of(ISSUER, "ana") == []
    assert await vault.intend(ANA, 1) is False
    assert await vault.settle(ANA, 1) is False
    assert await vault.replace(ANA, 1, tokens()) is None
    assert await vault.end(ANA, 1, "revoked") is False
    await vault.unlink(ANA)
    await vault.touch(ANA)


async def test_a_refresh_is_begun_and_replaces_the_tokens(vault: Vault) -> None:
    """The intent is there until the next generation is."""
    first = await vault.link(ANA, "acc", tokens())
    assert await vault.intend(ANA, 1)
    assert (await live(vault, ANA)).intent_at is not None
    given = tokens("fewer")
    with clock.shifted(wall=100):
        made = await vault.replace(ANA, 1, given)
    assert made is not None
    found = await live(vault, ANA)
    assert found == made or (found.generation, said(found.tokens)) == (2, said(given))
    assert found.intent_at is None
    assert found.linked_at == first.linked_at and found.refreshed_at >= first.refreshed_at + 100
    assert (await vault.head(ANA)).scopes == {"fewer"}  # type: ignore[union-attr]


async def test_of_many_refreshes_of_a_generation_one_begins(vault: Vault) -> None:
    """Who read before another began does not begin; who read it as open and old does, once."""
    await vault.link(ANA, "acc", tokens())
    begun = await asyncio.gather(*(vault.intend(ANA, 1) for _ in range(8)))
    assert begun.count(True) == 1
    found = await live(vault, ANA)
    begun = await asyncio.gather(*(vault.intend(ANA, 1, after=found.intent_at) for _ in range(8)))
    assert begun.count(True) == 1


async def test_who_comes_late_changes_nothing(vault: Vault) -> None:
    """Every change of a generation that has moved is refused."""
    await vault.link(ANA, "acc", tokens())
    given = tokens()
    assert await vault.replace(ANA, 1, given)
    assert await vault.intend(ANA, 1) is False
    assert await vault.settle(ANA, 1) is False
    assert await vault.replace(ANA, 1, tokens()) is None
    assert await vault.end(ANA, 1, "revoked") is False
    found = await live(vault, ANA)
    assert (found.generation, said(found.tokens), found.intent_at) == (2, said(given), None)


async def test_a_refresh_that_did_nothing_is_settled(vault: Vault) -> None:
    """The intent goes, the tokens stay."""
    made = await vault.link(ANA, "acc", tokens())
    await vault.intend(ANA, 1)
    assert await vault.settle(ANA, 1)
    found = await live(vault, ANA)
    assert (found.generation, found.intent_at, said(found.tokens)) == (1, None, said(made.tokens))


async def test_a_dead_grant_leaves_a_tombstone(vault: Vault, database: Database) -> None:
    """No tokens and no data key; its head says why. The next link is the next generation."""
    await vault.link(ANA, "acc", tokens())
    await vault.intend(ANA, 1)
    assert await vault.end(ANA, 1, "rotation_lost")
    assert await vault.read(ANA) is None
    head = await vault.head(ANA)
    assert head is not None and (head.ended, head.account, head.generation) == ("rotation_lost", "acc", 1)
    row = await database.read(lambda connection: connection.execute(select(links)).one())
    assert (row.sealed, row.wrapped, row.intent_at) == (None, None, None)
    for change in (vault.end(ANA, 1, "revoked"), vault.intend(ANA, 1), vault.settle(ANA, 1)):
        assert await change is False
    assert await vault.replace(ANA, 1, tokens()) is None
    assert (await vault.link(ANA, "acc2", tokens())).generation == 2
    assert (await live(vault, ANA)).account == "acc2"


async def test_an_end_has_a_reason(vault: Vault) -> None:
    """Without one a tombstone could not be told from a live grant."""
    await vault.link(ANA, "acc", tokens())
    with pytest.raises(ValueError, match="reason"):
        await vault.end(ANA, 1, "")
    assert await vault.read(ANA)


async def test_a_new_link_supersedes_a_refresh_under_way(vault: Vault) -> None:
    """The late answer for the old grant does not replace the new one, not even after a disconnect."""
    await vault.link(ANA, "acc", tokens())
    await vault.intend(ANA, 1)
    assert (await vault.link(ANA, "acc", tokens())).generation == 2
    assert await vault.replace(ANA, 1, tokens()) is None
    await vault.unlink(ANA)
    assert await vault.head(ANA) is None and await vault.of(ISSUER, "ana") == []
    renewed = await vault.link(ANA, "acc", tokens())
    assert renewed.generation > 2
    assert await vault.replace(ANA, 2, tokens()) is None
    assert said((await live(vault, ANA)).tokens) == said(renewed.tokens)


async def test_a_disconnected_row_goes_after_a_day(vault: Vault, database: Database) -> None:
    """Nothing of it but its generation is kept so long."""
    await vault.link(ANA, "acc-canary", tokens())
    await vault.unlink(ANA)
    row = await database.read(lambda connection: connection.execute(select(links)).one())
    assert (row.account, row.scopes, row.sealed, row.wrapped) == ("", "", None, None)
    with clock.shifted(wall=limits.LINK_TOMBSTONE_SECONDS + 1):
        await vault.unlink(BEN)
    assert await database.read(lambda c: c.execute(select(func.count()).select_from(links)).scalar()) == 0


async def test_use_is_noted_once_an_hour(vault: Vault, database: Database) -> None:
    """Also by a process that does not know that another one noted it."""
    made = await vault.link(ANA, "acc", tokens())
    for hours, noted in ((0.5, 0.0), (1.5, 1.5), (2.0, 1.5), (3.0, 3.0)):
        with clock.shifted(wall=hours * 3600):
            await vault.touch(ANA)
            await SealedVault(database, local()).touch(ANA)
            used = (await live(vault, ANA)).used_at - made.used_at
        assert abs(used - noted * 3600) < 600


async def test_a_person_sees_all_links_of_theirs(vault: Vault) -> None:
    """Live and ended ones, of this provider alone, without secrets."""
    for key in (ANA, SECOND, BEN, ELSEWHERE):
        await vault.link(key, "acc", tokens())
    await vault.end(SECOND, 1, "expired")
    heads = await vault.of(ISSUER, "ana")
    assert [(head.key, head.ended) for head in heads] == [(ANA, ""), (SECOND, "expired")]
    assert "canary" not in repr(heads)


async def test_begun_refreshes_are_found(vault: Vault) -> None:
    """The oldest first; neither those that began later, nor settled, replaced or ended ones."""
    keys = [LinkKey(ISSUER, f"p{n}", "cloud") for n in range(6)]
    for at, key in enumerate(keys):
        await vault.link(key, "acc", tokens())
        with clock.shifted(wall=-600 + at * 60):
            assert await vault.intend(key, 1)
    await vault.settle(keys[1], 1)
    await vault.replace(keys[2], 1, tokens())
    await vault.end(keys[3], 1, "revoked")
    assert await vault.intents(clock.wall() - 450) == [keys[0]]
    assert await vault.intents(clock.wall()) == [keys[0], keys[4], keys[5]]


async def test_idle_grants_are_found(vault: Vault) -> None:
    """Those that were not refreshed since, oldest first, as many as asked for."""
    keys = [LinkKey(ISSUER, f"p{n}", "cloud") for n in range(4)]
    for days, key in zip((40, 10, 60, 50), keys, strict=True):
        with clock.shifted(wall=-days * 86400):
            await vault.link(key, "acc", tokens())
    await vault.end(keys[3], 1, "revoked")
    found = await vault.idle(clock.wall() - 30 * 86400, 10)
    assert [head.key for head in found] == [keys[2], keys[0]]
    assert [head.key for head in await vault.idle(clock.wall(), 1)] == [keys[2]]
    assert [head.key for head in await vault.idle(clock.wall(), 10, after=found[0])] == [keys[0], keys[1]]
    assert await vault.idle(clock.wall() - 30 * 86400, 10, after=found[1]) == []
    assert await vault.idle(clock.wall(), 10, ["elsewhere"]) == []
    assert len(await vault.idle(clock.wall(), 10, ["cloud", "elsewhere"])) == 3


async def test_idle_grants_of_the_same_moment_are_paged_through(vault: Vault, database: Database) -> None:
    """Each comes on exactly one page."""
    now = clock.wall()
    for n in range(7):
        await vault.link(LinkKey(ISSUER, f"p{n}", ("cloud", "other")[n % 2], f"t{n % 3}"), "acc", tokens())
    await database.run(lambda connection: connection.execute(update(links).values(refreshed_at=now)))
    seen: list[LinkKey] = []
    page = await vault.idle(now + 1, 2)
    while page:
        seen += [head.key for head in page]
        page = await vault.idle(now + 1, 2, after=page[-1])
    assert len(seen) == len(set(seen)) == 7


async def test_of_fifty_writers_exactly_one_gets_through(vault: Vault) -> None:
    """Compare-and-set: every generation has one successor."""
    await vault.link(ANA, "acc", tokens())
    for generation in (1, 2):
        given = [tokens() for _ in range(50)]
        made = await asyncio.gather(*(vault.replace(ANA, generation, one) for one in given))
        won = [one for one, link in zip(given, made, strict=True) if link is not None]
        assert len(won) == 1
        found = await live(vault, ANA)
        assert (found.generation, said(found.tokens)) == (generation + 1, said(won[0]))


async def test_many_links_at_once_are_one_after_the_other(vault: Vault) -> None:
    """Two browsers finish at the same time: both succeed, and the last one counts."""
    made = await asyncio.gather(*(vault.link(ANA, f"acc-{n}", tokens()) for n in range(10)))
    assert sorted(link.generation for link in made) == list(range(1, 11))
    last = max(made, key=lambda link: link.generation)
    found = await live(vault, ANA)
    assert (found.account, said(found.tokens)) == (last.account, said(last.tokens))


async def test_tokens_without_refresh_token_are_kept(vault: Vault) -> None:
    """A provider may give none (RFC 6749 §5.1)."""
    given = tokens()
    bare = type(given)(given.access, None, given.expires_at, frozenset())
    await vault.link(ANA, "acc", bare)
    assert said((await live(vault, ANA)).tokens) == said(bare)


async def test_who_holds_an_account(vault: Vault) -> None:
    """Live grants at that upstream, of everybody; not those that ended or were disconnected."""
    for key in (ANA, BEN, ELSEWHERE, SECOND):
        await vault.link(key, "acc-1", tokens())
    await vault.link(LinkKey(ISSUER, "cy", "cloud"), "acc-2", tokens())
    assert set(await vault.holders("cloud", "acc-1")) == {ANA, BEN, ELSEWHERE}
    assert list(await vault.holders("cloud/write", "acc-1")) == [SECOND]
    await vault.end(BEN, 1, "revoked")
    await vault.unlink(ELSEWHERE)
    assert list(await vault.holders("cloud", "acc-1")) == [ANA]
    assert list(await vault.holders("cloud", "")) == []
