"""The tools as the line calls them, on the sandbox's Jira, with a decision that the test chooses."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import jsonschema_rs
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette

from gateway.config import TOOL_MODULES
from gateway.http import Outward
from gateway.jira.client import JiraClient
from gateway.model import Caller, Decision, Grant, Result, Secret, ToolRequest
from gateway.redact import redact
from gateway.tool import Bound, Registry, Sight
from sandbox.jira import create_app
from sandbox.serve import Served, listen

REGISTRY = Registry.load(TOOL_MODULES)
ALLOWED = Decision(allowed=True, reasons=(), policy="sha256:test")
ISSUER = "https://idp.example.com"


async def verify(token: str) -> Mapping[str, Any] | None:
    """Tokens of these tests say who they are for."""
    _, name, _ = token.split(".")
    return {"sub": name, "scope": "read:jira-work write:jira-work"}


class Line:
    """`line.call(person, tool, **arguments)` binds, looks, acts and redacts, and checks what comes out."""

    def __init__(self, app: Starlette, client: JiraClient) -> None:
        self.app = app
        self.client = client
        self.resources: list[str] = []
        """What the last call asked policy about."""
        self.input: Mapping[str, Any] = {}
        """What policy saw of the last call's arguments."""

    @property
    def site(self) -> Any:
        """The sandbox's data, to look behind Jira's back."""
        return self.app.state.site

    @property
    def requests(self) -> list[tuple[str, str]]:
        """(method, path) of every request that reached Jira."""
        return [(seen.method, seen.path.removeprefix("/rest/api/3/")) for seen in self.app.state.requests]

    async def call(self, person: str, name: str, decision: Decision = ALLOWED, **arguments: Any) -> Result:
        """The released answer, which conforms to the tool's output schema."""
        bound = REGISTRY.bind(caller(person), ToolRequest(name, arguments)).under(decision)
        jira = self.client.session(grant(person))
        sight = await bound.look(jira)
        bound = self._noted(bound, sight)
        answer = await bound.act(jira, sight)
        result = redact(answer, decision)
        jsonschema_rs.validator_for(dict(REGISTRY[name].output_schema)).validate(result.structured)
        return result

    def _noted(self, bound: Bound, sight: Sight) -> Bound:
        bound = bound.settled(sight)
        self.resources = [resource.id for resource in sight.resources]
        self.input = bound.call.input
        return bound


def caller(person: str) -> Caller:
    """A caller with every scope."""
    return Caller(
        issuer=ISSUER,
        subject=person,
        client="test",
        scopes=frozenset({"jira:read", "jira:write"}),
        expires_at=4e9,
        token=Secret("token"),
    )


def grant(person: str) -> Grant:
    """A grant that the sandbox takes for that person."""
    secret = Secret(f"ok.{person}.x")
    return Grant(ISSUER, person, "jira", frozenset(), 4e9, secret, "test")


def hiding(*fields: str) -> Decision:
    """Allowed, with these fields redacted."""
    from gateway.model import Obligation

    return replace(ALLOWED, obligations=(Obligation("hide", "redact_fields", frozenset(fields)),))


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A new sandbox Jira and the tools in front of it."""
    sock = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    app = create_app(verify, base_url=url)
    with sock:
        async with Served(app, sock), Outward() as outward:
            yield Line(app, JiraClient(outward, url))
