"""The pages, served; the sandbox's identity provider, and a second one; a Jira that is linked; browsers."""

import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2

from gateway.credential.vault import LinkHead, LinkKey
from gateway.errors import Unauthenticated, Unavailable
from gateway.http import Outward
from gateway.model import Account, Caller, Person, Secret
from gateway.settings import Issuer
from gateway.signin.compose import Room, SignIn, address_for
from gateway.signin.connect import Links
from gateway.signin.hint import Hints
from gateway.signin.login import CALLBACK
from gateway.signin.provider import Provider
from gateway.signin.sessions import Session
from gateway.signin.sites import LinkedSite
from gateway.store import Store
from gateway.transport.web import Guard, create_web
from sandbox import idp as sandbox_idp
from sandbox.people import PEOPLE
from sandbox.serve import Served, free_port, listen
from tests.credential.linking import JiraServer, LinkBench, link_bench
from tests.credential.shelf import MemoryVault
from tests.signin.store import TellingStore

SITE = "jira"
TLS = ssl.create_default_context()
"""Made once: it costs more than a test, and nothing here speaks TLS."""
LOGIN = {"client_id": sandbox_idp.GATEWAY_CLIENT_ID, "client_secret": sandbox_idp.GATEWAY_CLIENT_SECRET}
EVERY = {  # (settings name, issuer number)
    "corp": 0,
    "partner": 1,
}


@dataclass
class World:
    """Two providers, the pages, and what the line would tell an assistant."""

    url: str
    idps: list[sandbox_idp.Idp]
    providers: list[Provider]
    store: TellingStore
    bench: LinkBench
    signin: SignIn
    hints: Hints
    events: list[tuple[str, dict[str, Any]]]
    stack: AsyncExitStack
    cut_off: set[str]
    """Subjects who were revoked; with `unknown` among them, nobody can say who was."""

    @property
    def issuer(self) -> str:
        return self.idps[0].issuer

    def invitation(self, user: str, *, issuer: str | None = None, query: str = "") -> str:
        """The address that a call of that person's assistant gives."""
        caller = Caller(
            issuer=issuer or self.issuer,
            subject=user,
            client="assistant",
            scopes=frozenset(),
            expires_at=2e9,
            token=Secret("t"),
        )
        return address_for(self.hints, f"{self.url}/connect/{SITE}{query}", caller)

    async def browser(self) -> "Browser":
        """A fresh one."""
        return await browser(self.stack, self.url, self.bench.server)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """What was put on record of that kind, by the pages or by the source."""
        return [fields for name, fields in (*self.events, *self.bench.events) if name == kind]

    def linked(self) -> dict[str, str]:
        """Subject -> account of every live link."""
        return {key.subject: link.account for key, link in self.bench.vault.links.items()}


@dataclass
class Browser:
    """One browser: cookies, redirects, forms; it runs no script."""

    base: str
    http: httpx2.AsyncClient
    jira: JiraServer | None = None
    provider: str = ""
    asked: bool = False
    """Whether our consent page was shown."""
    visited: list[str] = field(default_factory=list)

    async def open(self, url: str, *, user: str = "ana") -> httpx2.Response:
        """Open `url` and go on as far as it leads; at the provider, sign in as `user`."""
        reply = await self.get(url)
        for _ in range(12):
            if reply.status_code in (302, 303):
                reply = await self.get(urljoin(str(reply.url), reply.headers["location"]))
            elif urlsplit(str(reply.url)).path == "/authorize":
                reply = await self.fill(reply, user=user, password=PEOPLE[user].password, answer="allow")
            else:
                return reply
        raise AssertionError(f"leads nowhere: {self.visited}")

    async def get(self, url: str, **more: Any) -> httpx2.Response:
        """One request, no redirects."""
        self.visited.append(url)
        return await self.http.get(urljoin(self.base, url), **more)

    async def fill(self, page: httpx2.Response, which: str = "", **fields: str) -> httpx2.Response:
        """Send the form of `page` whose action ends with `which`, hidden fields and all; no redirects."""
        forms = re.findall(r'<form method="post" action="([^"]*)">(.*?)</form>', page.text, re.DOTALL)
        action, inside = next((a, i) for a, i in forms if a.endswith(which))
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', inside))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(str(page.url)))
        return await self.http.post(
            urljoin(str(page.url), unescape(action)),
            content=urlencode({name: unescape(value) for name, value in hidden.items()} | fields),
            headers={"content-type": "application/x-www-form-urlencoded", "origin": origin},
        )

    async def follow(self, reply: httpx2.Response) -> httpx2.Response:
        """Where a redirect leads, and on."""
        return await self.open(urljoin(str(reply.url), reply.headers["location"]))

    def to_jira(self, page: httpx2.Response) -> dict[str, str]:
        """The parameters of the authorization request that the page's link leads to."""
        found = re.search(r'<a class="button main" href="([^"]*)">Continue to Jira', page.text)
        assert found, page.text
        return {name: v[0] for name, v in parse_qs(urlsplit(unescape(found[1])).query).items()}

    async def agree(self, page: httpx2.Response, account: Account) -> httpx2.Response:
        """At Jira: agree as `account`; where the browser comes back to, without following on."""
        return await self.get(self.agreed(page, account))

    def agreed(self, page: httpx2.Response, account: Account) -> str:
        """The address to which Jira sends the browser back."""
        asked = self.to_jira(page)
        assert self.jira is not None
        code = self.jira.code(account, asked["scope"])
        assert asked["redirect_uri"] == f"{self.base}/connect/{SITE}/callback"
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"


async def browser(stack: AsyncExitStack, base: str, jira: JiraServer | None = None) -> Browser:
    """A fresh browser at `base`, closed with `stack`."""
    http = httpx2.AsyncClient(verify=TLS, trust_env=False, timeout=60, follow_redirects=False)
    return Browser(base, await stack.enter_async_context(http), jira)


def account(user: str, *, email: str | None = None) -> Account:
    """The Jira account of a person of the sandbox."""
    person = PEOPLE[user]
    return Account(person.account_id, person.email if email is None else email, person.display_name)


def heading(page: httpx2.Response) -> str:
    """The page's h1."""
    found = re.search(r"<h1>(.*?)</h1>", page.text, re.DOTALL)
    return unescape(found[1]) if found else ""


def said(page: httpx2.Response) -> str:
    """The page's text, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text.split("<main")[1])).split())


def check(cut_off: set[str], session: Session) -> None:
    """As `Revocations.check`."""
    if "unknown" in cut_off:
        raise Unavailable("Whether you are still signed in cannot be checked now.", part="store")
    if session.person.subject in cut_off:
        raise Unauthenticated("revoked")


async def links(vault: MemoryVault, issuer: str, subject: str) -> list[LinkHead]:
    """As `Vault.of`, with those that ended."""
    keys = [key for key in (*vault.links, *vault.ended) if (key.issuer, key.subject) == (issuer, subject)]
    heads = [await vault.head(key) for key in keys] or [await vault.head(LinkKey(issuer, subject, "none"))]
    return [head for head in heads if head is not None]


async def _idp(stack: AsyncExitStack, resource: str) -> sandbox_idp.Idp:
    sock = listen("127.0.0.1", 0)
    issuer = f"http://127.0.0.1:{sock.getsockname()[1]}"
    app = sandbox_idp.create_app(
        issuer=issuer, gateway_resource=resource, jira_audience="http://127.0.0.1:1", people=PEOPLE
    )
    await stack.enter_async_context(Served(app, sock))
    idp: sandbox_idp.Idp = app.state.idp
    return idp


def issuer_settings(issuer: str, name: str = "", **more: Any) -> Issuer:
    """The settings of one provider at which people sign in."""
    return Issuer.model_validate({"issuer": issuer, "name": name, "login": LOGIN, **more})


@asynccontextmanager
async def world(
    *,
    providers: int = 1,
    settings: Mapping[str, Any] | None = None,
    rooms: Callable[[str, Links, Store], Sequence[Room]] = lambda url, links, store: (),
    **source: Any,
) -> AsyncIterator[World]:
    """Everything, running; `source` are settings of the Jira source, `settings` of every provider, `rooms`
    makes more pages."""
    async with AsyncExitStack() as stack:
        port = free_port("127.0.0.1")
        url = f"http://127.0.0.1:{port}"
        idps = [await _idp(stack, f"{url}/mcp") for _ in range(providers)]
        outward = await stack.enter_async_context(Outward(tls=TLS))
        bench = await stack.enter_async_context(link_bench(**source))
        people = [
            Provider(
                issuer_settings(idp.issuer, name, **(settings or {})), outward, redirect_uri=url + CALLBACK
            )
            for name, idp in zip(EVERY, idps, strict=False)
        ]
        events: list[tuple[str, dict[str, Any]]] = []

        async def record(kind: str, **fields: Any) -> None:
            events.append((kind, fields))

        cut_off: set[str] = set()
        hints, store = Hints(b"a secret that replicas share"), TellingStore()
        signin = SignIn(
            public_url=url,
            guard=Guard(url, (), ()),
            providers=people,
            store=store,
            sites=[
                LinkedSite(
                    SITE, "https://acme.atlassian.test", bench.source, f"{url}/connect/{SITE}/callback"
                )
            ],
            hints=hints,
            links=partial(links, bench.vault),
            events=record,
            check=partial(check, cut_off),
            rooms=rooms(url, partial(links, bench.vault), store),
        )
        await stack.enter_async_context(Served(create_web(signin.routes()), listen("127.0.0.1", port)))
        yield World(url, idps, people, store, bench, signin, hints, events, stack, cut_off)


def person(user: str, issuer: str) -> Person:
    """As the sandbox's provider names them."""
    known = PEOPLE[user]
    return Person(issuer, user, known.email, known.display_name)
