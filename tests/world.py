"""A whole gateway in front of the whole sandbox, in this event loop, and the invariants of its line."""

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import orjson

from gateway.app import Gateway
from gateway.audit import record
from gateway.audit.verify import Report, verify
from gateway.config import load
from gateway.credential.sources.exchange import ExchangeSource
from gateway.model import Bearer, Result, ToolRequest
from sandbox.people import PEOPLE, Person
from sandbox.run import Sandbox
from sandbox.serve import Served, listen
from tests.speaking import exchange_of, recorded, tool_call

WRITES = {"POST", "PUT", "DELETE"}
READ_POSTS = ("/search/jql", "/search/approximate-count")


class World:
    """`async with World(folder) as world`: sandbox and gateway, served on loopback."""

    def __init__(
        self,
        folder: Path,
        *,
        people: Mapping[str, Person] = PEOPLE,
        serve: bool = True,
        jira_host: str = "127.0.0.1",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.sandbox = Sandbox(people=people)
        self._serve = serve
        self._jira_host = jira_host
        self._environ = dict(settings or {})
        self._stack = AsyncExitStack()
        self.served = AsyncExitStack()
        """Closed, it ends the gateway while the sandbox goes on."""
        self._ids = itertools.count(1)
        self.tokens: list[str] = []

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.sandbox)
        self._environ.setdefault(
            "GATEWAY__JIRA__URL", self.sandbox.jira_url.replace("127.0.0.1", self._jira_host)
        )
        self.prepare()
        config = self.folder / "gateway.toml"
        config.write_text(self.sandbox.config_toml())
        self.settings = load(config, self._environ)
        self.gateway = Gateway(self.settings)
        if self._serve:
            sock = listen("127.0.0.1", self.settings.server.port)
            await self._stack.enter_async_context(self.served)
            await self.served.enter_async_context(Served(self.gateway.app, sock))
        else:
            await self._stack.enter_async_context(self.gateway.running())
        self.http = await self._stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=30))
        return self

    def prepare(self) -> None:
        """What a test adds to the sandbox, or to the settings, before the gateway starts."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        return self.sandbox.gateway_resource

    def token(self, user: str, scope: str = "openid jira:read jira:write") -> Bearer:
        """A fresh access token of `user` for the gateway."""
        token = self.sandbox.token(user, scope=scope)
        self.tokens.append(token)
        return Bearer(token)

    @property
    def exchange(self) -> ExchangeSource:
        """The credential source of the first site."""
        return exchange_of(self.gateway)

    def fresh(self, user: str) -> Bearer:
        """A new token, and no grant kept from an earlier one: the call goes the whole way."""
        self.exchange.kept._grants._entries.clear()
        return self.token(user)

    async def line(self, bearer: Bearer, tool: str, **arguments: Any) -> Result:
        """One call through the line, without the transport."""
        request = ToolRequest(tool, arguments, source="test", call_id=f"call-{next(self._ids)}")
        return await self.gateway.line.call(bearer, request)

    async def call(self, bearer: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """One tools/call over HTTP, in the modern era; the JSON-RPC answer."""
        message, headers = tool_call(next(self._ids), bearer, tool, arguments)
        answer = await self.http.post(self.url, json=message, headers=headers)
        told: dict[str, Any] = orjson.loads(answer.content)
        assert told["id"] == message["id"]
        return told

    def effects(self) -> list[Any]:
        """Requests that changed Jira, or tried to."""
        return [
            r for r in self.sandbox.jira.requests if r.method in WRITES and not r.path.endswith(READ_POSTS)
        ]

    def records(self) -> list[dict[str, Any]]:
        """The record, oldest first."""
        return recorded(self.settings.audit.dir)

    async def recorded(self, kind: str) -> None:
        """Wait until a record of that kind is there."""
        for _ in range(1000):
            if any(r["kind"] == kind for r in self.records()):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"no record of {kind} within 10 s")

    async def settled(self) -> None:
        """Let cancelled work end."""
        for _ in range(20):
            await asyncio.sleep(0.005)

    def checked(self) -> Report:
        """The verification of the record, now."""
        return verify(self.settings.audit.dir, second=self.settings.audit.second)


def check_invariants(world: World) -> None:
    """What holds after every fault.

    (a) an effect has an earlier durable decision that allows it, of the same person; (b) the log is
    whole; (c) a decision without an outcome is in doubt, and only that; (d) no token or grant is in it.
    """
    records = world.records()
    decided = [r for r in records if r["kind"] == record.DECISION and r["allowed"]]
    for effect in world.effects():
        assert any(r["subject"] == effect.subject for r in decided), f"no decision for {effect}"
    assert len(world.effects()) <= len(decided)
    report = world.checked()
    assert report.ok, report
    outcomes = {
        r["id"]
        for r in records
        if r["kind"] == record.OUTCOME and not ("happened" in r and r["happened"] is None)
    }
    assert {d.id for d in report.in_doubt} == {r["id"] for r in decided} - outcomes
    stored = orjson.dumps(records)
    for token in world.tokens:
        assert token.rsplit(".", 1)[1].encode() not in stored
