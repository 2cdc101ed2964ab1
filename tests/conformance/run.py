"""Runs the official conformance suite against our endpoint and compares with `expected.yaml`.

    python -m tests.conformance.run            # both requirement sets
    python -m tests.conformance.run 2026-07-28

A scenario that fails and is not listed ends with 1, and so does a listed one that passes: the list
says exactly what does not apply to this server, and why.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gateway.transport.mcp import McpEndpoint
from gateway.transport.web import create_web
from tests.conformance.catalogue import TOKEN, FixtureLine, tools
from tests.conformance.proxy import adding_token
from tests.transport.world import free_port, serving

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).with_name("expected.yaml")
REVISIONS = ("2026-07-28", "2025-11-25")
SECONDS = 600
"""The suite's own time for a run; it takes about 60."""


_FOLDER = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


class Missing(Exception):
    """A program that the suite needs is not there."""


@dataclass(frozen=True)
class Scenario:
    """What the suite found: the ids of checks that passed, and of those that did not."""

    name: str
    passed: tuple[str, ...]
    failed: tuple[str, ...]


def node() -> str:
    """Path of a Node.js that can run the suite, installed on first use. Raises `Missing`."""
    done = subprocess.run([ROOT / "tests/node/install.sh"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(done.stderr.strip() or "tests/node/install.sh failed")
    return done.stdout.strip().splitlines()[-1]


def package(path: str) -> Path:
    """A file of an installed Node package."""
    return ROOT / ".work/node/node_modules" / path


async def run_suite(revision: str) -> list[Scenario]:
    """All server scenarios of one requirement set."""
    program = await asyncio.to_thread(node)
    port, behind = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    endpoint = McpEndpoint(FixtureLine(), tools(), public_url=url)
    app = create_web({"/mcp": endpoint}, lifespans=[endpoint.running])
    with tempfile.TemporaryDirectory() as folder:
        command = [
            program, str(package("@modelcontextprotocol/conformance/dist/index.js")), "server",
            "--url", f"{url}/mcp", "--requirements", revision, "-o", folder,
        ]  # fmt: skip
        async with serving(app, behind), adding_token(TOKEN, port, behind), asyncio.timeout(SECONDS):
            suite = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            output, _ = await suite.communicate()
        found = read(Path(folder))
    if not found:
        raise RuntimeError(f"the suite wrote no results:\n{output.decode(errors='replace')[-3000:]}")
    return found


def read(folder: Path) -> list[Scenario]:
    """The results that the suite wrote: one folder a scenario, with `checks.json`."""
    return [_scenario(checks) for checks in sorted(folder.rglob("checks.json"))]


def _scenario(path: Path) -> Scenario:
    checks: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    good = tuple(c["id"] for c in checks if c["status"] == "SUCCESS")
    bad = tuple(sorted({c["id"] for c in checks if c["status"] in ("FAILURE", "WARNING")}))
    named = _FOLDER.fullmatch(path.parent.name)
    assert named is not None, f"the suite names its folders differently now: {path.parent.name}"
    return Scenario(named[1], good, bad)


def compare(found: list[Scenario], expected: dict[str, Any]) -> list[str]:
    """What differs from the list, in sentences; empty when all is as listed."""
    problems = []
    for scenario in found:
        listed = expected.get(scenario.name)
        if listed is None:
            if scenario.failed or not scenario.passed:
                problems.append(
                    f"{scenario.name}: {', '.join(scenario.failed) or 'no check'} failed, not listed"
                )
            continue
        allowed = set(listed.get("checks", scenario.failed))
        if not scenario.failed and scenario.passed:
            problems.append(f"{scenario.name}: listed, but it passes")
        for check in sorted(set(scenario.failed) ^ allowed):
            state = "failed, not listed" if check in scenario.failed else "listed, but it passes"
            problems.append(f"{scenario.name}: {check} {state}")
    missing = expected.keys() - {s.name for s in found}
    return problems + [f"{name}: listed, but the suite has no such scenario" for name in sorted(missing)]


def expected(revision: str) -> dict[str, Any]:
    """The list for one revision: scenario name -> {reason, checks?}."""
    whole: dict[str, dict[str, Any]] = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    return whole[revision]


def main(revisions: list[str]) -> int:
    """Prints what was found; 0 when everything is as listed."""
    status = 0
    for revision in revisions or REVISIONS:
        found = asyncio.run(run_suite(revision))
        problems = compare(found, expected(revision))
        passed = sum(not s.failed and bool(s.passed) for s in found)
        checks = sum(len(s.passed) for s in found)
        print(f"{revision}: {passed} of {len(found)} scenarios pass with {checks} checks; ", end="")
        print(f"{len(expected(revision))} listed as not applicable; {len(problems)} problems")
        for problem in problems:
            print(f"  {problem}")
        status = 1 if problems else status
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Missing as missing:
        sys.exit(str(missing))
