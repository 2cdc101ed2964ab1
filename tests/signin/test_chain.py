"""The chain from an assistant's sign-in to the company's provider, on the sandbox's provider."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway import clock, limits
from gateway.credential.kept import KeptGrants
from gateway.credential.tending import Tending
from gateway.errors import ConsentRequired, Unauthenticated, Unavailable
from gateway.identity.revocation import Revocation, Revocations
from gateway.leaving import cut_off
from gateway.model import Caller, Grant, Secret
from gateway.signin.server.chain import ChainBroken
from gateway.signin.server.families import ASSERTED
from sandbox.people import PEOPLE
from tests.credential.sealing import tokens as some_tokens
from tests.signin.chained import OURS, Chained, chained


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Chained]:
    """A provider, a vault, a chain."""
    async with chained(tmp_path) as made:
        yield made


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every refresh asks the provider, however soon it comes after another."""
    monkeypatch.setattr(limits, "RENEWAL_COUNTS_SECONDS", 0.0)


async def broken(world: Chained, family: str = "f1", user: str = "ana") -> str:
    """Why the chain is broken."""
    with pytest.raises(ChainBroken) as caught:
        await world.chain.renewed(family, world.idp.issuer, user)
    return caught.value.reason


async def answers(world: Chained, **lies: Any) -> None:
    """From now on the token endpoint's answers are these, where they refresh."""
    before = world.idp.faults.hook
    assert before is not None

    async def lying(endpoint: str, request: Request) -> Response | None:
        await before(endpoint, request)
        if endpoint == "token" and b"grant_type=refresh_token" in await request.body():
            return JSONResponse({"token_type": "Bearer", "expires_in": 900, **lies})
        return None

    world.idp.faults.hook = lying


async def test_a_sign_in_tells_groups_strength_and_brings_its_grant(world: Chained) -> None:
    """Everything that a family begins with stands in the provider's answer."""
    who = await world.sign_in("lee")

    assert who.groups == {"staff"}
    assert who.acr == "urn:sandbox:mfa"
    assert who.amr == {"pwd", "otp"}
    assert who.auth_time is not None and abs(clock.wall() - who.auth_time) < 60
    assert who.tokens is not None and who.tokens.refresh is not None and who.tokens.id_token is not None
    assert "jira:read" in who.tokens.scopes
    assert who.ends_at is None


async def test_each_refresh_validates_the_person_at_the_provider(world: Chained, at_once: None) -> None:
    """The provider's own refresh token is spent, and what it says now is what we know now."""
    await world.kept()
    before = await world.link()
    world.idp.people = {**PEOPLE, "ana": replace(PEOPLE["ana"], groups=("staff",), email="new@example.com")}
    standing = await world.chain.renewed("f1", world.idp.issuer, "ana")

    assert standing.who is not None
    assert standing.who.groups == {"staff"}
    assert standing.who.person.email == "new@example.com"
    assert before.tokens.refresh is not None and world.refreshes == [before.tokens.refresh.reveal()]
    assert (await world.link()).generation == before.generation + 1


async def test_two_refreshes_at_once_spend_one_refresh_token(world: Chained) -> None:
    """From two addresses, on two replicas: one asks the provider; and for a minute its word counts for all."""
    await world.kept()
    await _age(world, 61)
    both = [chain.renewed("f1", world.idp.issuer, "ana") for chain in (world.chain, world.other) * 2]
    standings = await asyncio.gather(*both)
    await world.other.renewed("f1", world.idp.issuer, "ana")

    assert all(one.who is not None and one.who.person.subject == "ana" for one in standings)
    assert len(world.refreshes) == 1


async def _age(world: Chained, seconds: float, column: str = "refreshed_at") -> None:
    """Time has passed for all grants."""
    await world.vault._database.run(
        lambda connection: connection.exec_driver_sql(f"update links set {column} = {column} - {seconds}")
    )


async def test_a_disabled_person_is_out_at_the_next_refresh(world: Chained, at_once: None) -> None:
    """`invalid_grant` breaks the chain, and it stays broken."""
    await world.kept()
    world.idp.disabled.add("ana")

    assert await broken(world) == "revoked"
    world.idp.disabled.clear()
    assert await broken(world) == "revoked"
    with pytest.raises(Unauthenticated):
        await world.chain.presented(world.caller())


async def test_a_revoked_grant_breaks_the_chain(world: Chained, at_once: None) -> None:
    """An administrator of the provider ends the session there."""
    who = await world.kept()
    assert who.tokens is not None and who.tokens.refresh is not None
    world.idp.refresh.end(who.tokens.refresh.reveal(), "jira-agent-gateway")

    assert await broken(world) == "revoked"


@pytest.mark.parametrize("status", [500, 503])
async def test_when_the_provider_is_down_nothing_changes_and_nobody_gets_in(
    world: Chained, at_once: None, status: int
) -> None:
    """`Unavailable`, and the same sign-in goes on as soon as the provider is back."""
    await world.kept()
    world.idp.faults.only, world.idp.faults.status = frozenset({"token"}), status
    hook, world.idp.faults.hook = world.idp.faults.hook, None
    with pytest.raises(Unavailable) as caught:
        await world.chain.renewed("f1", world.idp.issuer, "ana")
    assert "company's sign-in" in caught.value.public

    world.idp.faults.status, world.idp.faults.hook = None, hook
    await _age(world, 60, "intent_at")
    for _ in range(100):
        try:
            standing = await world.chain.renewed("f1", world.idp.issuer, "ana")
            break
        except Unavailable:  # it is not asked again at once
            await asyncio.sleep(0.01)
    assert standing.who is not None


async def test_another_persons_answer_breaks_the_chain(world: Chained, at_once: None) -> None:
    """A refresh that names somebody else is believed for nobody, and the grant is destroyed."""
    await world.kept()
    other = await world.sign_in("bo")
    assert other.tokens is not None and other.tokens.id_token is not None
    await answers(world, access_token="bos", id_token=other.tokens.id_token.reveal())

    assert await broken(world) == "mismatch"
    assert await world.vault.read(world.key()) is None
    with pytest.raises(Unauthenticated):
        await world.chain.presented(world.caller())


async def test_a_call_never_carries_another_persons_token(world: Chained) -> None:
    """Also when the refresh that named somebody else was made for a call."""
    await world.kept()
    other = await world.sign_in("bo")
    assert other.tokens is not None and other.tokens.id_token is not None
    await answers(world, access_token="bos", id_token=other.tokens.id_token.reveal())
    link = await world.link()
    await world.vault.replace(link.key, link.generation, replace(link.tokens, expires_at=clock.wall() - 1))

    with pytest.raises(Unauthenticated):
        await world.chain.presented(world.caller())
    assert "bos" not in world.shown


async def test_an_id_token_that_is_not_signed_by_the_provider_lets_nobody_in(
    world: Chained, at_once: None
) -> None:
    """The facts of a refresh are believed only as those of a sign-in are."""
    await world.kept()
    forged = (await world.link()).tokens.id_token
    assert forged is not None
    head, body, _ = forged.reveal().split(".")
    await answers(world, access_token="new", id_token=f"{head}.{body}.{'A' * 86}")

    with pytest.raises(Unavailable):
        await world.chain.renewed("f1", world.idp.issuer, "ana")


async def test_an_answer_without_an_id_token_leaves_the_facts(world: Chained, at_once: None) -> None:
    """OpenID Connect Core §12.2 lets a provider leave it out: the refresh alone is its word."""
    await world.kept()
    await answers(world, access_token="new")
    standing = await world.chain.renewed("f1", world.idp.issuer, "ana")

    assert standing.who is None
    assert (await world.chain.presented(world.caller())).token.reveal() == "new"


@pytest.mark.parametrize(("told", "known"), [(1200, True), (0, False), ("soon", False), (10**12, False)])
async def test_the_providers_session_limit_is_told_anew(
    world: Chained, at_once: None, told: Any, known: bool
) -> None:
    """Keycloak's `refresh_expires_in`; 0 means that there is none, and nonsense is none."""
    await world.kept()
    await answers(world, access_token="new", refresh_expires_in=told)
    ends = (await world.chain.renewed("f1", world.idp.issuer, "ana")).ends_at

    assert (ends is not None and 0 < ends - clock.wall() <= 1200) is known


async def test_without_a_refresh_token_the_family_ends_with_the_access_token(
    world: Chained, at_once: None
) -> None:
    """It is kept all the same, tells its end, and then the chain is broken."""
    who = await world.sign_in()
    assert who.tokens is not None
    await world.chain.keep("f1", replace(who, tokens=replace(who.tokens, refresh=None)))
    standing = await world.chain.renewed("f1", world.idp.issuer, "ana")
    assert standing.ends_at == who.tokens.expires_at
    assert (await world.chain.presented(world.caller())).token.reveal() == who.tokens.access.reveal()

    over = replace(who.tokens, refresh=None, expires_at=clock.wall() - 1)
    await world.chain.keep("f1", replace(who, tokens=over))
    with pytest.raises(Unauthenticated):
        await world.chain.presented(world.caller())
    assert await broken(world) == "expired"


async def test_pitfall_1_our_token_never_reaches_the_provider(world: Chained) -> None:
    """What is exchanged for Jira is the provider's own access token of that sign-in; ours stays here."""
    who = await world.kept()
    grant = await world.grant(world.caller())

    assert who.tokens is not None
    assert who.tokens.access.reveal() in world.shown
    assert OURS not in world.shown
    assert grant.subject == "ana"
    assert grant.expires_at <= who.tokens.expires_at


async def test_a_grant_ends_with_the_providers_token(world: Chained) -> None:
    """Ours lives longer, and so may the answer; what came of the provider's token does not."""
    world.idp.lifetimes.access = 200.0
    who = await world.kept()
    caller = world.caller()

    async def generous(caller: Caller, scopes: frozenset[str]) -> Grant:
        return Grant(caller.issuer, "ana", "jira", scopes, clock.wall() + 3600, Secret("s"), "exchange")

    kept = KeptGrants(generous, world.chain.presented)
    first, again = [await kept.grant(caller, frozenset()) for _ in range(2)]

    assert who.tokens is not None
    assert first.secret is again.secret
    assert first.expires_at == again.expires_at == who.tokens.expires_at < caller.expires_at


async def test_one_familys_grant_never_serves_another(world: Chained) -> None:
    """The same person with the same assistant, signed in twice: when one sign-in ends, only the other works."""
    await world.kept("f1")
    await world.kept("f2")
    first, second = await world.grant(world.caller("f1")), await world.grant(world.caller("f2"))
    assert first.secret is not second.secret
    assert len(set(world.shown)) == len(world.shown) >= 4  # two codes, two subject tokens

    await world.chain.end("f1", world.idp.issuer, "ana")
    world.source.forget(world.idp.issuer, "ana")
    with pytest.raises(Unauthenticated):
        await world.grant(world.caller("f1"))
    assert await world.grant(world.caller("f2"))


async def test_a_family_of_somebody_else_is_no_grant(world: Chained) -> None:
    """A family's grant is found only under its own person."""
    await world.kept("f1")
    with pytest.raises(Unauthenticated):
        await world.chain.presented(world.caller("f1", "bo"))
    with pytest.raises(Unauthenticated):
        await world.chain.presented(replace(world.caller(), issuer="https://other.test"))


async def test_who_did_not_sign_in_with_us_comes_as_they_are(world: Chained) -> None:
    """In pure resource-server mode the caller's token is the provider's own."""
    caller = world.caller(family="")
    assert await world.chain.presented(caller) is caller
    assert await world.chain.subject_token(caller) is None


async def test_who_came_with_an_assertion_is_told_to_use_the_browser(world: Chained) -> None:
    """There is no grant of the provider behind it: not a 401, which would only bring the next assertion."""
    caller = world.caller(f"{ASSERTED}f1")
    for way in (world.chain.presented, world.chain.subject_token):
        with pytest.raises(ConsentRequired, match="through the browser"):
            await way(caller)


async def test_what_proves_the_sign_in_is_the_id_token_or_the_refresh_token(world: Chained) -> None:
    """For identity assertions: the ID token while it is good, then the refresh token."""
    await world.kept()
    first = await world.chain.subject_token(world.caller())
    assert first is not None and first.kind == "id_token"
    link = await world.link()
    await world.vault.replace(link.key, link.generation, replace(link.tokens, id_token=None))
    second = await world.chain.subject_token(world.caller())

    assert second is not None and second.kind == "refresh_token"
    assert link.tokens.refresh is not None and second.token.reveal() == link.tokens.refresh.reveal()


async def test_the_end_destroys_the_grant_and_tells_the_provider(world: Chained) -> None:
    """The provider's refresh token is revoked there (RFC 7009)."""
    who = await world.kept()
    await world.chain.end("f1", world.idp.issuer, "ana")

    assert await world.vault.read(world.key()) is None
    assert who.tokens is not None and who.tokens.refresh is not None
    assert world.shown[-1] == who.tokens.refresh.reveal()
    assert world.idp.counts["revoke"] == 1


async def test_the_end_needs_no_provider(world: Chained) -> None:
    """With the provider down the grant is destroyed all the same."""
    await world.kept()
    world.idp.faults.only, world.idp.faults.status = frozenset({"revoke"}), 500
    await world.chain.end("f1", world.idp.issuer, "ana")

    assert await broken(world) == "gone"


async def test_the_sweep_destroys_what_belongs_to_no_family(world: Chained) -> None:
    """A sign-in whose code was never redeemed, and one whose family ended; not one that is under way or alive."""
    for family in ("orphan", "alive"):
        await world.kept(family)
    await _age(world, limits.SIGN_IN_UNFINISHED_SECONDS + 1)
    await world.kept("young")

    async def live() -> set[str]:
        return {"alive"}

    assert await world.chain.sweep(live) == 1
    assert await world.vault.read(world.key("orphan")) is None
    assert await world.link("alive") and await world.link("young")


async def test_sign_ins_are_not_kept_alive_by_the_monthly_refresh(world: Chained) -> None:
    """Who does not come any more shall not have a session at the provider for ever."""
    await world.kept()
    await _age(world, 60 * 86_400)
    tending = Tending(world.refresher, world.refresher._upstreams, world.refresher._pace)
    await tending.tend_once()

    assert world.refreshes == []


@pytest.mark.parametrize(("reason", "left"), [("killed", 0), ("sessions-revoked", 1), ("lifted", 2)])
async def test_who_is_cut_off_loses_the_grants_of_all_sign_ins(
    world: Chained, reason: str, left: int
) -> None:
    """A kill takes also what was connected; a revoked session takes the sign-ins only."""
    await world.kept()
    linked = replace(world.key(), upstream="jira", tenant="")
    await world.vault.link(linked, "account", some_tokens())
    one = Revocation("user", clock.wall(), world.idp.issuer, "ana", reason=reason)
    ended = await cut_off([one], Revocations(world.vault._database), world.vault)

    assert len([key for key in (world.key(), linked) if await world.vault.read(key)]) == left
    assert ended == (1 if reason == "killed" else 0)


async def test_nothing_of_the_grant_lies_open(world: Chained, tmp_path: Path) -> None:
    """Neither access, refresh nor ID token can be read in the database."""
    who = await world.kept()
    assert who.tokens is not None
    await world.vault._database.scrub()
    content = await asyncio.to_thread(lambda: b"".join(file.read_bytes() for file in tmp_path.iterdir()))
    for secret in (who.tokens.access, who.tokens.refresh, who.tokens.id_token):
        assert isinstance(secret, Secret)
        assert secret.reveal().encode() not in content
        assert secret.reveal() not in repr(who)
