"""`doctor idp` against the sandbox's provider: one thing is wrong at a time, and its line says which."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.cli import main
from gateway.doctor.idp import look
from sandbox.idp import Faults
from tests.doctor.clinic import Clinic, wrong

pytestmark = pytest.mark.asyncio(loop_scope="module")

Change = Callable[[Clinic], None]


def changed(old: str, new: str) -> Change:
    """Another text in the settings."""
    return lambda clinic: clinic.changes.__setitem__(old, new)


def fault(**members: Any) -> Change:
    """A fault of the provider."""
    return lambda clinic: setattr(clinic.sandbox.idp, "faults", Faults(**members))


def answered(endpoint: str, make: Callable[[Clinic], Response]) -> Change:
    """That endpoint answers so."""

    def change(clinic: Clinic) -> None:
        async def hook(name: str, request: Request) -> Response | None:
            return make(clinic) if name == endpoint else None

        clinic.sandbox.idp.faults = Faults(hook=hook)

    return change


def metadata(clinic: Clinic, **members: Any) -> Response:
    """The provider's, with others among its members."""
    issuer = clinic.sandbox.issuer
    good = {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", "token_endpoint": f"{issuer}/token"}
    return JSONResponse({**good, "authorization_endpoint": f"{issuer}/authorize", **members})


def issuer_with_a_slash(clinic: Clinic) -> None:
    clinic.changes[f'issuer = "{clinic.sandbox.issuer}"'] = f'issuer = "{clinic.sandbox.issuer}/"'


def another_host(clinic: Clinic) -> None:
    other = clinic.sandbox.issuer.replace("127.0.0.1", "localhost")
    clinic.changes[f'issuer = "{clinic.sandbox.issuer}"'] = f'issuer = "{other}"'


def unregistered_address(clinic: Clinic) -> None:
    client = clinic.sandbox.idp.clients.get("jira-agent-gateway")
    assert client is not None
    clinic.sandbox.idp.clients.add(replace(client, id="elsewhere", redirect_uris=("http://127.0.0.1/other",)))
    clinic.changes['[identity.issuers.login]\nclient_id = "jira-agent-gateway"'] = (
        '[identity.issuers.login]\nclient_id = "elsewhere"'
    )


def symmetric(clinic: Clinic) -> Response:
    return JSONResponse({"keys": [{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}]})


def far_keys(clinic: Clinic) -> Response:
    return metadata(clinic, jwks_uri="https://keys.example.com/jwks")


def sent_back(clinic: Clinic, query: str) -> Response:
    return RedirectResponse(f"{clinic.sandbox.gateway_url}/login/callback?{query}", 303)


def late(clinic: Clinic) -> Response:
    answer = metadata(clinic)
    answer.headers["Date"] = "Sun, 01 Nov 2026 08:00:00 GMT"
    return answer


@dataclass(frozen=True)
class Row:
    """A fault, the line that tells of it, and parts of what was found and of what to do."""

    line: str
    change: Change
    found: str
    do: str
    token: bool = False
    besides: frozenset[str] = frozenset()
    """Lines that are wrong because of the same fault."""


SECRET = 'client_secret = "sandbox-only"\naudience'
NO_KEYS = frozenset({"token: signature", "token: verdict"})
FAULTS = {
    "no metadata": Row(
        "metadata",
        fault(only=frozenset({"metadata"}), status=503),
        "status 503",
        "openid-configuration",
        besides=frozenset({"keys", "sign-in"}),
    ),
    "a slash too many": Row("issuer", issuer_with_a_slash, "the last slash", "letter for letter"),
    "another host": Row(
        "issuer",
        another_host,
        "another host or port",
        "letter for letter",
        besides=frozenset({"keys"}),
    ),
    "no keys": Row("keys", fault(only=frozenset({"jwks"}), status=500), "status 500", "reach that address"),
    "keys of a shared secret": Row("keys", answered("jwks", symmetric), "shared (not a public key)", "P-256"),
    "keys elsewhere": Row("keys", answered("metadata", far_keys), "https://keys.example.com", "key_origins"),
    "a clock": Row("clock", answered("metadata", late), "behind ours", "chrony"),
    "the gateway's secret": Row(
        "exchange (sandbox)", changed(SECRET, SECRET.replace("only", "x")), "401", "client_id"
    ),
    "no such client": Row(
        "exchange (sandbox)",
        changed('client_id = "jira-agent-gateway"\n# Public', 'client_id = "nobody"\n# Public'),
        "invalid_client",
        "client_id",
    ),
    "a client that may not exchange": Row(
        "exchange (sandbox)",
        changed('client_id = "jira-agent-gateway"\n# Public', 'client_id = "elsewhere"\n# Public'),
        "unauthorized_client",
        "token-exchange",
    ),
    "no token endpoint": Row(
        "exchange (sandbox)", fault(only=frozenset({"exchange"}), status=502), "status 502", "token_endpoint"
    ),
    "another audience": Row(
        "exchange (sandbox, read)",
        changed('"\nread_scope', '/other"\nread_scope'),
        "invalid_target",
        "`audience`",
        token=True,
        besides=frozenset({"exchange (sandbox, write)"}),
    ),
    "a scope that is not given": Row(
        "exchange (sandbox, write)",
        changed('write_scope = "read:jira-work write', 'write_scope = "read:jira-work admin'),
        "invalid_scope",
        "scopes",
        token=True,
    ),
    "an answer that is thrown away": Row(
        "exchange (sandbox, read)",
        fault(exchange_claims={"aud": "https://elsewhere.example"}),
        "thrown away: aud is somebody else",
        "`audience`",
        token=True,
        besides=frozenset({"exchange (sandbox, write)"}),
    ),
    "the person is switched off": Row(
        "exchange (sandbox, read)",
        lambda clinic: clinic.sandbox.idp.disabled.add("ana"),
        "Invalid token",
        "sign in again",
        token=True,
        besides=frozenset({"exchange (sandbox, write)"}),
    ),
    "an address that is not registered": Row(
        "sign-in: redirect URI", unregistered_address, "/login/callback", "letter for letter"
    ),
    "the sign-in's secret": Row(
        "sign-in: client",
        changed('client_secret = "sandbox-only"\n', 'client_secret = "another"\n'),
        "invalid_client",
        "client_secret_file",
    ),
    "a scope that sign-in may not ask for": Row(
        "sign-in: redirect URI",
        answered("authorize", lambda clinic: sent_back(clinic, "error=invalid_scope&state=doctor")),
        "invalid_scope",
        "login.scopes",
    ),
}


async def test_nothing_is_wrong(clinic: Clinic) -> None:
    """With a token every check is made; what is not configured is a note."""
    lines = await clinic.lines(clinic.token())
    assert not wrong(lines)
    notes = {what for what, line in lines.items() if line.state == "note"}
    assert notes == {"introspection", "events", "directory"}
    assert "write:jira-work" in lines["exchange (sandbox, write)"].found


async def test_without_a_token_the_exchange_is_tried_with_none(clinic: Clinic) -> None:
    """The provider knows our client, and says no to a token that is none; what was not looked at is said."""
    lines = await clinic.lines()
    assert not wrong(lines)
    assert "takes our client" in lines["exchange (sandbox)"].found
    assert lines["token"].state == "note" and "--token FILE" in lines["token"].do
    assert clinic.sandbox.idp.exchange_count == 1


@pytest.mark.parametrize("why", FAULTS)
async def test_each_fault_has_its_line(clinic: Clinic, why: str) -> None:
    """The line that is wrong, what was found, and where to click; and no other line."""
    row = FAULTS[why]
    client = clinic.sandbox.idp.clients.get("jira-agent-gateway")
    assert client is not None
    clinic.sandbox.idp.clients.add(replace(client, id="elsewhere", may_exchange=False))
    row.change(clinic)
    lines = await clinic.lines(clinic.token() if row.token else None)
    assert wrong(lines) == {row.line} | row.besides
    line = lines[row.line]
    assert row.found in line.found and row.do in line.do, line
    assert not any("sandbox-only" in line.found + line.do for line in lines.values())


async def test_an_issuer_that_differs_is_told_with_both_names(clinic: Clinic) -> None:
    """Ours and the metadata's, letter for letter."""
    issuer_with_a_slash(clinic)
    found = (await clinic.lines())["issuer"].found
    assert f"{clinic.sandbox.issuer}/'" in found and f"{clinic.sandbox.issuer}'" in found


def seconds_off(found: str) -> int:
    """How far the clock is off, as the line says it."""
    said = re.search(r"(\d+) s (ahead of|behind) ours", found)
    assert said is not None, found
    return int(said[1]) * (1 if said[2] == "ahead of" else -1)


async def test_the_clock_is_seen_in_what_the_provider_has_just_signed(clinic: Clinic) -> None:
    """Where no answer has a `Date`: the `iat` of the exchanged token, or that of a token that is not yet born."""
    idp = clinic.sandbox.idp
    idp.clock_skew = -1000.0
    idp.lifetimes.access = 3600
    idp.lifetimes.jira = 1800
    lines = await clinic.lines(clinic.token())
    assert wrong(lines) == {"clock"}
    assert -1100 < seconds_off(lines["clock"].found) < -900
    idp.clock_skew = 1000.0
    lines = await clinic.lines(clinic.token())
    assert {"clock", "token: life"} <= wrong(lines)
    assert 900 < seconds_off(lines["clock"].found) < 1100


async def test_a_provider_that_hangs_is_told_as_such(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for ever."""
    monkeypatch.setattr("gateway.limits.JWKS_FETCH_SECONDS", 0.2)
    clinic.sandbox.idp.faults = Faults(only=frozenset({"metadata"}), hang=30)
    lines = await clinic.lines()
    assert "no whole answer in 0.2 s" in lines["metadata"].found


async def test_the_command_prints_a_table_and_fails(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mark, a line per check, where to read on; exit 1 when something is wrong, else 0."""
    file = clinic.folder / "token"
    file.write_text(clinic.token() + "\n")
    config = ["--config", str(clinic.config), "--token", str(file)]
    assert await asyncio.to_thread(main, ["doctor", "idp", *config]) == 0
    shown = capsys.readouterr().out
    assert "✓" in shown and "–" in shown and "✗" not in shown and "Nothing is wrong." in shown
    file.write_text(clinic.token(aud="https://elsewhere.example"))
    assert await asyncio.to_thread(main, ["doctor", "idp", *config]) == 1
    shown = capsys.readouterr().out
    assert "✗" in shown and "docs/identity/generic.md" in shown
    assert file.read_text()[-40:] not in shown


async def test_the_command_prints_json(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    """One object: whether all is well, and each provider with its lines."""
    arguments = ["doctor", "idp", "127.0.0.1", "--json", "--config", str(clinic.config)]
    assert await asyncio.to_thread(main, arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["good"] is True
    (provider,) = told["providers"]
    assert provider["issuer"] == clinic.sandbox.issuer
    assert {line["state"] for line in provider["lines"]} == {"good", "note"}


async def test_an_unknown_name_and_a_token_on_the_command_line(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3 with the names that there are; and what may be a token is not repeated."""
    config = str(clinic.config)
    assert await asyncio.to_thread(main, ["doctor", "idp", "corp", "--config", config]) == 3
    assert "127.0.0.1" in capsys.readouterr().err
    token = clinic.token()
    assert await asyncio.to_thread(main, ["doctor", "idp", "--config", config, "--token", token]) == 3
    said = capsys.readouterr()
    assert "--token: the file cannot be read" in said.err and token not in said.err + said.out


async def test_a_token_goes_to_its_own_provider_alone(clinic: Clinic) -> None:
    """With several providers the one whose issuer it names looks at it; the others look at no token."""
    clinic.changes["[[identity.issuers]]"] = (
        '[[identity.issuers]]\nname = "other"\nissuer = "http://127.0.0.1:1"\n\n[[identity.issuers]]\nname = "corp"'
    )
    clinic.changes['source = "exchange"'] = 'source = "exchange"\nissuers = ["corp"]'
    other, corp = await look(clinic.settings(), None, clinic.token())
    assert {line.what: line.state for line in other.lines}["token"] == "note"
    assert {line.what: line.state for line in other.lines}["exchange"] == "note"
    assert {line.what: line.state for line in corp.lines}["token: verdict"] == "good"


async def test_looking_writes_nothing_on_record(clinic: Clinic) -> None:
    """The record of the running gateway is not opened for writing: not a line is added."""
    await clinic.lines(clinic.token())
    assert not list((clinic.folder / "data/audit").glob("*.db"))
