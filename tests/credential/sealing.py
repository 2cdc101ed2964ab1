"""A vault on each kind of database, and tokens to put into it."""

import base64
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import clock
from gateway.credential.kek.local import LocalRing
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import LinkKey, TokenSet
from gateway.model import Secret
from gateway.store.sql import Database

ISSUER = "https://idp.test"
ANA = LinkKey(ISSUER, "ana", "cloud")
BEN = LinkKey(ISSUER, "ben", "cloud")
ELSEWHERE = LinkKey("https://other.test", "ana", "cloud")
SECOND = LinkKey(ISSUER, "ana", "cloud/write")
TENANT = LinkKey(ISSUER, "ana", "cloud", "another")

FIRST_KEY, SECOND_KEY = bytes(range(32)), bytes(range(32, 64))
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_servers)]

_numbers = itertools.count(1)


def tokens(*scopes: str) -> TokenSet:
    """Another set each time."""
    number = next(_numbers)
    return TokenSet(
        access=Secret(f"canary-access-{number}"),
        refresh=Secret(f"canary-refresh-{number}"),
        expires_at=clock.wall() + 3600.25,
        scopes=frozenset(scopes or ("read:jira-work", "offline_access")),
    )


def said(found: TokenSet) -> tuple[str, str | None, float, frozenset[str]]:
    """What is in a set, to compare."""
    return (
        found.access.reveal(),
        found.refresh.reveal() if found.refresh else None,
        found.expires_at,
        found.scopes,
    )


def ring_file(folder: Path, *keys: tuple[str, bytes], mode: int = 0o600) -> Path:
    """A key ring as an operator writes it."""
    file = folder / "vault.keys"
    file.write_text("".join(f"{name}:{base64.b64encode(key).decode()}\n" for name, key in keys))
    file.chmod(mode)
    return file


def local(*names: str) -> LocalRing:
    """A ring of the two keys, in that order."""
    known = {"k1": FIRST_KEY, "k2": SECOND_KEY}
    return LocalRing({name: known[name] for name in names or ("k1",)})


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store/gateway.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Started, with its tables."""
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
async def vault(database: Database) -> SealedVault:
    """A vault under one local key."""
    made = SealedVault(database, local())
    await made.start()
    return made
