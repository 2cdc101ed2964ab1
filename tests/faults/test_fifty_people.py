"""Fifty people at once, with delays and errors injected: no answer, and no request to Jira, is another's."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.jira import Asked, Fault, Kind
from sandbox.people import PEOPLE, Person
from tests.world import World, check_invariants

CROWD = {
    f"person{n}": replace(
        PEOPLE["ana"],
        name=f"person{n}",
        display_name=f"Person Number{n}",
        email=f"person{n}@sandbox.example.com",
        account_id=f"712020:crowd-{n:04d}",
        password="x",
    )
    for n in range(50)
}
SEED = 20261122


def crowd() -> dict[str, Person]:
    return {**PEOPLE, **CROWD}


@pytest.fixture(params=["127.0.0.1", "localhost"])
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The whole gateway with fifty more people, towards Jira by address and by name."""
    async with World(tmp_path, people=crowd(), jira_host=request.param) as world:
        yield world


async def test_pitfall_05_no_answer_crosses_over(world: World) -> None:
    """500 interleaved calls with a tenth of Jira's answers late, cookied, refused or broken (F33, F10)."""
    chance = random.Random(SEED)
    troubles = [
        Fault(Kind.DELAY, seconds=0.02),
        Fault(Kind.SET_COOKIE, cookie="JSESSIONID=somebody"),
        Fault(Kind.STATUS, status=503),
        Fault(Kind.RESET),
        Fault(Kind.TRUNCATED),
    ]

    def trouble(asked: Asked) -> Fault | None:
        return chance.choice(troubles) if chance.random() < 0.1 else None

    world.sandbox.jira.faults.before = trouble
    bearers = {name: world.token(name) for name in CROWD}
    calls = [
        (name, kind)
        for name in CROWD
        for kind in ("who", "who", "say", "who", "say", "who", "who", "who", "say", "who")
    ]
    chance.shuffle(calls)
    answers = await asyncio.gather(*(one(world, bearers[name], name, kind) for name, kind in calls))
    world.sandbox.jira.faults.clear()
    assert sum(answers) > 350
    for logged in world.sandbox.jira.requests:
        assert not logged.cookie
        if b"I am person" in (logged.body or b""):
            assert f"I am {logged.subject}.".encode() in logged.body
    check_invariants(world)


async def one(world: World, bearer: str, name: str, kind: str) -> bool:
    if kind == "say":
        told = await world.call(bearer, "jira_comment", key="OPEN-2", body=f"I am {name}.")
    else:
        told = await world.call(bearer, "jira_whoami")
    result = told["result"]
    if kind == "who" and not result.get("isError"):
        assert CROWD[name].account_id in str(result["structuredContent"])
    text = str(result)
    others = [p for p in CROWD if p != name and (f"{CROWD[p].account_id}'" in text or f"I am {p}." in text)]
    assert not others
    return not result.get("isError")
