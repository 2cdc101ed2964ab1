"""What an operator finds out of a person who signed in with us: by a token, and by the list of sign-ins."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli import main
from gateway.doctor.idp import look
from gateway.doctor.user import Portrait, draw
from gateway.jose import parse
from gateway.model import Bearer
from gateway.store.sql import select
from gateway.store.tables import links
from tests.signin.assistant import SigningWorld, code_of

Capture = pytest.CaptureFixture[str]
Types = Callable[..., Awaitable[tuple[int, str]]]


async def token_of(world: SigningWorld, user: str = "ana") -> str:
    """An access token of ours, of a fresh sign-in."""
    assistant = await world.assistant()
    tokens = (await assistant.redeem(await code_of(await world.person(), assistant, user=user))).json()
    return str(tokens["access_token"])


@pytest.fixture
def types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Types:
    """Types a command beside the gateway of `tmp_path`: its exit code, and what it printed."""

    async def run(world: SigningWorld, *words: str) -> tuple[int, str]:
        for name, value in world._environ.items():
            monkeypatch.setenv(name, value)
        code = await asyncio.to_thread(main, [*words, "--config", str(tmp_path / "gateway.toml")])
        return code, capsys.readouterr().out

    return run


async def test_our_own_token_is_explained(tmp_path: Path, types: Types) -> None:
    """The person at the provider, the sign-in, how sure the assistant is, groups and roles; then cut off."""
    async with SigningWorld(tmp_path) as world:
        token, file = await token_of(world), tmp_path / "token"
        file.write_text(token)
        claims = parse(token).claims
        code, out = await types(world, "explain", "user", str(file), "--json")
        told = json.loads(out)
        assert code == 0 and told["accepted"] and not told["hints"], told
        said = {one["what"]: (one["value"], one["claims"]) for one in told["said"]}
        assert said["issuer"] == (world.sandbox.gateway_url, "iss")
        assert said["provider"] == (world.sandbox.issuer, "idp") and said["subject"] == ("ana", "sub")
        assert said["client"] == (f"{claims['client_id']} (asserted)", "client_id, assurance")
        assert said["sign-in"] == (claims["sid"], "sid")
        assert told["roles"] == ["developers", "finance", "leads", "staff"]
        assert {"name": "staff", "gives": [["staff", "exact 'staff'"]]} in told["groups"]

        code, out = await types(world, "session", "end", claims["sid"], "--json")
        assert code == 0
        code, out = await types(world, "explain", "user", str(file), "--json")
        told = json.loads(out)
        assert code == 1 and "the sign-in was cut off" in told["refused"] and told["roles"]


async def test_a_token_of_ours_that_is_refused_says_why(tmp_path: Path, types: Types) -> None:
    """For another address, or where our keys are not: never that we are unknown, and no keys are made for a look."""
    async with SigningWorld(tmp_path) as world:
        file = tmp_path / "token"
        file.write_text((await token_of(world))[:-8] + "AAAAAAAA")
        code, out = await types(world, "explain", "user", str(file), "--json")
        told = json.loads(out)
        assert code == 1 and "signature" in told["refused"], told
        assert f"Its audience must be {world.url}." in told["hints"]
        assert {"idp", "sid", "assurance"} <= {one["claims"] for one in told["said"]}
        keys = tmp_path / "elsewhere.pem"
        world._environ["GATEWAY__SIGNIN__KEY_FILE"] = str(keys)
        told = json.loads((await types(world, "explain", "user", str(file), "--json"))[1])
        assert "look where the gateway runs" in told["hints"][-1] and not keys.exists()


def state(found: Portrait) -> dict[str, str]:
    """What was looked at -> how it is."""
    return {line.what: line.state for line in found.lines}


async def test_doctor_sees_a_person_who_signed_in_with_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the provider's grant as it lies in the vault: it is never refreshed, and an ended one stays ended."""
    async with SigningWorld(tmp_path) as world:
        token = Bearer(await token_of(world))
        before = await grants(world)
        found = await draw(world.settings, "ana", token)
        assert found.good and found.jira is not None, found.lines
        assert found.jira.account == world.sandbox.people["ana"].account_id
        assert {row.name for row in found.groups if row.roles} == {"developers", "finance", "leads", "staff"}

        now = clock.wall
        with monkeypatch.context() as later:
            later.setattr(clock, "wall", lambda: now() + world.sandbox.idp.lifetimes.access + 1)
            found = await draw(world.settings, "ana", token)
        assert state(found) == {"token": "good", "credential": "wrong"}
        assert "looking refreshes nothing" in found.lines[-1].found
        assert await grants(world) == before

        await world.kill("ana")
        await world.gateway.assistants.end_everything(world.sandbox.issuer, "ana", "killed")  # type: ignore[union-attr]
        found = await draw(world.settings, "ana", token)
        assert state(found)["credential"] == "wrong" and "let them sign in again" in found.lines[-1].do


async def grants(world: SigningWorld) -> list[tuple[int, float]]:
    """Of each grant in the vault: its generation, and when it was last refreshed."""
    query = select(links.c.generation, links.c.refreshed_at)
    return await world.gateway.database.read(lambda c: [tuple(row) for row in c.execute(query)])


async def test_the_provider_is_not_blamed_for_a_token_of_ours(tmp_path: Path) -> None:
    """`doctor idp --token` says whose it is and where to look at it."""
    async with SigningWorld(tmp_path) as world:
        (report,) = await look(world.settings, None, Bearer(await token_of(world)))
        (line,) = [line for line in report.lines if line.what.startswith("token")]
        assert line.state == "note" and "explain user FILE" in line.do
        found = await draw(world.settings, "ana", Bearer((await token_of(world))[:-8] + "AAAAAAAA"))
        assert state(found) == {"token": "wrong"} and "explain user FILE" in found.lines[0].do


async def test_sign_ins_are_listed_with_their_assistant(
    tmp_path: Path, types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole ids, the assistant by name and by its client id, and since when, also at 80 columns."""
    async with SigningWorld(tmp_path) as world:
        claims = parse(await token_of(world)).claims
        wanted = (claims["sid"], claims["client_id"], "An assistant", clock.iso(claims["iat"])[:10], "ana")
        for width in ("80", "400"):
            monkeypatch.setenv("COLUMNS", width)
            monkeypatch.setenv("FORCE_COLOR", "1")
            code, out = await types(world, "session", "list")
            assert code == 0 and all(word in out for word in wanted), out
        (told,) = json.loads((await types(world, "session", "list", "--json"))[1])
        assert told["client_name"] == "An assistant" and told["client"] == claims["client_id"]
