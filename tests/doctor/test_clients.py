"""The replays of assistants against a whole gateway: each sequence in its order, each habit with its refresh."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
import pytest
import pytest_asyncio

from gateway.cli import FAILED, GOOD, SETTINGS, USAGE, main
from gateway.doctor import Line
from gateway.doctor.clients import COLUMNS, names, profile
from gateway.doctor.clients.by_hand import by_hand
from gateway.doctor.clients.discover import Found, same_resource, server_places
from gateway.doctor.clients.replay import Replay, column, two_doors
from gateway.doctor.clients.signing import STAYS, Registered, published, stays
from sandbox.serve import free_port
from sandbox.visitor import opener
from tests.clients.place import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAMILIES = {
    "claude", "claude-code", "claude-app-code", "chatgpt", "vscode", "copilot-cli", "copilot-studio",
    "cursor", "gemini-cli", "codex", "mcp-remote",
}  # fmt: skip
WAYS = sorted(
    {(name, False) for name in FAMILIES} | {(name, True) for name in names() if profile(name).document}
)
"""(assistant, by its document): each as it registers itself, and with its document where it has one."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One gateway for all replays."""
    async with Place(tmp_path_factory.mktemp("replays")) as world:
        yield world


async def replayed(
    world: Place,
    name: str,
    user: str | None = "ana",
    *,
    by_document: bool = False,
    url: str = "",
    **changes: Any,
) -> dict[str, Line]:
    """The lines of one replay, by what was looked at; `changes` are of the profile."""
    one = msgspec.structs.replace(profile(name), **changes)
    document = world.document(f"/{name}.json", published(one)) if by_document else ""
    async with two_doors() as doors:
        person = opener(doors[1], user) if user else None
        replay = Replay(one, url or world.url, doors, person, document=document, by_itself=not by_document)
        return {line.what: line async for line in replay.lines()}


def wrong(lines: dict[str, Line]) -> list[Line]:
    """What is wrong."""
    return [line for line in lines.values() if line.state == "wrong"]


async def test_every_family_is_known() -> None:
    """Each assistant of the list has its data, and says where that is from."""
    assert set(names()) >= FAMILIES
    for name in names():
        known = profile(name)
        assert known.sources and known.redirects and known.body["client_name"]


@pytest.mark.parametrize(("name", "by_document"), WAYS)
async def test_a25_each_assistant_signs_in_calls_and_refreshes(
    world: Place, name: str, by_document: bool
) -> None:
    """Nothing is wrong in any step of its sequence, and every column was reached."""
    lines = await replayed(world, name, by_document=by_document)
    assert wrong(lines) == []
    assert {column(line) for line in lines.values()} == set(COLUMNS)
    assert ("its document" in lines["register"].found) is by_document


async def test_a_gateway_without_a_grace_is_found(tmp_path: Path) -> None:
    """Where the second use of a refresh token ends the family, the replay of Claude says so."""
    async with Place(tmp_path, settings={"GATEWAY__SIGNIN__GRACE_SECONDS": "0"}) as strict:
        lines = await replayed(strict, "claude")
    twice = lines["refresh: twice, from two connections"]
    assert twice.state == lines["refresh: the family lives"].state == "wrong"
    assert "grace_seconds" in twice.do


async def test_a_scheme_that_is_not_allowed_is_found(tmp_path: Path) -> None:
    """The registration is refused, and the setting is named."""
    async with Place(tmp_path, settings={"GATEWAY__SIGNIN__PRIVATE_SCHEMES": "[]"}) as strict:
        lines = await replayed(strict, "claude-app-code")
    [last] = wrong(lines)
    assert last.what == "register" and "private_schemes" in last.do


async def test_what_stays_is_told_also_where_the_redirect_was_dropped(tmp_path: Path) -> None:
    """It registered with its other redirect and stops; with a document of its own nothing of the replay's stays."""
    async with Place(tmp_path, settings={"GATEWAY__SIGNIN__PRIVATE_SCHEMES": "[]"}) as strict:
        lines = await replayed(strict, "cursor")
        assert [line.what for line in wrong(lines)] == ["register"] and list(lines)[-2:] == [
            "register",
            STAYS,
        ]
        assert STAYS not in await replayed(strict, "vscode", None, by_document=True)


@pytest.mark.parametrize(
    ("issuer", "do"),
    [
        ("https://gw.test", "jira-agent-gateway client revoke 'a b'"),
        ("https://gw.tes", "Delete a b at https://gw.tes."),
        ("https://id.test/realms/corp", "Delete a b at https://id.test/realms/corp."),
    ],
)
async def test_what_stays_is_deleted_where_it_is(issuer: str, do: str) -> None:
    """The command is for our own registry only, and safe to paste; elsewhere the issuer is named."""
    found = Found("https://gw.test/mcp", {}, {}, {"issuer": issuer}, ())
    assert stays(profile("codex"), found, Registered("a b", "http://127.0.0.1:1/callback")).do == do


async def test_nothing_is_signed_in_without_a_person(world: Place) -> None:
    """Without one a replay ends before the sign-in, and says so."""
    lines = await replayed(world, "codex", user=None)
    assert [line.state for line in lines.values()] == ["good"] * 5 + ["note"] * 2
    assert "--open" in lines["sign in"].do and list(lines)[-1] == STAYS


async def test_another_resource_than_the_typed_address_ends_it(world: Place) -> None:
    """Where an assistant compares strings, an address with a query is another resource."""
    lines = await replayed(world, "codex", url=f"{world.url}?team=pay", same_resource="exact")
    [last] = wrong(lines)
    assert "resource" in last.what and last == list(lines.values())[-1]
    assert wrong(await replayed(world, "codex", url=f"{world.url}?team=pay")) == []


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


async def test_a_person_who_is_not_let_in(world: Place) -> None:
    """What the page says is told, and the replay ends."""
    world.sandbox.idp.disabled.add("bo")
    lines = await replayed(world, "codex", user="bo")
    world.sandbox.idp.disabled.clear()
    assert [line.what for line in wrong(lines)] == ["sign in: answer"]


async def command(world: Place, *words: str) -> int:
    """`doctor …`"""
    return await told_to(world, "doctor", *words)


async def told_to(world: Place, *words: str) -> int:
    """The command line, beside the gateway that this loop serves."""
    return await asyncio.to_thread(main, [*words, "--config", str(world.folder / "gateway.toml")])


async def registered(world: Place, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The names in the registry, by id."""
    assert await told_to(world, "client", "list", "--json") == GOOD
    return {one["id"]: one["name"] for one in json.loads(capsys.readouterr().out)}


async def test_the_command_replays_and_says_it_as_json(
    world: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """`doctor --client NAME --user ana --json`: 0, every line, and no token in any."""
    assert await command(world, "--client", "cursor", "--user", "ana", "--json") == GOOD
    told = json.loads(capsys.readouterr().out)
    assert told["good"] and told["clients"][0]["name"] == "cursor"
    assert len(told["clients"][0]["lines"]) > 12
    assert "eyJ" not in json.dumps(told)


async def test_what_the_command_registers_is_named_and_its_last_line_deletes_it(
    world: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """`… (doctor)` in the registry, one however often it runs, and never the client of the real assistant."""
    body = {**profile("codex").body, "redirect_uris": ["http://127.0.0.1:1/callback"]}
    real = (await world.http.post(f"{world.sandbox.gateway_url}/register", json=body)).json()
    for _ in range(2):
        assert await command(world, "--client", "codex") == GOOD
        last = capsys.readouterr().out.splitlines()[-1]
    program, *words = last.split()
    assert program == "jira-agent-gateway" and words[:2] == ["client", "revoke"]
    names = await registered(world, capsys)
    assert names[words[2]] == "Codex (doctor)" and list(names.values()).count("Codex (doctor)") == 1
    assert await told_to(world, *words) == GOOD
    capsys.readouterr()
    names = await registered(world, capsys)
    assert "Codex (doctor)" not in names.values() and names[real["client_id"]] == "Codex"


async def test_the_command_shows_a_table_and_its_sources(
    world: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a person it goes to the sign-in; the page names what it is known from."""
    assert await command(world, "--client", "codex") == GOOD
    out = capsys.readouterr().out
    assert "Codex" in out and "#14419" in out and "nobody signs in" in out


async def test_a_document_that_the_gateway_cannot_fetch_is_found(world: Place) -> None:
    """The replay says what the gateway's page says to developers."""
    gone = world.document("/gone.json", {}).replace("gone", "nowhere")
    async with two_doors() as doors:
        lines = {
            one.what: one async for one in Replay(profile("vscode"), world.url, doors, document=gone).lines()
        }
    [last] = wrong(lines)
    assert last.what == "sign in: request" and "invalid_client" in last.found and "document" in last.found


async def test_wrong_usage(world: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """No name is usage; an unknown one lists those that there are; nobody's name lists the people."""
    assert await command(world) == USAGE
    assert await command(world, "--client", "netscape") == SETTINGS
    assert "gemini-cli" in capsys.readouterr().err
    assert await command(world, "--client", "codex", "--user", "nobody") == SETTINGS


async def test_a_gateway_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told as wrong, with what to do."""
    async with Place(tmp_path, serve=False) as world:
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
