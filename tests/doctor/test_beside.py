"""Introspection, security events and the directory, against a provider that answers what a test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.config import load
from gateway.doctor import Line
from gateway.doctor.idp import look
from gateway.doctor.refused import WHERE
from tests.doctor.clinic import rules
from tests.identity.server import Loopback, Request, respond

TENANT = "00000000-0000-4000-8000-000000000001"
BASE = """
[server]
public_url = "https://gateway.example.com"
[[identity.issuers]]
issuer = "{issuer}"
{more}
[jira]
url = "https://jira.example.com"
[jira.credential]
source = "exchange"
token_endpoint = "{issuer}/token"
client_id = "gateway"
client_secret = "canary-secret"
audience = "jira"
{vendor}
[policy]
dir = "rules"
[audit]
dir = "audit"
second = "second"
"""
INTROSPECTION = """
[identity.issuers.introspection]
endpoint = "{issuer}/introspect"
client_id = "gateway"
client_secret = "canary-secret"
"""
DIRECTORY = """
[identity.issuers.directory]
source = "entra"
client_id = "reader"
client_secret = "canary-secret"
endpoint = "{issuer}/graph"
"""


@dataclass
class Answering(Loopback):
    """`says`: the beginning of a path -> status and JSON."""

    says: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self._said)

    async def _said(self, request: Request, writer: asyncio.StreamWriter) -> None:
        found = [answer for path, answer in self.says.items() if request.path.startswith(path)]
        status, body = found[0] if found else (404, {})
        respond(writer, body, status)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/{TENANT}"


@pytest.fixture
async def provider() -> AsyncIterator[Answering]:
    """It answers 404 to everything until it is told what to say."""
    answering = Answering()
    async with answering:
        yield answering


async def lines(provider: Answering, folder: Path, more: str = "", vendor: str = "") -> Mapping[str, Line]:
    """By what was looked at."""
    rules(folder)
    file = folder / "gateway.toml"
    text = BASE.replace("{more}", more).replace("{vendor}", vendor).replace("{issuer}", provider.issuer)
    file.write_text(text)
    (report,) = await look(load(file, {}))
    assert not any("canary" in line.found + line.do for line in report.lines)
    return {line.what: line for line in report.lines}


INTROSPECTED: dict[str, tuple[tuple[int, Any], str, str]] = {
    "a known client": ((200, {"active": False}), "good", "answers gateway"),
    "a wrong secret": ((401, {"error": "invalid_client"}), "wrong", "401"),
    "everything is active": ((200, {"active": True}), "wrong", "status 200"),
    "no JSON": ((502, "<html>"), "wrong", "no JSON object"),
}


@pytest.mark.parametrize("why", INTROSPECTED)
async def test_introspection(provider: Answering, tmp_path: Path, why: str) -> None:
    """A token that is none is inactive; anything else is a fault."""
    answer, state, found = INTROSPECTED[why]
    provider.says["/" + TENANT + "/introspect"] = answer
    line = (await lines(provider, tmp_path, INTROSPECTION))["introspection"]
    assert line.state == state and found in line.found


SSF = "/.well-known/ssf-configuration"
PUSHED: dict[str, tuple[dict[str, Any], str, str]] = {
    "it pushes": (
        {"delivery_methods_supported": ["urn:ietf:rfc:8935"]},
        "good",
        "https://gateway.example.com/events",
    ),
    "it is polled": ({"delivery_methods_supported": ["urn:ietf:rfc:8936"]}, "wrong", "8936"),
    "another issuer": ({"issuer": "https://other.example"}, "wrong", "https://other.example"),
}


@pytest.mark.parametrize("why", PUSHED)
async def test_events(provider: Answering, tmp_path: Path, why: str) -> None:
    """Whether the provider says that it pushes, and to where it must."""
    members, state, found = PUSHED[why]
    provider.says[SSF] = (200, {"issuer": provider.issuer, **members})
    line = (await lines(provider, tmp_path, "events = true"))["events"]
    assert line.state == state and found in line.found + line.do


async def test_events_of_a_provider_that_does_not_say(provider: Answering, tmp_path: Path) -> None:
    """It may push all the same: a note with address and audience."""
    line = (await lines(provider, tmp_path, "events = true"))["events"]
    assert line.state == "note" and "https://gateway.example.com/events" in line.do


LOOKED_UP: dict[str, tuple[dict[str, tuple[int, Any]], str, str]] = {
    "nobody of that name": (
        {"/token": (200, {"access_token": "t", "expires_in": 60}), "/graph": (404, {})},
        "good",
        "knows nobody",
    ),
    "no token": ({"/token": (401, {"error": "invalid_client"})}, "wrong", "invalid_client"),
    "not allowed": (
        {"/token": (200, {"access_token": "t", "expires_in": 60}), "/graph": (403, {"error": {}})},
        "wrong",
        "status 403",
    ),
}


@pytest.mark.parametrize("why", LOOKED_UP)
async def test_directory(provider: Answering, tmp_path: Path, why: str) -> None:
    """Somebody whom nobody knows is asked about: whether it may be asked shows."""
    says, state, found = LOOKED_UP[why]
    for path, answer in says.items():
        provider.says[f"/{TENANT}/oauth2/v2.0{path}" if path == "/token" else f"/{TENANT}{path}"] = answer
    line = (await lines(provider, tmp_path, DIRECTORY))["directory"]
    assert line.state == state and found in line.found


REFUSED = [
    (vendor, error, part, do)
    for vendor, rows in WHERE.items()
    if vendor != "entra"  # its own source asks, not `exchange`
    for (error, part), do in rows.items()
]


@pytest.mark.parametrize(("vendor", "error", "part", "do"), REFUSED)
async def test_each_refusal_of_an_exchange_says_where_to_click(
    provider: Answering, tmp_path: Path, vendor: str, error: str, part: str, do: str
) -> None:
    """The row of the vendor's table that decides has its own place in the console."""
    provider.says[f"/{TENANT}/token"] = (400, {"error": error, "error_description": f"Sorry: {part}."})
    found = await lines(provider, tmp_path, vendor=f'vendor = "{vendor}"')
    line = found["exchange (jira)"]
    if line.state == "good":  # a subject token that is none, which is what was presented
        assert (vendor, error) == ("okta", "invalid_grant")
    else:
        assert line.do == do and part in line.found.lower()
