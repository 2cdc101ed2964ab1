"""Both linked sources with the real refresher, against the sandbox's authorization servers and Jiras.

A person connects, calls, and goes on calling for months; nothing of it is a stand-in but the vault.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from gateway import clock
from gateway.credential import GrantOrder, Parts
from gateway.credential.linked import LinkedSource
from gateway.credential.refresh import VaultRefresher
from gateway.credential.vault import LinkKey
from gateway.errors import ConsentRequired
from gateway.http import Outward
from gateway.jira.client import JiraClient
from gateway.jira.datacenter.client import DataCenterClient
from gateway.model import Account, Bearer, Caller, Effect, Grant, Person, Secret
from gateway.store.memory import MemoryStore
from sandbox import atlassian, datacenter
from sandbox.people import PEOPLE
from sandbox.rotation import RotatingTokens
from sandbox.serve import Served, listen
from tests.credential.rotating import PACE
from tests.credential.shelf import MemoryVault

ISSUER, CALLBACK = "https://idp.test", "https://gateway.test/connect/jira/callback"
ANA = PEOPLE["ana"]
DAY = 86_400.0
VERIFIER = "v" * 43
JIRAS = {"atlassian": JiraClient, "datacenter": DataCenterClient}
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class World:
    """One source, connected by ana."""

    source: LinkedSource
    tokens: RotatingTokens
    outward: Outward
    myself: str
    vault: MemoryVault
    other: LinkedSource
    """The same in another replica."""

    async def grant(self, refused: Grant | None = None) -> Grant:
        return await self.source.grant(GrantOrder(caller(), Effect.READ, refused))

    async def whoami(self, grant: Grant) -> int:
        """The status of `/myself` with that grant, whatever it is."""
        async with httpx2.AsyncClient() as http:
            headers = {"Authorization": f"Bearer {grant.secret.reveal()}"}
            return (await http.get(self.myself, headers=headers)).status_code


def caller() -> Caller:
    """Ana's assistant, with a token that outlives the test."""
    return Caller(
        issuer=ISSUER,
        subject="ana",
        client="assistant",
        scopes=frozenset(),
        expires_at=clock.wall() + 400 * DAY,
        token=Secret("t"),
        email=ANA.email,
    )


def _no_verifier(issuer: str, audience: str, by: str = "") -> Callable[[Bearer], Awaitable[Caller]]:
    raise AssertionError("a linked source verifies no token")


def _server(name: str, base: str) -> tuple[Any, RotatingTokens, str, dict[str, Any]]:
    """(app, its tokens, the site's address, settings of the source)."""
    if name == "atlassian":
        app = atlassian.create_app([atlassian.App("app", ["secret"], CALLBACK)])
        state = app.state.atlassian
        atlassian.add_site(state, "cloud-id-1", url="https://acme.atlassian.test")
        own = {"site_url": "https://acme.atlassian.test", "authorization_server": base, "api": base}
        return app, state.tokens, f"{base}/ex/jira/cloud-id-1", own
    app = datacenter.create_app([datacenter.App("app", ["secret"], CALLBACK)], base_url=base)
    return app, app.state.datacenter.tokens, base, {}


@asynccontextmanager
async def connected(name: str) -> AsyncIterator[World]:
    """Everything running, and ana has been through the browser."""
    async with AsyncExitStack() as stack:
        listening = listen("127.0.0.1", 0)
        app, tokens, base, own = _server(name, f"http://127.0.0.1:{listening.getsockname()[1]}")
        await stack.enter_async_context(Served(app, listening))
        outward = await stack.enter_async_context(Outward())
        vault, store = MemoryVault(), MemoryStore()
        refresher = await stack.enter_async_context(VaultRefresher(vault, store, pace=PACE))

        async def whose(access: str) -> Account:
            return await JIRAS[name](outward, base).account(access)

        parts = Parts(
            outward=outward,
            site="jira",
            site_url=base,
            issuers={"idp": ISSUER},
            verifier=_no_verifier,
            whose=whose,
            connect_url="https://gateway.test/connect/jira",
            callback_url=CALLBACK,
            refresher=refresher,
        )
        module = import_module(f"gateway.credential.sources.{name}")
        given = {"client_id": "app", "client_secret": "secret", **own}
        source = module.build(module.Settings.model_validate(given), parts)
        replica = await stack.enter_async_context(VaultRefresher(vault, store, pace=PACE))
        other = module.build(module.Settings.model_validate(given), replace(parts, refresher=replica))
        url = source.authorize_url(state="s", challenge=CHALLENGE, redirect_uri=CALLBACK)
        async with httpx2.AsyncClient() as browser:
            reply = await browser.get(f"{url}&sandbox_approve=ana")
        code = parse_qs(urlsplit(reply.headers["location"]).query)["code"][0]
        await source.complete(
            Person(ISSUER, "ana", ANA.email), code=code, verifier=VERIFIER, redirect_uri=CALLBACK
        )
        yield World(source, tokens, outward, f"{base}{JIRAS[name].api}myself", vault, other)


@pytest.fixture(params=["atlassian", "datacenter"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with connected(request.param) as made:
        yield made


async def test_a_connected_person_goes_on_for_months(world: World) -> None:
    """Each day another hour, refreshed when it must be; the grant is always good at Jira."""
    for day in range(0, 300, 20):
        with clock.shifted(wall=day * DAY, mono=day * DAY):
            assert await world.whoami(await world.grant()) == 200
    assert world.tokens.reuses == 0 and world.tokens.refreshes == 14


async def test_a_token_that_jira_refuses_is_renewed_once(world: World) -> None:
    """It died before its end; what is given instead is good, and one request was enough."""
    grant = await world.grant()
    world.tokens._by_access.clear()
    assert await world.whoami(grant) == 401
    renewed = await world.grant(refused=grant)
    assert await world.whoami(renewed) == 200
    assert world.tokens.refreshes == 1
    assert (await world.grant()).id == renewed.id


async def test_a_removed_app_asks_to_connect_again(world: World) -> None:
    """With the reason in the vault and the address in the answer."""
    grant = await world.grant()
    world.tokens.end("ana")
    with pytest.raises(ConsentRequired) as caught:
        await world.grant(refused=grant)
    assert caught.value.url == "https://gateway.test/connect/jira"
    head = await world.vault.head(LinkKey(ISSUER, "ana", "jira"))
    assert head is not None and head.ended == "revoked"


async def test_a_cloud_grant_ends_after_a_year() -> None:
    """However often it was refreshed, and it is told so."""
    async with connected("atlassian") as world:
        for day in (0, 80, 160, 240, 320):
            with clock.shifted(wall=day * DAY, mono=day * DAY):
                await world.grant()
        with clock.shifted(wall=366 * DAY, mono=366 * DAY):
            with pytest.raises(ConsentRequired) as caught:
                await world.grant()
            assert "greatest age" in caught.value.public


async def test_a_disconnect_is_known_to_every_replica(world: World) -> None:
    """Another one that has the grant in memory does not serve with it any longer, without a minute's wait."""
    order = GrantOrder(caller(), Effect.READ)
    assert await world.other.grant(order)
    await world.source.unlink(Person(ISSUER, "ana", ANA.email))
    async with asyncio.timeout(20):
        while world.other._kept(LinkKey(ISSUER, "ana", "jira")) is not None:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    with pytest.raises(ConsentRequired):
        await world.other.grant(order)
