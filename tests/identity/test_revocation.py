"""Who was cut off is refused on every replica, and nobody else is."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import clock, limits
from gateway.errors import Unauthenticated, Unavailable
from gateway.identity.revocation import LIFTED, Revocation, Revocations
from gateway.model import Caller, Secret
from gateway.store.sql import Database

NOW = 1_800_000_000.0
ANA = Caller(
    issuer="https://idp.example.com",
    subject="ana",
    client="claude",
    scopes=frozenset(),
    expires_at=NOW + 900,
    token=Secret("t"),
    actor="helper",
    session="s-1",
    issued_at=NOW,
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database of its own."""
    async with Database(f"sqlite:///{tmp_path / 'gateway.db'}") as opened:
        yield opened


@pytest.fixture
async def known(database: Database) -> Revocations:
    """What one replica knows."""
    found = Revocations(database)
    await found.load()
    return found


def refused(known: Revocations, caller: Caller) -> bool:
    try:
        known.check(caller)
    except Unauthenticated:
        return True
    return False


@pytest.mark.parametrize(
    "one",
    [
        Revocation("user", NOW, "https://idp.example.com", "ana"),
        Revocation("session", NOW, "https://idp.example.com", session="s-1"),
        Revocation("client", NOW, client="claude"),
        Revocation("client", NOW, "https://idp.example.com", client="claude"),
        Revocation("agent", NOW, client="helper"),
    ],
)
async def test_what_was_issued_before_is_refused_and_what_comes_after_is_not(
    known: Revocations, one: Revocation
) -> None:
    """The very second of the revocation is before it."""
    assert not refused(known, ANA)
    await known.add(one)
    assert refused(known, ANA) and refused(known, replace(ANA, issued_at=0.0))
    assert not refused(known, replace(ANA, issued_at=NOW + 1))


@pytest.mark.parametrize(
    "one",
    [
        Revocation("user", math.inf, "https://other.example.com", "ana"),
        Revocation("user", math.inf, "https://idp.example.com", "bo"),
        Revocation("session", math.inf, "https://idp.example.com", session="s-2"),
        Revocation("client", math.inf, client="other"),
        Revocation("agent", math.inf, client="claude"),
        Revocation("client", math.inf, client="helper"),
    ],
)
async def test_nobody_else_is_refused(known: Revocations, one: Revocation) -> None:
    """The same name at another provider, or of another kind, is somebody else."""
    await known.add(one)
    assert not refused(known, ANA)


async def test_who_is_kept_out_comes_in_again_when_it_is_lifted(known: Revocations) -> None:
    """`math.inf` outlives later rows with a time; only a lift ends it."""
    await known.add(Revocation("client", math.inf, client="claude"))
    await known.add(Revocation("client", NOW, client="claude"))
    assert refused(known, replace(ANA, issued_at=NOW + 100))
    await known.add(Revocation("client", NOW + 50, client="claude", reason=LIFTED))
    assert refused(known, ANA), "what was cut off before stays so"
    assert not refused(known, replace(ANA, issued_at=NOW + 100))


async def test_another_replica_hears_of_it_by_looking(database: Database, known: Revocations) -> None:
    """Within the time between two looks; and a third that starts later knows it from the start."""
    heard: list[Revocation] = []
    other = Revocations(database, heard.append)
    await other.load()
    watching = asyncio.create_task(other.watch())
    one = Revocation("user", NOW, "https://idp.example.com", "ana", reason="killed")
    await known.add(one)
    async with asyncio.timeout(10):
        while not heard:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    watching.cancel()
    assert heard == [one] and refused(other, ANA)
    third = Revocations(database, heard.append)
    await third.load()
    assert refused(third, ANA) and heard == [one]


async def test_a_number_that_is_committed_late_is_not_missed(database: Database, known: Revocations) -> None:
    """Numbers are given out before they are committed: a look also reads the rows just before the last."""
    await known.add(Revocation("user", NOW, "https://idp.example.com", "bo"))
    await known.add(Revocation("user", NOW, "https://idp.example.com", "ana"))
    late = Revocations(database)
    late._last, late._seen = 2, {2}
    await late.load()
    assert refused(late, replace(ANA, subject="bo"))


async def test_a_replica_that_cannot_look_refuses_everybody(
    known: Revocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not knowing who was cut off is no reason to let them in."""
    known.check(ANA)
    assert known.state()[0]
    later = clock.mono() + limits.REVOCATIONS_BLIND_SECONDS + 1
    monkeypatch.setattr(clock, "mono", lambda: later)
    with pytest.raises(Unavailable) as blind:
        known.check(ANA)
    assert blind.value.part == "store" and not known.state()[0]
