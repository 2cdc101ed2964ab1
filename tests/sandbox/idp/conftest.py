"""A real provider on loopback, and an assistant that speaks to it as real ones do."""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from gateway.http import Outward
from sandbox.idp import Idp, create_app
from sandbox.idp.browser import sign_in
from sandbox.people import PEOPLE
from sandbox.serve import Served, listen

GATEWAY = "http://127.0.0.1:3/mcp"
JIRA = "http://127.0.0.1:2"
REDIRECT = "http://127.0.0.1:43210/callback"


class Assistant:
    """A public client with PKCE: builds the authorization URL, redeems codes, refreshes."""

    def __init__(
        self, idp: Idp, web: httpx2.AsyncClient, http: Outward, client_id: str = "demo-assistant"
    ) -> None:
        self.idp = idp
        self.web = web
        self.http = http
        self.client_id = client_id
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(8)

    @property
    def challenge(self) -> str:
        """S256 of the verifier."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def url(self, **overrides: str | None) -> str:
        """The authorization URL; an override of None leaves a parameter out."""
        params: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT,
            "scope": "openid jira:read jira:write",
            "state": self.state,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "resource": self.idp.gateway_resource,
            **overrides,
        }
        kept = {name: value for name, value in params.items() if value is not None}
        return f"{self.idp.issuer}/authorize?{urlencode(kept)}"

    async def answer(self, user: str = "ana", code: str = "", **overrides: str | None) -> dict[str, str]:
        """The query of the redirect after `user` signed in."""
        location = await sign_in(
            self.http, self.url(**overrides), user=user, password=f"{user}-sandbox", code=code
        )
        return answered(location)

    async def token(self, **form: str | None) -> httpx2.Response:
        """POST /token with the client id added."""
        data = {"client_id": self.client_id, **form}
        return await self.web.post(
            "/token", data={name: value for name, value in data.items() if value is not None}
        )

    async def redeem(self, code: str, /, **overrides: str | None) -> httpx2.Response:
        """The code for tokens."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": self.verifier,
            "resource": self.idp.gateway_resource,
            **overrides,
        }
        return await self.token(**form)

    async def refresh(self, token: str, /, **overrides: str | None) -> httpx2.Response:
        """A refresh token for the next ones."""
        return await self.token(grant_type="refresh_token", refresh_token=token, **overrides)

    async def tokens(self, user: str = "ana", code: str = "", **overrides: str | None) -> dict[str, Any]:
        """Everything from the sign-in page to the tokens."""
        reply = await self.redeem((await self.answer(user, code, **overrides))["code"])
        assert reply.status_code == 200, reply.text
        answer: dict[str, Any] = reply.json()
        return answer


def answered(location: str) -> dict[str, str]:
    """The query parameters of a redirect."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def provider(issuer: str) -> Starlette:
    """A fresh provider."""
    return create_app(issuer=issuer, gateway_resource=GATEWAY, jira_audience=JIRA, people=PEOPLE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Starlette]:
    """A provider that serves on a free loopback port, for all tests of a module."""
    with closing(listen("127.0.0.1", 0)) as sock:
        app = provider(f"http://127.0.0.1:{sock.getsockname()[1]}")
        async with Served(app, sock):
            yield app


@pytest.fixture
def idp(served: Starlette) -> Idp:
    """The state of the served provider, new for each test."""
    served.state.idp = provider(served.state.idp.issuer).state.idp
    state: Idp = served.state.idp
    return state


@pytest_asyncio.fixture(loop_scope="module")
async def web(idp: Idp) -> AsyncIterator[httpx2.AsyncClient]:
    """A plain HTTP client with the issuer as base."""
    async with httpx2.AsyncClient(base_url=idp.issuer, trust_env=False, verify=False) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[Outward]:
    """The gateway's own door outward, as the played browser uses it."""
    async with Outward() as outward:
        yield outward


@pytest.fixture
def assistant(idp: Idp, web: httpx2.AsyncClient, http: Outward) -> Assistant:
    """The demo's assistant."""
    return Assistant(idp, web, http)
