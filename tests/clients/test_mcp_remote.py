"""mcp-remote, with which assistants that only know local programs reach us; the person sits at a real Chromium."""

import json
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.doctor.clients.discover import hello
from sandbox.people import PEOPLE
from tests.clients.conftest import Show
from tests.clients.place import Place
from tests.clients.programs import INTO, Ended, Opens, node, run, version

pytestmark = pytest.mark.asyncio(loop_scope="session")


def chromium(user: str, told: list[dict[str, object]]) -> Opens:
    """Opens an address in a headless Chromium, signs in as `user` and allows; what was met goes to `told`."""

    async def opens(url: str) -> None:
        program = shutil.which("chromium")
        assert program, "Chromium is missing: install it (Debian: apt-get install chromium)."
        until = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        done = await run(node(), INTO / "chromium.mjs", program, url, until, user, PEOPLE[user].password)
        assert done.status == 0, done.said
        told.append(done.json)

    return opens


class Remote:
    """mcp-remote of one assistant, with its folder of tokens. `whoami` is an assistant that asks one question."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._command = (node(), INTO / "node_modules/mcp-remote/dist/proxy.js", place.url, "--allow-http")
        self._env = {"MCP_REMOTE_CONFIG_DIR": str(folder), "BROWSER": "true"}
        self._folder = folder

    async def whoami(self, browser: Opens) -> Ended:
        """Handshake and one call, through its standard input and output."""
        messages = [
            hello("2025-06-18", "a local assistant"),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {
                "jsonrpc": "2.0",
                "id": 7,
                "method": "tools/call",
                "params": {"name": "jira_whoami", "arguments": {}},
            },
        ]
        return await run(*self._command, browser=browser, says=messages, until='"id":7', **self._env)

    @property
    def tokens(self) -> Path:
        """The file in which it keeps them."""
        [file] = self._folder.rglob("*_tokens.json")
        return file


async def test_mcp_remote_signs_in_through_chromium_and_calls(
    place: Place, show: Show, tmp_path: Path
) -> None:
    """It goes the whole way once, past our pages and their content policy; the second time without a browser."""
    remote, told = Remote(place, tmp_path), list[dict[str, object]]()
    first = await remote.whoami(chromium("bo", told))
    assert PEOPLE["bo"].email in first.said and len(first.opened) == 1, first.said
    assert told[0]["blocked"] == [] and "close" in str(told[0]["text"]), told
    again = await remote.whoami(chromium("bo", told))
    assert PEOPLE["bo"].email in again.said and again.opened == [], again.said
    show("mcp-remote", version("mcp-remote"), "real", "discover", "register", "sign in", "call")


async def test_mcp_remote_refreshes(place: Place, show: Show, tmp_path: Path) -> None:
    """With an access token that is good no more it refreshes; the kept refresh token is another one then."""
    remote = Remote(place, tmp_path)
    await remote.whoami(place.at("bo").open)
    held = json.loads(remote.tokens.read_text())
    remote.tokens.write_text(json.dumps({**held, "access_token": held["access_token"][:-6] + "AAAAAA"}))
    again = await remote.whoami(place.at("bo").open)
    assert PEOPLE["bo"].email in again.said and again.opened == [], again.said
    assert json.loads(remote.tokens.read_text())["refresh_token"] != held["refresh_token"]
    show("mcp-remote", version("mcp-remote"), "real", "refresh")
