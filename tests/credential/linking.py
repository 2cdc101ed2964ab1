"""A Jira that people link, on loopback: its token endpoint, its sites and `/myself`; and a source on it."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from gateway import clock
from gateway.credential import GrantOrder, Parts
from gateway.credential.linked import LinkedSource
from gateway.credential.vault import Link, LinkKey, Vault
from gateway.http import Outward
from gateway.jira.client import JiraClient
from gateway.model import Account, Bearer, Caller, Effect, Grant, Person, Secret
from tests.credential.shelf import SimpleRefresher
from tests.identity.server import Loopback, Request, respond

ISSUER = "https://idp.test"
OTHER = "https://partner.test"
CLOUD = "11111111-2222-3333-4444-555555555555"
SITE = "https://acme.atlassian.test"
CONNECT = "https://gateway.test/connect/jira"
CALLBACK = f"{CONNECT}/callback"
CLIENTS = {"reader": "canary-reader-secret", "writer": "canary-writer-secret"}

Place = Callable[["JiraServer"], tuple[str, dict[str, Any]]]


@dataclass
class Wrong:
    """What the server does wrong, until told otherwise."""

    token: tuple[int, Any] | None = None
    """Status and body of every answer of the token endpoint."""
    answer: dict[str, Any] = field(default_factory=dict)
    """Lies in a good one; None leaves a member out."""
    hang: bool = False
    sites: Any = None
    myself: Any = None
    myself_status: int = 200


class JiraServer(Loopback):
    """Codes and refresh tokens are good once. `delay` is how long each answer takes."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.wrong = Wrong()
        self.delay = 0.0
        self.forms: list[dict[str, str]] = []
        self.codes: dict[str, tuple[Account, str]] = {}
        self.refreshes: dict[str, tuple[Account, str]] = {}
        self.accesses: dict[str, Account] = {}
        self.looks: list[str] = []
        self.lives = 3600
        self._numbers = itertools.count(1)

    def code(self, account: Account, scope: str) -> str:
        """What the browser comes back with."""
        code = f"canary-code-{next(self._numbers)}"
        self.codes[code] = (account, scope)
        return code

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.delay)
        if self.wrong.hang:
            await asyncio.sleep(3600)
        if request.path.endswith(("/oauth/token", "/oauth2/latest/token")):
            status, body = self._token(request)
        elif request.path.endswith("/accessible-resources"):
            status, body = 200, self._sites()
        elif request.path.endswith("/myself"):
            status, body = self._myself(request)
        else:
            status, body = 404, {}
        respond(writer, body, status)

    def _token(self, request: Request) -> tuple[int, Any]:
        text = request.body.decode()
        form = json.loads(text) if text.startswith("{") else dict(parse_qsl(text, strict_parsing=True))
        self.forms.append(form)
        if self.wrong.token is not None:
            return self.wrong.token
        if CLIENTS.get(form["client_id"]) != form.get("client_secret"):
            return 401, {"error": "access_denied", "error_description": "Unauthorized"}
        if form["grant_type"] == "authorization_code":
            found = self.codes.pop(form["code"], None)
        else:
            found = self.refreshes.pop(form["refresh_token"], None)
        if found is None:
            return 403, {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}
        account, scope = found
        number = next(self._numbers)
        access, refresh = f"canary-access-{account.id}-{number}", f"canary-refresh-{account.id}-{number}"
        self.accesses[access], self.refreshes[refresh] = account, found
        answer = {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": self.lives,
            "scope": scope,
            "token_type": "Bearer",
            **self.wrong.answer,
        }
        return 200, {name: value for name, value in answer.items() if value is not None}

    def _sites(self) -> Any:
        listed = [
            {"id": "99999999-0000-0000-0000-000000000000", "url": "https://other.atlassian.test"},
            {"id": CLOUD, "url": SITE, "name": "acme", "scopes": []},
        ]
        return listed if self.wrong.sites is None else self.wrong.sites

    def _myself(self, request: Request) -> tuple[int, Any]:
        access = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.looks.append(access)
        account = self.wrong.myself or self.accesses.get(access)
        if account is None or self.wrong.myself_status != 200:
            return (401 if account is None else self.wrong.myself_status), {}
        shown = {"emailAddress": account.email} if account.email else {}
        return 200, {"accountId": account.id, "displayName": account.name, **shown}


def cloud(server: JiraServer) -> tuple[str, dict[str, Any]]:
    """Base address and settings of a Cloud site."""
    base = server.url("")
    settings = {"site_url": SITE, "authorization_server": base, "api": base}
    return f"{base}/ex/jira/{CLOUD}", settings


def datacenter(server: JiraServer) -> tuple[str, dict[str, Any]]:
    """The same of a Data Center."""
    return server.url(""), {}


PLACES: dict[str, Place] = {"atlassian": cloud, "datacenter": datacenter}


def account_of(name: str) -> Account:
    """The Jira account of a person, by the person's name."""
    return Account(f"acc-{name}", f"{name}@corp.test", name.title())


@dataclass
class LinkBench:
    """One Jira, one source on it, and what was put on record."""

    server: JiraServer
    outward: Outward
    parts: Parts
    refresher: SimpleRefresher
    source: LinkedSource
    events: list[tuple[str, dict[str, Any]]]
    remade: Callable[..., LinkedSource]

    @property
    def vault(self) -> Any:
        return self.refresher.vault

    def person(self, name: str = "ana", issuer: str = ISSUER) -> Person:
        return Person(issuer, name, f"{name}@corp.test", name.title())

    def caller(self, name: str = "ana", *, seconds: float = 7200, **changes: Any) -> Caller:
        """A person's assistant calls, with a token that lives so long."""
        known = Caller(
            issuer=ISSUER,
            subject=name,
            client="assistant",
            scopes=frozenset({"jira:read", "jira:write"}),
            expires_at=clock.wall() + seconds,
            token=Secret(f"canary-token-of-{name}"),
            email=f"{name}@corp.test",
        )
        return replace(known, **changes)

    async def connect(
        self,
        person: Person | None = None,
        *,
        account: Account | None = None,
        write: bool = False,
        confirmed: str | None = None,
        scope: str | None = None,
    ) -> Account:
        """The person goes through the browser, and Jira signs them in as `account`."""
        person = person or self.person()
        url = self.source.authorize_url(state="s", challenge="c", redirect_uri=CALLBACK, write=write)
        asked = parse_qs(urlsplit(url).query)["scope"][0] if scope is None else scope
        code = self.server.code(account or account_of(person.subject), asked)
        return await self.source.complete(
            person,
            code=code,
            verifier="canary-verifier",
            redirect_uri=CALLBACK,
            write=write,
            confirmed=confirmed,
        )

    async def grant(
        self, caller: Caller | None = None, effect: Effect = Effect.READ, refused: Grant | None = None
    ) -> Grant:
        return await self.source.grant(GrantOrder(caller or self.caller(), effect, refused))

    def stored(self, name: str = "ana", upstream: str = "jira") -> Link | None:
        """The live link, as the vault has it."""
        found: Link | None = self.vault.links.get(LinkKey(ISSUER, name, upstream))
        return found

    def aged(self, name: str = "ana", upstream: str = "jira", *, seconds: float = -1.0) -> None:
        """The access token of that link ends so many seconds from now."""
        key = LinkKey(ISSUER, name, upstream)
        link = self.vault.links[key]
        tokens = replace(link.tokens, expires_at=clock.wall() + seconds)
        self.vault.links[key] = replace(link, tokens=tokens)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """What was put on record of that kind."""
        return [fields for name, fields in self.events if name == kind]


def _parts(server: JiraServer, outward: Outward, base: str, refresher: SimpleRefresher, events: Any) -> Parts:
    async def record(kind: str, **fields: object) -> None:
        events.append((kind, fields))

    async def whose(access: str) -> Account:
        return await JiraClient(outward, base).account(access)

    return Parts(
        outward=outward,
        site="jira",
        site_url=base,
        issuers={"idp": ISSUER, "partner": OTHER},
        verifier=_no_verifier,
        whose=whose,
        connect_url=CONNECT,
        callback_url=CALLBACK,
        events=record,
        refresher=refresher,
    )


def _no_verifier(issuer: str, audience: str, by: str = "") -> Callable[[Bearer], Awaitable[Caller]]:
    raise AssertionError("a linked source verifies no token")


@asynccontextmanager
async def link_bench(
    name: str = "atlassian", *, vault: Vault | None = None, **settings: Any
) -> AsyncIterator[LinkBench]:
    """A source of that name, running; `settings` over good ones. The vault is one in memory by default."""
    server = JiraServer()
    async with server, Outward() as outward:
        base, own = PLACES[name](server)
        events: list[tuple[str, dict[str, Any]]] = []
        parts = _parts(server, outward, base, SimpleRefresher(vault), events)
        module = import_module(f"gateway.credential.sources.{name}")

        def made(**changes: Any) -> LinkedSource:
            given = {"client_id": "reader", "client_secret": CLIENTS["reader"], **own, **settings, **changes}
            source: LinkedSource = module.build(module.Settings.model_validate(given), parts)
            return source

        refresher = parts.refresher
        assert isinstance(refresher, SimpleRefresher)
        yield LinkBench(server, outward, parts, refresher, made(), events, made)


WRITER = {"client_id": "writer", "client_secret": CLIENTS["writer"]}
