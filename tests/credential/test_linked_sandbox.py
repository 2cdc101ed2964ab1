"""The linked sources against servers that behave as Atlassian's documents say, on the gateway's own vault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway import clock
from gateway.credential import GrantOrder, Parts
from gateway.credential.linked import LinkedSource
from gateway.credential.sealed import SealedVault
from gateway.credential.sources import atlassian, datacenter
from gateway.errors import ConsentRequired, LinkRefused
from gateway.http import Ask, Outward
from gateway.jira.client import JiraClient
from gateway.jira.datacenter.client import DataCenterClient
from gateway.model import Account, Caller, Effect, Grant, Person, Secret
from gateway.store.sql import Database
from sandbox.atlassian import App, add_site
from sandbox.atlassian import create_app as create_atlassian
from sandbox.datacenter import create_app as create_datacenter
from sandbox.people import PEOPLE
from sandbox.serve import Served, listen
from tests.credential.linking import CALLBACK, CLOUD, CONNECT, ISSUER
from tests.credential.sealing import local
from tests.credential.shelf import SimpleRefresher

SITE = "https://acme.atlassian.test"
OTHER = "22222222-3333-4444-5555-666666666666"
APP = {"client_id": "gateway", "client_secret": "canary-secret"}
VERIFIER = "v" * 43


@dataclass
class Place:
    """One server, and a source on it."""

    state: Any
    source: LinkedSource
    outward: Outward
    jira: JiraClient

    def person(self, name: str) -> Person:
        return Person(ISSUER, name, PEOPLE[name].email)

    async def connect(
        self,
        name: str = "ana",
        *,
        as_whom: str = "",
        late: float = 0.0,
        site: str = CLOUD,
        write: bool = False,
    ) -> Account:
        """The browser's way: to the server, which says yes as `as_whom`, and back with a code."""
        challenge = create_s256_code_challenge(VERIFIER)
        url = self.source.authorize_url(state="s", challenge=challenge, redirect_uri=CALLBACK, write=write)
        yes = f"{url}&sandbox_approve={as_whom or name}&sandbox_site={site}"
        back = (await self.outward.send(Ask("GET", yes))).headers["Location"]
        answer = {key: values[0] for key, values in parse_qs(urlsplit(back).query).items()}
        assert (back.split("?")[0], answer["state"]) == (CALLBACK, "s")
        self.state.clock_skew = late
        try:
            return await self.source.complete(
                self.person(name), code=answer["code"], verifier=VERIFIER, redirect_uri=CALLBACK, write=write
            )
        finally:
            self.state.clock_skew = 0.0

    async def grant(self, effect: Effect = Effect.READ, refused: Grant | None = None) -> Grant:
        token = Secret("canary-token")
        ends = clock.wall() + 7200
        caller = Caller(ISSUER, "ana", "assistant", frozenset({"jira:read"}), ends, token)
        return await self.source.grant(GrantOrder(caller, effect, refused))

    async def whose(self, grant: Grant) -> str:
        """Whom Jira takes the grant for."""
        return (await self.jira.account(grant.secret.reveal())).email


def _parts(base: str, outward: Outward, jira: JiraClient, vault: SealedVault) -> Parts:
    return Parts(
        outward=outward,
        site="jira",
        site_url=base,
        issuers={"idp": ISSUER},
        verifier=lambda issuer, audience, by="": pytest.fail("a linked source verifies no token"),
        whose=jira.account,
        connect_url=CONNECT,
        callback_url=CALLBACK,
        refresher=SimpleRefresher(vault),
    )


@asynccontextmanager
async def place(kind: str, folder: Path) -> AsyncIterator[Place]:
    """That kind of server, running."""
    sock = listen("127.0.0.1", 0)
    root = f"http://127.0.0.1:{sock.getsockname()[1]}"
    apps = [App("gateway", ["canary-secret"], CALLBACK)]
    if kind == "atlassian":
        app = create_atlassian(apps)
        for cloud_id, url in ((OTHER, "https://other.atlassian.test"), (CLOUD, SITE)):
            add_site(app.state.atlassian, cloud_id, url=url)
        state, base = app.state.atlassian, f"{root}/ex/jira/{CLOUD}"
    else:
        app = create_datacenter(apps, base_url=root)
        state, base = app.state.datacenter, root
    async with (
        Served(app, sock),
        Outward() as outward,
        Database(f"sqlite:///{folder}/gateway.db") as database,
    ):
        vault = SealedVault(database, local())
        await vault.start()
        jira = (JiraClient if kind == "atlassian" else DataCenterClient)(outward, base)
        parts = _parts(base, outward, jira, vault)
        if kind == "atlassian":
            own = {**APP, "site_url": SITE, "authorization_server": root, "api": root}
            source = atlassian.build(atlassian.Settings.model_validate(own), parts)
        else:
            source = datacenter.build(datacenter.Settings.model_validate(APP), parts)
        yield Place(state, source, outward, jira)


@pytest.fixture(params=["atlassian", "datacenter"])
async def jira(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """Each kind."""
    async with place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Place]:
    """Two Cloud sites, of which the second is ours."""
    async with place("atlassian", tmp_path) as made:
        yield made


async def test_a_person_connects_reads_and_writes(jira: Place) -> None:
    """First for reading, then for writing; Jira sees the person each time."""
    assert (await jira.connect()).email == PEOPLE["ana"].email
    assert await jira.whose(await jira.grant()) == PEOPLE["ana"].email
    with pytest.raises(ConsentRequired) as caught:
        await jira.grant(Effect.WRITE)
    assert caught.value.url.endswith("?scope=write")
    await jira.connect(write=True)
    assert await jira.whose(await jira.grant(Effect.WRITE)) == PEOPLE["ana"].email
    assert (await jira.grant()).broad


async def test_it_is_refreshed_for_months(jira: Place) -> None:
    """Each month once, with the newest token, within what the server allows."""
    await jira.connect()
    seen = set()
    for month in range(1, 7):
        with clock.shifted(wall=month * 30 * 86_400):
            grant = await jira.grant()
            assert await jira.whose(grant) == PEOPLE["ana"].email
            seen.add(grant.id)
    assert len(seen) == 6
    assert jira.state.counts["refresh_token"] == 6


async def test_what_jira_refused_is_replaced(jira: Place) -> None:
    """Also in the middle of its life."""
    await jira.connect()
    first = await jira.grant()
    second = await jira.grant(refused=first)
    assert first.secret.reveal() != second.secret.reveal()
    assert await jira.whose(second) == PEOPLE["ana"].email


async def test_another_account_is_refused(jira: Place) -> None:
    """Ana's browser is signed in to Jira as bo (pitfall 4)."""
    with pytest.raises(LinkRefused):
        await jira.connect("ana", as_whom="bo")
    with pytest.raises(ConsentRequired):
        await jira.grant()


async def test_a_grant_that_was_idle_for_too_long(jira: Place) -> None:
    """Ninety days without a refresh end it; the person is told, and comes back."""
    await jira.connect()
    with clock.shifted(wall=91 * 86_400):
        with pytest.raises(ConsentRequired):
            await jira.grant()
        await jira.connect()
        assert await jira.grant()


async def test_a_late_code_is_refused(jira: Place) -> None:
    """The person is told to connect once more; on time it works."""
    with pytest.raises(LinkRefused, match="took too long"):
        await jira.connect(late=jira.state.code_seconds + 1)
    assert await jira.connect()


async def test_a_consent_for_another_site_is_refused(cloud: Place) -> None:
    """Though it is the first of those that the grant could reach."""
    with pytest.raises(LinkRefused, match="does not reach"):
        await cloud.connect(site=OTHER)
    assert await cloud.connect()


async def test_after_a_year_the_person_connects_again(cloud: Place) -> None:
    """However often it was refreshed."""
    await cloud.connect()
    for month in range(1, 13):
        with clock.shifted(wall=month * 30 * 86_400):
            await cloud.grant()
    with clock.shifted(wall=366 * 86_400), pytest.raises(ConsentRequired, match="greatest age"):
        await cloud.grant()
