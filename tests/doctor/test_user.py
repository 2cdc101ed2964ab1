"""`doctor user`: one person at the provider, here and in Jira; each difference is marked."""

import asyncio
import base64
import json
import sqlite3
from typing import Any

import pytest

from gateway import clock
from gateway.app import Gateway
from gateway.cli import main
from gateway.credential.vault import LinkKey, TokenSet
from gateway.doctor.sides import GroupRow, side_by_side
from gateway.doctor.user import Portrait, draw
from gateway.errors import ConfigError
from gateway.identity.roles import RoleTable
from gateway.model import Secret
from gateway.settings import RoleRule
from tests.doctor.clinic import Clinic

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINKED = """
source = "datacenter"
client_id = "gateway"
client_secret = "sandbox-only"
match = "email"

[vault]
key_secret = "k1:{key}"

[old]
"""


async def portrait(clinic: Clinic, user: str, name: str = "", **claims: Any) -> Portrait:
    """Of `user`, asked for as `name`."""
    return await draw(clinic.settings(), name or user, clinic.token(user, **claims))


def row(found: Portrait, name: str) -> GroupRow:
    """The row of that group."""
    (one,) = [one for one in found.groups if one.name == name]
    return one


def state(found: Portrait) -> dict[str, str]:
    """What was looked at -> how it is."""
    return {line.what: line.state for line in found.lines}


async def test_both_sides_of_a_person(clinic: Clinic) -> None:
    """Groups sent, roles here, groups in Jira, and what Jira lets the person do in each project."""
    found = await portrait(clinic, "ana")
    assert found.good and found.jira is not None
    assert found.jira.account == clinic.sandbox.people["ana"].account_id
    assert row(found, "leads") == GroupRow("leads", True, ("leads",), True, "")
    assert set(found.jira.projects) == {"HELP", "OPEN", "VAULT"}
    assert found.jira.projects["OPEN"]["ADMINISTER_PROJECTS"]
    assert not found.jira.projects["HELP"]["ADMINISTER_PROJECTS"]


async def test_differences_are_marked(clinic: Clinic) -> None:
    """A group without a role, one that Jira does not know of the person, one that only Jira knows."""
    clinic.changes['{ group = "hr", role = "hr" },'] = ""
    found = await portrait(clinic, "hana", groups=["hr", "strangers"])
    assert row(found, "hr").differs == "gives no role here"
    assert row(found, "strangers").differs == "gives no role here; no such group of this person in Jira"
    assert row(found, "staff").differs == "Jira only: the provider sends no such group"
    assert not row(found, "staff").sent and row(found, "staff").roles == ()


async def test_names_are_the_same_but_for_a_slash_and_capitals() -> None:
    """Keycloak's path and Jira's small letters are one group on one row; the rule looks at what was sent."""
    table = RoleTable([RoleRule(group="/Staff", role="staff")])
    (one,) = side_by_side(["/Staff"], table, ["staff"])
    assert one == GroupRow("/Staff", True, ("staff",), True, "")


async def test_who_sees_nothing_in_jira_is_told(clinic: Clinic) -> None:
    """No project at all: an account without groups, or without a licence."""
    found = await portrait(clinic, "mallory")
    assert state(found)["projects"] == "wrong" and not found.good


async def test_the_token_must_be_that_persons(clinic: Clinic) -> None:
    """By subject, e-mail or user name, whatever the case; nobody is looked at by mistake."""
    for name in ("ana", "ANA", "ana@sandbox.example.com"):
        assert (await portrait(clinic, "ana", name)).good
    assert (await portrait(clinic, "ana", "a.alvarez", preferred_username="a.alvarez")).good
    before = clinic.sandbox.idp.exchange_count
    found = await portrait(clinic, "ana", "bo")
    assert state(found) == {"token": "wrong"} and "not of bo, but of ana" in found.lines[0].found
    assert found.jira is None and clinic.sandbox.idp.exchange_count == before


async def test_a_refused_token_leads_to_the_other_doctor(clinic: Clinic) -> None:
    """Who cannot be let in cannot be looked at."""
    found = await portrait(clinic, "ana", aud="https://elsewhere.example")
    assert state(found) == {"token": "wrong"}
    assert "aud is somebody else" in found.lines[0].found and "doctor idp" in found.lines[0].do


async def test_an_exchange_that_is_refused_is_told(clinic: Clinic) -> None:
    """The provider's side is shown all the same."""
    clinic.sandbox.idp.disabled.add("ana")
    found = await portrait(clinic, "ana")
    assert state(found) == {"token": "good", "credential": "wrong"}
    assert row(found, "leads").roles == ("leads",) and found.jira is None


async def test_jira_that_is_down_is_told(clinic: Clinic) -> None:
    """The line says that it is Jira."""
    clinic.changes[f'url = "{clinic.sandbox.jira_url}"'] = 'url = "http://127.0.0.1:1"'
    found = await portrait(clinic, "ana")
    assert state(found) == {"token": "good", "credential": "good", "jira": "wrong"}


async def test_an_unknown_site_is_refused(clinic: Clinic) -> None:
    """With the names that there are."""
    with pytest.raises(ConfigError, match="choose one of sandbox"):
        await draw(clinic.settings(), "ana", clinic.token(), "other")


def linked(clinic: Clinic) -> None:
    """People link this Jira themselves; the vault is in a file of the clinic."""
    text = clinic.sandbox.config_toml()
    section = text[text.index('source = "exchange"') : text.index("[policy]")]
    clinic.changes[section] = LINKED.replace("{key}", base64.b64encode(bytes(32)).decode()).replace(
        "[old]\n", ""
    )
    clinic.changes["[audit]"] = '[database]\nurl = "sqlite:///linked.db"\n\n[audit]'


async def link(clinic: Clinic, *, lives: float) -> None:
    """Ana's grant, as the running gateway would have put it there."""
    gateway = Gateway(clinic.settings())
    assert gateway.vault is not None
    async with gateway.database:
        await gateway.vault.start()
        access = clinic.sandbox.idp.sign(
            {
                **clinic.sandbox.idp.access_claims(
                    clinic.sandbox.idp.sign_in(clinic.sandbox.people["ana"], "gateway", ())
                ),
                "aud": clinic.sandbox.jira_url,
                "scope": "read:jira-work",
            },
            {"typ": "at+jwt"},
        )
        tokens = TokenSet(Secret(access), Secret("refresh"), clock.wall() + lives, frozenset({"READ"}))
        key = LinkKey(clinic.sandbox.issuer, "ana", "sandbox")
        await gateway.vault.link(key, clinic.sandbox.people["ana"].account_id, tokens)


async def test_a_linked_grant_is_read_and_never_refreshed(clinic: Clinic) -> None:
    """As it lies in the vault; who has none is told where to connect, and an ended one stays ended."""
    linked(clinic)
    found = await portrait(clinic, "ana")
    assert "/connect/sandbox" in found.lines[-1].found and state(found)["credential"] == "wrong"
    await link(clinic, lives=600)
    found = await portrait(clinic, "ana")
    assert found.good and found.jira is not None and found.jira.groups
    await link(clinic, lives=-1)
    found = await portrait(clinic, "ana")
    assert "looking refreshes nothing" in found.lines[-1].found
    with sqlite3.connect(clinic.folder / "linked.db") as database:
        ((generation,),) = database.execute("SELECT generation FROM links").fetchall()
    database.close()
    assert generation == 2  # the two links of this test


async def test_the_command_shows_both_tables(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    """From a file, never from the command line; exit 0 with both sides, 1 without; JSON on demand."""
    file = clinic.folder / "token"
    file.write_text(clinic.token("bo"))
    arguments = ["doctor", "user", "bo", "--config", str(clinic.config), "--token", str(file)]
    assert await asyncio.to_thread(main, arguments) == 0
    shown = capsys.readouterr().out
    assert "developers" in shown and "OPEN" in shown and "admin" in shown
    assert await asyncio.to_thread(main, [*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["good"] and told["jira"]["projects"]["OPEN"]["BROWSE_PROJECTS"]
    file.write_text(clinic.token("ana"))
    assert await asyncio.to_thread(main, arguments) == 1
    assert await asyncio.to_thread(main, arguments[:-2]) == 3
    assert "--login CLIENT_ID" in capsys.readouterr().err
