"""The folder may change under a running gateway: for the better only."""

import asyncio
import shutil
from pathlib import Path

import pytest

from gateway.policy.engine import CedarPolicy
from tests.policy.actions import TOOLS
from tests.policy.making import SHIPPED, call, caller, issue, rule

CLOSE = rule("closed", "forbid (principal, action, resource);")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped rules."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "policies"))


@pytest.fixture
def policy(folder: Path) -> CedarPolicy:
    """The engine over it."""
    return CedarPolicy(folder, TOOLS)


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def looks(policy: CedarPolicy, times: int = 2) -> list[bool]:
    return [policy.look() for _ in range(times)]


def test_a_good_change_comes_into_force(policy: CedarPolicy, folder: Path) -> None:
    """After two looks that find the same, with another digest."""
    before = policy.digest
    rewrite(folder / "clearances.yaml", "[leads]", "[leads, hr]")
    hana = call(caller("hana", "staff", "hr"), "jira_get_issue")
    assert not policy.decide(hana, [issue(securityLevel="Staff only")]).allowed
    assert looks(policy, 3) == [False, True, False]
    assert policy.digest != before
    assert policy.decide(hana, [issue(securityLevel="Staff only")]).allowed
    assert "policy_stale" not in policy.state()[1]


def test_a_folder_that_is_being_written_is_left_alone(policy: CedarPolicy, folder: Path) -> None:
    """As long as two looks in a row differ, nothing is read into force."""
    before = policy.digest
    for n in range(5):
        (folder / "known.yaml").write_text(f"groups: [staff, leads, hr, g{n}]\n", encoding="utf-8")
        assert not policy.look()
    assert policy.digest == before
    assert policy.look()


BROKEN = {
    "syntax": (
        "90-guard.cedar",
        "forbid (principal, action",
        "forbid (principal; action",
        "90-guard.cedar:3",
    ),
    "an unknown word": ("90-guard.cedar", "securityLevel }", "securityLevl }", "90-guard.cedar:12"),
    "two equal ids": ("20-write.cedar", '@id("staff-write")', '@id("staff-read")', "20-write.cedar:3"),
    "a failing case": ("90-guard.cedar", "maxResults > 10", "maxResults > 30", "tests/start.yaml:"),
    "wrong data": ("agents.yaml", "writesPerHour: 60", "writesPerHour: many", "agents.yaml:"),
    "wrong cases": ("tests/start.yaml", "person: hana", "person: hanna", "tests/start.yaml:"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_change_keeps_the_last_good_bundle(policy: CedarPolicy, folder: Path, name: str) -> None:
    """F27: the digest stays, `/readyz` says policy_stale and where, and mending it ends that."""
    file, old, new, place = BROKEN[name]
    good = (folder / file).read_bytes()
    before = policy.digest
    rewrite(folder / file, old, new)
    assert looks(policy, 4) == [False] * 4
    assert policy.digest == before
    ready, line = policy.state()
    assert ready
    assert line.startswith(f"policy_stale: {place}")
    assert policy.decide(call(caller(), "jira_get_issue"), [issue()]).allowed
    (folder / file).write_bytes(good)
    looks(policy)
    assert "policy_stale" not in policy.state()[1]


@pytest.mark.parametrize(
    "file", ["10-read.cedar", "20-write.cedar", "90-guard.cedar", "agents.yaml", "tests/start.yaml"]
)
def test_a_lost_file_is_noticed(policy: CedarPolicy, folder: Path, file: str) -> None:
    """A missing file of rules is valid Cedar; the cases notice."""
    before = policy.digest
    (folder / file).unlink()
    looks(policy)
    assert policy.digest == before
    assert policy.state()[1].startswith("policy_stale: ")


def test_a_lost_folder_changes_nothing(policy: CedarPolicy, folder: Path) -> None:
    """The rules in force are in memory."""
    shutil.rmtree(folder)
    looks(policy)
    assert policy.state()[1].startswith("policy_stale: ")
    assert policy.decide(call(caller(), "jira_get_issue"), [issue()]).allowed


def test_a_file_that_cannot_be_read_changes_nothing(policy: CedarPolicy, folder: Path) -> None:
    """A link that leads nowhere, and 10 MB of rules."""
    (folder / "95.cedar").symlink_to(folder / "nowhere.cedar")
    (folder / "96.cedar").write_bytes(b"// " + b"x" * 10_000_000)
    looks(policy)
    assert policy.state()[1].startswith("policy_stale: 95.cedar:1") or "96.cedar:1" in policy.state()[1]


def test_a_call_keeps_its_bundle(policy: CedarPolicy, folder: Path) -> None:
    """What was admitted under one bundle is decided under it, and the next call under the next."""
    asked = call(caller(), "jira_get_issue", call_id="c1")
    admitted = policy.admit(asked)
    rewrite(folder / "clearances.yaml", "[leads]", "[leads, hr]")
    assert looks(policy) == [False, True]
    assert policy.digest != admitted.policy
    assert policy.decide(asked, [issue()]).policy == admitted.policy
    assert policy.decide(asked, [issue()]).policy == policy.digest


def test_answers_of_one_bundle_are_not_given_by_the_next(policy: CedarPolicy, folder: Path) -> None:
    """Nothing that was kept survives a change of rules."""
    asked = call(caller(), "jira_get_issue")
    assert policy.decide(asked, [issue()]).allowed
    assert policy.visible(caller())
    (folder / "99.cedar").write_text(CLOSE, encoding="utf-8")
    (folder / "tests/start.yaml").write_text(
        "cases: [{name: shut, tool: jira_whoami, expect: {decision: deny, because: [closed]}}]",
        encoding="utf-8",
    )
    assert looks(policy) == [False, True]
    assert not policy.decide(asked, [issue()]).allowed
    assert not policy.admit(asked).allowed
    assert not policy.visible(caller())


def test_budgets_survive_a_change(policy: CedarPolicy, folder: Path) -> None:
    """New rules do not hand out the hour anew."""
    for _ in range(60):
        assert policy.decide(call(caller(), "jira_comment", fields=[]), [issue()]).allowed
    rewrite(folder / "clearances.yaml", "[leads]", "[leads, hr]")
    assert looks(policy) == [False, True]
    assert not policy.decide(call(caller(), "jira_comment", fields=[]), [issue()]).allowed


async def test_the_watch_takes_up_a_change_beside_running_calls(policy: CedarPolicy, folder: Path) -> None:
    """Built in another thread while calls go on; each decision is wholly of one bundle."""
    watching = asyncio.create_task(policy.watch(0.01))
    before = policy.digest
    rewrite(folder / "clearances.yaml", "[leads]", "[leads, hr]")
    hana = call(caller("hana", "staff", "hr"), "jira_get_issue")
    seen: set[tuple[str, bool]] = set()
    async with asyncio.timeout(20):
        while policy.digest == before or len(seen) < 2:
            found = policy.decide(hana, [issue(securityLevel="Staff only")])
            seen.add((found.policy, found.allowed))
            await asyncio.sleep(0.001)
    watching.cancel()
    assert seen == {(before, False), (policy.digest, True)}
