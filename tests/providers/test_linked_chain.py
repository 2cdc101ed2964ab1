"""The chain where Jira is connected once in the browser: each provider, Jira Cloud and Jira Data Center.

The provider signs the browser and the assistant in; it is not asked at any call. So what signing out and
being switched off do there is another matter than with an exchange, and the table says which.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from typing import Any

import pytest
import pytest_asyncio

from gateway import clock
from gateway.identity.revocation import Revocation
from gateway.leaving import KILLED, cut_off
from sandbox.people import PEOPLE
from tests.providers.linked import SITE, Linked, address, linked
from tests.providers.place import Place
from tests.providers.provider import Refused
from tests.providers.test_acceptance import Show
from tests.signin.world import heading, said

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONNECT, SIGN_OUT = f"/connect/{SITE}", "/login/out"


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["atlassian", "datacenter"])
async def chain(
    request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Linked]:
    """A gateway whose people connect that kind of Jira."""
    async with linked(place, request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
def show(record_property: Callable[[str, object], None], chain: Linked) -> Show:
    """As in `test_acceptance.py`, with the source of the chain."""
    record_property("provider", chain.place.provider.name)
    record_property("mode", chain.place.mode)
    record_property("source", chain.source)

    def tell(scenario: str = "", *, shown: str = "") -> None:
        record_property(*(("scenario", scenario) if scenario else ("shown", shown)))

    return tell


@contextmanager
def set_to(thing: object, name: str, value: Any) -> Any:
    """An attribute for the length of a block."""
    before = getattr(thing, name)
    setattr(thing, name, value)
    try:
        yield
    finally:
        setattr(thing, name, before)


async def test_sign_in_and_connect(chain: Linked, show: Show) -> None:
    """Asked by the assistant, a person signs in through the provider, agrees at Jira, and calls as that person."""
    show("sign in, connect, call")
    token = (await chain.place.provider.token("ana")).access
    asked = await chain.front.call(token, "jira_whoami")
    async with chain.browser("ana") as browser:
        assert heading(await browser.connect(address(asked))) == "Connected"
        assert "Disconnect" in said(await browser.open("/connect"))
    assert (await chain.front.call(token, "jira_whoami")).data["email"] == PEOPLE["ana"].email
    found = await chain.front.call(token, "jira_search", jql="project = OPEN ORDER BY key")
    assert {row["key"].split("-")[0] for row in found.data["issues"]} == {"OPEN"}
    [made] = chain.told("link.made", "ana")
    [signed] = chain.told("signin.made", "ana")
    assert made["issuer"] == signed["issuer"] == chain.place.provider.issuer
    assert token.rsplit(".", 1)[1] not in str(chain.front.records())
    show(shown="from the assistant's address through the provider's page to Jira's; whoami and search as her")


async def test_connect_for_writing(chain: Linked, show: Show) -> None:
    """Who connected for reading is asked once more for a write, and then it is done."""
    show("connect for writing")
    token = await chain.connected("ana")
    wish = {"key": "OPEN-2", "body": "Written by her own grant."}
    asked = await chain.front.call(token, "jira_comment", **wish)
    assert "scope=write" in address(asked)
    async with chain.browser("ana") as browser:
        assert heading(await browser.connect(address(asked))) == "Connected"
    assert (await chain.front.call(token, "jira_comment", **wish)).result
    show(shown="reader first; a write asks for the second consent, and is done")


async def test_refresh(chain: Linked, show: Show) -> None:
    """Renewed before its end while calls go on, and once in a call that Jira answers with 401; after a restart too."""
    show("refresh")
    counts, front = chain.state.counts, chain.front
    provider = chain.place.provider
    with set_to(chain.state.rules, "access", 2.0):  # what the gateway is told; Jira takes it for longer
        token = await chain.connected("lee")
    before = counts["refresh_token"]
    async with asyncio.timeout(60):
        while counts["refresh_token"] == before:
            assert (await front.call(token, "jira_whoami")).data["email"] == PEOPLE["lee"].email
        while (await chain.links("lee"))[0].generation == 1:  # noqa: ASYNC110 - Jira answered, we are still writing
            await asyncio.sleep(0.01)
    with set_to(
        chain.state, "clock_skew", 3_601.0
    ):  # what it holds is over at Jira, and good for an hour here
        assert (await front.call(token, "jira_whoami")).data["email"] == PEOPLE["lee"].email
        assert (await front.call(token, "jira_search", jql="project = OPEN")).result
        assert counts["refresh_token"] == before + 2
        front.gateway.sites[0].credentials.forget(provider.issuer, provider.subject("lee"))
        chain.state.clock_skew = (
            7_202.0  # a gateway that begins has it from the vault, and knows nothing of it
        )
        assert (await front.call(token, "jira_whoami")).data["email"] == PEOPLE["lee"].email
        assert counts["refresh_token"] == before + 3
    show(shown="before its end while calls go on; at Jira's 401 once, in the call, which is answered")


async def test_another_persons_browser(chain: Linked, show: Show) -> None:
    """Pitfall 3: the address that bo's assistant was told, in hana's browser: refused, and on record."""
    show("another person's browser")
    token = (await chain.place.provider.token("bo")).access
    asked = await chain.front.call(token, "jira_whoami")
    async with chain.browser("hana") as browser:
        page = await browser.connect(address(asked))
    assert (page.status_code, heading(page)) == (403, "This address is not yours")
    assert chain.told("link.refused", "hana")
    assert not await chain.links("bo") and not await chain.links("hana")
    assert "http://" in (await chain.front.call(token, "jira_whoami")).refusal
    show(shown="“This address is not yours”; nothing is connected, and it is on record")


async def test_the_jira_account_of_somebody_else(chain: Linked, show: Show) -> None:
    """Pitfall 4: bo signs in as himself, and Jira's page is answered by mallory: refused."""
    show("another person's Jira account")
    token = (await chain.place.provider.token("bo")).access
    async with chain.browser("bo") as browser:
        asked = address(await chain.front.call(token, "jira_whoami"))
        assert heading(await browser.connect(asked, jira="mallory")) == "Nothing was connected"
    assert not await chain.links("bo")
    show(shown="“Nothing was connected”: the address that the provider verified is not the account's")


async def test_disconnect(chain: Linked, show: Show) -> None:
    """On the page a person ends the connection: the next call asks for it again, and it can be had again."""
    show("disconnect")
    token = await chain.connected("bo")
    assert (await chain.front.call(token, "jira_whoami")).result
    async with chain.browser("bo") as browser:
        ended = await browser.send(await browser.open("/connect"), CONNECT)
        assert heading(ended) == "Disconnected"
        asked = await chain.front.call(token, "jira_whoami")
        assert not await chain.links("bo")
        assert heading(await browser.connect(address(asked))) == "Connected"
    assert (await chain.front.call(token, "jira_whoami")).data["email"] == PEOPLE["bo"].email
    show(shown="the grant is destroyed; the next call asks for the connection; connected again it works")


async def test_sign_out(chain: Linked, show: Show) -> None:
    """The browser is signed out here and asked who it is there; what the assistant holds is good to its end."""
    show("sign out")
    provider = chain.place.provider
    tokens = await provider.token("hana")
    await chain.connected("hana")
    async with chain.browser("hana") as browser:
        page = await browser.open("/connect")
        out = await browser.send(page, SIGN_OUT)
        assert heading(out) == "Signed out"
        assert chain.told("signin.ended", "hana")
        asked = await chain.front.http.get(chain.front.public_url + "/connect")
        assert asked.status_code == 303
    await provider.sign_out("hana")
    with pytest.raises(Refused) as refused:
        await provider.refresh(tokens)
    assert refused.value.error == "invalid_grant"
    assert (await chain.front.call(tokens.access, "jira_whoami")).result
    show(shown=f"the browser at once, the assistant within {tokens.life:.0f} s, when its token ends")


async def test_disabled(chain: Linked, show: Show) -> None:
    """Switched off at the provider: no sign-in and no new token; cut off here: 401 at once, and the grant ends."""
    show("be disabled")
    provider = chain.place.provider
    token = await chain.connected("hana")
    async with chain.browser("hana") as browser, chain.browser("hana") as fresh:
        assert heading(await browser.open("/connect")) == "Your connections"
        await provider.disable("hana")
        try:
            with pytest.raises(Refused):
                await fresh.open("/connect")
            with pytest.raises(Refused):
                await provider.token("hana")
            gateway = chain.front.gateway
            one = Revocation(
                "user",
                clock.wall() + 3600,
                issuer=provider.issuer,
                subject=provider.subject("hana"),
                reason=KILLED,
            )
            await cut_off([one], gateway.revocations, gateway.vault)
            assert (await chain.front.call(token, "jira_whoami")).status == 401
            assert not await chain.links("hana")
            with pytest.raises(Refused):
                await browser.open("/connect")
        finally:
            await provider.enable("hana")
    show(
        shown="no sign-in, no new token; `kill --user` or a security event: 401 at once, the grant destroyed"
    )
