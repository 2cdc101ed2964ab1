"""Attacks on the whole line: a token passed on, a caller who chooses the upstream, an address for a shell."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from gateway.config import load
from gateway.errors import ConfigError
from gateway.http import Ask, Outward, Reply
from sandbox.serve import listen
from tests.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The whole gateway."""
    async with World(tmp_path) as built:
        yield built


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Ask]:
    """Everything that the gateway asks of anybody."""
    asks: list[Ask] = []
    honest = Outward.send

    async def send(self: Outward, ask: Ask) -> Reply:
        asks.append(ask)
        return await honest(self, ask)

    monkeypatch.setattr(Outward, "send", send)
    return asks


@asynccontextmanager
async def stranger() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that nobody configured: its `host:port`, and who came."""
    came: list[str] = []

    async def notice(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(str(writer.get_extra_info("peername")))
        writer.close()

    sock = listen("127.0.0.1", 0)
    async with await asyncio.start_server(notice, sock=sock):
        yield f"127.0.0.1:{sock.getsockname()[1]}", came


async def asked(world: World, token: str, hosts: Sequence[str] = ()) -> int:
    """The status of one call, to these hosts: as bytes, since no client library sends two."""
    ours = urlsplit(world.url)
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    head = [
        f"POST {ours.path} HTTP/1.1",
        *(f"Host: {host}" for host in hosts or [ours.netloc]),
        f"Authorization: Bearer {token}",
        "Accept: application/json, text/event-stream",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    reader, writer = await asyncio.open_connection(ours.hostname, ours.port)
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


async def test_pitfall_01_a_token_for_somebody_else_goes_nowhere(world: World, sent: list[Ask]) -> None:
    """Jira's own token, and one for another MCP server, are refused here; ana's own never reaches Jira."""
    ana = world.token("ana")
    assert "error" not in await world.call(ana, "jira_whoami")
    grants = [grant.secret.reveal() for _, grant in world.exchange.kept._grants._entries.values()]
    to_jira = [ask for ask in sent if ask.url.startswith(world.sandbox.jira_url)]
    assert grants and to_jira
    for ask in to_jira:
        whole = orjson.dumps([ask.url, dict(ask.headers)]) + (ask.body or b"")
        assert not [part for part in ana.split(".")[1:] if part.encode() in whole]

    sent.clear()
    others = [world.sandbox.idp.mint("ana", aud=aud) for aud in ("https://other.test/mcp", world.url + "/x")]
    for token in (*grants, *others):
        assert await asked(world, token) == 401
    assert not [ask for ask in sent if ask.url.startswith(world.sandbox.jira_url) or "/token" in ask.url]


async def test_pitfall_11_no_header_chooses_an_upstream(world: World, sent: list[Ask]) -> None:
    """Whatever the caller names, the call reaches the configured Jira and nobody else (CVE-2026-27826)."""
    ana = world.token("ana")
    async with stranger() as (evil, came):
        url = f"http://{evil}"
        for name in ("X-Atlassian-Jira-Url", "X-Jira-Url", "X-Atlassian-Cloud-Id", "Jira-Url", "Referer"):
            world.http.headers[name] = url
        for name in ("X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host"):
            world.http.headers[name] = evil
        world.http.headers["Forwarded"] = f'host="{evil}";proto=http'
        before = len(world.sandbox.jira.requests)
        told = await world.call(ana, "jira_get_issue", key="OPEN-2")

        assert "error" not in told and not told["result"].get("isError")
        assert evil not in str(told)
        assert len(world.sandbox.jira.requests) > before
        ours = (world.sandbox.jira_url + "/", world.sandbox.issuer + "/")
        assert sent and all(ask.url.startswith(ours) for ask in sent)
        assert not came


async def test_pitfall_11_another_or_a_second_host_is_misdirected(world: World, sent: list[Ask]) -> None:
    """A Host that is not ours, and two of which one is, are refused before anything is asked of anybody."""
    ana, ours = world.token("ana"), urlsplit(world.url).netloc
    assert await asked(world, ana) == 200
    sent.clear()
    for hosts in (["evil.test"], [ours, "evil.test"], ["evil.test", ours]):
        assert await asked(world, ana, hosts) in (400, 421)
    assert not sent


async def test_pitfall_27_what_we_publish_is_safe_for_a_shell(world: World) -> None:
    """Each address of our metadata and our challenge is https or loopback, and has no other characters."""
    base = world.url.removesuffix("/mcp")
    found = [await world.http.get(f"{base}/.well-known/oauth-protected-resource{at}") for at in ("", "/mcp")]
    challenge = (await world.http.post(world.url)).headers["WWW-Authenticate"]
    addresses = [address for answer in found for address in listed(answer.json())]
    addresses += re.findall(r'resource_metadata="([^"]*)"', challenge)
    assert len(addresses) == 5
    for address in addresses:
        parts = urlsplit(address)
        assert parts.scheme == "https" or parts.hostname == "127.0.0.1"
        assert re.fullmatch(r"[A-Za-z0-9:/._~%\[\]-]+", address)


def listed(document: dict[str, Any]) -> list[str]:
    """The addresses of a metadata document."""
    return [document["resource"], *document["authorization_servers"]]


SHELL = ["$(id)", "`id`", ";id", "|id", "&id", "'", '"', "\\", " id", "\n", "\t", "<", ">", "!", "*", "ü"]


@pytest.mark.parametrize("piece", SHELL)
@pytest.mark.parametrize("name", ["SERVER__PUBLIC_URL", "IDENTITY__ISSUERS__0__ISSUER"])
def test_pitfall_27_an_address_for_a_shell_is_no_setting(tmp_path: Path, name: str, piece: str) -> None:
    """What a client may hand to a shell (CVE-2025-6514) is refused at the start, with what is allowed."""
    told = problems(tmp_path, name, f"https://a.example.com/x{piece}y")
    assert any("must hold only ASCII letters" in problem for problem in told), told


@pytest.mark.parametrize("url", ["http://a.example.com", "file:///x", "javascript:x", "a.example.com"])
@pytest.mark.parametrize("name", ["SERVER__PUBLIC_URL", "IDENTITY__ISSUERS__0__ISSUER"])
def test_pitfall_27_an_address_without_tls_is_no_setting(tmp_path: Path, name: str, url: str) -> None:
    """Off loopback it is https or nothing."""
    assert any("https://" in problem for problem in problems(tmp_path, name, url))


def problems(folder: Path, name: str, value: str) -> list[str]:
    """What is wrong with settings of which one address is `value`."""
    (folder / "gateway.toml").write_text(
        '[server]\npublic_url = "https://gateway.example.com"\n'
        '[[identity.issuers]]\nissuer = "https://idp.example.com"\n'
        '[jira]\nurl = "https://jira.example.com"\n'
        '[jira.credential]\ntoken_endpoint = "https://idp.example.com/token"\nclient_id = "gateway"\n'
        'client_secret = "s"\naudience = "https://jira.example.com"\n'
        '[audit]\ndir = "audit"\nsecond = "second"\n'
    )
    assert load(folder / "gateway.toml", {})
    with pytest.raises(ConfigError) as caught:
        load(folder / "gateway.toml", {f"GATEWAY__{name}": value})
    return [problem for problem in caught.value.problems if name.lower().split("__")[-1] in problem.lower()]
