"""The replays of assistants against a whole gateway: each sequence in its order, each habit with its refresh."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest
import pytest_asyncio

from gateway.cli import FAILED, GOOD, SETTINGS, USAGE, main
from gateway.doctor import Line
from gateway.doctor.clients import COLUMNS, names, profile
from gateway.doctor.clients.by_hand import by_hand
from gateway.doctor.clients.discover import same_resource, server_places
from gateway.doctor.clients.replay import Replay, column, two_doors
from sandbox.serve import free_port
from sandbox.visitor import opener
from tests.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAMILIES = {
    "claude", "claude-code", "claude-app-code", "chatgpt", "vscode", "copilot-cli", "copilot-studio",
    "cursor", "gemini-cli", "codex", "mcp-remote",
}  # fmt: skip
HOSTED = {"claude", "chatgpt", "copilot-studio"}
"""Their answers go to sites of their own, which the sandbox's provider does not know."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One gateway for all replays."""
    async with World(tmp_path_factory.mktemp("replays")) as world:
        yield world


async def replayed(url: str, name: str, user: str | None = "ana", **changes: object) -> dict[str, Line]:
    """The lines of one replay, by what was looked at; `changes` are of the profile."""
    one = msgspec.structs.replace(profile(name), **changes)
    async with two_doors() as doors:
        person = opener(doors[1], user) if user else None
        return {line.what: line async for line in Replay(one, url, doors, person).lines()}


def wrong(lines: dict[str, Line]) -> list[Line]:
    """What is wrong."""
    return [line for line in lines.values() if line.state == "wrong"]


async def test_every_family_is_known() -> None:
    """Each assistant of the list has its data, and says where that is from."""
    assert set(names()) >= FAMILIES
    for name in names():
        known = profile(name)
        assert known.sources and known.redirects and known.body["client_name"]


@pytest.mark.parametrize("name", sorted(FAMILIES - HOSTED))
async def test_a25_each_assistant_signs_in_calls_and_refreshes(world: World, name: str) -> None:
    """Nothing is wrong in any step of its sequence, and every column was reached."""
    lines = await replayed(world.url, name)
    assert wrong(lines) == []
    assert {column(line) for line in lines.values()} == set(COLUMNS)


async def test_nothing_is_signed_in_without_a_person(world: World) -> None:
    """Without one a replay ends before the sign-in, and says so."""
    lines = await replayed(world.url, "codex", user=None)
    assert [line.state for line in lines.values()] == ["good"] * 5 + ["note"]
    assert "--open" in list(lines.values())[-1].do


async def test_another_resource_than_the_typed_address_ends_it(world: World) -> None:
    """Where an assistant compares strings, an address with a query is another resource."""
    lines = await replayed(f"{world.url}?team=pay", "codex", same_resource="exact")
    [last] = wrong(lines)
    assert "resource" in last.what and last == list(lines.values())[-1]
    assert wrong(await replayed(f"{world.url}?team=pay", "codex")) == []


@pytest.mark.parametrize(
    ("rule", "typed", "named", "same"),
    [
        ("exact", "https://a/mcp", "https://a/mcp/", False),
        ("normalised", "https://A/mcp", "https://a/mcp", True),
        ("normalised", "https://a", "https://a/", True),
        ("normalised", "https://a/mcp", "https://a/", False),
        ("place", "https://a/mcp", "https://a", False),
        ("prefix", "https://a/mcp", "https://a", True),
        ("prefix", "https://a/mcpx", "https://a/mcp", False),
        ("prefix", "https://a/mcp", "https://b/mcp", False),
    ],
)
async def test_each_rule_for_the_resource(rule: str, typed: str, named: str, same: bool) -> None:
    """As the assistants compare what was typed with what the metadata says."""
    assert same_resource(rule, typed, named) is same


async def test_the_places_of_an_issuer_with_a_path() -> None:
    """Inserted and appended (RFC 8414 §3.1, OpenID Connect Discovery §4)."""
    assert server_places("https://a/t") == {
        "oauth": "https://a/.well-known/oauth-authorization-server/t",
        "openid": "https://a/.well-known/openid-configuration/t",
        "oauth-appended": "https://a/t/.well-known/oauth-authorization-server",
        "openid-appended": "https://a/t/.well-known/openid-configuration",
    }


async def test_a_person_who_is_not_let_in(world: World) -> None:
    """What the page says is told, and the replay ends."""
    world.sandbox.idp.disabled.add("bo")
    lines = await replayed(world.url, "codex", user="bo")
    world.sandbox.idp.disabled.clear()
    assert [line.what for line in wrong(lines)] == ["sign in: answer"]


async def command(world: World, *words: str) -> int:
    """The command line, beside the gateway that this loop serves."""
    return await asyncio.to_thread(main, ["doctor", *words, "--config", str(world.folder / "gateway.toml")])


async def test_the_command_replays_and_says_it_as_json(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """`doctor --client NAME --user ana --json`: 0, every line, and no token in any."""
    assert await command(world, "--client", "cursor", "--user", "ana", "--json") == GOOD
    told = json.loads(capsys.readouterr().out)
    assert told["good"] and told["clients"][0]["name"] == "cursor"
    assert len(told["clients"][0]["lines"]) > 12
    assert "eyJ" not in json.dumps(told)


async def test_the_command_shows_a_table_and_its_sources(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a person it goes to the sign-in; the page names what it is known from."""
    assert await command(world, "--client", "vscode") == GOOD
    out = capsys.readouterr().out
    assert "VS Code" in out and "#278512" in out and "nobody signs in" in out


async def test_wrong_usage(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """No name is usage; an unknown one lists those that there are; nobody's name lists the people."""
    assert await command(world) == USAGE
    assert await command(world, "--client", "netscape") == SETTINGS
    assert "gemini-cli" in capsys.readouterr().err
    assert await command(world, "--client", "codex", "--user", "nobody") == SETTINGS


async def test_a_gateway_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told as wrong, with what to do."""
    async with World(tmp_path, serve=False) as world:
        assert await command(world, "--client", "codex") == FAILED
        assert "cannot connect" in capsys.readouterr().out


async def test_a_person_opens_the_address_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """The address is printed; the answer is heard at the redirect's own port and path, and nowhere else."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        port = free_port("127.0.0.1")
        redirect = f"http://127.0.0.1:{port}/callback"
        waiting = asyncio.create_task(by_hand("https://gateway.test/authorize?x=1", redirect))
        printed = ""
        for _ in range(1000):
            printed += capsys.readouterr().err
            if printed:
                break
            await asyncio.sleep(0.01)
        assert "https://gateway.test/authorize?x=1" in printed
        assert (await http.get(f"http://127.0.0.1:{port}/favicon.ico")).status_code == 404
        assert (await http.get(f"{redirect}?code=c&state=s")).status_code == 200
        assert urlsplit(await waiting).query == "code=c&state=s"
