"""Cut off by an operator or by the provider: the next call is refused, and the record says since when."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import clock
from tests.world import World

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway whose provider may push events."""
    async with World(tmp_path, settings={"GATEWAY__IDENTITY__ISSUERS__0__EVENTS": "true"}) as built:
        yield built


async def kill(world: World, *arguments: str) -> dict[str, Any]:
    """The command, as an operator runs it beside the gateway."""
    command = [sys.executable, "-m", "gateway", "kill", *arguments, "--json"]
    done = await asyncio.to_thread(
        subprocess.run, [*command, "--config", str(world.folder / "gateway.toml")], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = orjson.loads(done.stdout)
    return told


async def status(world: World, token: str) -> int:
    """The HTTP status of one call with that token."""
    answer = await world.http.post(
        world.url,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"},
    )
    return answer.status_code


async def refused(world: World, token: str) -> None:
    """Wait until the token is refused; within a second where nobody hinders us."""
    await until(lambda: status(world, token), 401)


async def until(look: Callable[[], Awaitable[int]], wanted: int) -> None:
    """Look until it is so."""
    async with asyncio.timeout(20):
        while await look() != wanted:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)


async def later(world: World, user: str) -> str:
    """A token that is issued in a later second than everything before."""
    await asyncio.sleep(1 - clock.wall() % 1 + 0.01)
    return world.token(user)


async def test_kill_ends_what_was_issued_and_a_new_sign_in_works(world: World) -> None:
    """The running gateway hears of it from the database; grants that it kept are gone."""
    ana, bo = world.token("ana"), world.token("bo")
    await world.call(ana, "jira_whoami")
    assert len(world.exchange.kept._grants) == 1
    told = await kill(world, "--user", "ana")
    assert told["subject"] == "ana" and told["issuer"] == world.sandbox.issuer
    await refused(world, ana)
    assert len(world.exchange.kept._grants) == 0
    assert await status(world, bo) == 200
    assert await status(world, await later(world, "ana")) == 200
    await world.recorded("access.revoked")
    record = next(r for r in world.records() if r["kind"] == "access.revoked")
    assert (record["of"], record["subject"], record["reason"]) == ("user", "ana", "killed")


async def test_grants_of_a_killed_client_are_gone(world: World) -> None:
    """It names no person, and what the gateway kept for its people goes all the same."""
    bo = world.token("bo")
    await world.call(bo, "jira_whoami")
    assert len(world.exchange.kept._grants) == 1
    await kill(world, "--client", "demo-assistant")
    await refused(world, bo)
    assert len(world.exchange.kept._grants) == 0


async def test_a_client_is_kept_out_until_it_is_lifted(world: World) -> None:
    """An assistant that misbehaves is stopped for everybody, also with new tokens."""
    await kill(world, "--client", "demo-assistant", "--keep-out")
    await refused(world, world.token("bo"))
    assert await status(world, await later(world, "ana")) == 401
    await kill(world, "--client", "demo-assistant", "--lift")
    await until(lambda: status(world, world.token("ana")), 200)


def event(world: World, **changes: Any) -> str:
    """A security event of the sandbox's provider about ana."""
    claims = {
        "iss": world.sandbox.issuer,
        "aud": f"{world.sandbox.gateway_url}/events",
        "iat": int(clock.wall()),
        "jti": "e-1",
        "sub_id": {"format": "iss_sub", "iss": world.sandbox.issuer, "sub": "ana"},
        "events": {SESSION_REVOKED: {}},
    }
    return world.sandbox.idp.sign({**claims, **changes}, {"typ": "secevent+jwt"})


async def push(world: World, token: str, media: str = "application/secevent+jwt") -> Any:
    """RFC 8935 §2."""
    return await world.http.post(
        f"{world.sandbox.gateway_url}/events", content=token, headers={"Content-Type": media}
    )


async def test_pitfall_24_a_revoked_session_is_refused_at_the_next_call(world: World) -> None:
    """The provider pushes; 202, and the replica that took it refuses at once."""
    ana, bo = world.token("ana"), world.token("bo")
    assert await status(world, ana) == 200
    answer = await push(world, event(world))
    assert (answer.status_code, answer.content) == (202, b"")
    assert await status(world, ana) == 401 and await status(world, bo) == 200
    assert (await push(world, event(world))).status_code == 202  # a replay takes nothing more
    assert await status(world, await later(world, "ana")) == 200


async def test_a_forged_event_cuts_nobody_off(world: World) -> None:
    """400 with the code of RFC 8935, and the person goes on."""
    ana = world.token("ana")
    head, _, signature = event(world).split(".")
    forged = f"{head}.{event(world, jti='e-2').split('.')[1]}.{signature}"
    for token, media, err in (
        (forged, "application/secevent+jwt", "authentication_failed"),
        (ana, "application/secevent+jwt", "invalid_request"),
        (event(world), "application/json", "invalid_request"),
        (event(world, aud="https://other.example.com"), "application/secevent+jwt", "invalid_audience"),
    ):
        answer = await push(world, token, media)
        assert answer.status_code == 400 and answer.json()["err"] == err
    assert await status(world, ana) == 200
    assert (await world.http.get(f"{world.sandbox.gateway_url}/events")).status_code == 405
