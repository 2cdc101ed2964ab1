"""One gateway: Jira Cloud at `/mcp`, Jira Data Center at `/mcp/dc`, the same people at both."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from html import unescape
from pathlib import Path
from typing import Any, Self

import httpx2
import orjson
import pytest

from gateway.app import Gateway
from gateway.audit import record
from gateway.config import load
from sandbox.jira import DEMO
from sandbox.jira.datacenter import user_key
from sandbox.people import PEOPLE
from sandbox.run import Sandbox
from sandbox.serve import Served, listen
from tests.signin.world import browser, heading
from tests.world import World, check_invariants

CLOUD, DC = "/mcp", "/mcp/dc"
HIDDEN = {"ana": ("VAULT-5",), "bo": (DEMO["vault"], DEMO["secured"], "VAULT-5")}
"""By policy from ana, by Jira from bo."""


class TwoSites(World):
    """The gateway in front of both; a call names its path."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sandbox = Sandbox(datacenter=True)
        self.path = CLOUD

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.sandbox)
        config = self.folder / "gateway.toml"
        config.write_text(self.sandbox.config_toml())
        self.settings = load(config, {})
        self.gateway = Gateway(self.settings)
        sock = listen("127.0.0.1", self.settings.server.port)
        await self._stack.enter_async_context(Served(self.gateway.app, sock))
        self.http = await self._stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=30))
        return self

    @property
    def url(self) -> str:
        return f"{self.sandbox.gateway_url}{self.path}"

    def bearer(self, user: str, path: str) -> str:
        """An access token for that address."""
        token = self.sandbox.idp.mint(user, aud=f"{self.sandbox.gateway_url}{path}")
        self.tokens.append(token)
        return token

    async def at(self, path: str, user: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a call at that address with its own token."""
        self.path = path
        told = await self.call(self.bearer(user, path), tool, **arguments)
        result: dict[str, Any] = told["result"]
        return result

    async def connect(self, user: str) -> None:
        """In the browser: sign in, go on to the Data Center for reading and then for writing, agree."""
        async with AsyncExitStack() as stack:
            person = await browser(stack, self.sandbox.gateway_url)
            for way in ("", "?scope=write"):
                page = await person.open(f"/connect/dc{way}", user=user)
                onwards = re.search(r'href="([^"]*)">Continue to Jira', page.text)
                assert onwards, page.text
                page = await person.open(f"{unescape(onwards[1])}&sandbox_approve={user}")
                assert heading(page) == "Connected", page.text

    def effects(self) -> list[Any]:
        """At both."""
        there = self.sandbox.datacenter_jira.requests
        writes = [
            r for r in there if r.method in ("POST", "PUT", "DELETE") and not r.path.endswith("/search")
        ]
        return [*super().effects(), *writes]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TwoSites]:
    """Both, with ana and bo connected."""
    async with TwoSites(tmp_path) as world:
        for user in ("ana", "bo"):
            await world.connect(user)
        yield world


def text(result: dict[str, Any]) -> str:
    return str(result["content"][0]["text"]).split("(call")[0]


async def test_one_person_on_both(world: TwoSites) -> None:
    """Each site knows her by its own account; the record tells which site, and whose account."""
    there = await world.at(CLOUD, "ana", "jira_whoami")
    here = await world.at(DC, "ana", "jira_whoami")
    key = user_key(PEOPLE, PEOPLE["ana"])
    assert there["structuredContent"]["account_id"] == PEOPLE["ana"].account_id
    assert here["structuredContent"]["account_id"] == key
    assert here["structuredContent"]["name"] == there["structuredContent"]["name"] == "Ana Alvarez"
    assert here["structuredContent"]["site"] == world.sandbox.datacenter_url
    calls = [r for r in world.records() if r["kind"] == record.CALL]
    assert [r["facts"][1]["of"] for r in calls] == [["sandbox"], ["dc"]]
    assert [r["grant"]["audience"] for r in calls] == [world.sandbox.jira_url, world.sandbox.datacenter_url]
    assert calls[1]["grant"]["account"] == key


async def test_pitfall_28_a_token_for_one_address_is_refused_at_the_other(world: TwoSites) -> None:
    """RFC 8707: its audience is one address; neither Jira is asked anything, and the challenge names the address."""
    before = len(world.sandbox.jira.requests), len(world.sandbox.datacenter_jira.requests)
    for mine, other in ((CLOUD, DC), (DC, CLOUD)):
        headers = {"Authorization": f"Bearer {world.bearer('ana', mine)}"}
        answer = await world.http.post(f"{world.sandbox.gateway_url}{other}", content=b"{}", headers=headers)
        assert answer.status_code == 401
        assert f'/.well-known/oauth-protected-resource{other}"' in answer.headers["www-authenticate"]
    assert (len(world.sandbox.jira.requests), len(world.sandbox.datacenter_jira.requests)) == before


@pytest.mark.parametrize("path", [CLOUD, DC])
async def test_what_is_hidden_stays_hidden_on_both(world: TwoSites, path: str) -> None:
    """Search, get and write tell of a hidden issue what they tell of one that is not there."""
    for user, hidden in HIDDEN.items():
        for key in hidden:
            found = await world.at(path, user, "jira_search", jql=f"key = {key}")
            assert key not in orjson.dumps(found).decode() and not found.get("isError")
        listed = await world.at(path, user, "jira_search", jql="project in (OPEN, VAULT)", max_results=50)
        keys = {row["key"] for row in listed["structuredContent"]["issues"]}
        assert keys and not keys & set(hidden)
    for tool, more in (("jira_get_issue", {}), ("jira_comment", {"body": "x"})):
        for key in HIDDEN["bo"][:2]:
            one = await world.at(path, "bo", tool, key=key, **more)
            other = await world.at(path, "bo", tool, key="OPEN-4711", **more)
            assert one["isError"] and text(one) == text(other)
    assert (await world.at(path, "ana", "jira_get_issue", key="VAULT-5"))["isError"]


async def test_a_write_changes_the_site_that_was_asked(world: TwoSites) -> None:
    """The same key is another issue at the other Jira; each effect follows its own decision."""
    told = await world.at(DC, "ana", "jira_comment", key="OPEN-2", body="Only *here*.")
    assert not told.get("isError"), told
    assert "Only *here*." in text(await world.at(DC, "ana", "jira_get_issue", key="OPEN-2"))
    assert "Only" not in text(await world.at(CLOUD, "ana", "jira_get_issue", key="OPEN-2"))
    assert (await world.at(DC, "ana", "jira_delete_issue", key="OPEN-2"))["isError"]
    assert not [r for r in world.effects() if r.method == "DELETE"]
    check_invariants(world)


async def test_who_connected_one_site_only_works_there(world: TwoSites) -> None:
    """Lee never connected the Data Center: Cloud answers, the other asks him to connect, and nothing falls back."""
    assert not (await world.at(CLOUD, "lee", "jira_whoami")).get("isError")
    before = len(world.sandbox.datacenter_jira.requests)
    refused = await world.at(DC, "lee", "jira_whoami")
    assert refused["isError"] and "/connect/dc" in text(refused)
    assert len(world.sandbox.datacenter_jira.requests) == before
