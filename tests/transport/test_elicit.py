"""A call that needs the person in a browser says so in the way that its client declared."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError, UrlElicitationRequiredError
from mcp_types import (
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
    TextContent,
)

from gateway.errors import ConsentRequired
from gateway.model import Bearer, Caller, Result, ToolRequest
from tests.transport import world as worlds
from tests.transport.world import INITIALIZE, TLS, FakeLine, World

PAGE = "https://gateway.example/connect/jira"
URL_CAPABLE: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}}
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


class Linkable(FakeLine):
    """A line whose people must link Jira once; `linked` are those who did."""

    def __init__(self) -> None:
        super().__init__()
        self.linked: set[str] = set()

    async def call(self, bearer: Bearer, request: ToolRequest) -> Result:
        caller = await self.authenticate(bearer, request.source)
        self.calls.append(request)
        if caller.subject not in self.linked:
            raise ConsentRequired("Connect your Jira account, then ask again.", url=PAGE)
        return Result({"subject": caller.subject}, f"{caller.subject} reads")


def address(url: str, caller: Caller) -> str:
    """As the composition makes it: the page, for the caller alone."""
    return f"{url}?for={caller.subject}-sealed"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served() -> AsyncIterator[World]:
    """A server of its own, since its line and its addresses are."""
    async with worlds.world(address=address, line=Linkable()) as made:
        yield made


@pytest.fixture
def world(served: World) -> World:
    """The server, with nobody linked."""
    vars(served.line).update(vars(Linkable()))
    return served


def client(world: World, http: httpx2.AsyncClient, mode: str, opens: Any = None) -> Client:
    """A client of the SDK; with `opens` it declares that it opens addresses."""
    transport: Any = streamable_http_client(world.url + "/mcp", http_client=http)
    return Client(transport, mode=mode, elicitation_callback=opens)


def browser() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"authorization": "Bearer ana-token"}, verify=TLS)


def answered(world: World) -> list[str]:
    """Subjects of the calls that reached the line."""
    return [call.name for call in world.line.calls]


class Assistant:
    """The client's side of an elicitation: opens the page, where the person links, or does not."""

    def __init__(self, world: World, *, links: bool, action: Any = "accept") -> None:
        self.asked: list[ElicitRequestURLParams] = []
        self._world, self._links, self._action = world, links, action

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestURLParams)
        self.asked.append(params)
        if self._links:
            self._world.line.linked.add("ana")  # type: ignore[attr-defined]
        return ElicitResult(action=self._action)


@pytest.mark.parametrize("mode", ["auto", "2026-07-28"])
async def test_the_sdk_client_opens_the_page_and_its_repeated_call_succeeds(world: World, mode: str) -> None:
    """2026-07-28: the SDK's client is asked once, with our address for this person, and then has its answer."""
    assistant = Assistant(world, links=True)
    async with browser() as http, client(world, http, mode, assistant) as mcp:
        answer = await mcp.call_tool("demo_whoami", {})
    assert answer.structured_content == {"subject": "ana"}
    assert [asked.url for asked in assistant.asked] == [f"{PAGE}?for=ana-sealed"]
    assert assistant.asked[0].mode == "url" and "Connect your Jira" in assistant.asked[0].message
    assert answered(world) == ["demo_whoami"] * 2


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
async def test_a_page_that_was_not_finished_is_not_opened_again(world: World, action: str) -> None:
    """The repeated call that still lacks the link ends in a tool error with the address, not in a loop."""
    assistant = Assistant(world, links=False, action=action)
    async with browser() as http, client(world, http, "2026-07-28", assistant) as mcp:
        answer = await mcp.call_tool("demo_whoami", {})
    assert answer.is_error and len(assistant.asked) == 1
    assert isinstance(answer.content[0], TextContent)
    assert f"{PAGE}?for=ana-sealed" in answer.content[0].text


async def test_the_sdk_client_of_the_handshake_era_gets_the_error(world: World) -> None:
    """2025-11-25: -32042 with the address and an id, recognised by the SDK's own type."""
    async with browser() as http, client(world, http, "legacy", Assistant(world, links=False)) as mcp:
        with pytest.raises(MCPError) as raised:
            await mcp.call_tool("demo_whoami", {})
        assert raised.value.error.code == -32042
        [asked] = UrlElicitationRequiredError.from_error(raised.value.error).elicitations
        assert asked.url == f"{PAGE}?for=ana-sealed" and asked.elicitation_id
        world.line.linked.add("ana")  # type: ignore[attr-defined]
        answer = await mcp.call_tool("demo_whoami", {})
        assert answer.structured_content == {"subject": "ana"}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_client_that_opens_no_addresses_gets_the_address_in_text(world: World, mode: str) -> None:
    """Without the capability the answer is a tool error that a person can follow."""
    async with browser() as http, client(world, http, mode) as mcp:
        answer = await mcp.call_tool("demo_whoami", {})
    assert answer.is_error and isinstance(answer.content[0], TextContent)
    assert f"Open {PAGE}?for=ana-sealed (call" in answer.content[0].text
    assert answer.meta and answer.meta["jira-agent-gateway/error"]["code"] == "consent_required"


@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {}}, {"elicitation": {"form": {}}}])
async def test_form_mode_is_not_url_mode(world: World, capabilities: dict[str, Any]) -> None:
    """`{"elicitation": {}}` is form mode alone, so nothing is asked (and no capability error is made)."""
    params = {"name": "demo_whoami", "_meta": {CAPABILITIES: capabilities}}
    result = (await world.modern("tools/call", params)).json()["result"]
    assert result["resultType"] == "complete" and result["isError"]
    begun = await world.legacy("initialize", {**INITIALIZE, "capabilities": capabilities})
    assert "mcp-session-id" not in begun.headers


async def test_the_modern_result_is_of_the_specified_form(world: World) -> None:
    """One request of mode url under a key, nothing of the handshake era, and the server's stamp."""
    params = {"name": "demo_whoami", "_meta": {CAPABILITIES: URL_CAPABLE}}
    answer = await world.modern("tools/call", params)
    result = answer.json()["result"]
    assert answer.status_code == 200 and result["resultType"] == "input_required"
    [asked] = result["inputRequests"].values()
    assert asked == {
        "method": "elicitation/create",
        "params": {
            "mode": "url",
            "message": "Connect your Jira account, then ask again.",
            "url": f"{PAGE}?for=ana-sealed",
        },
    }
    assert "io.modelcontextprotocol/serverInfo" in result["_meta"]
    assert "content" not in result and "requestState" not in result


async def test_the_sdk_app_gives_the_same_result(world: World) -> None:
    """What the hot path does not recognise goes through the SDK's app, and asks in the same way."""
    params = {"name": "demo_whoami", "_meta": {CAPABILITIES: URL_CAPABLE}}
    ours = (await world.modern("tools/call", params)).json()["result"]
    theirs = (await world.modern("tools/call", {**params, "requestState": "unknown"})).json()["result"]
    assert InputRequiredResult.model_validate(theirs) == InputRequiredResult.model_validate(ours)


async def test_the_note_of_the_handshake_era_only_says_what_the_client_can(world: World) -> None:
    """`initialize` gives a fresh note to clients that open addresses; older revisions never meet -32042."""
    asked = {**INITIALIZE, "capabilities": URL_CAPABLE}
    notes = [(await world.legacy("initialize", asked)).headers["mcp-session-id"] for _ in range(2)]
    assert notes[0] != notes[1] and all(note.isascii() and note.isprintable() for note in notes)

    async def code(note: str, version: str) -> Any:
        body, headers = worlds.legacy("tools/call", {"name": "demo_whoami"}, version=version)
        answer = await world.post(body, {**headers, "mcp-session-id": note})
        return answer.json().get("error", {}).get("code")

    assert await code(notes[0], "2025-11-25") == -32042
    assert await code("something-else", "2025-11-25") is None
    assert await code(notes[0], "2025-06-18") is None


async def test_pitfall_25_a_handle_of_somebody_else_is_worth_nothing(world: World) -> None:
    """Ana's session note with Bo's token is Bo's call: answered with Bo's address, and never with Ana's link."""
    asked = {**INITIALIZE, "capabilities": URL_CAPABLE}
    note = (await world.legacy("initialize", asked)).headers["mcp-session-id"]
    world.line.linked.add("ana")  # type: ignore[attr-defined]
    body, headers = worlds.legacy("tools/call", {"name": "demo_whoami"})
    headers["mcp-session-id"] = note
    assert (await world.post(body, headers)).json()["result"]["structuredContent"] == {"subject": "ana"}
    told = (await world.post(body, headers, token="bo-token")).json()["error"]
    assert told["data"]["elicitations"][0]["url"] == f"{PAGE}?for=bo-sealed"
    nobody = await world.post(body, headers, token=None)
    assert nobody.status_code == 401
