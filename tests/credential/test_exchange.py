"""As whom at Jira: the caller's own token, exchanged and checked (RFC 8693)."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from dataclasses import replace
from typing import Any

import pytest

from gateway import clock, limits
from gateway.credential import GrantOrder
from gateway.credential.sources.exchange import ExchangeSource
from gateway.errors import Unauthenticated, Unavailable
from gateway.model import Bearer, Caller, Effect, Grant, Secret
from tests.credential.conftest import Bench
from tests.identity.server import JIRA, SECRET, Faults, private_key

READ = {"read:jira-work"}
WRITE = {"read:jira-work", "write:jira-work"}


def subject(grant: Grant) -> str:
    """Whose the token in a grant really is."""
    return str(json.loads(urlsafe_b64decode(grant.secret.reveal().split(".")[1] + "=="))["sub"])


async def thrown_away(bench: Bench, **settings: Any) -> str:
    """The private reason for which an exchange's answer was not believed."""
    source = bench.make(**settings)
    for _ in range(2):  # nothing of it is kept
        with pytest.raises(Unavailable) as caught:
            await source.grant(GrantOrder(await bench.caller(), Effect.READ))
        assert caught.value.part == "credential"
        assert "try again" in caught.value.public
        assert "ana" not in caught.value.public
    assert len(source.kept) == 0
    assert "last attempt failed" in source.state()[1]
    return caught.value.private


async def test_a_grant_is_the_callers(bench: Bench) -> None:
    """Subject, audience, scopes and life are those that were asked; the secret does not show."""
    caller = await bench.caller()
    grant = await bench.grant(caller)

    assert (bench.idp.issuer, "ana", JIRA) == (grant.issuer, grant.subject, grant.audience)
    assert grant.scopes == READ
    assert (grant.source, grant.id) == ("exchange", "j-1")
    assert clock.wall() < grant.expires_at <= caller.expires_at
    assert subject(grant) == "ana"
    assert grant.secret.reveal() not in repr(grant)
    assert caller.token.reveal() != grant.secret.reveal()


async def test_the_request_is_that_of_the_standard(bench: Bench) -> None:
    """Form pairs of RFC 8693 §2.1; the client proves itself as in RFC 6749 §2.3.1 (the provider checks)."""
    caller = await bench.caller()
    await bench.make(resource=f"{JIRA}/rest").grant(GrantOrder(caller, Effect.READ))

    assert [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": caller.token.reveal(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": JIRA,
            "scope": "read:jira-work",
            "resource": f"{JIRA}/rest",
        }
    ] == bench.idp.exchanges


@pytest.mark.parametrize(
    ("effect", "scopes"), [(Effect.READ, READ), (Effect.WRITE, WRITE), (Effect.DESTROY, WRITE)]
)
async def test_a_read_asks_for_less_than_a_write(bench: Bench, effect: Effect, scopes: set[str]) -> None:
    """Each effect has its own scopes and its own grant."""
    caller = await bench.caller()
    await bench.grant(caller, Effect.READ)
    await bench.grant(caller, Effect.WRITE)

    assert scopes == (await bench.grant(caller, effect)).scopes
    assert len(bench.idp.exchanges) == 2


async def test_a_grant_is_kept(bench: Bench) -> None:
    """The second call of the same person with the same client needs no exchange, even with a new token."""
    first = await bench.grant()
    second = await bench.grant(await bench.caller(jti="t-2"))

    assert first.secret is second.secret
    assert len(bench.idp.exchanges) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "bo"},
        {"client_id": "another"},
        {"scope": "jira:read"},
        {"act": {"sub": "robot"}},
        {"acr": "low"},
        {"sid": "s-2"},
    ],
    ids=str,
)
async def test_a_grant_is_kept_for_nobody_else(bench: Bench, claims: dict[str, Any]) -> None:
    """Another person, client, set of scopes, actor or assurance is another exchange (F15)."""
    first = await bench.grant()
    other = await bench.caller(**claims)
    second = await bench.grant(other)

    assert first.secret is not second.secret
    assert other.subject == second.subject == subject(second)
    assert [other.token.reveal()] == [form["subject_token"] for form in bench.idp.exchanges[1:]]


ROBOT = {"sub": "bo", "act": {"sub": "robot"}, "sid": "s-1"}
"""A sign-in of bo, whose assistant is an agent."""


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ({"subject": "ana"}, ROBOT),
        ({"client": "assistant"}, {"client_id": "another"}),
        ({"actor": "robot"}, {"sub": "bo"}),
        ({"session": "s-1"}, {"sub": "bo", "sid": "s-2"}),
        ({"subject": "bo", "session": "s-1"}, {"sid": "s-1"}),
        ({"issuer": "https://other.test"}, {}),
    ],
    ids=str,
)
async def test_a_killed_clients_agents_or_sessions_grants_are_gone(
    bench: Bench, gone: dict[str, str], left: dict[str, Any]
) -> None:
    """What is forgotten need not be a person: everything that it fits goes, and nothing else."""
    everybody = [await bench.caller(), await bench.caller(**ROBOT)]
    for caller in everybody:
        await bench.grant(caller)
    other = await bench.grant(await bench.caller(**left))
    before = len(bench.source.kept)
    bench.source.forget(**{"issuer": bench.idp.issuer, "subject": "", **gone})

    def fits(caller: Caller) -> bool:
        return all(getattr(caller, name) == value for name, value in gone.items())

    assert len(bench.source.kept) == before - sum(map(fits, everybody))
    assert (await bench.grant(await bench.caller(**left))).secret is other.secret


async def test_grants_of_a_sign_in_with_us_go_by_its_name(bench: Bench) -> None:
    """A family that is ended is named as a session is."""
    caller = replace(await bench.caller(), family="f-1")
    other = await bench.grant(replace(caller, family="f-2"))
    await bench.grant(caller)
    bench.source.forget("", "", session="f-1")
    assert len(bench.source.kept) == 1
    assert (await bench.grant(replace(caller, family="f-2"))).secret is other.secret


async def test_a_revocation_that_names_nobody_drops_everything(bench: Bench) -> None:
    """Rather too much is obtained anew than too little."""
    await bench.grant()
    bench.source.forget("", "")
    assert len(bench.source.kept) == 0


async def test_a_grant_is_not_kept_to_its_last_second(bench: Bench) -> None:
    """A call that begins with it can still finish."""
    caller = await bench.caller(exp=int(time.time()) + 120)
    await bench.grant(caller)

    with clock.shifted(wall=120 - limits.GRANT_SKEW_SECONDS - 2):
        await bench.grant(caller)
    assert len(bench.idp.exchanges) == 1
    with clock.shifted(wall=120 - limits.GRANT_SKEW_SECONDS + 1):
        await bench.grant(caller)
    assert len(bench.idp.exchanges) == 2


async def test_pitfall_29_a_kept_grant_ends_with_the_token_at_hand(bench: Bench) -> None:
    """It never outlives the caller's token, whichever token it was obtained with."""
    await bench.grant(await bench.caller(exp=int(time.time()) + 300))
    short = await bench.caller(exp=int(time.time()) + 60)

    assert short.expires_at == (await bench.grant(short)).expires_at


async def test_expires_in_only_shortens(bench: Bench) -> None:
    """The provider may say less than its token does, never more."""
    bench.idp.faults.answer = {"expires_in": 30}
    assert (await bench.grant()).expires_at <= clock.wall() + 30
    bench.idp.faults.answer = {"expires_in": 10**9}
    caller = await bench.caller(sub="bo")
    assert caller.expires_at == (await bench.grant(caller)).expires_at
    bench.idp.faults.answer = {"expires_in": None}
    caller = await bench.caller(sub="cy")
    assert caller.expires_at == (await bench.grant(caller)).expires_at


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (Faults(claims={"sub": "bo"}), "sub is another person"),
        (Faults(claims={"sub": None}), "sub is missing"),
        (Faults(claims={"aud": "https://other.test"}), "aud is somebody else"),
        (Faults(claims={"aud": [JIRA, "https://other.test"]}), "aud is somebody else as well"),
        (Faults(claims={"aud": "https://gateway.test/mcp"}), "aud is somebody else"),
        (Faults(claims={"scope": "read:jira-work admin"}), "scope is more"),
        (Faults(claims={"scope": "write:jira-work"}), "scope is more"),
        (Faults(claims={"scope": ""}), "scope is less"),
        (Faults(claims={"scope": None}), "scope is less"),
        (Faults(answer={"scope": "read:jira-work admin"}), "scope is more"),
        (Faults(answer={"scope": ["read:jira-work"]}), "scope is more"),
        (Faults(claims={"exp": int(time.time()) + 3000}), "exp is beyond"),
        (Faults(claims={"exp": int(time.time()) - 60, "iat": int(time.time()) - 90}), "exp has passed"),
        (Faults(claims={"iss": "https://other.test"}), "iss is not one of ours"),
        (Faults(claims={"cnf": {"jkt": "x"}}), "cnf"),
        (Faults(claims={"nonce": "n"}), "nonce"),
        (Faults(signer=private_key("P-256", 50)), "signature"),
        (Faults(answer={"access_token": "opaque-reference"}), "three base64url"),
        (Faults(answer={"access_token": None}), "access_token is missing"),
        (Faults(answer={"access_token": 7}), "access_token is missing"),
        (Faults(answer={"access_token": "x" * 20_000}), "too large"),
        (Faults(answer={"token_type": "DPoP"}), "token_type"),
        (Faults(answer={"token_type": "N_A"}), "token_type"),
        (Faults(answer={"token_type": None}), "token_type"),
        (Faults(answer={"issued_token_type": None}), "issued_token_type"),
        (
            Faults(answer={"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"}),
            "issued_token_type",
        ),
        (Faults(answer={"expires_in": "300"}), "expires_in"),
        (Faults(answer={"expires_in": 0}), "expires_in"),
        (Faults(answer={"expires_in": True}), "expires_in"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_pitfall_20_a_wrong_answer_is_thrown_away(bench: Bench, faults: Faults, why: str) -> None:
    """The reason is named in private, and nothing else is tried (F16)."""
    await bench.caller()
    bench.idp.faults = faults

    private = await thrown_away(bench)

    assert "thrown away" in private
    assert why in private


async def test_pitfall_01_the_callers_own_token_is_no_answer(bench: Bench) -> None:
    """A provider that hands the subject token back gets it passed through to nobody."""
    caller = await bench.caller()
    bench.idp.faults.answer = {"access_token": caller.token.reveal()}
    assert "aud" in await thrown_away(bench)


async def test_harmless_scopes_are_allowed_by_name(bench: Bench) -> None:
    """What Keycloak adds unasked, and only that."""
    bench.idp.faults.claims = {"scope": "openid email read:jira-work"}
    await thrown_away(bench, harmless_scopes=("email",))
    source = bench.make(harmless_scopes=("openid", "email"))
    assert await source.grant(GrantOrder(await bench.caller(), Effect.READ))


async def test_a_longer_life_is_allowed_by_setting_and_never_used(bench: Bench) -> None:
    """An answer that outlives the caller's token ends with it all the same."""
    caller = await bench.caller()
    bench.idp.faults.claims = {"exp": int(caller.expires_at) + 100}
    await thrown_away(bench, outlives=99)
    grant = await bench.make(outlives=100).grant(GrantOrder(caller, Effect.READ))
    assert caller.expires_at == grant.expires_at


@pytest.mark.parametrize(
    "faults",
    [
        Faults(status=200, body=b"<html>sign in</html>"),
        Faults(status=200, body=b"[]"),
        Faults(status=500),
        Faults(status=302, headers={"Location": "/token2"}),
        Faults(status=429),
        Faults(status=404),
    ],
    ids=["html", "a list", "500", "redirect", "429", "404"],
)
async def test_a_provider_out_of_order(bench: Bench, faults: Faults) -> None:
    """No answer of the standard's form is no grant (F11)."""
    await bench.caller()
    bench.idp.faults = faults
    assert await thrown_away(bench)
    assert {"/token"} == {r.path for r in bench.idp.requests if r.method == "POST"}


async def test_a_provider_that_is_down(bench: Bench) -> None:
    """Unavailable, with no other credential; kept grants go on; back as soon as the provider is (F11)."""
    ana, bo = await bench.caller(), await bench.caller(sub="bo")
    kept = await bench.grant(ana)
    await bench.idp.stop()

    with pytest.raises(Unavailable) as caught:
        await bench.grant(bo)
    assert bench.idp.issuer in caught.value.private
    assert kept.secret is (await bench.grant(ana)).secret

    await bench.idp.start()
    assert subject(await bench.grant(bo)) == "bo"
    assert "failed" not in bench.source.state()[1]


async def test_a_provider_that_hangs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends at the deadline."""
    monkeypatch.setattr(limits, "EXCHANGE_SECONDS", 0.2)
    caller = await bench.caller()
    bench.idp.faults.hang = True

    with pytest.raises(Unavailable) as caught:
        await bench.grant(caller)
    assert "no whole answer" in caught.value.private


async def test_a_provider_that_echoes_secrets(bench: Bench) -> None:
    """Its words go to the operator's log without the caller's token and our secret (F36)."""
    caller = await bench.caller()
    token = caller.token.reveal()
    bench.idp.faults.refuse = (400, "invalid_target", f"no: {SECRET} {token}" + "x" * 9000)

    with pytest.raises(Unavailable) as caught:
        await bench.grant(caller)

    assert token[:40] not in caught.value.private
    assert SECRET not in caught.value.private
    assert len(caught.value.private) < 600


async def test_a_token_of_another_issuer_is_not_sent(bench: Bench) -> None:
    """One provider never sees the tokens of another."""
    stranger = replace(await bench.caller(), issuer="https://other.test")
    with pytest.raises(Unavailable):
        await bench.grant(stranger)
    assert bench.idp.exchanges == []


async def test_a_proof_of_another_issuer_is_none(bench: Bench) -> None:
    """The same subject elsewhere is somebody else."""
    caller = await bench.caller()

    async def elsewhere(token: Bearer) -> Caller:
        return replace(await bench.source._verify(token), issuer="https://other.test")

    source = ExchangeSource(bench.source._settings, bench.idp.issuer, bench.source._endpoint, elsewhere)
    with pytest.raises(Unavailable) as caught:
        await source.grant(GrantOrder(caller, Effect.READ))
    assert "iss is another" in caught.value.private


async def test_keys_that_cannot_be_had_are_no_proof(bench: Bench) -> None:
    """An answer that cannot be verified is not believed."""
    caller = await bench.caller()
    with clock.shifted(mono=limits.JWKS_STALE_SECONDS + 1):
        bench.idp.published = []
        with pytest.raises(Unavailable) as caught:
            await bench.grant(caller)
    assert (caught.value.part, "cannot be verified" in caught.value.private) == ("credential", True)


async def test_two_hundred_at_once_exchange_once(bench: Bench) -> None:
    """Single flight: all wait for one exchange and get the same grant."""
    caller = await bench.caller()
    bench.idp.faults.delay = 0.05

    grants = await asyncio.gather(*(bench.grant(caller) for _ in range(200)))

    assert 1 == len({grant.secret for grant in grants}) == len(bench.idp.exchanges)


async def test_a_failed_flight_fails_for_all_and_is_not_kept(bench: Bench) -> None:
    """Everybody who waited is told; who comes later tries again."""
    caller = await bench.caller()
    bench.idp.faults.delay = 0.05
    bench.idp.faults.claims = {"sub": "bo"}
    answers = await asyncio.gather(*(bench.grant(caller) for _ in range(50)), return_exceptions=True)

    assert {Unavailable} == {type(answer) for answer in answers}
    assert len(bench.idp.exchanges) == 1
    bench.idp.faults.claims = {}
    assert subject(await bench.grant(caller)) == "ana"


async def test_who_goes_away_takes_nothing_along(bench: Bench) -> None:
    """A cancelled waiter, even the first, cancels neither the exchange nor the others."""
    caller = await bench.caller()
    bench.idp.faults.delay = 0.1
    waiting = [asyncio.create_task(bench.grant(caller)) for _ in range(10)]
    await asyncio.sleep(0.03)
    for task in waiting[:9]:
        task.cancel()

    assert subject(await waiting[9]) == "ana"
    assert all(task.cancelled() for task in waiting[:9])
    assert len(bench.idp.exchanges) == 1


async def test_an_exchange_that_nobody_waits_for_is_kept_all_the_same(bench: Bench) -> None:
    """It was paid for, and it is the caller's."""
    caller = await bench.caller()
    bench.idp.faults.delay = 0.1
    task = asyncio.create_task(bench.grant(caller))
    await asyncio.sleep(0.03)
    task.cancel()
    await asyncio.sleep(0.2)

    assert await bench.grant(caller)
    assert len(bench.idp.exchanges) == 1


async def test_one_tokens_refusal_is_not_anothers(bench: Bench) -> None:
    """A flight is shared by the same token only: the old one is dead, the new one is not."""
    old, new = await bench.caller(), await bench.caller(jti="t-2")
    bench.idp.faults.delay = 0.05
    bench.idp.faults.dead = frozenset({old.token.reveal()})
    dead = asyncio.create_task(bench.grant(old))
    await asyncio.sleep(0.02)
    alive = asyncio.create_task(bench.grant(new))

    with pytest.raises(Unauthenticated):
        await dead
    assert await alive


async def test_pitfall_05_two_people_interleaved_never_mix(bench: Bench) -> None:
    """2 people, 200 calls each, mixed, with delays, kept grants and forgotten ones (F33)."""
    people = {name: await bench.caller(sub=name) for name in ("ana", "bo")}
    tokens = {name: [Secret(bench.idp.mint(sub=name, jti=str(n))) for n in range(5)] for name in people}
    bench.idp.faults.delay = 0.002

    async def one(number: int) -> None:
        name = ("ana", "bo")[number % 2]
        caller = replace(people[name], token=tokens[name][number // 80])
        await asyncio.sleep((number % 7) / 1000)
        if number % 11 == 0:
            bench.source.forget(bench.idp.issuer, "ana")
        grant = await bench.grant(caller, (Effect.READ, Effect.WRITE)[number % 3 == 0])
        assert name == grant.subject == subject(grant)

    await asyncio.gather(*(one(number) for number in range(400)))
    assert 2 < len(bench.idp.exchanges) < 400


async def test_the_cache_is_bounded(bench: Bench) -> None:
    """It keeps as many grants as it was told."""
    source = bench.make(cached=3)
    for number in range(6):
        await source.grant(GrantOrder(await bench.caller(sub=f"p{number}"), Effect.READ))
    assert len(source.kept) == 3


async def test_a_wrong_secret_is_the_operators_trouble(bench: Bench) -> None:
    """The person is not sent to sign in again for it."""
    source = bench.make(client_secret="wrong")
    with pytest.raises(Unavailable) as caught:
        await source.grant(GrantOrder(await bench.caller(), Effect.READ))
    assert "invalid_client" in caught.value.private
    assert "check the gateway's client" in caught.value.private
