"""The official Inspector, whose command line many people try first, in both protocol eras."""

import asyncio
import json
from typing import Any

import pytest

from tests.conformance.run import node, package
from tests.transport.world import NAMES, World

pytestmark = pytest.mark.needs_node
LAUNCHER = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"


async def inspect(world: World, *arguments: str, token: str = "ana-token") -> tuple[int, str]:
    """Run its command line against the server; (exit code, output)."""
    program = await asyncio.to_thread(node)
    command = [
        program, str(package(LAUNCHER)), "--cli", world.url + "/mcp", "--transport", "http",
        "--header", f"Authorization: Bearer {token}", *arguments,
    ]  # fmt: skip
    run = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, err = await run.communicate()
    return run.returncode or 0, out.decode() if run.returncode == 0 else err.decode()


@pytest.mark.parametrize(("era", "version"), [("legacy", "2025-11-25"), ("modern", "2026-07-28")])
async def test_the_inspector_lists_and_calls(world: World, era: str, version: str) -> None:
    """Its list is the caller's list, its call reaches the line, its answer is ours."""
    status, out = await inspect(world, "--protocol-era", era, "--method", "tools/list", token="bo-token")
    assert status == 0, out
    listed: Any = json.loads(out)
    assert {t["name"] for t in listed["tools"]} == NAMES - {"demo_delete"}
    call = ("--method", "tools/call", "--tool-name", "demo_echo", "--tool-arg", "text=hello")
    status, out = await inspect(world, "--protocol-era", era, *call)
    assert status == 0, out
    assert json.loads(out)["structuredContent"] == {"tool": "demo_echo", "arguments": {"text": "hello"}}
    assert world.line.calls[-1].protocol == version


async def test_the_inspector_reports_a_refused_token(world: World) -> None:
    """A bad token ends it with an error, and nothing was called."""
    status, _ = await inspect(world, "--method", "tools/list", token="nobody")
    assert status != 0 and world.line.calls == [] and world.line.strangers
