"""Identity assertions (ID-JAG) through the official SDK's client: the provider's word in place of a browser.

assistant ──sign-in of its own, exchanged──> provider ──assertion for our gateway──> assistant
    └──assertion, with its secret──> gateway ──token──> assistant ──call──> gateway ──> Jira
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client

from sandbox.demo.assistant import _Memory
from sandbox.people import PEOPLE
from tests.providers.browser import post_form
from tests.providers.linked import Visitor, address, linked
from tests.providers.place import Answer, Front, Place
from tests.providers.provider import Refused
from tests.providers.test_acceptance import Show, show
from tests.providers.tokens import unverified
from tests.signin.world import heading

__all__ = ["show"]

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("provided", ["oidc-provider", "sandbox"], indirect=True),
]


class Agent:
    """A client of the gateway at `front`, with a secret, and the SDK's way with assertions about `user`."""

    def __init__(self, provider: Any, front: Front, user: str) -> None:
        self.provider, self.front, self.user = provider, front, user
        self.memory = _Memory()
        self.asked: list[tuple[str, str]] = []
        self.id = self.secret = ""

    async def admitted(self) -> None:
        """By both administrators: ours gives it a secret, and the provider's lets it have assertions for us."""
        assert self.front.gateway.assistants is not None
        registry = self.front.gateway.assistants.registry
        issued = await registry.add_static("An agent", [], auth_method="client_secret_post")
        assert issued.secret is not None
        self.id, self.secret = issued.client.id, issued.secret.reveal()
        await self.provider.partner(self.front.public_url, self.id)

    async def assertion(self, issuer: str, resource: str) -> str:
        """What the SDK asks for: an assertion for that authorization server and resource."""
        self.asked.append((issuer, resource))
        return str(await self.provider.vouched(self.user, issuer, resource))

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Connected."""
        flow = IdentityAssertionOAuthProvider(
            self.front.url, self.memory, self.id, self.secret, self.front.public_url, self.assertion
        )
        async with AsyncExitStack() as stack:
            http = httpx2.AsyncClient(auth=flow, trust_env=False, verify=False, timeout=60)
            await stack.enter_async_context(http)
            yield await stack.enter_async_context(
                Client(streamable_http_client(self.front.url, http_client=http))
            )

    @property
    def token(self) -> str:
        """The access token that it holds."""
        assert self.memory.tokens is not None
        return self.memory.tokens.access_token


async def test_an_assertion_in_place_of_a_browser(
    place: Place, show: Show, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The SDK signs in without a browser; the first call asks for the Jira account, which the person connects in
    one; then it works as that person, and every further token comes by a further assertion."""
    show("ID-JAG by the SDK, Jira linked")
    record_property("mode", "signin")
    record_property("source", "datacenter")
    async with linked(place, "datacenter", tmp_path, id_jag=True) as chain:
        agent = Agent(place.provider, chain.front, "ana")
        await agent.admitted()
        async with agent.client() as client:
            first = await client.call_tool("jira_whoami", {})
            assert first.is_error
            async with chain.browser("ana") as browser:
                await connected(browser, await chain.front.call(agent.token, "jira_whoami"))
            told = await client.call_tool("jira_whoami", {})
        assert not told.is_error, told
        assert (told.structured_content or {})["email"] == PEOPLE["ana"].email
        assert agent.asked == [(chain.front.public_url, chain.front.url)]
        claims = unverified(agent.token)
        assert (claims["client_id"], claims["sub"]) == (agent.id, place.provider.subject("ana"))
        assert (claims["iss"], claims["assurance"]) == (chain.front.public_url, "attested")
        assert agent.memory.tokens is not None and agent.memory.tokens.refresh_token is None
        [signed] = chain.told("assistant.signed_in", "ana")
        assert signed["client"] == agent.id
        await replayed(agent)
    show(
        shown="token without a browser or a refresh token; with the connected account it works; a replay is refused"
    )


async def connected(browser: Visitor, asked: Answer) -> httpx2.Response:
    """The account, connected at the address that the assistant was told."""
    page = await browser.connect(address(asked))
    assert heading(page) == "Connected", page.text
    return page


async def replayed(agent: Agent) -> None:
    """One assertion is good for one token, and for its own client alone."""
    text = await agent.assertion(agent.front.public_url, agent.front.url)
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": text,
        "client_id": agent.id,
        "client_secret": agent.secret,
        "resource": agent.front.url,
    }
    where = f"{agent.front.public_url}/token"
    assert (await post_form(where, form))["access_token"]
    with pytest.raises(Refused, match=r"invalid_grant.*used before"):
        await post_form(where, form)


@pytest.mark.parametrize("mode", ["signin"], indirect=True)
async def test_what_an_exchange_needs_is_not_in_an_assertion(place: Place, show: Show) -> None:
    """Where Jira's tokens are exchanged for, the call says so, and the assistant is not sent around in circles."""
    show("ID-JAG by the SDK, Jira by exchange")
    agent = Agent(getattr(place.provider, "inner"), place, "ana")  # noqa: B009 - the provider behind the gateway
    await agent.admitted()
    before = len(place.jira.requests)
    async with agent.client() as client:
        told = await client.call_tool("jira_whoami", {})
    assert told.is_error
    text = "".join(getattr(block, "text", "") for block in told.content)
    assert "Sign in through the browser instead" in text
    assert len(agent.asked) == 1
    assert len(place.jira.requests) == before
    [*_, last] = [record for record in place.records() if record.get("tool")]
    assert last["client"] == agent.id
    show(shown=f"“{text}”")
