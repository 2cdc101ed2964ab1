"""A gateway at which assistants sign in, an assistant, and the person's browser beside it."""

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx2

from gateway import limits
from gateway.app import Gateway
from gateway.identity.revocation import Revocation
from gateway.leaving import cut_off
from gateway.store.sql import update
from gateway.store.tables import links
from sandbox.people import PEOPLE
from sandbox.serve import Served, listen
from tests.signin.world import LOGIN, Browser, browser
from tests.speaking import tool_call
from tests.world import World

BACK = "http://127.0.0.1:8123/callback"
SIGNIN = {f"GATEWAY__IDENTITY__ISSUERS__0__LOGIN__{name.upper()}": value for name, value in LOGIN.items()} | {
    "GATEWAY__IDENTITY__ISSUERS__0__LOGIN__SCOPES": '["openid", "email", "profile", "jira:read", "jira:write"]',
    "GATEWAY__SIGNIN__MODE": "signin",
    "GATEWAY__SIGNIN__ADMISSION": "open",
    "GATEWAY__DATABASE__URL": "sqlite:///data/gateway.db",
    "GATEWAY__VAULT__KEY_SECRET": f"k1:{'A' * 43}=",
}
"""Settings of a gateway with an authorization server of its own, as environment variables."""


class SigningWorld(World):
    """The sandbox and a gateway in front of it at which assistants sign in."""

    def __init__(
        self, folder: Path, *, settings: dict[str, str] | None = None, two_sites: bool = False
    ) -> None:
        """With `two_sites` there is a second one at `/mcp/other`, the same Jira under another name."""
        super().__init__(folder, settings={**SIGNIN, **(settings or {})})
        self._two_sites = two_sites

    def prepare(self) -> None:
        if self._two_sites:
            before, _, after = self.sandbox.config_toml().partition("[jira]")
            jira, _, rest = after.partition("[policy]")
            one = "[[jira]]" + jira
            text = f"{before}{one}{one.replace('sandbox', 'other', 1)}[policy]{rest}"
            setattr(self.sandbox, "config_toml", lambda: text)  # noqa: B010 - a method, for this one world
            self._environ.pop("GATEWAY__JIRA__URL", None)

    async def status(self, bearer: str, url: str = "") -> int:
        """The HTTP status of a call with that token."""
        message, headers = tool_call(1, bearer, "jira_whoami", {})
        return (await self.http.post(url or self.url, json=message, headers=headers)).status_code

    async def kill(self, user: str) -> None:
        """Cut that person off, as the command does."""
        one = Revocation("user", float("inf"), issuer=self.sandbox.issuer, subject=user, reason="killed")
        await cut_off([one], self.gateway.revocations, self.gateway.vault)

    def session_limit(self, seconds: int) -> None:
        """From now on the provider says that its session lasts so long (Keycloak's `refresh_expires_in`)."""
        self.sandbox.idp.session_seconds = seconds

    async def later(self) -> None:
        """The last re-validation at the provider was long enough ago that the next refresh makes another."""
        past = update(links).values(refreshed_at=links.c.refreshed_at - 2 * limits.RENEWAL_COUNTS_SECONDS)
        await self.gateway.database.run(lambda connection: connection.execute(past))

    async def posted(self, bearer: str, tool: str, **arguments: Any) -> httpx2.Response:
        """One tools/call; the HTTP answer as it came."""
        message, headers = tool_call(1, bearer, tool, arguments)
        return await self.http.post(self.url, json=message, headers=headers)

    @asynccontextmanager
    async def restarted(self) -> AsyncIterator[None]:
        """The gateway ends; another one serves at the same address, with the same files and no memory."""
        await self.served.aclose()
        self.gateway = Gateway(self.settings)
        async with Served(self.gateway.app, listen("127.0.0.1", self.settings.server.port)):
            yield

    async def person(self) -> Browser:
        """A fresh browser."""
        found = await browser(self._stack, self.sandbox.gateway_url)
        found.provider = self.sandbox.issuer
        return found

    async def assistant(self, **more: Any) -> "Assistant":
        """A client that has registered itself."""
        made = Assistant(self.http, self.sandbox.gateway_url)
        await made.register(**more)
        return made


@dataclass
class Assistant:
    """A public client as most are: it registers itself, and asks with PKCE."""

    http: httpx2.AsyncClient
    base: str
    client_id: str = ""
    redirect_uri: str = BACK
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    async def register(self, **more: Any) -> dict[str, Any]:
        """RFC 7591."""
        wish = {"client_name": "An assistant", "redirect_uris": [self.redirect_uri], **more}
        reply = await self.http.post(f"{self.base}/register", json=wish)
        assert reply.status_code == 201, reply.text
        told: dict[str, Any] = reply.json()
        self.client_id = told["client_id"]
        return told

    def address(self, **more: str) -> str:
        """Where it sends the person's browser."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "state": self.state,
            **more,
        }
        return f"{self.base}/authorize?{urlencode({k: v for k, v in query.items() if v})}"

    async def redeem(self, code: str, **more: str) -> httpx2.Response:
        """The code at the token endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": self.client_id,
            "code_verifier": self.verifier,
            **more,
        }
        return await self.http.post(
            f"{self.base}/token", data={name: value for name, value in form.items() if value}
        )

    async def refresh(self, token: str, **more: str) -> httpx2.Response:
        """A refresh token at the token endpoint."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": token,
            "client_id": self.client_id,
            **more,
        }
        return await self.http.post(f"{self.base}/token", data=form)


def answered(to: str) -> dict[str, str]:
    """What the query of a redirect says."""
    return dict(parse_qsl(urlsplit(to).query))


def leads_to(page: httpx2.Response) -> str:
    """Where a page or a redirect leads that ends our part; empty for any other page."""
    if page.is_redirect:
        return str(page.headers["location"])
    found = re.search(r'http-equiv="refresh" content="0; ?url=([^"]*)"', page.text)
    return unescape(found[1]) if found else ""


async def signed_in(
    person: Browser, address: str, *, user: str = "ana", answer: str = "allow"
) -> httpx2.Response:
    """Through the provider and our consent page; the answer that leads to the assistant, or a page that stops."""
    reply = await person.get(address)
    for _ in range(12):
        place = urlsplit(str(reply.url))
        ours = f"{place.scheme}://{place.netloc}" == person.base
        if reply.is_redirect:
            to = urljoin(str(reply.url), reply.headers["location"])
            if urlsplit(to).netloc not in (urlsplit(person.base).netloc, urlsplit(person.provider).netloc):
                return reply
            reply = await person.get(to)
        elif not ours:
            reply = await person.fill(reply, user=user, password=PEOPLE[user].password, answer="allow")
        elif 'action="/consent"' in reply.text:
            person.asked = True
            if not answer:
                return reply
            reply = await person.fill(reply, "/consent", answer=answer)
        else:
            return reply
    raise AssertionError(f"leads nowhere: {person.visited}")


async def to_consent(person: Browser, address: str, *, user: str = "ana") -> httpx2.Response:
    """Through the provider to our consent page, which is not answered."""
    return await signed_in(person, address, user=user, answer="")


async def code_of(person: Browser, assistant: Assistant, *, user: str = "ana", **asked: str) -> str:
    """The code that a sign-in ends with; state and issuer are as they must be."""
    reply = await signed_in(person, assistant.address(**asked), user=user)
    back = answered(leads_to(reply))
    assert "code" in back, reply.text
    assert back["state"] == assistant.state and back["iss"] == assistant.base, back
    return back["code"]
