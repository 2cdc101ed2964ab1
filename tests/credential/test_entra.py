"""On behalf of the caller at Entra: a tenant of the sandbox, and everything that it could lie about."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway import clock
from gateway.credential import GrantOrder, Parts
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.sources.entra import EntraSource, Settings, build
from gateway.errors import ConfigError, ConsentRequired, StepUpRequired, Unauthenticated, Unavailable
from gateway.http import Outward
from gateway.model import Account, Bearer, Caller, Effect, Grant
from sandbox.idp.entra import GATEWAY_APP, JIRA_API, JIRA_APP, SECRET, TENANT, Entra
from sandbox.people import PEOPLE
from tests.credential.conformance import Conformance
from tests.credential.served import Identity, claims, served

GOOD = {
    "source": "entra",
    "client_id": GATEWAY_APP,
    "client_secret": SECRET,
    "api": JIRA_API,
    "audience": JIRA_APP,
}


@dataclass
class Tenant:
    """A tenant, a source on it, and callers: also a `Party` of the conformance suite."""

    entra: Entra
    outward: Outward
    identity: Identity
    source: EntraSource
    tokens: dict[str, str] = field(default_factory=dict)

    def make(self, **changes: Any) -> EntraSource:
        """A source with other settings."""
        settings = Settings.model_validate({**GOOD, **changes})
        url = f"{self.entra.origin}/{TENANT}/oauth2/v2.0/token"
        endpoint = TokenEndpoint(self.outward, url, OAuthClient(settings))
        return EntraSource(settings, self.entra.issuer, endpoint, self.identity.towards(JIRA_APP))

    async def caller(self, name: str = "ana") -> Caller:
        token = self.tokens.setdefault(name, self.entra.token(name))
        return await self.identity.authenticate(Bearer(token))

    async def grant(self, name: str = "ana", effect: Effect = Effect.READ) -> Grant:
        """A grant for that person."""
        return await self.source.grant(GrantOrder(await self.caller(name), effect))

    def owner(self, grant: Grant) -> str:
        return self.entra.name(claims(grant)["oid"])

    def secrets(self) -> list[str]:
        return [SECRET, *(token.rpartition(".")[2] for token in self.tokens.values())]

    def slow(self, seconds: float) -> None:
        self.entra.faults.hang = seconds

    async def down(self) -> None:
        self.entra.faults.only, self.entra.faults.status = frozenset({"token"}), 503

    async def withdraw(self, name: str) -> None:
        self.entra.disabled.add(name)


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """Running."""
    made: list[Entra] = []

    def app(origin: str) -> Any:
        made.append(Entra(origin, people=PEOPLE))
        return made[0].app()

    async with served(app), Outward() as outward:
        identity = Identity(outward, "entra", made[0].issuer, GATEWAY_APP)
        found = Tenant(made[0], outward, identity, None)  # type: ignore[arg-type]
        found.source = found.make()
        yield found


class TestEntra(Conformance):
    """On behalf of the caller."""

    @pytest.fixture
    async def party(self, tenant: Tenant) -> Tenant:
        """The tenant knows ana and bo; mallory's account is disabled."""
        await tenant.withdraw("mallory")
        return tenant


async def test_a_grant_is_the_persons_by_tenant_and_object_id(tenant: Tenant) -> None:
    """`sub` differs for each application; `tid` and `oid` do not. The grant ends with the caller's token."""
    caller = await tenant.caller()
    grant = await tenant.grant(effect=Effect.WRITE)
    assert grant.subject == caller.subject == f"{TENANT}:{tenant.entra.oid('ana')}"
    assert (grant.audience, grant.source) == (JIRA_APP, "entra")
    assert grant.scopes == {"Jira.Read", "Jira.Write"}
    assert grant.expires_at == caller.expires_at
    assert claims(grant)["exp"] > caller.expires_at
    assert caller.token.reveal() != grant.secret.reveal()


async def test_a_read_with_a_token_that_can_write_says_so(tenant: Tenant) -> None:
    """Entra cannot narrow it: the record tells (`broad`). Where writing was not granted, it is not broad."""
    assert (await tenant.grant(effect=Effect.READ)).broad
    assert not (await tenant.grant(effect=Effect.WRITE)).broad
    tenant.entra.granted = ["Jira.Read"]
    assert not (await tenant.grant("bo")).broad
    with pytest.raises(Unavailable) as caught:
        await tenant.grant("bo", Effect.WRITE)
    assert "scope is less" in caught.value.private


@pytest.mark.parametrize(
    ("lies", "around", "why"),
    [
        ({"oid": lambda t: t["oid"][:-1] + "0"}, {}, "sub is another person"),
        ({"oid": None}, {}, "oid is missing"),
        ({"tid": "99999999-2222-4333-8444-555555555555"}, {}, "tid is not"),
        ({"aud": "api://other"}, {}, "aud is somebody else"),
        ({"aud": GATEWAY_APP}, {}, "aud is somebody else"),
        ({"aud": lambda t: [t["aud"], "api://other"]}, {}, "aud is somebody else as well"),
        ({"iss": "https://login.microsoftonline.com/other/v2.0"}, {}, "iss is not one of ours"),
        ({"scp": "Jira.Read Jira.Write Jira.Admin"}, {}, "scope is more"),
        ({"scp": "Jira.Write"}, {}, "scope is less"),
        ({"scp": None}, {}, "scp is missing"),
        ({"exp": lambda t: t["exp"] + 7200}, {}, "exp is beyond"),
        ({"cnf": {"jkt": "x"}}, {}, "cnf"),
        ({}, {"scope": f"{JIRA_API}/Jira.Admin"}, "scope is more"),
        ({}, {"token_type": "pop"}, "token_type"),
        ({}, {"access_token": "opaque"}, "three base64url"),
        ({}, {"access_token": None}, "access_token is missing"),
        ({}, {"expires_in": "3600"}, "expires_in"),
    ],
    ids=str,
)
async def test_a_wrong_answer_is_thrown_away(
    tenant: Tenant, lies: dict[str, Any], around: dict[str, Any], why: str
) -> None:
    """Another person, a broader audience, more permissions, a longer life: the private text says which (F16)."""
    await tenant.caller()
    tenant.entra.faults.exchange_claims = lies
    tenant.entra.faults.exchange_reply = around
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await tenant.grant()
        assert (caught.value.part, len(tenant.source.kept)) == ("credential", 0)
        assert "thrown away" in caught.value.private and why in caught.value.private
        assert "ana" not in caught.value.public
    assert "last attempt failed" in tenant.source.state()[1]


async def test_a_program_is_not_traded_for(tenant: Tenant) -> None:
    """On-behalf-of is for people; an application's own token is not even sent."""
    program = tenant.entra.token("ana", scp=None, roles=["Reader"], idtyp="app")
    caller = await tenant.identity.authenticate(Bearer(program))
    assert caller.service
    with pytest.raises(Unavailable) as caught:
        await tenant.source.grant(GrantOrder(caller, Effect.READ))
    assert "for people" in caught.value.private
    assert tenant.entra.traded == 0


async def test_the_callers_token_goes_to_entra_alone(tenant: Tenant) -> None:
    """Pitfall 1: what Jira gets is another token, for another audience, by another client."""
    caller = await tenant.caller()
    told = claims(await tenant.grant())
    assert (told["aud"], told["azp"]) == (JIRA_APP, GATEWAY_APP)
    assert caller.token.reveal() not in repr(await tenant.grant())


async def test_conditional_access_is_passed_on(tenant: Tenant) -> None:
    """The claims come to the assistant as they came from Entra; the next sign-in gets a grant."""
    tenant.entra.challenge = '{"access_token":{"capolids":{"essential":true,"values":["c1"]}}}'
    for _ in range(2):
        with pytest.raises(StepUpRequired) as caught:
            await tenant.grant()
        assert caught.value.claims == tenant.entra.challenge
    tenant.entra.challenge = ""
    assert await tenant.grant()


async def test_without_consent_the_person_is_told(tenant: Tenant) -> None:
    """AADSTS65001."""
    tenant.entra.granted = []
    with pytest.raises(ConsentRequired) as caught:
        await tenant.grant()
    assert "AADSTS65001" in caught.value.private and "AADSTS" not in caught.value.public


async def test_a_dead_token_is_the_callers(tenant: Tenant) -> None:
    """AADSTS500133 at the very end of a token's life: sign in again."""
    caller = await tenant.caller()
    with clock.shifted(wall=901), pytest.raises(Unauthenticated):
        await tenant.source.grant(GrantOrder(caller, Effect.READ))


async def test_a_token_for_another_application_is_the_operators(tenant: Tenant) -> None:
    """AADSTS500131: the assistant was registered for something else."""
    caller = await tenant.caller()
    other = tenant.entra.token("ana", aud="api://other")
    wrong = Caller(
        issuer=caller.issuer,
        subject=caller.subject,
        client=caller.client,
        scopes=caller.scopes,
        expires_at=caller.expires_at,
        token=type(caller.token)(other),
    )
    with pytest.raises(Unavailable) as caught:
        await tenant.source.grant(GrantOrder(wrong, Effect.READ))
    assert "AADSTS500131" in caught.value.private


async def test_a_new_secret_takes_over(tenant: Tenant) -> None:
    """AADSTS7000215 with the current one: the next is tried once and kept (no call fails)."""
    tenant.source = tenant.make(client_secret="gone", next_client_secret=SECRET)
    assert await tenant.grant()
    assert "make it the current one" in tenant.source.state()[1]
    tenant.source = tenant.make(client_secret="gone")
    with pytest.raises(Unavailable) as caught:
        await tenant.grant()
    assert "AADSTS7000215" in caught.value.private


async def test_two_hundred_at_once_trade_once_each(tenant: Tenant) -> None:
    """Single flight for one person."""
    callers = [await tenant.caller(name) for name in ("ana", "bo")]
    await asyncio.gather(*(tenant.source.grant(GrantOrder(callers[n % 2], Effect.READ)) for n in range(200)))
    assert tenant.entra.traded == 2


async def whose(access: str) -> Account:
    """Nobody asks in these tests."""
    raise AssertionError(access)


def parts(tenant: Tenant, issuer: str) -> Parts:
    """As the gateway hands them over."""
    return Parts(
        outward=tenant.outward,
        site="jira",
        site_url="https://jira.test",
        issuers={"corp": issuer},
        verifier=lambda issuer, audience, by="": tenant.identity.towards(audience),
        whose=whose,
        connect_url="https://gateway.test/connect/jira",
    )


async def test_the_token_endpoint_is_the_tenants(tenant: Tenant) -> None:
    """Worked out from the issuer; one of the older form must be told."""
    settings = Settings.model_validate(GOOD)
    source = build(settings, parts(tenant, tenant.entra.issuer))
    assert await source.grant(GrantOrder(await tenant.caller(), Effect.READ))
    with pytest.raises(ConfigError, match="token_endpoint"):
        build(settings, parts(tenant, f"https://sts.windows.net/{TENANT}/"))


def test_keys_of_ours_are_no_proof_at_entra() -> None:
    """It takes assertions by certificates only; that is told at start."""
    with pytest.raises(ValueError, match="client_secret_post"):
        Settings.model_validate({**GOOD, "client_auth": "private_key_jwt"})
