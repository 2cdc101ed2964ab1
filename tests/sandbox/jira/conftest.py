"""A sandbox Jira on loopback, and clients that speak to it as its people."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from sandbox.jira import api_token, create_app
from sandbox.people import PEOPLE
from sandbox.serve import Served, listen

BOTH = "read:jira-work write:jira-work"


async def verify(token: str) -> Mapping[str, Any] | None:
    """Tokens of these tests say who they are for: `ok.NAME.SCOPE+SCOPE`."""
    good, name, scopes = token.split(".")
    return {"sub": name, "scope": scopes.replace("+", " "), "jti": f"jti-{name}"} if good == "ok" else None


def bearer(name: str, scope: str = BOTH) -> dict[str, str]:
    """The header of a person's access token."""
    return {"Authorization": f"Bearer ok.{name}.{scope.replace(' ', '+')}"}


def basic(email: str, token: str) -> dict[str, str]:
    """The header of an API token."""
    return {"Authorization": "Basic " + base64.b64encode(f"{email}:{token}".encode()).decode()}


class JiraServer:
    """The app as it is served, and one client for each person."""

    def __init__(self, app: Starlette, url: str, stack: AsyncExitStack) -> None:
        self.app = app
        self.url = url
        self.site = app.state.site
        self.faults = app.state.faults
        self._stack = stack
        self._clients: dict[str, httpx2.AsyncClient] = {}

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def log(self) -> list[tuple[str, str, str]]:
        """(method, path, subject) of each request so far."""
        return [(seen.method, seen.path, seen.subject) for seen in self.app.state.requests]

    async def client(self, headers: Mapping[str, str]) -> httpx2.AsyncClient:
        """A client whose URLs are relative to the REST API."""
        made = httpx2.AsyncClient(
            base_url=f"{self.url}/rest/api/3/", headers=dict(headers), trust_env=False, verify=False
        )
        return await self._stack.enter_async_context(made)

    async def ask(self, who: str, method: str, path: str, json: Any = None, **more: Any) -> httpx2.Response:
        """One request as `who`: a name for a Bearer token, `NAME@basic` for an API token, "" for nobody."""
        if who not in self._clients:
            name, _, kind = who.partition("@")
            headers: Mapping[str, str] = bearer(name) if name else {}
            if kind:
                headers = basic(PEOPLE[name].email, api_token(PEOPLE[name]))
            self._clients[who] = await self.client(headers)
        return await self._clients[who].request(method, path, json=json, **more)

    async def get(self, who: str, path: str, **more: Any) -> Any:
        """The JSON of a GET that is answered with 200."""
        answer = await self.ask(who, "GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def keys(self, who: str, jql: str, **more: Any) -> list[str]:
        """Keys of what `who` finds."""
        body = {"jql": jql, "fields": ["key"], "maxResults": 500, **more}
        answer = await self.ask(who, "POST", "search/jql", body)
        assert answer.status_code == 200, answer.text
        return [issue["key"] for issue in answer.json()["issues"]]


class Brief(Served):
    """Served, and stopped without uvicorn's tenth of a second, which every test here would wait for."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what listens and what is open; cancel what hangs."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        hanging = list(self.server_state.tasks)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await self.lifespan.shutdown()


@pytest.fixture
async def jira() -> AsyncIterator[JiraServer]:
    """A new site on a free port."""
    with listen("127.0.0.1", 0) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        app = create_app(verify, base_url=url)
        async with Brief(app, sock), AsyncExitStack() as stack:
            yield JiraServer(app, url, stack)


def adf(*words: str) -> dict[str, Any]:
    """A document with one paragraph for each string."""
    content = [{"type": "paragraph", "content": [{"type": "text", "text": w}]} for w in words]
    return {"type": "doc", "version": 1, "content": content}
