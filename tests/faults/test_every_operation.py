"""The N-th outside operation fails, once or from then on: Jira and the record still agree."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.http import Ask, Outward, OutwardError, Reply
from gateway.model import ToolRequest
from tests.faults.test_every_await import CALLS
from tests.world import World, check_invariants


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Sandbox and gateway without the transport; the provider's keys are known (their loss: tests/identity)."""
    async with World(tmp_path, serve=False) as world:
        await world.gateway.line.identity.authenticate(world.token("ana"))
        yield world


class Failing:
    """Counts the operations towards the outside, and fails the N-th, or all from the N-th on."""

    def __init__(self, at: int, *, persistent: bool) -> None:
        self.at, self.persistent, self.seen = at, persistent, 0

    def strikes(self) -> bool:
        self.seen += 1
        return self.seen >= self.at if self.persistent else self.seen == self.at


@pytest.mark.parametrize("persistent", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("sent", [False, True], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("kind", CALLS)
async def test_each_request_outward_fails(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, sent: bool, persistent: bool
) -> None:
    """A lost answer to a write is `outcome_unknown` and never sent again; all else says what is down."""
    tool, arguments = CALLS[kind]
    honest = Outward.send
    for at in range(1, 40):
        failing = Failing(at, persistent=persistent)

        async def send(self: Outward, ask: Ask, failing: Failing = failing) -> Reply:
            if not failing.strikes():
                return await honest(self, ask)
            if sent:
                await honest(self, ask)
            raise OutwardError("injected", sent=sent)

        before = len(world.effects())
        monkeypatch.setattr(Outward, "send", send)
        code = await code_of(world, tool, arguments)
        monkeypatch.setattr(Outward, "send", honest)
        check_invariants(world)
        assert all(doubt.closed for doubt in world.checked().in_doubt)
        assert len(world.effects()) - before <= 1
        if failing.seen < at:
            assert code == ("denied" if kind == "refused" else "answered")
            return
        assert code in {"answered", "denied", "unavailable", "outcome_unknown"}
        if code in ("unavailable", "denied"):
            assert len(world.effects()) == before
    raise AssertionError("the call never came through")


async def code_of(world: World, tool: str, arguments: dict[str, Any]) -> str:
    try:
        await world.line(world.fresh("ana"), tool, **arguments)
    except GatewayError as refused:
        return refused.code
    return "answered"


@pytest.mark.parametrize("persistent", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("kind", CALLS)
async def test_each_commit_of_the_record_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, persistent: bool
) -> None:
    """A failed commit seals: no effect in Jira, no answer, later calls refused at once; then a probe unseals."""
    from gateway.audit.book import Book

    tool, arguments = CALLS[kind]
    writes = kind in ("comment", "create")
    honest = Book.write
    for at in range(1, 4):
        folder = tmp_path / str(at)
        folder.mkdir()
        async with World(folder, serve=False) as world:
            await world.recorded("policy.loaded")
            failing = Failing(at, persistent=persistent)

            def write(self: Book, *a: Any, failing: Failing = failing, **k: Any) -> Any:
                if failing.strikes():
                    raise sqlite3.OperationalError("database or disk is full")
                return honest(self, *a, **k)

            before = len(world.effects())
            monkeypatch.setattr(Book, "write", write)
            code = await code_of(world, tool, arguments)
            sealed_later = (
                await code_of(world, "jira_get_issue", {"key": "OPEN-3"}) if failing.seen >= at else ""
            )
            ready, line = world.gateway.log.state()
            monkeypatch.setattr(Book, "write", honest)
            effects = len(world.effects()) - before
        if failing.seen < at:
            assert code == ("denied" if kind == "refused" else "answered")
            assert ready
            return
        assert code == "sealed"
        assert effects == (1 if writes and at == 2 else 0)
        if persistent:
            assert sealed_later == "sealed" and not ready and "sealed" in line.lower()
    raise AssertionError("the call never came through")


async def test_an_unknown_call_is_never_relayed(world: World) -> None:
    """Not even the name of a tool that does not exist reaches Jira."""
    before = len(world.sandbox.jira.requests)
    with pytest.raises(GatewayError):
        await world.gateway.line.call(world.token("ana"), ToolRequest("jira_nuke", {}, call_id="c"))
    assert len(world.sandbox.jira.requests) == before
