"""Families of refresh tokens: rotation, the grace, reuse, ends; on a real database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from gateway import clock
from gateway.model import Secret
from gateway.signin.server.families import REUSED, Facts, Families, Family, FamilyHead, Reused, new_id
from gateway.store.sql import Database

GRACE, IDLE = 60.0, 30 * 86_400.0


class Time:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = clock.wall()
        monkeypatch.setattr("gateway.clock.wall", lambda: self.now)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time stands still until a test moves it."""
    return Time(monkeypatch)


@pytest_asyncio.fixture
async def families(tmp_path: Path) -> AsyncIterator[Families]:
    """The table, in a database of its own."""
    async with Database(f"sqlite:///{tmp_path / 'families.db'}") as database:
        yield Families(database, grace=GRACE, idle=IDLE)


def head(**changes: object) -> FamilyHead:
    now = clock.wall()
    made = FamilyHead(
        id=new_id(),
        issuer="https://idp.test",
        subject="ana",
        client="an-assistant",
        host="claude.ai",
        assurance="asserted",
        scopes=frozenset({"jira:read"}),
        resource="https://gateway.test/mcp",
        began_at=now,
        used_at=now,
        expires_at=now + 90 * 86_400,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def rotated(families: Families, token: Secret) -> Secret | None:
    """What a refresh with `token` answers; None when it is refused."""
    family = await families.find(token.reveal())
    if family is None:
        return None
    try:
        standing = await families.standing(token.reveal(), family)
    except Reused:
        await families.end(family.head.id, REUSED)
        raise
    if not standing:
        return None
    return await families.rotate(token.reveal(), family, family.facts, family.head.expires_at)


async def test_a12_a_refresh_token_is_replaced_at_each_use(families: Families, time: Time) -> None:
    """Three refreshes give three tokens, and the facts of the person are those of the last."""
    family, token = await families.begin(head(), Facts(groups=frozenset({"staff"})))
    seen = {token.reveal()}
    for _ in range(3):
        time.now += 1800
        following = await rotated(families, token)
        assert following is not None
        seen.add(following.reveal())
        token = following
    assert len(seen) == 4
    found = await families.by_id(family.head.id)
    assert found is not None and found.facts.groups == {"staff"} and found.head.used_at == time.now


async def test_a13_within_the_grace_the_same_old_token_answers_the_same_successor(
    families: Families, time: Time
) -> None:
    """Two addresses, or two sessions, send the same token: both go on with the same one."""
    _, token = await families.begin(head(), Facts())
    first = await rotated(families, token)
    time.now += GRACE - 1
    second = await rotated(families, token)
    assert first is not None and second is not None and first.reveal() == second.reveal()


async def test_a13_many_at_once_get_one_successor(families: Families) -> None:
    """Of twenty refreshes at the same moment one rotates, and all answer alike."""
    _, token = await families.begin(head(), Facts())
    answers = await asyncio.gather(*(rotated(families, token) for _ in range(20)))
    assert len({answer.reveal() for answer in answers if answer is not None}) == 1
    assert None not in answers


async def test_a13_outside_the_grace_the_family_ends(families: Families, time: Time) -> None:
    """Whoever uses an old token later ends the sign-in, also for the holder of the newest."""
    family, token = await families.begin(head(), Facts())
    newest = await rotated(families, token)
    time.now += GRACE
    with pytest.raises(Reused):
        await rotated(families, token)
    assert newest is not None and await families.find(newest.reveal()) is None
    over = await families.by_id(family.head.id)
    assert over is not None and over.head.ended == "reused"


async def test_a13_a_token_of_two_rotations_ago_ends_the_family_too(families: Families, time: Time) -> None:
    """Its digest is long gone, but we know that we made it."""
    _, token = await families.begin(head(), Facts())
    second = await rotated(families, token)
    assert second is not None
    time.now += 2 * GRACE
    assert await rotated(families, second) is not None
    time.now += 2 * GRACE
    with pytest.raises(Reused):
        await rotated(families, token)


async def test_a13_a_race_of_two_rotations_within_the_grace_ends_nothing(families: Families) -> None:
    """The loser is refused and signs in no one; the winner's sign-in goes on."""
    _, token = await families.begin(head(), Facts())
    second = await rotated(families, token)
    assert second is not None
    third = await rotated(families, second)
    assert await rotated(families, token) is None
    assert third is not None and await families.find(third.reveal()) is not None


async def test_a_made_up_token_ends_nobodys_sign_in(families: Families, time: Time) -> None:
    """The id of a family stands in access tokens; who knows it can still not end it."""
    family, token = await families.begin(head(), Facts())
    await rotated(families, token)
    time.now += GRACE
    id, _, secret, tag = token.reveal().split(".")
    for forged in (f"{id}.1.{'x' * 43}.{tag}", f"{id}.2.{secret}.{tag}", f"{id}.1.{secret}.{'0' * 32}"):
        assert await families.find(forged) is None
    found = await families.by_id(family.head.id)
    assert found is not None and not found.head.ended


@pytest.mark.parametrize("seconds", [IDLE, 90 * 86_400.0])
async def test_a15_a_sign_in_that_is_idle_or_old_is_over(
    families: Families, time: Time, seconds: float
) -> None:
    """After 30 days without a refresh, or at its end whatever was refreshed."""
    _, token = await families.begin(head(), Facts())
    while seconds > IDLE:
        time.now += IDLE - 1
        seconds -= IDLE - 1
        following = await rotated(families, token)
        assert following is not None
        token = following
    time.now += seconds
    assert await families.find(token.reveal()) is None
    assert await families.of("https://idp.test", "ana") == []


async def test_what_is_kept_holds_no_refresh_token(families: Families, tmp_path: Path) -> None:
    """Who reads the database can neither refresh nor open the successor."""
    _, token = await families.begin(head(), Facts())
    following = await rotated(families, token)
    assert following is not None
    kept = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("*")))  # noqa: ASYNC240
    for secret in (token.reveal(), following.reveal()):
        assert secret.encode() not in kept and secret.split(".")[2].encode() not in kept


async def test_one_persons_sign_ins_are_listed_and_ended(families: Families) -> None:
    """Only that person's, and only while they live; what was over long ago is forgotten."""
    mine = [(await families.begin(head(), Facts()))[0] for _ in range(2)]
    await families.begin(head(subject="bo"), Facts())
    assert {one.id for one in await families.of("https://idp.test", "ana")} == {f.head.id for f in mine}
    assert await families.end(mine[0].head.id, "signed_out")
    assert not await families.end(mine[0].head.id, "again")
    assert [one.id for one in await families.of("https://idp.test", "ana")] == [mine[1].head.id]
    assert len(await families.with_client("an-assistant")) == 2
    assert await families.forget(clock.wall() + 1) == 1 and len(await families.living()) == 2


async def test_a_family_that_ended_meanwhile_gives_nothing(families: Families) -> None:
    """A sign-out at the very moment of a refresh wins."""
    family, token = await families.begin(head(), Facts())
    found = await families.find(token.reveal())
    assert isinstance(found, Family)
    await families.end(family.head.id, "signed_out")
    assert await families.rotate(token.reveal(), found, found.facts, found.head.expires_at) is None


async def test_a_session_at_the_provider_is_told_letter_for_letter(families: Families) -> None:
    """Its id may hold anything; none of it is a pattern."""
    ids = ("a_b", "axb", "100%", 'q"\\z', "ü")
    for sid in (*ids, ""):
        await families.begin(head(), Facts(sid=sid))
    assert [len(await families.at("https://idp.test", sid)) for sid in (*ids, "%", "_")] == [1] * len(ids) + [
        0,
        0,
    ]
