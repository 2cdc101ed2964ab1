"""What every credential source promises, as tests that take the source as a fixture.

    class TestMine(Conformance):
        @pytest.fixture
        async def party(self) -> AsyncIterator[Party]:
            ...

A `Party` is a source with its authorization server and people who may use it.
"""

import asyncio
import logging
import random
from dataclasses import replace
from typing import Protocol

import pytest

from gateway import clock, limits
from gateway.credential import CredentialSource, GrantOrder
from gateway.errors import GatewayError, Unavailable
from gateway.model import Caller, Effect, Grant

PARTS = {"credential", "vault", "store", "jira"}
EFFECTS = (Effect.READ, Effect.WRITE)


class Party(Protocol):
    """A source, where its grants come from, and people: `ana` and `bo` may use it, `mallory` may not."""

    @property
    def source(self) -> CredentialSource: ...

    async def caller(self, name: str) -> Caller:
        """That person calls, with a token good for a few minutes at least."""

    def owner(self, grant: Grant) -> str:
        """As whom Jira would take the secret: the person's name."""

    def secrets(self) -> list[str]:
        """Everything that may be printed nowhere."""

    def slow(self, seconds: float) -> None:
        """From now on each answer takes so long."""

    async def down(self) -> None:
        """From now on no new grant can be had."""

    async def withdraw(self, name: str) -> None:
        """The place that the grants come from gives that person none any more."""


async def ask(party: Party, name: str, effect: Effect = Effect.READ, refused: Grant | None = None) -> Grant:
    """A grant for that person."""
    return await party.source.grant(GrantOrder(await party.caller(name), effect, refused))


class Conformance:
    """Inherit it, and give it a `party`."""

    @pytest.mark.parametrize("effect", EFFECTS)
    async def test_a_grant_is_the_callers_own(self, party: Party, effect: Effect) -> None:
        """Its subject is the caller, and so is whom Jira would see; it ends with the caller's token."""
        for name in ("ana", "bo"):
            caller = await party.caller(name)
            grant = await party.source.grant(GrantOrder(caller, effect))
            assert (caller.issuer, caller.subject) == (grant.issuer, grant.subject)
            assert name == party.owner(grant)
            assert clock.wall() < grant.expires_at <= caller.expires_at
            assert grant.source and grant.scopes

    @pytest.mark.parametrize("effect", EFFECTS)
    async def test_who_has_none_gets_none(self, party: Party, effect: Effect) -> None:
        """There is no fallback: not before others have grants, and not after."""
        for _ in range(2):
            with pytest.raises(GatewayError):
                await ask(party, "mallory", effect)
            await ask(party, "ana", effect)

    async def test_the_same_subject_elsewhere_is_somebody_else(self, party: Party) -> None:
        """The person is issuer and subject (pitfall 17)."""
        caller = await party.caller("ana")
        await party.source.grant(GrantOrder(caller, Effect.READ))
        with pytest.raises(GatewayError):
            await party.source.grant(GrantOrder(replace(caller, issuer="https://other.test"), Effect.READ))

    async def test_a_grant_is_kept(self, party: Party) -> None:
        """The next call gets the same one; another person does not."""
        first, second = await ask(party, "ana"), await ask(party, "ana")
        assert first.secret.reveal() == second.secret.reveal()
        assert first.secret.reveal() != (await ask(party, "bo")).secret.reveal()

    async def test_an_expired_one_is_never_given(self, party: Party) -> None:
        """Past its end, and past the skew that a caller's token is allowed, there is another one or none."""
        first = await ask(party, "ana")
        late = first.expires_at - clock.wall() + limits.LEEWAY_SECONDS + 1
        with clock.shifted(wall=late):
            try:
                second = await ask(party, "ana")
            except GatewayError:
                return
            assert second.expires_at > clock.wall()

    async def test_a_refused_one_is_not_given_again(self, party: Party) -> None:
        """What Jira refused as expired is renewed, also for the calls after."""
        first = await ask(party, "ana")
        renewed = await ask(party, "ana", refused=first)
        assert (first.subject, "ana") == (renewed.subject, party.owner(renewed))
        assert first.secret.reveal() != renewed.secret.reveal()
        assert (await ask(party, "ana")).secret.reveal() == renewed.secret.reveal()

    async def test_down_is_unavailable_and_nothing_else(self, party: Party) -> None:
        """The part is named, what is kept goes on, and nobody gets another's (F11)."""
        kept = await ask(party, "ana")
        await party.down()
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                await ask(party, "bo")
            assert caught.value.part in PARTS
            assert kept.secret.reveal() == (await ask(party, "ana")).secret.reveal()

    async def test_a_forgotten_one_is_not_given_again(self, party: Party) -> None:
        """`forget` reaches that person's grants, and only theirs."""
        await ask(party, "ana")
        others = await ask(party, "bo")
        caller = await party.caller("ana")
        await party.withdraw("ana")
        party.source.forget(caller.issuer, caller.subject)
        with pytest.raises(GatewayError):
            await party.source.grant(GrantOrder(caller, Effect.READ))
        assert others.secret.reveal() == (await ask(party, "bo")).secret.reveal()

    async def test_forget_reaches_what_is_under_way(self, party: Party) -> None:
        """A grant that was being obtained when its person was forgotten is not kept."""
        caller = await party.caller("ana")
        party.slow(0.05)
        under_way = asyncio.create_task(party.source.grant(GrantOrder(caller, Effect.READ)))
        await asyncio.sleep(0)
        party.source.forget(caller.issuer, caller.subject)
        await asyncio.wait([under_way])
        await party.withdraw("ana")
        with pytest.raises(GatewayError):
            await party.source.grant(GrantOrder(caller, Effect.READ))
        under_way.exception()

    async def test_two_people_never_mix(self, party: Party) -> None:
        """2 people, 200 calls each, interleaved, with delays, refusals and forgetting: no mix-up (pitfall 5)."""
        dice = random.Random(5)
        subjects = {name: (await party.caller(name)).subject for name in ("ana", "bo")}
        last: dict[str, Grant] = {}
        mixed: list[str] = []
        party.slow(0.001)

        async def one(name: str, pause: float, effect: Effect, event: float) -> None:
            await asyncio.sleep(pause)
            refused = last.get(name) if event < 0.03 else None
            grant = await ask(party, name, effect, refused)
            last[name] = grant
            if (grant.subject, party.owner(grant)) != (subjects[name], name):
                mixed.append(f"{name} got {party.owner(grant)}")
            if event > 0.97:
                party.source.forget(grant.issuer, grant.subject)

        calls = [
            one(name, dice.random() / 20, dice.choice(EFFECTS), dice.random())
            for name in ("ana", "bo")
            for _ in range(200)
        ]
        dice.shuffle(calls)
        await asyncio.gather(*calls)
        assert mixed == []

    async def test_many_at_once_get_one(self, party: Party) -> None:
        """Two hundred calls of one person at once get the same grant, and none of another's."""
        callers = {name: await party.caller(name) for name in ("ana", "bo")}
        party.slow(0.02)
        grants = await asyncio.gather(
            *(party.source.grant(GrantOrder(callers[("ana", "bo")[n % 2]], Effect.READ)) for n in range(200))
        )
        assert [("ana", "bo")[n % 2] for n in range(200)] == [party.owner(grant) for grant in grants]
        assert len({grant.secret.reveal() for grant in grants}) == 2

    async def test_nothing_prints_a_secret(self, party: Party, caplog: pytest.LogCaptureFixture) -> None:
        """Grants, orders, errors, states and the log at its most talkative (F36, pitfall 23)."""
        told: list[str] = []
        with caplog.at_level(logging.DEBUG):
            grant = await ask(party, "ana")
            await ask(party, "ana", refused=grant)
            order = GrantOrder(await party.caller("ana"), Effect.WRITE, grant)
            told += [repr(grant), str(grant), repr(order), repr(party.source), party.source.state()[1]]
            await party.down()
            for name in ("bo", "mallory"):
                with pytest.raises(GatewayError) as caught:
                    await ask(party, name)
                told += [str(caught.getrepr(style="long")), caught.value.public, caught.value.private]
        told += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
        secrets = [secret for secret in party.secrets() if secret]
        assert secrets
        assert [text for text in told for secret in secrets if secret in text] == []
