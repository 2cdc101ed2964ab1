"""Ten thousand bad inputs through the whole gateway: each refused by type, nothing sent to Jira, memory flat."""

import asyncio
import gc
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from tests.world import World

SEED = 20261122
COUNT = 10_000
FLAT_MIB = 32
"""MiB that the process may grow by: FAULTS' bar for bombs; the inputs alone are far more."""

BAD_KEYS = (
    "../", "OPEN-1?x=", "OPEN-1/../../2", "OPEN-1#", "%2e%2e", "OPEN-１", "open 1", "OPEN-0", "OPEN--1", "-1",
    "OPEN-1\n", "OPEN-1\x00", "@evil.example", "http://evil.example/OPEN-1", "", "A" * 5000 + "-1", "OPEN-1;DROP",
)  # fmt: skip
BAD_JQL = (
    "", "project = OPEN) OR (project = VAULT", 'project = "x', "(" * 500 + "project = OPEN" + ")" * 500,
    "NOT " * 300 + "project = OPEN", "project in (" + ",".join("A" * 9 for _ in range(400)) + ")", "a" * 5000,
    "project = OPEN\x00", "issue in linkedIssues('VAULT-1')", "this is not jql", "project = OPEN ORDER BY",
    "project == OPEN", "project = OPEN; drop", "ORDER BY ORDER BY",
)  # fmt: skip
BAD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 51, 1.5, 10**30, "", [], {}, [[]], {"a": {"b": []}}, "\x00", "\x1b[31m", "x" * 40_000,
)  # fmt: skip
TOOLS = (
    "jira_get_issue",
    "jira_search",
    "jira_comment",
    "jira_update_issue",
    "jira_transition",
    "jira_create_issue",
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The whole gateway."""
    async with World(tmp_path) as world:
        yield world


def arguments(chance: random.Random) -> dict[str, Any]:
    """Arguments that no tool accepts: something in them is always wrong."""
    tool_wrong = chance.randrange(4)
    if tool_wrong == 0:
        return {"key": chance.choice(BAD_KEYS), "body": "x", "to": "Done"}
    if tool_wrong == 1:
        return {"jql": chance.choice(BAD_JQL)}
    if tool_wrong == 2:
        return {chance.choice(("key", "jql", "project", "max_results")): chance.choice(BAD_VALUES)}
    return {"key": "OPEN-1", "jql": "project = OPEN", "surplus": chance.choice(BAD_VALUES)}


def body(chance: random.Random, number: int) -> bytes:
    """One bad request body."""
    kind = chance.randrange(8)
    call = {
        "jsonrpc": "2.0", "id": number, "method": "tools/call",
        "params": {"name": chance.choice(TOOLS), "arguments": arguments(chance)},
    }  # fmt: skip
    if kind < 4:
        return json.dumps(call).encode()
    if kind == 4:
        whole = json.dumps(call).encode()
        return whole[: chance.randrange(1, len(whole) - 1)]
    if kind == 5:
        return chance.choice(
            (b"", b"[]", b"null", b"NaN", b'{"a":' * 2000, b"\xff\xfe", b'[{"jsonrpc":"2.0"}]', b"{}")
        )
    if kind == 6:
        call["params"] = chance.choice(BAD_VALUES)
        return json.dumps(call).encode()
    call["method"] = chance.choice(("tools/cal", "", "resources/read", "../../x", "completion/complete"))
    return json.dumps(call).encode()


async def send(world: World, bearer: str, content: bytes) -> tuple[int, bytes]:
    headers = {
        "Authorization": f"Bearer {bearer}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }
    answer = await world.http.post(world.url, content=content, headers=headers)
    return answer.status_code, answer.content


def refused(status: int, content: bytes) -> bool:
    """A clean refusal: a 4xx, a JSON-RPC error, or a tool error that says what is wrong."""
    if status >= 500 or b"Traceback" in content:
        return False
    if status >= 400:
        return True
    told = orjson.loads(content)
    return "error" in told or bool(told["result"].get("isError"))


async def test_ten_thousand_bad_inputs(world: World) -> None:
    """Every one is refused; Jira saw none; the process did not grow; a good call still works."""
    chance = random.Random(SEED)
    bearer = world.token("ana")
    before, grown = len(world.sandbox.jira.requests), 0.0
    at_start = None
    for start in range(0, COUNT, 100):
        bodies = [body(chance, start + n) for n in range(100)]
        answers = await asyncio.gather(*(send(world, bearer, content) for content in bodies))
        for content, answer in zip(bodies, answers, strict=True):
            assert refused(*answer), (content[:300], answer)
        if start == 1000:
            gc.collect()
            at_start = psutil.Process().memory_info().rss
    gc.collect()
    assert at_start is not None
    grown = (psutil.Process().memory_info().rss - at_start) / 2**20
    assert len(world.sandbox.jira.requests) == before
    assert grown < FLAT_MIB
    good = await world.call(bearer, "jira_whoami")
    assert not good["result"].get("isError")


@pytest.mark.parametrize("size", [1024 * 1024, 8 * 1024 * 1024])
async def test_a_large_body_is_cut_off(world: World, size: int) -> None:
    """1 MiB and more is refused with 413 while it comes, and the next call works."""
    bearer = world.token("ana")
    status, _ = await send(world, bearer, b'{"x":"' + b"a" * size + b'"}')
    assert status == 413
    assert not (await world.call(bearer, "jira_whoami"))["result"].get("isError")
