"""Only a bundle that proves itself is loaded; the refusal names the file and the line (F27)."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.policy.bundle import build, digest_of, snapshot
from gateway.policy.cases import run_cases
from gateway.policy.cedar import Answer, Rules
from gateway.policy.judge import Judge
from gateway.policy.load import load, proven
from tests.policy.actions import TOOLS
from tests.policy.making import STAFF, bundle, files, rule

CASE = "cases:\n  - {name: staff read, person: default, tool: jira_whoami, expect: {decision: allow}}\n"
PEOPLE = "people: {default: {groups: [staff]}}\n"


def cases(text: str, rules: str = STAFF) -> dict[str, bytes]:
    return {**files(rules), "tests/a.yaml": text.encode()}


def refusal(given: dict[str, bytes]) -> list[str]:
    with pytest.raises(ConfigError) as wrong:
        proven(given, TOOLS)
    return wrong.value.problems


def test_a_bundle_with_its_cases_passed_is_loaded() -> None:
    """The good case."""
    assert len(proven(cases(PEOPLE + CASE), TOOLS).bundle.rules) == 2


def test_a_bundle_without_cases_is_refused() -> None:
    """A rule without a case is a hope."""
    assert "has no cases" in refusal(files())[0]
    assert "has no cases" in refusal(cases("cases: []"))[0]


def test_a_failing_case_is_told_with_what_was_expected_and_got() -> None:
    """The author sees which case, where, and which rule decided instead."""
    (problem,) = refusal(cases(PEOPLE + CASE, STAFF + rule("shut", "forbid (principal, action, resource);")))
    assert problem == (
        "tests/a.yaml:3: the case “staff read” expects decision allow; "
        "the rules say decision deny, because ['shut']."
    )


def test_no_rules_at_all_are_refused() -> None:
    """An empty set of anything that guards is a refusal."""
    assert "there is no rule" in refusal(cases(PEOPLE + CASE, "// nothing yet\n"))[0]


WRONG_CASES = {
    "an unknown person": (
        "{person: ann, tool: jira_whoami, expect: {decision: deny}}",
        "`people` has no `ann`",
    ),
    "an unknown assistant": ("{assistant: x, tool: jira_whoami, expect: {decision: deny}}", "has no `x`"),
    "an unknown issue": (
        "{tool: jira_get_issue, target: OPEN-9, expect: {decision: deny}}",
        "has no `OPEN-9`",
    ),
    "an unknown tool": ("{tool: jira_fly, expect: {decision: deny}}", "there is no tool `jira_fly`"),
    "no target": ("{tool: jira_get_issue, expect: {decision: deny}}", "`target` must name the issue"),
    "no expectation": ("{tool: jira_whoami}", "must have a `decision`"),
    "a decision that is none": ("{tool: jira_whoami, expect: {decision: maybe}}", "must have a `decision`"),
    "a misspelt expectation": (
        "{tool: jira_whoami, expect: {decision: deny, becuase: []}}",
        "`becuase` is not known here",
    ),
    "a misspelt key": (
        "{tol: jira_whoami, tool: jira_whoami, expect: {decision: deny}}",
        "`tol` is not known",
    ),
    "an input that the tool has not": (
        "{tool: jira_search, input: {jql: x}, expect: {decision: deny}}",
        "`jql` is not known here",
    ),
    "a time that is none": (
        "{tool: jira_whoami, call: {now: noon}, expect: {decision: deny}}",
        "must be a time",
    ),
}


@pytest.mark.parametrize("name", WRONG_CASES)
def test_a_case_that_cannot_mean_anything_is_refused(name: str) -> None:
    """A case that tests nothing would be worse than none."""
    line, expected = WRONG_CASES[name]
    problems = refusal(cases(f"people: {{default: {{groups: [staff]}}}}\ncases:\n  - {line}\n"))
    assert any(expected in problem for problem in problems), problems
    assert all(problem.startswith("tests/a.yaml:") for problem in problems)


def test_undecided_rules_and_survivors_are_named() -> None:
    """A rule that no case is decided by is told; one whose loss no case notices is a survivor."""
    report = run_cases(Judge(build(cases(PEOPLE + CASE), TOOLS)), mutate=True)
    assert not report.failures
    assert report.undecided == ("staff-write",)
    assert report.survivors == ("staff-write",)
    assert not report.passed
    assert report.data()["survivors"] == ("staff-write",)


def test_the_digest_is_over_everything() -> None:
    """Each file, its name, the vocabulary and the site: one other byte is another digest."""
    given = {"a": b"x", "b": b""}
    digest = digest_of(given, "schema", "jira")
    others = [
        digest_of({"a": b"y", "b": b""}, "schema", "jira"),
        digest_of({"a": b"x"}, "schema", "jira"),
        digest_of({"ab": b"x", "": b""}, "schema", "jira"),
        digest_of({"a": b"", "b": b"x"}, "schema", "jira"),
        digest_of(given, "schema2", "jira"),
        digest_of(given, "schema", "jira2"),
    ]
    assert len({digest, *others}) == 7
    assert digest == digest_of({"b": b"", "a": b"x"}, "schema", "jira")


def test_a_snapshot_takes_what_makes_a_bundle(tmp_path: Path) -> None:
    """Rules, data, vocabulary and cases; notes and hidden files are left."""
    (tmp_path / "tests").mkdir()
    for name in (
        "a.cedar",
        "b.yaml",
        "schema.cedarschema",
        "README.md",
        ".a.cedar.swp",
        "tests/c.yaml",
        "a.cedar~",
    ):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert sorted(snapshot(tmp_path)) == ["a.cedar", "b.yaml", "schema.cedarschema", "tests/c.yaml"]


@pytest.mark.parametrize(
    ("name", "expected"), [("more/a.cedar", "would not be read"), ("b.yml", "name it `b.yaml`")]
)
def test_files_that_would_silently_not_count_are_refused(tmp_path: Path, name: str, expected: str) -> None:
    """Rules that somebody wrote and nobody reads."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        snapshot(tmp_path)


def test_a_huge_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    """F27: 10 MB are not read into memory, and a dangling link is not an absent rule."""
    (tmp_path / "a.cedar").write_bytes(b"x" * 10_000_000)
    (tmp_path / "b.cedar").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError) as wrong:
        snapshot(tmp_path)
    assert [problem.split(" ")[0] for problem in wrong.value.problems] == ["a.cedar:1:", "b.cedar:1:"]


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    """A bundle is something that people read."""
    for n in range(201):
        (tmp_path / f"{n}.cedar").touch()
    with pytest.raises(ConfigError, match="at most 200 files"):
        load(tmp_path, TOOLS)


def test_an_engine_that_does_not_know_groups_of_actions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test at start: Cedar is asked what we know before it is asked what we do not."""
    real = Rules.ask

    def skips(self: Rules, world: object, questions: object) -> list[Answer]:
        return [Answer(True) for _ in real(self, world, questions)]  # type: ignore[arg-type]

    monkeypatch.setattr(Rules, "ask", skips)
    with pytest.raises(ConfigError, match="a forbid on a group of actions must win"):
        bundle()
