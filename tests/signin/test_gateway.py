"""The pages as a whole gateway serves them, beside its endpoint: an assistant asks, a person connects, Jira answers."""

import re
from contextlib import AsyncExitStack
from html import unescape
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError, UrlElicitationRequiredError
from mcp_types import ElicitRequestParams, ElicitRequestURLParams, ElicitResult

from gateway.app import Gateway
from gateway.config import load
from gateway.errors import ConfigError
from gateway.identity.revocation import Revocation
from sandbox.atlassian import App, add_site
from sandbox.atlassian import create_app as create_atlassian
from sandbox.people import PEOPLE
from sandbox.run import Sandbox
from sandbox.serve import Served, listen
from tests.signin.world import LOGIN, TLS, Browser, browser, heading, said
from tests.world import World

SIGN_IN = {f"GATEWAY__IDENTITY__ISSUERS__0__LOGIN__{name.upper()}": value for name, value in LOGIN.items()}


async def test_a_composed_gateway_signs_people_in(tmp_path: Path) -> None:
    """Sign in, look, be cut off: over its settings alone, and on its record."""
    async with World(tmp_path, settings=SIGN_IN) as world, AsyncExitStack() as stack:
        person = await browser(stack, world.sandbox.gateway_url)
        page = await person.open("/connect", user="bo")
        assert heading(page) == "Your connections" and "nothing to connect" in said(page)
        [made] = [record for record in world.records() if record["kind"] == "signin.made"]
        assert (made["issuer"], made["subject"]) == (world.sandbox.issuer, "bo")
        until = float("inf")
        await world.gateway.revocations.add(
            Revocation("user", until, issuer=world.sandbox.issuer, subject="bo", reason="killed")
        )
        assert (await person.get("/connect")).status_code == 303
        assert world.checked().ok


CLOUD = "11111111-2222-3333-4444-555555555555"
SITE_URL = "https://acme.atlassian.test"


class CloudWorld(World):
    """A gateway in front of a Jira Cloud site that each person connects."""

    async def __aenter__(self) -> Self:
        self.app = App("gateway-app", ["app-secret"], "set in prepare")
        cloud = create_atlassian([self.app])
        add_site(cloud.state.atlassian, CLOUD, url=SITE_URL)
        self.cloud = cloud.state.atlassian
        sock = listen("127.0.0.1", 0)
        self.atlassian = f"http://127.0.0.1:{sock.getsockname()[1]}"
        await self._stack.enter_async_context(Served(cloud, sock))
        self._environ |= SIGN_IN | {"GATEWAY__JIRA__URL": f"{self.atlassian}/ex/jira/{CLOUD}"}
        return await super().__aenter__()

    def prepare(self) -> None:
        self.app.callback = f"{self.sandbox.gateway_url}/connect/sandbox/callback"
        before, _, after = self.sandbox.config_toml().partition("[jira.credential]")
        _, _, rest = after.partition("[policy]")
        text = f"""{before}[jira.credential]
source = "atlassian"
client_id = "gateway-app"
client_secret = "app-secret"
site_url = "{SITE_URL}"
authorization_server = "{self.atlassian}"
api = "{self.atlassian}"

[database]
url = "sqlite:///gateway.db"

[vault]
key_secret = "k1:{"A" * 43}="

[policy]{rest}"""
        setattr(self.sandbox, "config_toml", lambda: text)  # noqa: B010 - a method, for this one world


class AtTheBrowser:
    """The person whom the assistant asks to open an address: signs in as `user` and agrees at Jira as `jira`."""

    def __init__(self, person: Browser, user: str, jira: str) -> None:
        self.person, self.user, self.jira = person, user, jira
        self.ended = ""

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestURLParams)
        await self.connect(params.url)
        return ElicitResult(action="accept")

    async def connect(self, url: str) -> None:
        page = await self.person.open(url, user=self.user)
        way = re.search(r'href="([^"]*)">Continue to Jira', page.text)
        if way is not None:
            page = await self.person.open(f"{unescape(way[1])}&sandbox_approve={self.jira}")
        self.ended = heading(page)


async def asks(world: World, user: str, opens: AtTheBrowser | None = None, mode: Any = "auto") -> Any:
    """What `user`'s assistant gets for asking who it is at Jira; `opens` makes it one that opens addresses.

    A `CallToolResult`, or the `MCPError` that the SDK raises (here, since its task groups would wrap it).
    """
    headers = {"authorization": f"Bearer {world.token(user)}"}
    async with httpx2.AsyncClient(headers=headers, verify=TLS, timeout=60) as http:
        transport: Any = streamable_http_client(world.url, http_client=http)
        async with Client(transport, mode=mode, elicitation_callback=opens) as assistant:
            try:
                return await assistant.call_tool("jira_whoami", {})
            except MCPError as error:
                return error


async def test_an_assistant_asks_a_person_connects_and_jira_answers_as_that_person(tmp_path: Path) -> None:
    """The whole way through the SDK's client: asked once, connected in the browser, answered, on record."""
    async with CloudWorld(tmp_path) as world, AsyncExitStack() as stack:
        person = AtTheBrowser(await browser(stack, world.sandbox.gateway_url), "ana", "ana")
        answer = await asks(world, "ana", person)
        assert person.ended == "Connected" and not answer.is_error, answer
        assert PEOPLE["ana"].display_name in str(answer.structured_content)
        assert not (await asks(world, "ana")).is_error  # the next call just works
        records = world.records()
        outcomes = [record["outcome"] for record in records if record["kind"] == "call"]
        assert outcomes == ["consent_required", "answered", "answered"]
        assert [r["account"] for r in records if r["kind"] == "link.made"] == [PEOPLE["ana"].account_id]
        assert world.checked().ok


async def test_pitfall_03_the_assistants_address_in_another_persons_browser(tmp_path: Path) -> None:
    """Ana's address in Bo's browser is refused; her assistant is as it was, and nothing is kept of either."""
    async with CloudWorld(tmp_path) as world, AsyncExitStack() as stack:
        bo = AtTheBrowser(await browser(stack, world.sandbox.gateway_url), "bo", "bo")
        answer = await asks(world, "ana", bo)
        assert bo.ended == "This address is not yours" and answer.is_error
        assert [r["kind"] for r in world.records() if r["kind"].startswith("link.")] == ["link.refused"]
        assert world.gateway.vault is not None
        for user in ("ana", "bo"):
            assert not await world.gateway.vault.of(world.sandbox.issuer, user)


async def test_pitfall_04_the_jira_account_of_somebody_else(tmp_path: Path) -> None:
    """Ana signs in as herself and agrees at Jira as Bo: refused, nothing is kept, and that is on record."""
    async with CloudWorld(tmp_path) as world, AsyncExitStack() as stack:
        ana = AtTheBrowser(await browser(stack, world.sandbox.gateway_url), "ana", "bo")
        answer = await asks(world, "ana", ana)
        assert ana.ended == "Nothing was connected" and answer.is_error
        assert world.gateway.vault is not None
        assert not await world.gateway.vault.of(world.sandbox.issuer, "ana")
        assert len([r for r in world.records() if r["kind"] == "link.refused"]) == 1


async def test_the_handshake_era_and_clients_that_open_nothing(tmp_path: Path) -> None:
    """-32042 for the one, the address in text for the other: both lead to the same page."""
    async with CloudWorld(tmp_path) as world, AsyncExitStack() as stack:
        person = AtTheBrowser(await browser(stack, world.sandbox.gateway_url), "bo", "bo")
        raised = await asks(world, "bo", person, "legacy")
        [asked] = UrlElicitationRequiredError.from_error(raised.error).elicitations
        told = await asks(world, "bo")
        found = re.search(r"http://\S+", str(told.content))
        assert told.is_error and found and found[0].split("?")[0] == asked.url.split("?")[0]
        await person.connect(found[0])
        assert person.ended == "Connected"
        assert not (await asks(world, "bo", mode="legacy")).is_error


async def test_without_a_login_there_are_no_pages(tmp_path: Path) -> None:
    """A gateway whose providers have no `login` serves none of them."""
    async with World(tmp_path) as world, AsyncExitStack() as stack:
        person = await browser(stack, world.sandbox.gateway_url)
        for path in ("/connect", "/login", "/login/callback"):
            assert (await person.get(path)).status_code == 404


async def test_what_people_connect_needs_a_login(tmp_path: Path) -> None:
    """A site that people connect, without a way to sign their browsers in, is refused at the start."""
    async with Sandbox() as sandbox:
        config = tmp_path / "gateway.toml"
        text = sandbox.config_toml()
        before, _, after = text.partition("[jira.credential]")
        _, _, rest = after.partition("[policy]")
        linked = (
            'source = "datacenter"\nclient_id = "app"\nclient_secret = "s"\n'
            f'[database]\nurl = "sqlite:///gateway.db"\n[vault]\nkey_secret = "k1:{"A" * 43}="\n[policy]{rest}'
        )
        config.write_text(f"{before}[jira.credential]\n{linked}")
        with pytest.raises(ConfigError) as refused:
            Gateway(load(config, {}))
        assert "give one of `identity.issuers` a `login`" in str(refused.value)
