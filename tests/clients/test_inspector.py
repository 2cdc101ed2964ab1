"""The official Inspector: mcpdo signs in as people do at a terminal; its command line calls in both eras."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.people import PEOPLE
from sandbox.serve import free_port
from tests.clients.conftest import Show
from tests.clients.place import Place
from tests.clients.programs import INSPECTOR, Ended, node, run, version

pytestmark = pytest.mark.asyncio(loop_scope="session")

PACKAGE = "@modelcontextprotocol/inspector"


class Terminal:
    """A shell of one person with the Inspector's programs; its home is its own."""

    def __init__(self, place: Place, home: Path, user: str) -> None:
        self.browser = place.at(user)
        self._env = {
            "HOME": str(home),
            "MCP_INSPECTOR_SECRET_STORE": "file",
            "MCP_OAUTH_CALLBACK_URL": f"http://127.0.0.1:{free_port('127.0.0.1')}/oauth/callback",
            "NO_COLOR": "1",
        }

    async def mcpdo(self, *words: str) -> Ended:
        """One command; an address that it prints is opened."""
        program = INSPECTOR / "clients/mcpdo/build/mcp-bin.js"
        return await run(node(), program, "--format", "json", *words, browser=self.browser.open, **self._env)

    async def inspector(self, *words: str) -> Ended:
        """Its command line."""
        program = INSPECTOR / "clients/launcher/build/index.js"
        return await run(node(), program, "--cli", *words, "--quiet", **self._env)


@pytest_asyncio.fixture(loop_scope="session")
async def terminal(place: Place, tmp_path: Path) -> AsyncIterator[Terminal]:
    """Bo's; its daemon ends with it."""
    made = Terminal(place, tmp_path, "bo")
    yield made
    await made.mcpdo("daemon", "stop")


async def test_mcpdo_signs_in_and_calls(place: Place, show: Show, terminal: Terminal) -> None:
    """It registers, waits for the browser, and calls as the person."""
    began = await terminal.mcpdo("connect", place.url)
    assert began.status == 0 and len(began.opened) == 1, began.said
    name = ("--connection", place.url)
    shown = await terminal.mcpdo(*name, "connections/show")
    assert shown.status == 0 and 'pendingAuth": true' not in shown.said, shown.said
    called = await terminal.mcpdo(*name, "tools/call", "jira_whoami")
    assert called.status == 0 and PEOPLE["bo"].email in called.said, called.said
    found = await terminal.mcpdo(*name, "tools/call", "jira_search", "jql:=updated >= -52w")
    assert found.status == 0 and "issues" in found.said, found.said
    show("mcpdo", version(PACKAGE), "real", "discover", "register", "sign in", "call")


@pytest.mark.parametrize(("era", "protocol"), [("legacy", "2025-11-25"), ("modern", "2026-07-28")])
async def test_the_inspector_calls_with_a_token_of_the_flow(
    place: Place, show: Show, terminal: Terminal, era: str, protocol: str
) -> None:
    """In both eras; the record has the protocol that was spoken."""
    client = (await place.assistant()).client_id
    request = (await place.assistant()).address(client_id=client)
    token = (await place.granted("bo", client, request, scope="jira:read"))["access_token"]
    common = (
        place.url,
        "--transport",
        "http",
        "--protocol-era",
        era,
        "--header",
        f"Authorization: Bearer {token}",
    )
    listed = await terminal.inspector(*common, "--method", "tools/list")
    assert listed.status == 0 and "jira_search" in listed.said, listed.said
    called = await terminal.inspector(*common, "--method", "tools/call", "--tool-name", "jira_whoami")
    assert called.status == 0 and PEOPLE["bo"].email in called.said, called.said
    assert protocol in json.dumps(place.records()[-1]), place.records()[-1]
    show("Inspector", version(PACKAGE), "real", "call")
