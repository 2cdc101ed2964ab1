"""`explain user`: an operator sees why a token names whom it names."""

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway import clock
from gateway.cli import main
from gateway.cli.explain import shown
from gateway.http import Outward
from gateway.identity.explain import Explanation, Said, explain
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import IssuerProfile
from gateway.identity.roles import RoleTable
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Bearer
from gateway.settings.identity import RoleRule
from sandbox.run import Sandbox
from tests.identity.opaque import GOOD, Asked, guard
from tests.identity.server import Idp
from tests.identity.shapes import reading, recorded, signed

RULES = RoleTable(
    [
        RoleRule(group="/staff", role="staff"),
        RoleRule(group="/staff/", match="prefix", role="leads"),
        RoleRule(group="other", role="hr"),
    ]
)


async def explained(idp: Idp, outward: Outward, kind: str, token: str, **changes: Any) -> Explanation:
    """What is told of it."""
    one: IssuerProfile = reading(kind, jwks_uri=idp.url("/jwks"), **changes)
    return await explain(Bearer(token), [one], TokenAuthenticator([one], key_ring([one], outward)))


def said(found: Explanation) -> dict[str, tuple[str, str]]:
    """By what it is."""
    return {one.what: (one.value, one.claims) for one in found.said}


async def test_each_claim_and_each_rule_is_named(idp: Idp, outward: Outward) -> None:
    """Which claim gave whom, and which rule which role; a group without a rule gives nothing."""
    token = signed(idp, "keycloak", groups=["/staff", "/staff/leads", "/others"])
    found = await explained(idp, outward, "keycloak", token, roles=RULES)

    assert found.accepted and not found.hints
    assert said(found)["client"] == ("claude-desktop (asserted)", "azp")
    assert said(found)["kind"] == ("a person", "")
    assert {group.name: group.gives for group in found.groups} == {
        "/others": (),
        "/staff": (("staff", "exact '/staff'"),),
        "/staff/leads": (("leads", "prefix '/staff/'"),),
    }
    assert found.roles == ("leads", "staff") and found.groups_from == "the claim groups"


async def test_the_subject_of_each_vendor(idp: Idp, outward: Outward) -> None:
    """Entra's and Okta's stable subjects are not `sub`."""
    for kind, claims in (("entra", "tid + oid"), ("okta", "uid"), ("rfc9068", "sub")):
        found = await explained(idp, outward, kind, signed(idp, kind))
        assert said(found)["subject"] == (recorded(kind)["person"]["subject"], claims)
        assert any("no `roles` table" in hint for hint in found.hints)


async def test_a_program_is_called_one(idp: Idp, outward: Outward) -> None:
    """With the scopes from where such tokens have them."""
    found = await explained(idp, outward, "entra", signed(idp, "entra", "program"))
    assert said(found)["kind"][0] == "a program" and said(found)["scopes"] == ("jira.read", "roles")


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ("staff,leads", "the claim groups is malformed (a str, not a list of names)"),
        (["ok", 1], "malformed (one of the names"),
        (None, "there is no claim groups"),
    ],
)
async def test_groups_that_cannot_be_read_are_seen(
    idp: Idp, outward: Outward, groups: object, told: str
) -> None:
    """They give no role, and it is told why."""
    found = await explained(idp, outward, "keycloak", signed(idp, "keycloak", groups=groups), roles=RULES)
    assert found.accepted and found.roles == () and told in found.groups_from


async def test_a_missing_slash_is_hinted_at(idp: Idp, outward: Outward) -> None:
    """The most common mistake with Keycloak: the rule leaves out the slash that the provider sends."""
    rules = RoleTable([RoleRule(group="staff", role="staff")])
    found = await explained(idp, outward, "keycloak", signed(idp, "keycloak"), roles=rules)
    assert found.roles == () and any("'/staff'" in hint for hint in found.hints)


@pytest.mark.parametrize(
    ("changes", "why", "hint"),
    [
        ({"aud": "https://jira.test"}, "aud is somebody else", "audience must be"),
        ({"iss": "https://other.test"}, "iss is not one of ours", "Issuers whose tokens are accepted"),
        ({"exp": 1}, "exp has passed", "not verified"),
        ({"hasgroups": True}, "overage", "not verified"),
    ],
)
async def test_a_refusal_says_why(
    idp: Idp, outward: Outward, changes: dict[str, Any], why: str, hint: str
) -> None:
    """With what stands in the token, called unverified."""
    found = await explained(idp, outward, "keycloak", signed(idp, "keycloak", **changes))
    assert not found.accepted and why in found.refused and found.roles == ()
    assert any(hint in one for one in found.hints)
    assert {"header", "unverified"} == {one.what for one in found.said}


async def test_no_token_at_all(idp: Idp, outward: Outward) -> None:
    """Any text is refused in the same way, and what to give instead is said."""
    for text in ("hello", "", '{"access_token": "x"}'):
        found = await explained(idp, outward, "keycloak", text)
        assert not found.accepted and found.refused and found.said == ()
        assert "Give the access token itself" in found.hints[0]
    assert (await explained(idp, outward, "keycloak", "")).refused == "it is empty"


async def test_an_opaque_token(outward: Outward) -> None:
    """Told from the issuer's answer."""
    async with Asked() as asked:
        found = await explain(Bearer(GOOD), [asked.endpoint().profile], guard(outward, asked))
    assert found.accepted and said(found)["subject"] == ("ana", "sub") and "answer" in found.groups_from


@pytest.fixture
async def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    """A sandbox whose settings stand in the current folder."""
    monkeypatch.chdir(tmp_path)
    async with Sandbox() as running:
        (tmp_path / "gateway.toml").write_text(running.config_toml())
        yield running


def keep(token: str) -> None:
    """In the file `token` of the current folder."""
    Path("token").write_text(f"{token}\n")


async def run(*arguments: str) -> int:
    """The command's exit code."""
    return await asyncio.to_thread(main, ["explain", "user", *arguments])


async def test_the_command_reads_a_file(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """0, a table for people and data for scripts; neither holds the token."""
    token = sandbox.token("ana")
    keep(token)
    assert await run("token") == 0
    table = capsys.readouterr().out
    assert "accepted" in table and "exact 'staff'" in table and token not in table
    assert await run("token", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["roles"] == ["developers", "finance", "leads", "staff"] and told["accepted"]
    assert not (tmp_path / "data").exists()


async def test_the_command_reads_standard_input(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-`; a refused token is 1."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"not a token")))
    assert await run("-") == 1
    assert "refused" in capsys.readouterr().out


def test_a_stranger_does_not_move_the_terminal() -> None:
    """What stands in a token is shown without what a terminal would obey."""
    evil = "\x1b[31m\u202e\x07"
    found = Explanation(False, evil, (Said(evil, evil, evil),), (), evil, (), (evil,))
    console = Console(file=io.StringIO(), force_terminal=False)
    console.print(shown(found))
    assert isinstance(console.file, io.StringIO)
    assert not set(evil) & set(console.file.getvalue()) - set("[31m")


async def test_a_token_on_the_command_line_is_not_taken(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """2, how to do it instead, and it is not repeated."""
    token = sandbox.token("ana")
    assert await run(token) == 2
    shown = capsys.readouterr()
    assert "pipe it in" in shown.err and token not in shown.err + shown.out


async def test_a_site_that_is_not_there(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """3, with the choice there is."""
    keep(sandbox.token("ana"))
    assert await run("token", "--site", "elsewhere") == 3
    assert "sandbox" in capsys.readouterr().err
    assert await run("token", "--site", "sandbox") == 0


async def kill(*arguments: str) -> None:
    """The command, in the current folder."""
    assert await asyncio.to_thread(main, ["kill", *arguments]) == 0


async def test_who_was_cut_off_is_told_since_when_and_why(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """1; everything else is told as of a good token, and a lift lets new tokens in."""
    keep(sandbox.token("ana"))
    await kill("--user", "somebody")
    assert await run("token") == 0
    await kill("--user", "ana")
    await kill("--client", "demo-assistant", "--keep-out")
    capsys.readouterr()
    assert await run("token", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert "the user was cut off on 20" in told["refused"] and "reason killed" in told["refused"]
    assert {one["what"]: one["value"] for one in told["said"]}["subject"] == "ana"

    keep(sandbox.token("bo"))
    assert await run("token", "--json") == 1
    assert "the client was cut off on" in (told := json.loads(capsys.readouterr().out))["refused"]
    assert "until it is lifted" in told["refused"]
    await kill("--client", "demo-assistant", "--lift")
    await asyncio.sleep(1 - clock.wall() % 1 + 0.01)  # a token of a later second
    keep(sandbox.token("bo"))
    assert await run("token") == 0
