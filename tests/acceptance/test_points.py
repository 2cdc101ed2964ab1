"""What assistants can take of tools and answers (A19-A24): names, number, schemas, size, patience, errors."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import limits
from gateway.settings import TOOL_MODULES
from gateway.tool import Registry
from sandbox.jira.faults import Fault, Kind
from tests.speaking import tool_call
from tests.world import World

TOOLS = list(Registry.load(TOOL_MODULES))
SERVER = "jira"
"""The name under which people are told to add the server."""


def members(node: Any) -> list[str]:
    """The names of all properties in a schema."""
    if isinstance(node, list):
        return [name for item in node for name in members(item)]
    if not isinstance(node, dict):
        return []
    return [*node.get("properties", {}), *(name for item in node.values() for name in members(item))]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a19_names_fit_every_client(tool: Any) -> None:
    """Forty characters; sixty with the server's name, as one client counts, sixty-four with its prefix."""
    assert re.fullmatch(r"[a-z][a-z0-9_]{2,39}", tool.name)
    assert len(SERVER + tool.name) <= 60 and len(f"mcp__{SERVER}__{tool.name}") <= 64
    assert all(len(name) <= 64 for name in members([tool.input_schema, tool.output_schema]))


async def test_a20_few_tools_in_a_fixed_order_and_only_what_one_may_use(tmp_path: Path) -> None:
    """At most twenty; alike each time; with how long the list is good; a tool that policy forbids is not in it."""
    async with World(tmp_path) as world:
        lists = [await listed(world, world.token("ana")) for _ in range(2)]
        names = [tool["name"] for tool in lists[0]["tools"]]
        assert lists[0] == lists[1] and lists[0]["ttlMs"] > 0 and lists[0]["cacheScope"] == "private"
        assert len(TOOLS) <= 20 and 0 < len(names) < len(TOOLS)
        assert "jira_delete_issue" not in names  # no rule lets an assistant delete
        order = [tool.name for tool in TOOLS if tool.name in names]
        assert names == order


async def listed(world: World, bearer: str) -> dict[str, Any]:
    """The answer of tools/list."""
    message, headers = tool_call(1, bearer, "", {})
    message["method"], headers["Mcp-Method"] = "tools/list", "tools/list"
    message["params"] = {"_meta": message["params"]["_meta"]}
    del headers["Mcp-Name"]
    reply = await world.http.post(world.url, json=message, headers=headers)
    found: dict[str, Any] = reply.json()["result"]
    return found


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a21_each_tool_says_what_it_does_in_forms_that_all_read(tool: Any) -> None:
    """Title, three hints, flat input, an output schema."""
    hints = tool.annotations()
    assert tool.title and {"readOnlyHint", "destructiveHint", "idempotentHint"} <= hints.keys()
    for words in ("$ref", "oneOf", "anyOf", "allOf", "$defs"):
        assert f'"{words}"' not in orjson.dumps(dict(tool.input_schema)).decode()
    assert tool.output_schema["properties"]


async def test_a21_an_answer_is_there_as_data_and_as_text(tmp_path: Path) -> None:
    """Some clients show only the text."""
    async with World(tmp_path) as world:
        answer = await world.call(world.token("ana"), "jira_get_issue", key="OPEN-1")
        result = answer["result"]
        assert result["structuredContent"]["key"] == "OPEN-1"
        assert "OPEN-1" in result["content"][0]["text"]


async def test_a22_an_answer_is_short_and_the_rest_has_a_cursor(tmp_path: Path) -> None:
    """Twenty thousand characters by default; far below what the strictest client cuts."""
    async with World(tmp_path) as world:
        token = world.token("ana")
        long = "A very long line of text. " * 4_000
        await world.call(token, "jira_update_issue", key="OPEN-1", description=long[: limits.MARKDOWN_CHARS])
        one = await world.call(token, "jira_get_issue", key="OPEN-1")
        page = await world.call(token, "jira_search", jql="project = OPEN", max_results=10)
        for answer in (one, page):
            text = answer["result"]["content"][0]["text"]
            assert len(text) <= limits.ANSWER_CHARS <= 20_000
            assert len(orjson.dumps(answer)) < 150_000
        assert page["result"]["structuredContent"]["next"]


@pytest.mark.parametrize("token", [None, "p-1", 7])
async def test_a23_a_long_call_says_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str | int | None
) -> None:
    """From the first interval on, as a stream; progress goes only to who sent a token, and grows."""
    monkeypatch.setattr(limits, "HEARTBEAT_SECONDS", 0.05)
    async with World(tmp_path) as world:
        bearer = world.token("ana")
        await world.call(bearer, "jira_whoami")
        world.sandbox.jira.faults.before = lambda asked: Fault(Kind.DELAY, seconds=0.6)
        message, headers = tool_call(1, bearer, "jira_get_issue", {"key": "OPEN-1"})
        if token is not None:
            message["params"]["_meta"]["progressToken"] = token
        reply = await world.http.post(world.url, json=message, headers=headers)
        assert reply.headers["content-type"] == "text/event-stream"
        told = [orjson.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
        *beats, last = told
        assert last["result"]["structuredContent"]["key"] == "OPEN-1"
        steps = [beat["params"]["progress"] for beat in beats]
        assert steps == sorted(set(steps)) and bool(steps) is (token is not None)
        assert all(beat["params"]["progressToken"] == token for beat in beats)
        assert (": still working" in reply.text) is (token is None)


async def test_a23_a_client_that_takes_no_stream_and_a_quick_call_get_one_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nearly every call is answered."""
    async with World(tmp_path) as world:
        bearer = world.token("ana")
        message, headers = tool_call(1, bearer, "jira_get_issue", {"key": "OPEN-1"})
        message["params"]["_meta"]["progressToken"] = "p"
        quick = await world.http.post(world.url, json=message, headers=headers)
        assert quick.headers["content-type"] == "application/json"
        monkeypatch.setattr(limits, "HEARTBEAT_SECONDS", 0.05)
        world.sandbox.jira.faults.before = lambda asked: Fault(Kind.DELAY, seconds=0.3)
        headers["Accept"] = "application/json"
        slow = await world.http.post(world.url, json=message, headers=headers)
        assert slow.headers["content-type"] == "application/json"


async def test_a24_an_error_is_one_sentence_and_a_next_step(tmp_path: Path) -> None:
    """The rule by its name where policy refuses, an `isError` result and no protocol error."""
    async with World(tmp_path) as world:
        token = world.token("ana")
        denied = (await world.call(token, "jira_delete_issue", key="OPEN-1"))["result"]
        absent = (await world.call(token, "jira_get_issue", key="OPEN-4711"))["result"]
        assert denied["isError"] and "no-agent-deletes" in denied["content"][0]["text"]
        assert absent["isError"]
        for answer in (denied, absent):
            text = answer["content"][0]["text"]
            assert len(text) < 400 and "Traceback" not in text and text.count("\n") <= 2
