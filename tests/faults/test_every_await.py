"""Cancelled at every await: whatever a client's hang-up interrupts, the record and Jira agree."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError
from tests.world import World, check_invariants

CALLS = {
    "read": ("jira_get_issue", {"key": "OPEN-2"}),
    "search": ("jira_search", {"jql": "project = OPEN"}),
    "comment": ("jira_comment", {"key": "OPEN-2", "body": "hello"}),
    "create": ("jira_create_issue", {"project": "OPEN", "issue_type": "Task", "summary": "x"}),
    "refused": ("jira_delete_issue", {"key": "OPEN-2"}),
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Sandbox and gateway without the transport."""
    async with World(tmp_path, serve=False) as world:
        yield world


class Counted:
    """Runs a coroutine and cancels its own task when it suspends for the `at`-th time."""

    def __init__(self, inner: Coroutine[Any, Any, Any], at: int) -> None:
        self.inner, self.at, self.seen = inner, at, 0

    def __await__(self) -> Generator[Any, Any, Any]:
        send, value = self.inner.send, None
        while True:
            try:
                waited = send(value)
            except StopIteration as done:
                return done.value
            self.seen += 1
            if self.seen == self.at:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                value = yield waited
                send = self.inner.send
            except BaseException as thrown:
                value = thrown
                send = self.inner.throw


async def outcome(counted: Counted) -> str:
    async def body() -> Any:
        return await counted

    task = asyncio.create_task(body())
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    except GatewayError as refused:
        return refused.code
    return "answered"


@pytest.mark.parametrize("kind", CALLS)
async def test_cancelled_at_every_await(world: World, kind: str) -> None:
    """For each suspension point of a call: no effect without its decision, no allowed write without its outcome."""
    tool, arguments = CALLS[kind]
    points = 0
    for at in range(1, 200):
        bearer = world.fresh("ana")
        counted = Counted(world.line(bearer, tool, **arguments), at)
        ended = await outcome(counted)
        await world.settled()
        check_invariants(world)
        assert all(doubt.closed for doubt in world.checked().in_doubt)
        if counted.seen < at:
            assert ended == ("denied" if kind == "refused" else "answered")
            break
        points += 1
    assert points >= (1 if kind == "refused" else 4)
