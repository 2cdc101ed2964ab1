"""Somebody who can write in the database: what they change does not open, and the operator is told why."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.credential import seal
from gateway.credential.kek import Wrapped
from gateway.credential.kek.local import LocalRing
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import LinkKey, Vault
from gateway.errors import Unavailable
from gateway.store.sql import Connection, Database, delete, select, update
from gateway.store.tables import links
from tests.credential.sealing import (
    ANA,
    BEN,
    ELSEWHERE,
    FIRST_KEY,
    ISSUER,
    SECOND,
    SECOND_KEY,
    TENANT,
    database,
    database_url,
    local,
    said,
    tokens,
    vault,
)

__all__ = ["database", "database_url", "vault"]

SECRET = ("version", "key_id", "wrapped", "sealed")
"""What makes a row open."""


def of(key: LinkKey) -> Any:
    """The row of a key."""
    return (
        (links.c.tenant == key.tenant)
        & (links.c.issuer == key.issuer)
        & (links.c.subject == key.subject)
        & (links.c.upstream == key.upstream)
    )


async def change(database: Database, key: LinkKey, **values: Any) -> None:
    """As with a database client."""
    changed = await database.run(lambda c: c.execute(update(links).where(of(key)).values(values)).rowcount)
    assert changed == 1


async def row(database: Database, key: LinkKey) -> dict[str, Any]:
    """All of it."""
    return await database.read(lambda c: dict(c.execute(select(links).where(of(key))).one()._mapping))


async def refused(vault: Vault, key: LinkKey, *why: str) -> None:
    """It does not open, for reading, refreshing and replacing alike, and only the operator learns why."""
    head = await vault.head(key)
    assert head is not None
    for asking in (vault.read(key), vault.replace(key, head.generation, tokens())):
        with pytest.raises(Unavailable) as raised:
            await asking
        assert raised.value.part == "vault"
        for text in (*why, key.subject, key.issuer, key.upstream):
            assert text in raised.value.private
            assert text not in raised.value.public
        assert "canary" not in raised.value.private


@pytest.mark.parametrize(
    "whose", [BEN, ELSEWHERE, SECOND, TENANT], ids=["user", "issuer", "upstream", "tenant"]
)
@pytest.mark.parametrize("known", [True, False], ids=["keys in memory", "keys not in memory"])
async def test_pitfall_22_a_row_in_the_place_of_another(
    vault: SealedVault, database: Database, whose: LinkKey, known: bool
) -> None:
    """Ana's tokens copied into another row, and another row's into hers."""
    for key in (ANA, whose):
        await vault.link(key, "acc", tokens())
    first, second = await row(database, ANA), await row(database, whose)
    reader = vault if known else SealedVault(database, local())
    await change(database, whose, **{name: first[name] for name in SECRET})
    await refused(reader, whose, "another link")
    await change(database, ANA, **{name: second[name] for name in SECRET})
    await refused(reader, ANA, "another link")


@pytest.mark.parametrize(
    "whose", [BEN, ELSEWHERE, SECOND, TENANT], ids=["user", "issuer", "upstream", "tenant"]
)
async def test_a_row_under_another_name(vault: Vault, database: Database, whose: LinkKey) -> None:
    """The row itself renamed."""
    await vault.link(ANA, "acc", tokens())
    name = {
        "tenant": whose.tenant,
        "issuer": whose.issuer,
        "subject": whose.subject,
        "upstream": whose.upstream,
    }
    await change(database, ANA, **name)
    assert await vault.read(ANA) is None
    await refused(vault, whose, "another link")


async def test_sealed_tokens_of_another_under_ones_own_data_key(vault: Vault, database: Database) -> None:
    """Who learned Ben's data key cannot put Ana's contents, sealed with it for her, into his row."""
    for key in (ANA, BEN):
        await vault.link(key, "acc", tokens())
    his = await row(database, BEN)
    data_key = await local().unwrap(Wrapped(his["key_id"], his["wrapped"]), seal.context(BEN))
    hers = seal.seal(data_key, ANA, 1, seal.Contents("acc", tokens()))
    await change(database, BEN, sealed=hers)
    await refused(vault, BEN, "does not open")


async def test_another_generation(vault: Vault, database: Database) -> None:
    """A number that was edited, and tokens of an earlier generation that were put back."""
    await vault.link(ANA, "acc", tokens())
    old = await row(database, ANA)
    await change(database, ANA, generation=7)
    await refused(vault, ANA, "does not open")
    await change(database, ANA, generation=1)
    assert await vault.replace(ANA, 1, tokens())
    await change(database, ANA, sealed=old["sealed"])
    await refused(vault, ANA, "does not open")


@pytest.mark.parametrize("column", ["sealed", "wrapped"])
@pytest.mark.parametrize("byte", [0, 11, 12, 40, -17, -16, -1])
async def test_a_bit_that_was_flipped(vault: Vault, database: Database, column: str, byte: int) -> None:
    """In nonce, text or tag, of the tokens or of their key."""
    await vault.link(ANA, "acc", tokens())
    found = bytearray((await row(database, ANA))[column])
    for bit in (0, 7):
        changed = bytearray(found)
        changed[byte] ^= 1 << bit
        await change(database, ANA, **{column: bytes(changed)})
        await refused(vault, ANA)
    await change(database, ANA, **{column: bytes(found)})
    assert await vault.read(ANA)


CHANGES = {
    "account": ({"account": "acc-of-another"}, "account"),
    "scopes": ({"scopes": "write:jira-work"}, "scopes"),
    "version": ({"version": 2}, "version 2"),
    "key id": ({"key_id": "k9"}, "k9 is not in the ring"),
    "empty": ({"sealed": b"", "wrapped": b""}, "does not unwrap"),
    "nothing": ({"sealed": None, "wrapped": None}, "does not unwrap"),
    "no tokens": ({"sealed": None}, "does not open"),
    "short": ({"sealed": b"0123456789a"}, "does not open"),
}


@pytest.mark.parametrize(("values", "why"), CHANGES.values(), ids=CHANGES.keys())
async def test_what_stands_beside(vault: Vault, database: Database, values: dict[str, Any], why: str) -> None:
    """What is shown of a link, and how it is said to be sealed."""
    await vault.link(ANA, "acc", tokens())
    await change(database, ANA, **values)
    await refused(vault, ANA, why)


async def test_a_tombstone_cannot_be_brought_back(vault: Vault, database: Database) -> None:
    """There is nothing to open in it."""
    await vault.link(ANA, "acc", tokens())
    await vault.end(ANA, 1, "revoked")
    await change(database, ANA, ended="")
    await refused(vault, ANA, "not in the ring")
    await change(database, ANA, key_id="k1")
    await refused(vault, ANA, "does not unwrap")


async def test_the_operator_is_told(
    vault: Vault, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A row that does not open is an error in the log, with its name and without what is in it."""
    await vault.link(ANA, "acc", tokens())
    await change(database, ANA, generation=9)
    with caplog.at_level(logging.ERROR), pytest.raises(Unavailable):
        await vault.read(ANA)
    (told,) = caplog.records
    assert "ana" in told.getMessage() and "does not open" in told.getMessage() and "canary" not in caplog.text


WRONG = {
    "another key of that name": (LocalRing({"k1": SECOND_KEY}), "another one of that name"),
    "the key was destroyed": (LocalRing({"k2": SECOND_KEY}), "k1 is not in the ring"),
}


@pytest.mark.parametrize(("ring", "why"), WRONG.values(), ids=WRONG.keys())
async def test_without_the_right_key(vault: Vault, database: Database, ring: LocalRing, why: str) -> None:
    """Nothing opens any more (crypto-shred); the person can link again, and others are not concerned."""
    await vault.link(ANA, "acc", tokens())
    other = SealedVault(database, ring)
    await other.start()
    await refused(other, ANA, why)
    assert other.state()[0], "one row that does not open is no reason to be unready"
    given = tokens()
    assert (await other.link(ANA, "acc", given)).generation == 2
    found = await other.read(ANA)
    assert found is not None and said(found.tokens) == said(given)


async def test_no_token_lies_in_the_clear(tmp_path: Path) -> None:
    """Neither in the database nor in its log; and a dead grant's sealed form is gone from both."""
    async with Database(f"sqlite:///{tmp_path}/g.db") as database:
        vault = SealedVault(database, local())
        steps: list[Callable[[], Awaitable[Any]]] = [
            lambda: vault.link(ANA, "acc", tokens()),
            lambda: vault.intend(ANA, 1),
            lambda: vault.replace(ANA, 1, tokens()),
            lambda: vault.end(ANA, 2, "revoked"),
            lambda: vault.link(BEN, "acc", tokens()),
            lambda: vault.unlink(BEN),
        ]
        sealed: set[bytes] = set()
        for step in steps:
            await step()
            assert not holding(tmp_path, b"canary")
            everything = await database.read(_sealed)
            sealed |= everything
            if not everything:
                assert not [one for one in sealed if holding(tmp_path, one)]
        assert len(sealed) == 5  # two data keys, three sets of tokens


def _sealed(connection: Connection) -> set[bytes]:
    found = connection.execute(select(links.c.sealed, links.c.wrapped))
    return {value for one in found for value in one if value is not None}


def holding(folder: Path, text: bytes) -> list[str]:
    """Files that hold it."""
    return [one.name for one in folder.iterdir() if text in one.read_bytes()]


async def test_a_row_that_was_deleted_is_an_absent_link(vault: Vault, database: Database) -> None:
    """The one thing that can be done to a grant without its key: take it away."""
    await vault.link(ANA, "acc", tokens())
    await database.run(lambda connection: connection.execute(delete(links)))
    assert await vault.read(ANA) is None
    assert await vault.of(ISSUER, "ana") == []


async def test_a_key_that_only_has_the_old_name_is_told_at_the_start(database: Database) -> None:
    """Readiness names it, so that nobody has to wait for the first person who cannot be served."""
    before = SealedVault(database, LocalRing({"k1": FIRST_KEY}))
    await before.start()
    await before.link(ANA, "acc", tokens())
    after = SealedVault(database, LocalRing({"k1": SECOND_KEY}))
    await after.start()
    assert "no link under k1 opens" in after.state()[1]
    await before.start()
    assert before.state() == (True, "key k1")
