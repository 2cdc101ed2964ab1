"""Identity assertions: the person's provider and Jira's authorization server, and what each could lie about."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.credential import GrantOrder, Parts, SubjectToken
from gateway.credential.keys import ClientKeys
from gateway.credential.sources.idjag import NOTE, IdJagSource, Settings, build
from gateway.errors import ConsentRequired, Unavailable
from gateway.http import Outward
from gateway.model import Account, Bearer, Caller, Effect, Grant, Secret
from sandbox.idp import GATEWAY_CLIENT_ID, GATEWAY_CLIENT_SECRET, Idp, create_app
from sandbox.idp.faults import Faults
from sandbox.idp.idjag import id_token
from sandbox.idp.resource_server import CLIENT_ID, CLIENT_SECRET, ResourceServer
from sandbox.people import PEOPLE
from tests.credential.conformance import Conformance
from tests.credential.served import Identity, claims, served

GATEWAY = "http://127.0.0.1:3/mcp"
JIRA = "https://jira.test"
CONNECT = "https://gateway.test/connect/jira"


@dataclass
class Pair:
    """A provider, Jira's server that takes its word, and a source on both: also a `Party`."""

    idp: Idp
    server: ResourceServer
    outward: Outward
    identity: Identity
    source: IdJagSource
    tokens: dict[str, str] = field(default_factory=dict)
    signed_in: set[str] = field(default_factory=lambda: {"ana", "bo"})
    account: Mapping[str, Any] = field(default_factory=dict)
    """Lies of Jira's `/myself`."""

    def settings(self, **changes: Any) -> Settings:
        """Good ones, with changes."""
        return Settings.model_validate(
            {
                "source": "idjag",
                "experimental": True,
                "token_endpoint": f"{self.idp.issuer}/token",
                "client_id": GATEWAY_CLIENT_ID,
                "client_secret": GATEWAY_CLIENT_SECRET,
                "authorization_server": self.server.issuer,
                "authorization_token_endpoint": f"{self.server.issuer}/token",
                "authorization_client": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
                "resource": JIRA,
                **changes,
            }
        )

    def make(self, keys: ClientKeys | None = None, **changes: Any) -> IdJagSource:
        """A source as the gateway builds it."""
        parts = Parts(
            outward=self.outward,
            site="jira",
            site_url=JIRA,
            issuers={"corp": self.idp.issuer},
            verifier=lambda issuer, audience, by="": self.identity.towards(audience),
            whose=self.whose,
            connect_url=CONNECT,
            subject_token=self.subject_token,
            keys=keys,
        )
        return build(self.settings(**changes), parts)

    async def whose(self, access: str) -> Account:
        """Jira's `/myself`."""
        found = await self.server.jira_claims(access)
        person = PEOPLE[str((found or {}).get("sub", "mallory"))]
        return Account(**{"id": person.account_id, "email": person.email, "name": "", **self.account})

    async def subject_token(self, caller: Caller) -> SubjectToken | None:
        """The sign-in with us."""
        if caller.issuer != self.idp.issuer or caller.subject not in self.signed_in:
            return None
        return SubjectToken(Secret(id_token(self.idp, caller.subject, GATEWAY_CLIENT_ID)))

    async def caller(self, name: str = "ana") -> Caller:
        token = self.tokens.setdefault(name, self.idp.mint(name, email_verified=True))
        return await self.identity.authenticate(Bearer(token))

    async def grant(self, name: str = "ana", effect: Effect = Effect.READ) -> Grant:
        """A grant for that person."""
        return await self.source.grant(GrantOrder(await self.caller(name), effect))

    def owner(self, grant: Grant) -> str:
        return str(claims(grant)["sub"])

    def secrets(self) -> list[str]:
        signatures = (token.rpartition(".")[2] for token in self.tokens.values())
        return [GATEWAY_CLIENT_SECRET, CLIENT_SECRET, *signatures]

    def slow(self, seconds: float) -> None:
        self.server.faults.hang = seconds

    async def down(self) -> None:
        self.server.faults.status = 503

    async def withdraw(self, name: str) -> None:
        self.idp.disabled.add(name)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Running."""
    made: list[Any] = []

    def provider(origin: str) -> Any:
        app = create_app(issuer=origin, gateway_resource=GATEWAY, jira_audience=JIRA, people=PEOPLE)
        made.append(app.state.idp)
        return app

    def server(origin: str) -> Any:
        made.append(ResourceServer(issuer=origin, provider=made[0], resource=JIRA))
        return made[1].app()

    async with AsyncExitStack() as running:
        await running.enter_async_context(served(provider))
        await running.enter_async_context(served(server))
        outward = await running.enter_async_context(Outward())
        identity = Identity(outward, "rfc9068", made[0].issuer, GATEWAY)
        found = Pair(made[0], made[1], outward, identity, None)  # type: ignore[arg-type]
        found.source = found.make()
        yield found


class TestIdJag(Conformance):
    """Identity assertions."""

    @pytest.fixture
    async def party(self, pair: Pair) -> Pair:
        """ana and bo have signed in with us; mallory has not."""
        return pair


async def test_a_grant_is_the_persons_in_two_steps(pair: Pair) -> None:
    """The account that Jira names goes along, so that Jira must answer as this one."""
    grant = await pair.grant(effect=Effect.WRITE)
    told = claims(grant)
    assert (told["iss"], told["sub"], told["aud"]) == (pair.server.issuer, "ana", JIRA)
    assert told["client_id"] == CLIENT_ID
    assert grant.account == PEOPLE["ana"].account_id
    assert grant.scopes == {"read:jira-work", "write:jira-work"}
    assert (grant.audience, grant.source, grant.broad) == (JIRA, "idjag", False)


async def test_without_a_sign_in_with_us_the_person_is_asked_to(pair: Pair) -> None:
    """A resource server never sees an ID token: the person opens our page once."""
    pair.signed_in.clear()
    with pytest.raises(ConsentRequired) as caught:
        await pair.grant()
    assert caught.value.url == CONNECT
    assert pair.idp.exchange_count == pair.server.granted == 0


ASSERTION = [
    ({"sub": "bo"}, "sub is another person"),
    ({"iss": "https://other.test"}, "iss is another"),
    ({"aud": "https://other.test"}, "aud is not that server alone"),
    ({"aud": lambda t: [t["aud"], "https://other.test"]}, "aud is not that server alone"),
    ({"client_id": "another"}, "client_id is not ours"),
    ({"resource": "https://other.test"}, "resource is another"),
    ({"scope": "read:jira-work admin"}, "scope is more"),
    ({"scope": ["read:jira-work"]}, "scope is more"),
    ({"exp": lambda t: t["exp"] + 86_400}, "exp is too far"),
    ({"exp": None}, "exp is too far"),
]


@pytest.mark.parametrize(("lies", "why"), ASSERTION, ids=str)
async def test_a_wrong_assertion_goes_nowhere(pair: Pair, lies: dict[str, Any], why: str) -> None:
    """What the provider says of another person, server, client, scope or time is not passed on (F16)."""
    pair.idp.faults.exchange_claims = lies
    with pytest.raises(Unavailable) as caught:
        await pair.grant()
    assert f"assertion: {why}" in caught.value.private
    assert pair.server.granted == 0


@pytest.mark.parametrize(
    "around", [{"issued_token_type": None}, {"access_token": "opaque"}, {"access_token": None}], ids=str
)
async def test_what_is_no_assertion_goes_nowhere(pair: Pair, around: dict[str, Any]) -> None:
    """Form and type are looked at first."""
    pair.idp.faults.exchange_reply = around
    with pytest.raises(Unavailable, match="No Jira credential"):
        await pair.grant()
    assert pair.server.granted == 0


async def test_an_access_token_is_no_assertion(pair: Pair) -> None:
    """Pitfall 7: its `typ` tells."""
    pair.idp.faults.exchange_reply = {"access_token": pair.idp.mint("ana")}
    with pytest.raises(Unavailable) as caught:
        await pair.grant()
    assert "typ is not that of" in caught.value.private


TOKEN = [
    ({"sub": "bo"}, {}, "another person's"),
    ({"aud": "https://other.test"}, {}, "aud is not the resource alone"),
    ({"aud": [JIRA, "https://other.test"]}, {}, "aud is not the resource alone"),
    ({"scope": "read:jira-work admin"}, {}, "scope is more"),
    ({"exp": lambda t: t["exp"] + 86_400}, {}, "exp is beyond"),
    ({}, {"scope": "read:jira-work admin"}, "scope is more"),
    ({}, {"expires_in": 86_400}, "exp is beyond"),
    ({}, {"expires_in": None}, "exp is beyond"),
    ({}, {"expires_in": "300"}, "expires_in"),
    ({}, {"token_type": "N_A"}, "token_type"),
    ({}, {"access_token": None}, "access_token is missing"),
]


@pytest.mark.parametrize(("lies", "around", "why"), TOKEN, ids=str)
async def test_a_wrong_token_is_thrown_away(
    pair: Pair, lies: dict[str, Any], around: dict[str, Any], why: str
) -> None:
    """Jira's server may lie as well: nothing of it is kept (F16)."""
    pair.server.faults = Faults(exchange_claims=lies, exchange_reply=around)
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await pair.grant()
        assert "thrown away" in caught.value.private and why in caught.value.private
    assert len(pair.source.kept) == 0


async def test_an_account_of_another_address_is_not_used(pair: Pair) -> None:
    """Pitfall 4: `/myself` decides whose it is, by the rule of the settings."""
    pair.account = {"email": "somebody@else.test"}
    with pytest.raises(Unavailable) as caught:
        await pair.grant()
    assert "another person's" in caught.value.private
    accounts = [{"issuer": "corp", "subject": "ana", "account": PEOPLE["ana"].account_id}]
    pair.source = pair.make(match="map", accounts=accounts)
    assert await pair.grant()


async def test_an_assertion_is_spent_once(pair: Pair) -> None:
    """Each grant takes a new one: the server refuses to take one twice."""
    first, second = await pair.grant(), await pair.grant(effect=Effect.WRITE)
    assert first.secret.reveal() != second.secret.reveal()
    assert (pair.idp.exchange_count, pair.server.granted) == (2, 2)


async def test_the_callers_token_goes_nowhere(pair: Pair) -> None:
    """Pitfall 1: neither the provider nor Jira's server is shown the token that came with the call."""
    seen: list[bytes] = []

    async def spy(_: str, request: Any) -> None:
        seen.append(await request.body())

    pair.idp.faults.hook = pair.server.faults.hook = spy
    caller = await pair.caller()
    await pair.grant()
    assert len(seen) >= 2
    assert not [body for body in seen if caller.token.reveal().encode() in body]


def test_it_is_off_until_it_is_wanted(pair: Pair) -> None:
    """`experimental = true` is missing: the settings are refused; with it, `check` tells."""
    with pytest.raises(ValueError, match="experimental = true"):
        pair.settings(experimental=False)
    with pytest.raises(ValueError, match="match"):
        pair.settings(match="confirm")
    assert pair.settings().notes() == [NOTE]
    assert "experimental" in NOTE
