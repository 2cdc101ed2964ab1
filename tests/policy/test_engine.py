"""The decision point as the line uses it."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import clock
from gateway.errors import ConfigError, Denied
from gateway.model import Resource
from gateway.policy.engine import CedarPolicy
from tests.policy.actions import TOOLS
from tests.policy.making import SHIPPED, STAFF, call, caller, files, issue, rule

SEARCH: Any = {"jqlFields": ["project"], "maxResults": 25}
LEAD = caller("lena", "staff", "leads")


@pytest.fixture
def policy() -> CedarPolicy:
    """The shipped bundle."""
    return CedarPolicy(SHIPPED, TOOLS)


def test_what_a_person_is_shown(policy: CedarPolicy) -> None:
    """Tools that are refused whatever they act on are not offered."""
    everything = {tool.name for tool in TOOLS}
    assert policy.visible(caller()) == everything - {"jira_delete_issue"}
    assert policy.visible(caller("mallory", "nobody")) == frozenset()
    assert policy.visible(caller("\ud800")) == frozenset()


def test_a_delete_is_refused_beforehand_by_its_rule(policy: CedarPolicy) -> None:
    """Nothing is fetched for what no fact could allow, and the refusal names the rule."""
    found = policy.admit(call(LEAD, "jira_delete_issue"))
    assert not found.allowed
    assert [(r.rule, r.where) for r in found.reasons] == [("no-agent-deletes", "90-guard.cedar:3")]
    with pytest.raises(Denied) as denied:
        found.enforce()
    assert denied.value.rules == ("no-agent-deletes",)
    decided = policy.decide(call(LEAD, "jira_delete_issue"), [issue()])
    assert [r.rule for r in decided.reasons] == ["no-agent-deletes"]


def test_what_could_be_allowed_is_admitted_without_a_word(policy: CedarPolicy) -> None:
    """The decision itself is made on Jira's facts."""
    found = policy.admit(call(caller(), "jira_get_issue"))
    assert found.allowed
    assert (found.reasons, found.facts, found.narrowing) == ((), (), None)


def test_outsiders_are_refused_beforehand_without_a_rule(policy: CedarPolicy) -> None:
    """No rule allows it, and that is all that is said."""
    for tool in ("jira_get_issue", "jira_comment", "jira_whoami"):
        found = policy.admit(call(caller("mallory", "nobody"), tool, fields=["body"]))
        assert not found.allowed
        assert not found.reasons


def test_a_search_is_narrowed_and_capped(policy: CedarPolicy) -> None:
    """The whole decision on a call on the site, with what the search may find."""
    found = policy.admit(call(caller(), "jira_search", **SEARCH))
    assert found.allowed
    assert found.narrowing == "level is EMPTY"
    assert [r.rule for r in found.reasons] == ["staff-read"]
    assert (
        policy.admit(call(LEAD, "jira_search", **SEARCH)).narrowing
        == 'level is EMPTY OR level = "Staff only"'
    )
    assert policy.admit(call(caller(), "jira_whoami")).narrowing is None


def test_results_are_decided_one_by_one(policy: CedarPolicy) -> None:
    """F35: what may not be seen is left out, what may be seen is redacted, and nothing else is said of it."""
    page = [
        issue("OPEN-1"),
        issue("OPEN-2", securityLevel="Staff only"),
        issue("OPEN-3"),
        Resource("Project", "OPEN", {}),
    ]
    found = policy.decide(call(caller(), "jira_search", **SEARCH), page)
    assert found.allowed
    assert found.refused == {"OPEN-2"}
    assert found.redacted == {"customfield_10042", "reporter.emailAddress", "assignee.emailAddress"}
    assert [r.rule for r in found.reasons] == ["staff-read"]
    asked = [fact for fact in found.facts if "of" in fact]
    assert [(fact["of"], fact["allowed"], fact["rules"]) for fact in asked] == [
        (["OPEN-1", "OPEN-3"], True, ("staff-read",)),
        (["OPEN-2"], False, ("confidential-level",)),
    ]


def test_links_of_an_issue_are_decided_apart(policy: CedarPolicy) -> None:
    """The first resource is the target; the others are only left out."""
    linked = [issue("OPEN-1"), issue("OPEN-2", securityLevel="Board"), issue("OPEN-3")]
    found = policy.decide(call(caller(), "jira_get_issue"), linked)
    assert found.allowed
    assert found.refused == {"OPEN-2"}
    refused = policy.decide(call(caller(), "jira_get_issue"), [linked[1], linked[0]])
    assert not refused.allowed
    assert [r.rule for r in refused.reasons] == ["confidential-level"]


def test_a_target_that_is_missing_or_of_another_kind_is_refused(policy: CedarPolicy) -> None:
    """No facts, no decision."""
    for resources in ([], [Resource("Project", "OPEN", {"key": "OPEN"})], [Resource("Site", "jira")]):
        found = policy.decide(call(caller(), "jira_get_issue"), resources)
        assert not found.allowed
        assert found.errors


def test_the_budget_is_each_persons_with_each_agent(policy: CedarPolicy) -> None:
    """Sixty writes an hour; the sixty-first is refused beforehand and on decision, for this pair alone."""
    writing = call(caller(), "jira_comment", fields=["body"])
    for _ in range(60):
        assert policy.admit(writing).allowed
        assert policy.decide(writing, [issue()]).allowed
    assert [r.rule for r in policy.admit(writing).reasons] == ["write-budget"]
    assert [r.rule for r in policy.decide(writing, [issue()]).reasons] == ["write-budget"]
    assert policy.decide(call(caller(), "jira_get_issue"), [issue()]).allowed
    for other in (caller("bo"), caller(client="other"), caller(issuer="https://other.example.com")):
        assert policy.decide(call(other, "jira_comment", fields=["body"]), [issue()]).allowed
    with clock.shifted(mono=3601):
        assert policy.decide(writing, [issue()]).allowed


def test_a_refused_write_costs_no_budget(policy: CedarPolicy) -> None:
    """Only what is allowed counts."""
    for _ in range(70):
        assert not policy.decide(
            call(caller(), "jira_comment", fields=[]), [issue(securityLevel="x")]
        ).allowed
    assert policy.decide(call(caller(), "jira_comment", fields=[]), [issue()]).allowed


async def test_calls_at_once_cannot_overdraw(policy: CedarPolicy) -> None:
    """Counting and deciding are one step: of a hundred at once, sixty pass."""

    async def one() -> bool:
        writing = call(caller(), "jira_comment", fields=[])
        policy.admit(writing)
        await asyncio.sleep(0)
        return policy.decide(writing, [issue()]).allowed

    assert sum(await asyncio.gather(*(one() for _ in range(100)))) == 60


def test_the_record_shows_the_counts_as_they_were(policy: CedarPolicy) -> None:
    """An answer is kept under less, but a replay needs what was."""
    writing = call(caller(), "jira_comment", fields=[])
    for n in range(3):
        assert policy.decide(writing, [issue()]).facts[1]["call"]["writesLastHour"] == n


def test_facts_can_be_written_down(policy: CedarPolicy) -> None:
    """Everything in a decision is plain data, and names neither e-mail nor groups that no rule reads."""
    who = caller("ana", "staff", "a-secret-group", email="ana@example.com")
    for found in (
        policy.admit(call(who, "jira_search", **SEARCH)),
        policy.decide(call(who, "jira_get_issue"), [issue(), issue("OPEN-2", securityLevel="x")]),
        policy.admit(call(who, "jira_delete_issue")),
        policy.decide(call(caller("a\ud800"), "jira_get_issue"), [issue()]),
    ):
        written = orjson.dumps(found.facts)
        assert b"ana@example.com" not in written
        assert b"a-secret-group" not in written


def test_decisions_name_the_bundle(policy: CedarPolicy) -> None:
    """Every decision names the exact version that made it."""
    for found in (
        policy.admit(call(caller(), "jira_get_issue")),
        policy.decide(call(caller(), "jira_get_issue"), []),
    ):
        assert found.policy == policy.digest
        assert found.policy.startswith("sha256:")
    ready, line = policy.state()
    assert ready
    assert policy.digest in line


def test_input_that_is_not_plain_is_refused(policy: CedarPolicy) -> None:
    """What cannot be part of a question is refused, not raised."""
    found = policy.admit(call(caller(), "jira_search", jqlFields=[["a"]], maxResults={"a": 1}))
    assert not found.allowed
    assert found.errors


def test_an_admission_is_not_given_to_another_input(policy: CedarPolicy) -> None:
    """A search by a hidden field is refused right after one by another field, and a cap stands only where it cuts."""
    assert policy.admit(call(caller(), "jira_search", **SEARCH)).allowed
    hidden = policy.admit(call(caller(), "jira_search", jqlFields=["cf[10042]"], maxResults=25))
    assert [r.rule for r in hidden.reasons] == ["no-search-by-hidden-field"]
    assert policy.admit(call(caller(), "jira_search", **SEARCH)).allowed


def small(folder: Path, text: str, **data: str) -> CedarPolicy:
    """An engine over a small bundle."""
    cases = "cases: [{name: nobody, tool: jira_whoami, expect: {decision: deny}}]"
    given = {
        **files(text),
        "tests/a.yaml": cases.encode(),
        **{f"{k}.yaml": v.encode() for k, v in data.items()},
    }
    for name, contents in given.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(contents)
    return CedarPolicy(folder, TOOLS)


def test_a_narrowing_is_not_given_to_another_hour(tmp_path: Path) -> None:
    """A rule on results that reads the circumstances narrows by them, though the search itself reads none."""
    few = rule(
        "few",
        'forbid (principal, action == Jira::Action::"issue_in_results", resource in Jira::Project::"VAULT") '
        "when { context.call.writesLastHour >= 1 };",
    )
    policy = small(tmp_path, STAFF + few)
    search = call(caller(), "jira_search", **SEARCH)
    assert policy.admit(search).narrowing is None
    assert policy.decide(call(caller(), "jira_comment", fields=[]), [issue()]).allowed
    assert policy.admit(search).narrowing == 'project != "VAULT"'


def test_what_is_asked_counts_beforehand(tmp_path: Path) -> None:
    """A transition that is refused on every issue is refused before anything is fetched; another is not."""
    done = rule(
        "done",
        'forbid (principal, action == Jira::Action::"jira_transition", resource) when { context.input.to == "Done" };',
    )
    policy = small(tmp_path, STAFF + done)
    assert policy.admit(call(caller(), "jira_transition", to="To Do")).allowed
    refused = policy.admit(call(caller(), "jira_transition", to="Done"))
    assert [r.rule for r in refused.reasons] == ["done"]
    assert "jira_transition" in policy.visible(caller())


def test_a_ceiling_counts_everybody(tmp_path: Path) -> None:
    """Two people with one assistant share its ceiling; another assistant has its own."""
    ceiling = rule(
        "ceiling",
        'forbid (principal, action in Jira::Action::"write", resource) when { context.agent has ceilingPerHour && '
        "context.call.agentWritesLastHour >= context.agent.ceilingPerHour };",
    )
    policy = small(
        tmp_path, STAFF + ceiling, agents="clients: {one: {ceilingPerHour: 2}, two: {ceilingPerHour: 2}}"
    )
    writers = [caller(name, client=client) for client in ("one", "two") for name in ("ana", "bo", "cy")]
    allowed = [policy.decide(call(who, "jira_comment", fields=[]), [issue()]).allowed for who in writers]
    assert allowed == [True, True, False] * 2


def test_a_folder_without_rules_stops_the_start(tmp_path: Path) -> None:
    """No good bundle, no gateway."""
    with pytest.raises(ConfigError):
        CedarPolicy(tmp_path, TOOLS)
    with pytest.raises(ConfigError):
        CedarPolicy(tmp_path / "absent", TOOLS)
