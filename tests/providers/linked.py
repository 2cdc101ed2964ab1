"""A gateway before a Jira that each person connects in the browser, where one provider signs people in.

    assistant ──provider's token──> gateway ──the person's own grant──> Jira (simulated)
    browser ──signs in at the provider──> gateway's pages ──agrees──> Jira

It stands beside the gateway of `Place` and trusts the same tokens; the simulated Jira is new.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import httpx2

from gateway.credential.vault import LinkHead
from sandbox.atlassian import App, add_site
from sandbox.atlassian import create_app as create_atlassian
from sandbox.datacenter import create_app as create_datacenter
from sandbox.people import PEOPLE
from sandbox.serve import Served, free_port, listen
from tests.providers.browser import Browser
from tests.providers.place import RECORD, SIGNIN, Answer, Front, Place, signs_in, trust
from tests.signin.world import heading

CLOUD = "11111111-2222-3333-4444-555555555555"
SITE_URL = "https://acme.atlassian.test"
SITE = "sandbox"
APP = ("gateway-app", "app-secret")


@dataclass
class Linked:
    """What runs. `state` has the knobs of the simulated authorization server."""

    place: Place
    source: str
    front: Front
    state: Any

    @asynccontextmanager
    async def browser(self, user: str) -> AsyncIterator["Visitor"]:
        """A fresh browser with `user` at it."""
        async with Browser(PEOPLE[user]) as browser:
            yield Visitor(browser, self.front.public_url, user)

    async def links(self, user: str) -> list[LinkHead]:
        """The live grants of `user` in the vault."""
        assert self.front.gateway.vault is not None
        provider = self.place.provider
        found = await self.front.gateway.vault.of(provider.issuer, provider.subject(user))
        return [head for head in found if not head.ended]

    async def connected(self, user: str) -> str:
        """A token of `user`, whose Jira is connected for reading."""
        token = (await self.place.provider.token(user)).access
        if not await self.links(user):
            async with self.browser(user) as browser:
                ended = await browser.connect(address(await self.front.call(token, "jira_whoami")))
                assert heading(ended) == "Connected", ended.text
        return token

    def told(self, kind: str, user: str) -> list[dict[str, Any]]:
        """The records of that kind about `user`."""
        subject = self.place.provider.subject(user)
        return [r for r in self.front.records() if (r["kind"], r.get("subject")) == (kind, subject)]


@dataclass
class Visitor:
    """A person's browser at the gateway's pages."""

    browser: Browser
    base: str
    user: str

    async def open(self, path: str) -> httpx2.Response:
        """The page at `path`, or to which it leads; the provider's pages are filled in."""
        return await self.browser.visit(path if "://" in path else self.base + path, self.base)

    async def send(self, page: httpx2.Response, action: str) -> httpx2.Response:
        """The page after the form of `page` that goes to `action`."""
        return await self.browser.send(page, action)

    async def connect(self, url: str, jira: str = "") -> httpx2.Response:
        """From the address that an assistant was told to the end; at Jira, `jira` (or the same person) agrees."""
        page = await self.open(url)
        way = re.search(r'href="([^"]*)">Continue to Jira', page.text)
        if way is None:
            return page
        return await self.open(f"{unescape(way[1])}&sandbox_approve={jira or self.user}")


def address(answer: Answer) -> str:
    """Where a refused call sends the person."""
    found = re.search(r"http://\S+", answer.refusal)
    assert found, answer.refusal
    return found[0]


@asynccontextmanager
async def linked(place: Place, source: str, folder: Path, *, id_jag: bool = False) -> AsyncIterator[Linked]:
    """All of it, running; with `id_jag` assistants come with the provider's identity assertion."""
    public_url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    sock = listen("127.0.0.1", 0)
    root = f"http://127.0.0.1:{sock.getsockname()[1]}"
    app = App(APP[0], [APP[1]], f"{public_url}/connect/{SITE}/callback")
    if source == "atlassian":
        served = create_atlassian([app])
        add_site(served.state.atlassian, CLOUD, url=SITE_URL)
        state, jira, kind = served.state.atlassian, f"{root}/ex/jira/{CLOUD}", "cloud"
        own = f'site_url = "{SITE_URL}"\nauthorization_server = "{root}"\napi = "{root}"'
    else:
        served = create_datacenter([app], base_url=root)
        state, jira, kind, own = served.state.datacenter, root, "datacenter", ""
    login = await place.provider.login(public_url)
    settings = replace(place.provider.settings(), id_jag=id_jag)
    text = f"""{trust(settings, public_url)}
[jira]
url = "{jira}"
name = "{SITE}"
kind = "{kind}"

[jira.credential]
source = "{source}"
client_id = "{APP[0]}"
client_secret = "{APP[1]}"
{own}
{signs_in(login)}
{SIGNIN if id_jag else ""}
{RECORD}"""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Served(served, sock))
        front = await stack.enter_async_context(Front(folder, public_url, text))
        yield Linked(place, source, front, state)
