"""Where assistants are let loose: a gateway at which they sign in, people at browsers, and a site of documents.

async with Place(folder) as place:
    place.url                              what is typed into the assistant
    await place.at("ana").open(url)        a browser: through the pages, to the assistant's own listener
    place.document("/client.json", {...})  the https address of a document that the gateway may fetch
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx2

from gateway.http import Outward
from sandbox.people import PEOPLE
from sandbox.visitor import Visitor
from tests.authority import Authority
from tests.identity.server import Loopback, Request, respond
from tests.signin.assistant import Assistant, SigningWorld, answered


class Place(SigningWorld):
    """The gateway, the sandbox, and a site whose documents are clients."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: dict[str, str] | None = None,
        serve: bool = True,
        two_sites: bool = False,
    ) -> None:
        super().__init__(folder, settings=settings, two_sites=two_sites)
        self._serve = serve
        self._documents: dict[str, Mapping[str, Any]] = {}
        self._site: Loopback

    async def __aenter__(self) -> Self:
        authority = Authority(self.folder)
        self._site = Loopback(self._answer, tls=authority.server("localhost"))
        await self._stack.enter_async_context(self._site)
        self._environ |= {
            "GATEWAY__SIGNIN__PRIVATE_HOSTS": json.dumps([f"localhost:{self._site.port}"]),
            "GATEWAY__SIGNIN__PRIVATE_CA_FILE": str(authority.file),
        }
        await super().__aenter__()
        self.outward = await self._stack.enter_async_context(Outward())
        return self

    def at(self, name: str) -> "AtTheBrowser":
        """A person at a fresh browser."""
        return AtTheBrowser(Visitor(self.outward, PEOPLE[name]), self.http)

    def document(self, path: str, body: Mapping[str, Any]) -> str:
        """Serve `body` at `path`, as the document of the client whose id is that address; the address."""
        address = f"https://localhost:{self._site.port}{path}"
        self._documents[path] = {**body, "client_id": address}
        return address

    async def granted(self, user: str, client: str, like: str, *, scope: str) -> dict[str, Any]:
        """What that client would have, had it asked for `scope`; `like` is an authorization request of it."""
        made = Assistant(self.http, self.sandbox.gateway_url, client)
        made.redirect_uri = parse_qs(urlsplit(like).query)["redirect_uri"][0]
        landed = await self.at(user).land(made.address(scope=scope))
        reply = await made.redeem(answered(landed)["code"])
        assert reply.status_code == 200, reply.text
        told: dict[str, Any] = reply.json()
        return told

    async def revoke(self, client: str, refresh: str) -> httpx2.Response:
        """As a person who disconnects it, or the assistant itself (RFC 7009)."""
        form = {"token": refresh, "client_id": client}
        return await self.http.post(f"{self.sandbox.gateway_url}/revoke", data=form)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        body = self._documents.get(request.path)
        respond(writer, body or {}, 200 if body else 404, {"Content-Type": "application/json"})


class AtTheBrowser:
    """What a browser does at an authorization request, to its end."""

    def __init__(self, visitor: Visitor, http: httpx2.AsyncClient) -> None:
        self.visitor = visitor
        self._http = http
        self.opened: list[str] = []
        self.landed: list[str] = []

    async def land(self, url: str) -> str:
        """The assistant's address with the answer, which is not asked."""
        self.opened.append(url)
        self.landed.append(await self.visitor.open(url, parse_qs(urlsplit(url).query)["redirect_uri"][0]))
        return self.landed[-1]

    async def open(self, url: str) -> str:
        """…which is asked, as a browser does: the assistant listens there."""
        answer = await self._http.get(await self.land(url), follow_redirects=True)
        assert answer.status_code < 500, answer.text
        return self.landed[-1]
