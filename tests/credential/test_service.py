"""Service accounts: for programs that a rule names, and never instead of a person."""

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, limits
from gateway.config import shipped_policies
from gateway.credential import GrantOrder, Parts
from gateway.credential.sources.service import ServiceSource, Settings, build
from gateway.errors import ConsentRequired, Denied, GatewayError, Unavailable
from gateway.http import Outward
from gateway.model import Account, Bearer, Caller, Effect, Grant, Secret
from gateway.settings import SecretFile
from sandbox.idp import GATEWAY_CLIENT_ID, GATEWAY_CLIENT_SECRET, Idp, create_app
from sandbox.idp.clients import Client
from sandbox.jira.auth import api_token
from sandbox.people import PEOPLE, Person
from tests.credential.served import claims, served
from tests.world import World

JIRA = "http://127.0.0.1:2"
ROBOT = Person("reports", "Nightly reports", "reports@sandbox.example.com", "712020:robot", ("staff",), "no")
EVERYBODY = {**PEOPLE, "reports": ROBOT}
SECRET = "robot-secret"
RULE = """
@id("report-reads") @reason("The nightly report may read.")
permit (principal == Jira::User::"{principal}", action in Jira::Action::"read", resource)
when {{ principal.service }};
"""
CASES = """
people: {{report: {{issuer: "{issuer}", subject: nightly-report, service: true}}}}
cases:
  - {{name: the report reads, person: report, tool: jira_whoami, expect: {{decision: allow}}}}
"""


def clients(idp: Idp) -> None:
    """Two programs with tokens for the gateway, and the service account's own client at Jira."""
    for name in ("nightly-report", "other-program"):
        idp.clients.add(Client(name, name, secret=SECRET, auth_method="client_secret_post", program=True))
    robot = Client("robot", "Robot", secret=SECRET, auth_method="client_secret_post", program=True)
    idp.clients.add(replace(robot, jira_account="reports"))


def program(name: str = "nightly-report", **changes: Any) -> Caller:
    """A program that calls with its own token."""
    facts: dict[str, Any] = {
        "issuer": "https://idp.test",
        "subject": name,
        "client": name,
        "scopes": frozenset({"jira:read"}),
        "expires_at": clock.wall() + 120,
        "token": Secret("t0ken"),
        "service": True,
        **changes,
    }
    return Caller(**facts)


class Bench:
    """A provider that gives the service account's tokens, and sources on it."""

    def __init__(self, idp: Idp, outward: Outward) -> None:
        self.idp = idp
        self.outward = outward
        self.source = self.make()

    def make(self, **changes: Any) -> ServiceSource:
        """A source with client credentials, unless changed."""
        own = {
            "client_id": "robot",
            "client_secret": SECRET,
            "token_endpoint": f"{self.idp.issuer}/token",
        }
        more = changes.pop("client", {})
        client = None if more is None else {**own, **more}
        given = {"source": "service", "account": ROBOT.account_id, "client": client, **changes}
        return build(Settings.model_validate(given), parts(self.outward))

    async def grant(self, caller: Caller | None = None, effect: Effect = Effect.READ) -> Grant:
        """A grant for that program."""
        return await self.source.grant(GrantOrder(caller or program(), effect))

    @property
    def asked(self) -> int:
        """Requests to the token endpoint."""
        return self.idp.counts["token"]


def parts(outward: Outward) -> Parts:
    """As the gateway hands them over."""

    async def whose(access: str) -> Account:
        raise AssertionError("nobody asks")

    def verifier(issuer: str, audience: str, by: str = "") -> Any:
        raise AssertionError("nobody verifies")

    return Parts(
        outward, "jira", JIRA, {"corp": "https://idp.test"}, verifier, whose, "https://gateway.test/c"
    )


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Running."""
    made: list[Idp] = []

    def app(origin: str) -> Any:
        provider = create_app(
            issuer=origin, gateway_resource="http://127.0.0.1:3/mcp", jira_audience=JIRA, people=EVERYBODY
        )
        made.append(provider.state.idp)
        clients(made[0])
        return provider

    async with served(app), Outward() as outward:
        yield Bench(made[0], outward)


async def test_a_program_acts_as_the_service_account(bench: Bench) -> None:
    """On record as itself, at Jira as the account of the settings, and no longer than its own token."""
    caller = program()
    grant = await bench.grant(caller)
    assert (grant.issuer, grant.subject) == (caller.issuer, caller.subject)
    assert (grant.account, grant.audience, grant.source) == (ROBOT.account_id, JIRA, "service")
    assert grant.expires_at == caller.expires_at < claims(grant)["exp"]
    assert (claims(grant)["sub"], claims(grant)["client_id"]) == ("reports", "robot")


async def test_a_read_carries_a_token_that_cannot_write(bench: Bench) -> None:
    """Each effect asks for its own scopes."""
    read, write = await bench.grant(), await bench.grant(effect=Effect.WRITE)
    assert (claims(read)["scope"], read.broad) == ("read:jira-work", False)
    assert claims(write)["scope"] == "read:jira-work write:jira-work"


async def test_a_token_is_kept_for_all_programs_until_its_end(bench: Bench) -> None:
    """It is the account's; who calls with it is told by the grant."""
    first, second = await bench.grant(), await bench.grant(program("other-program"))
    assert first.secret is second.secret and first.subject != second.subject
    assert bench.asked == 1
    with clock.shifted(wall=bench.idp.lifetimes.jira - limits.GRANT_SKEW_SECONDS + 1):
        assert (await bench.grant(program())).secret is not first.secret


async def test_a_refused_token_is_renewed(bench: Bench) -> None:
    """The one that Jira refused is not given again."""
    first = await bench.grant()
    renewed = await bench.source.grant(GrantOrder(program(), Effect.READ, refused=first))
    assert renewed.secret.reveal() != first.secret.reveal()
    assert (await bench.grant()).secret is renewed.secret


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE, Effect.DESTROY])
async def test_a_person_is_never_served(bench: Bench, effect: Effect) -> None:
    """Not even by the source itself, and nothing is asked for."""
    await bench.grant()
    asked = bench.asked
    with pytest.raises(ConsentRequired) as caught:
        await bench.grant(program(service=False), effect)
    assert "never stands in for a person" in caught.value.private
    assert bench.asked == asked


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"scope": "read:jira-work admin"}, "scope is more"),
        ({"expires_in": 10**7}, "lives too long"),
        ({"expires_in": None}, "lives too long"),
        ({"expires_in": "300"}, "expires_in"),
        ({"token_type": "mac"}, "token_type"),
        ({"access_token": ""}, "access_token is missing"),
    ],
    ids=str,
)
async def test_a_wrong_answer_is_thrown_away(bench: Bench, reply: dict[str, Any], why: str) -> None:
    """More scopes, a longer life, another kind: nothing of it is kept (F16)."""
    bench.idp.faults.exchange_reply = reply
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await bench.grant()
        assert why in caught.value.private and "thrown away" in caught.value.private
    assert bench.asked == 2
    assert "last attempt failed" in bench.source.state()[1]


async def test_a_wrong_client_is_the_operators(bench: Bench) -> None:
    """The program is not told to sign in again for it."""
    bench.source = bench.make(client={"client_secret": "wrong"})
    with pytest.raises(Unavailable) as caught:
        await bench.grant()
    assert "check the gateway's client" in caught.value.private


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_is_down(bench: Bench, status: int) -> None:
    """Unavailable; what is kept goes on, and it is back as soon as the server is (F11)."""
    kept = await bench.grant()
    bench.idp.faults.status = status
    with pytest.raises(Unavailable):
        await bench.grant(effect=Effect.WRITE)
    assert (await bench.grant()).secret is kept.secret
    bench.idp.faults.status = None
    assert await bench.grant(effect=Effect.WRITE)
    assert "failed" not in bench.source.state()[1]


async def test_an_api_token_goes_as_basic_and_is_read_again(bench: Bench, tmp_path: Path) -> None:
    """Its file may be replaced; one that Jira refused is not sent again before that."""
    (tmp_path / "token").write_text("first")
    secret = SecretFile("first", tmp_path / "token")
    bench.source = bench.make(client=None, email=ROBOT.email, api_token_secret=secret)
    grant = await bench.grant()
    assert (grant.scheme, grant.broad) == ("Basic", True)
    assert not (await bench.grant(effect=Effect.WRITE)).broad
    with pytest.raises(Unavailable) as caught:
        await bench.source.grant(GrantOrder(program(), Effect.READ, refused=grant))
    assert "make a new one" in caught.value.private
    (tmp_path / "token").write_text("second")
    with clock.shifted(mono=limits.FILE_LOOK_SECONDS):
        again = await bench.source.grant(GrantOrder(program(), Effect.READ, refused=grant))
    assert again.secret.reveal() != grant.secret.reveal()


@pytest.mark.parametrize(
    "changes", [{"client": None}, {"email": "x@y", "api_token_secret": "t"}, {"client": None, "email": "x@y"}]
)
async def test_there_is_one_way(bench: Bench, changes: dict[str, Any]) -> None:
    """Client credentials or an API token; neither and both are refused at start."""
    with pytest.raises(ValueError, match="either a `client` table"):
        bench.make(**changes)


async def test_nothing_prints_a_secret(bench: Bench) -> None:
    """Pitfall 23 (F36)."""
    grant = await bench.grant()
    bench.idp.faults.status = 500
    with pytest.raises(Unavailable) as caught:
        await bench.grant(effect=Effect.WRITE)
    told = f"{grant!r}{bench.source!r}{bench.source.state()}{caught.value!r}{caught.value.private}"
    assert SECRET not in told and grant.secret.reveal() not in told


def service(world: World, **changes: Any) -> dict[str, Any]:
    """Settings of a service account on the sandbox."""
    return {
        "source": "service",
        "account": ROBOT.account_id,
        "client": {
            "client_id": "robot",
            "client_secret": SECRET,
            "token_endpoint": f"{world.sandbox.issuer}/token",
        },
        **changes,
    }


class Placed(World):
    """A world whose Jira has the sources that `sources` makes of it, and a rule for the nightly report."""

    def __init__(self, folder: Path, sources: Any) -> None:
        super().__init__(folder, people=EVERYBODY, serve=False)
        self._sources = sources

    def prepare(self) -> None:
        """Programs at the provider, a rule for one of them, and the sources."""
        clients(self.sandbox.idp)
        rules = self.folder / "rules"
        shutil.copytree(shipped_policies(), rules)
        issuer = self.sandbox.issuer
        (rules / "30-programs.cedar").write_text(RULE.format(principal=f"{issuer}|nightly-report"))
        (rules / "tests" / "programs.yaml").write_text(CASES.format(issuer=issuer))
        self._environ["GATEWAY__JIRA__CREDENTIAL"] = json.dumps(self._sources(self))
        self._environ["GATEWAY__POLICY__DIR"] = str(rules)

    def of(self, name: str) -> Bearer:
        """A program's own token for the gateway."""
        token = self.sandbox.idp.mint(
            "ana", name, "jira:read jira:write", sub=name, groups=["staff"], email=None, acr=None, amr=None
        )
        return Bearer(token)

    @property
    def seen(self) -> list[str]:
        """As whom Jira was asked."""
        return [request.subject for request in self.sandbox.jira.requests]


def both(world: World) -> list[dict[str, Any]]:
    """Exchange for people, a service account for programs."""
    exchange = {
        "source": "exchange",
        "token_endpoint": f"{world.sandbox.issuer}/token",
        "client_id": GATEWAY_CLIENT_ID,
        "client_secret": GATEWAY_CLIENT_SECRET,
        "audience": world.sandbox.jira_url,
    }
    return [service(world), exchange]


async def test_a_person_at_a_site_with_only_a_service_account_is_refused(tmp_path: Path) -> None:
    """Nothing reaches Jira, nor the service account's token endpoint; nothing falls back."""
    async with Placed(tmp_path, lambda world: [service(world)]) as world:
        for tool in ("jira_whoami", "jira_list_projects"):
            with pytest.raises(ConsentRequired) as caught:
                await world.line(world.token("ana"), tool)
            assert "serves a person" in caught.value.private
        assert (world.seen, world.sandbox.idp.counts["token"]) == ([], 0)


async def test_a_program_that_a_rule_names_is_served_and_no_other(tmp_path: Path) -> None:
    """Denied by policy, the other one gets no credential at all."""
    async with Placed(tmp_path, lambda world: [service(world)]) as world:
        told = await world.line(world.of("nightly-report"), "jira_whoami")
        assert ROBOT.display_name in told.text
        assert set(world.seen) == {"reports"}
        asked, seen = world.sandbox.idp.counts["token"], len(world.seen)
        with pytest.raises(Denied):
            await world.line(world.of("other-program"), "jira_whoami")
        assert (world.sandbox.idp.counts["token"], len(world.seen)) == (asked, seen)
        assert [r["grant"]["source"] for r in world.records() if "grant" in r] == ["service"]


async def test_a_person_whose_own_way_fails_gets_no_other(tmp_path: Path) -> None:
    """Promise 1: with a service account right beside it, a failed exchange is a failure."""
    async with Placed(tmp_path, both) as world:
        assert "Ana" in (await world.line(world.token("ana"), "jira_whoami")).text
        assert "Nightly" in (await world.line(world.of("nightly-report"), "jira_whoami")).text
        seen = len(world.seen)
        world.sandbox.idp.faults.only, world.sandbox.idp.faults.status = frozenset({"exchange"}), 503
        with pytest.raises(Unavailable):
            await world.line(world.token("bo"), "jira_whoami")
        assert len(world.seen) == seen
        assert not [r for r in world.records() if r.get("subject") == "bo" and "grant" in r]


async def test_jira_must_answer_as_the_account_of_the_settings(tmp_path: Path) -> None:
    """A token of somebody else's is found out by Jira's own answer (F16: wrong subject)."""
    async with Placed(tmp_path, lambda world: [service(world, account="712020:another")]) as world:
        with pytest.raises(GatewayError) as caught:
            await world.line(world.of("nightly-report"), "jira_whoami")
        assert "another account" in caught.value.private


async def test_an_api_token_reaches_jira(tmp_path: Path) -> None:
    """Basic, with the service account's address."""
    ways = {"client": None, "email": ROBOT.email, "api_token_secret": api_token(ROBOT)}
    async with Placed(tmp_path, lambda world: [service(world, **ways)]) as world:
        assert ROBOT.display_name in (await world.line(world.of("nightly-report"), "jira_whoami")).text
        assert set(world.seen) == {"reports"}
        (told,) = [r["grant"] for r in world.records() if "grant" in r]
        assert (told["account"], told["broad"]) == (ROBOT.account_id, True)
