"""Opaque tokens: asked about at the configured endpoints, and never believed without all that a token needs."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway import clock, limits
from gateway.credential.client import OAuthClient
from gateway.errors import Unauthenticated, Unavailable
from gateway.http import Outward
from gateway.identity.composite import EveryToken
from gateway.identity.introspection import IntrospectionAuthenticator, opaque
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import profile
from gateway.identity.roles import RoleTable
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Bearer
from gateway.settings import ClientSettings, SecretStr
from gateway.settings.identity import RoleRule
from tests.identity.hostile import HOSTILE, Forge
from tests.identity.opaque import GOOD, Asked, guard
from tests.identity.server import GATEWAY, SECRET, Idp

TOKEN = Bearer(GOOD)


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    """A running endpoint that knows one token."""
    async with Asked() as running:
        yield running


async def test_a_good_answer_names_its_caller(asked: Asked, outward: Outward) -> None:
    """Everything that a signed token would say."""
    asked.tokens[GOOD] = {"sid": "s-1", "email": "ana@corp.test", "email_verified": True}
    table = RoleTable([RoleRule(group="staff", role="staff")])

    caller = await guard(outward, asked, roles=table).authenticate(TOKEN)

    assert (asked.issuer, "ana", "assistant") == caller.key
    assert {"jira:read"} == caller.scopes
    assert {"staff"} == caller.groups == caller.claimed_groups
    assert (caller.session, caller.email, caller.service) == ("s-1", "ana@corp.test", False)
    assert caller.issued_at > 0
    assert caller.token.reveal() == GOOD


async def test_a_programs_own_token(asked: Asked, outward: Outward) -> None:
    """`sub` is the client."""
    asked.tokens[GOOD] = {"sub": "assistant"}
    assert (await guard(outward, asked).authenticate(TOKEN)).service


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"active": False}, "no issuer knows"),
        ({"aud": None}, "aud"),
        ({"aud": "https://jira.test"}, "aud"),
        ({"aud": [GATEWAY, "https://jira.test"]}, "aud"),
        ({"iss": "https://other.test"}, "no issuer knows"),
        ({"exp": None}, "exp"),
        ({"exp": 1}, "exp"),
        ({"exp": "never"}, "exp"),
        ({"exp": int(time.time()) + 10**8}, "iat is in the future"),
        ({"exp": int(time.time()) + 10**8, "iat": int(time.time())}, "long"),
        ({"exp": 1e300}, "exp"),
        ({"exp": True}, "exp"),
        ({"nbf": int(time.time()) + 3600}, "nbf"),
        ({"client_id": None}, "client"),
        ({"sub": None}, "sub"),
        ({"sub": ["ana"]}, "sub"),
        ({"scope": ["jira:read"]}, "scope"),
        ({"token_type": "DPoP"}, "token_type"),
        ({"token_type": "refresh_token"}, "token_type"),
        ({"token_type": 1}, "token_type"),
        ({"cnf": {"jkt": "x"}}, "cnf"),
        ({"nonce": "n"}, "nonce"),
        ({"_claim_names": {"groups": "s"}}, "overage"),
    ],
)
async def test_an_answer_that_is_not_enough(
    asked: Asked, outward: Outward, answer: dict[str, Any], why: str
) -> None:
    """Active alone lets nobody in."""
    asked.tokens[GOOD] = answer
    with pytest.raises(Unauthenticated) as no:
        await guard(outward, asked).authenticate(TOKEN)
    assert why in no.value.private


async def test_the_only_issuer_need_not_name_itself(asked: Asked, outward: Outward) -> None:
    """RFC 7662 lets it leave `iss`, `iat` and `token_type` out."""
    asked.tokens[GOOD] = {"iss": None, "token_type": None}
    assert asked.issuer == (await guard(outward, asked).authenticate(TOKEN)).issuer


async def test_a_token_of_unknown_age_is_as_old_as_it_can_be(asked: Asked, outward: Outward) -> None:
    """So a revocation of before the question does not miss it; one that tells its age is that old."""
    gate, now = guard(outward, asked), int(clock.wall())
    asked.tokens = {"old": {"exp": now + 300}, "told": {"iat": now - 7}}
    assert now + 300 - limits.TOKEN_LIFE_SECONDS == (await gate.authenticate(Bearer("old"))).issued_at
    assert now - 7 == (await gate.authenticate(Bearer("told"))).issued_at


async def test_keycloaks_own_word_for_a_refresh_token(asked: Asked, outward: Outward) -> None:
    """What a profile demands of a token, it demands of an answer."""
    fixed = {"typ": "Bearer"}
    asked.tokens[GOOD] = {"typ": "Refresh"}
    with pytest.raises(Unauthenticated):
        await guard(outward, asked, fixed=fixed).authenticate(TOKEN)
    asked.tokens[GOOD] = {"typ": "Bearer"}
    assert await guard(outward, asked, fixed=fixed).authenticate(TOKEN)


async def test_a_good_answer_lasts_thirty_seconds(asked: Asked, outward: Outward) -> None:
    """So long a revoked token still works, and no longer."""
    gate = guard(outward, asked)
    for _ in range(3):
        await gate.authenticate(TOKEN)
    assert asked.questions == [GOOD]

    del asked.tokens[GOOD]
    with clock.shifted(wall=limits.INTROSPECTED_SECONDS - 1):
        assert await gate.authenticate(TOKEN)
    with clock.shifted(wall=limits.INTROSPECTED_SECONDS + 1), pytest.raises(Unauthenticated):
        await gate.authenticate(TOKEN)


async def test_a_good_answer_ends_with_the_token(asked: Asked, outward: Outward) -> None:
    """It is asked about again, and refused."""
    gate = guard(outward, asked)
    asked.tokens[GOOD] = {"exp": int(clock.wall()) + 5}
    await gate.authenticate(TOKEN)
    with clock.shifted(wall=6):
        await gate.authenticate(TOKEN)
        assert len(asked.questions) == 2
    with clock.shifted(wall=60), pytest.raises(Unauthenticated):
        await gate.authenticate(TOKEN)


async def test_a_bad_answer_lasts_ten_seconds(asked: Asked, outward: Outward) -> None:
    """A token that is retried in a loop costs the provider one question in ten seconds."""
    gate = guard(outward, asked)
    del asked.tokens[GOOD]
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await gate.authenticate(TOKEN)
    assert asked.questions == [GOOD]

    asked.tokens[GOOD] = {}
    with clock.shifted(wall=limits.INTROSPECTED_BAD_SECONDS + 1):
        assert await gate.authenticate(TOKEN)


async def test_many_with_one_token_ask_once(asked: Asked, outward: Outward) -> None:
    """They wait for one answer."""
    asked.delay = 0.05
    gate = guard(outward, asked)
    callers = await asyncio.gather(*(gate.authenticate(TOKEN) for _ in range(50)))
    assert {"ana"} == {caller.subject for caller in callers} and asked.questions == [GOOD]


async def test_a_flood_of_unknown_tokens_is_a_trickle(asked: Asked, outward: Outward) -> None:
    """Never more than a few questions at one time, and everybody is answered."""
    asked.delay = 0.01
    gate = guard(outward, asked)
    answers = await asyncio.gather(
        *(gate.authenticate(Bearer(f"unknown-{n}")) for n in range(200)), return_exceptions=True
    )
    assert {Unauthenticated, Unavailable} >= {type(answer) for answer in answers}
    assert 1 < asked.most <= limits.INTROSPECTIONS_AT_ONCE
    assert await gate.authenticate(TOKEN)


async def test_who_gets_no_turn_in_time_is_told_so(
    asked: Asked, outward: Outward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever behind a flood."""
    monkeypatch.setattr(limits, "INTROSPECTION_SECONDS", 0.3)
    monkeypatch.setattr(limits, "INTROSPECTIONS_AT_ONCE", 1)
    asked.delay = 60.0
    gate = guard(outward, asked)
    answers = await asyncio.gather(
        *(gate.authenticate(Bearer(f"unknown-{n}")) for n in range(5)), return_exceptions=True
    )
    assert {Unavailable} == {type(answer) for answer in answers}
    assert asked.most <= 1


@pytest.mark.parametrize("fault", ["500", "401", "html", "no verdict", "a text", "down"])
async def test_an_endpoint_that_does_not_answer(asked: Asked, outward: Outward, fault: str) -> None:
    """`Unavailable`, remembered neither as good nor as bad."""
    gate = guard(outward, asked)
    asked.status = int(fault) if fault.isdecimal() else None
    asked.body = {"html": b"<html>", "no verdict": b"{}", "a text": b'{"active": "true"}'}.get(fault)
    if fault == "down":
        await asked.stop()
    with pytest.raises(Unavailable) as down:
        await gate.authenticate(TOKEN)
    assert down.value.part == "identity" and not gate.state()[0]
    assert GOOD not in down.value.private

    asked.status = asked.body = None
    if fault == "down":
        await asked.start()
    assert await gate.authenticate(TOKEN)
    assert gate.state()[0]


async def test_of_several_issuers_the_answer_must_name_its_own(outward: Outward) -> None:
    """One cannot speak for another, and one that says nothing speaks for none."""
    async with Asked() as first, Asked() as second:
        gate = guard(outward, first, second)
        first.tokens = {"first": {}, "theirs": {"iss": second.issuer}, "unsaid": {"iss": None}}
        second.tokens = {"second": {}, "theirs": {"sub": "bo"}}

        assert first.issuer == (await gate.authenticate(Bearer("first"))).issuer
        assert second.issuer == (await gate.authenticate(Bearer("second"))).issuer
        assert (second.issuer, "bo") == (await gate.authenticate(Bearer("theirs"))).key[:2]
        with pytest.raises(Unauthenticated):
            await gate.authenticate(Bearer("unsaid"))


async def test_an_issuer_that_is_silent_might_have_been_the_one(outward: Outward) -> None:
    """Who is known to the other gets in; who is not is told to try again, not to sign in again."""
    async with Asked() as first, Asked() as second:
        first.status = 503
        second.tokens = {"second": {}}
        gate = guard(outward, first, second)
        assert await gate.authenticate(Bearer("second"))
        with pytest.raises(Unavailable):
            await gate.authenticate(Bearer("first"))


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_jwt_is_never_asked_about(idp: Idp, asked: Asked, outward: Outward, name: str) -> None:
    """Not a broken one either: none of the hostile tokens reaches the endpoint but what is no JWT at all."""
    profiles = [profile("rfc9068", issuer=idp.issuer, audience=GATEWAY)]
    gate = EveryToken(TokenAuthenticator(profiles, key_ring(profiles, outward)), guard(outward, asked))
    token = HOSTILE[name][0](Forge(idp, "http://127.0.0.1:9"))
    with pytest.raises(Unauthenticated):
        await gate.authenticate(Bearer(token))
    assert [one for one in asked.questions if one.count(".") >= 2 or one.startswith("eyJ")] == []


async def test_each_kind_goes_its_way(idp: Idp, asked: Asked, outward: Outward) -> None:
    """Signed tokens are verified, opaque ones asked about."""
    profiles = [profile("rfc9068", issuer=idp.issuer, audience=GATEWAY)]
    gate = EveryToken(TokenAuthenticator(profiles, key_ring(profiles, outward)), guard(outward, asked))
    assert idp.issuer == (await gate.authenticate(Bearer(idp.mint()))).issuer
    assert not asked.questions
    assert asked.issuer == (await gate.authenticate(TOKEN)).issuer
    assert gate.state()[0] and "introspection" in gate.state()[1]


@pytest.mark.parametrize(
    ("token", "may"),
    [
        (GOOD, True),
        ("ya29.a0AfH6SMB", True),
        ("a.b.c.d", True),
        ("a.b.c", False),
        ("a.b.c.d.e", False),
        ("eyJhbGciOiJIUzI1NiJ9", False),
        ("with space", False),
        ("", False),
        ("a=b", False),
        ("line\n", False),
        ("Ａ", False),
    ],
)
def test_what_may_be_asked_about(token: str, may: bool) -> None:
    """The form of a bearer (RFC 6750 §2.1), and not that of a JWT."""
    assert may is opaque(token)


async def test_no_answer_in_time_shows_in_readyz(
    asked: Asked, outward: Outward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the next question is answered."""
    gate = guard(outward, asked)
    assert gate.state()[0]
    monkeypatch.setattr(limits, "INTROSPECTION_SECONDS", 0.05)
    asked.delay = 5.0
    with pytest.raises(Unavailable):
        await gate.authenticate(TOKEN)
    assert not gate.state()[0] and "in time" in gate.state()[1]
    monkeypatch.setattr(limits, "INTROSPECTION_SECONDS", 5.0)
    asked.delay = 0.0
    await gate.authenticate(TOKEN)
    assert gate.state()[0]


async def test_the_next_secret_is_used_when_the_first_is_refused(asked: Asked, outward: Outward) -> None:
    """A secret is changed at the provider without a moment at which nobody gets in; `/readyz` says what to do."""
    settings = ClientSettings(
        client_id="gate way", client_secret=SecretStr("old"), next_client_secret=SecretStr(SECRET)
    )
    endpoint = replace(asked.endpoint(), client=OAuthClient(settings))
    gate = IntrospectionAuthenticator([endpoint], outward)
    asked.refuses = True
    assert (await gate.authenticate(TOKEN)).subject == "ana"
    assert "the next secret is in use" in gate.state()[1]
    asked.refuses = False  # asserts that the good one comes first
    asked.tokens["another"] = {"sub": "bo"}
    assert (await gate.authenticate(Bearer("another"))).subject == "bo"
