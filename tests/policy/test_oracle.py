"""Random rules and facts: the stage against a plain evaluator, narrowing against a model of Jira."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import jql
from gateway.model import Caller, Resource
from gateway.policy.bundle import build
from gateway.policy.facts import Moment
from gateway.policy.judge import Judge, Verdict
from tests.policy.actions import TOOLS
from tests.policy.making import NOON, ask, caller, files, issue
from tests.policy.oracle import decide, rules_text

GROUPS = {
    "jira_get_issue": ("discloseIssue", "read"),
    "issue_in_results": ("discloseIssue", "read"),
    "jira_comment": ("write",),
}
LEVELS = {"L1": {"leads"}, "L2": {"leads", "hr"}}
CATEGORIES = {"VAULT": "secret", "OPEN": "products"}
MANY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def someone(dice: random.Random) -> Caller:
    groups = [g for g in ("staff", "leads", "hr", "others") if dice.random() < 0.5] or ["others"]
    return caller(
        dice.choice(["ana", "bo"]),
        *groups,
        client=dice.choice(["claude", "tiny"]),
        amr=frozenset(dice.choice([["pwd"], ["pwd", "otp"], []])),
        email=dice.choice([None, "ana@x", "bo@x"]),
    )


def something(dice: random.Random) -> Resource:
    project = dice.choice(["OPEN", "VAULT", "ELSE"])
    facts: dict[str, Any] = {
        "issueType": dice.choice(["Bug", "Task", "Epic"]),
        "status": dice.choice(["To Do", "Done"]),
        "statusCategory": dice.choice(["new", "done"]),
        "labels": [x for x in ("red", "blue") if dice.random() < 0.4],
        "components": [x for x in ("api", "web") if dice.random() < 0.4],
    }
    for name, values in (
        ("priority", ["High", "Low"]),
        ("securityLevel", ["L1", "L2", "L3"]),
        ("reporter", ["r1", "r2"]),
        ("assignee", ["r1", "r2"]),
    ):
        if dice.random() < 0.6:
            facts[name] = dice.choice(values)
    if project in CATEGORIES:
        facts["projectCategory"] = CATEGORIES[project]
    return issue(f"{project}-{dice.randint(1, 2)}", **facts)


def whole(who: Caller, thing: Resource, tool: str, when: Moment) -> dict[str, Any]:
    """Every fact, as the oracle takes them."""
    user, agent, what = ("Jira::User", who.subject), ("Jira::Agent", who.client), ("Jira::Issue", thing.id)
    site, project = ("Jira::Site", "jira"), ("Jira::Project", thing.facts["project"])
    category = thing.facts.get("projectCategory")
    small = who.client == "tiny"
    clearances = [level for level, cleared in LEVELS.items() if cleared & who.groups]
    person = {"mfa": {"pwd", "otp"} <= who.amr, "clearances": clearances, "email": who.email}
    attributes = {k: v for k, v in thing.facts.items() if k != "projectCategory"}
    entities = {
        user: ({k: v for k, v in person.items() if v is not None}, [("Jira::Group", g) for g in who.groups]),
        agent: (
            {"client": who.client, **({} if small else {"writesPerHour": 5})},
            [("Jira::AgentGroup", "small")] if small else [],
        ),
        project: ({"key": project[1]}, [site] + ([("Jira::ProjectCategory", category)] if category else [])),
        what: ({**attributes, "project": project}, [project]),
        ("Jira::Action", tool): ({}, [("Jira::Action", g) for g in GROUPS[tool]]),
    }
    call = {
        "hour": 12,
        "weekday": ("Jira::Weekday", "Mon"),
        "writesLastHour": when.writes,
        "agentWritesLastHour": when.agent_writes,
    }
    return {
        "entities": entities,
        "principal": user,
        "action": ("Jira::Action", tool),
        "resource": what,
        "context": {"agent": agent, "call": call},
    }


def outcome(verdict: Verdict) -> str | set[str]:
    if verdict.errors:
        assert not verdict.allowed
        return "error"
    return {o.rule for o in verdict.obligations} if verdict.allowed else "deny"


@MANY
@given(seed=st.integers(0, 2**32))
def test_the_stage_agrees_with_the_oracle(seed: int) -> None:
    """1,600 random questions: rules, memo, reads, steps of counts and obligations give the plain answer."""
    dice = random.Random(seed)
    text = rules_text(dice)
    judge = Judge(build(files(text), TOOLS))
    for _ in range(40):
        who, thing, tool = someone(dice), something(dice), dice.choice(list(GROUPS))
        when = Moment(NOON, dice.randint(0, 6), dice.randint(0, 6))
        given_input = {"fields": ["summary"]} if tool != "issue_in_results" else {}
        got = outcome(ask(judge, who, tool, thing, when, **given_input))
        expected = decide(list(judge.bundle.rules.values()), whole(who, thing, tool, when))
        assert got == expected, (text, who, thing, tool, when)


def matches(node: jql.Node, thing: Resource) -> bool:
    """Jira's own semantics: `!=` and `not in` never match an empty field, `NOT f = v` is `f != v`."""
    match node:
        case jql.And(parts):
            return all(matches(part, thing) for part in parts)
        case jql.Or(parts):
            return any(matches(part, thing) for part in parts)
        case jql.Clause(field, operator, operand):
            values = in_jira(field.name, thing)
            if operator in ("is", "is not"):
                return bool(values) is (operator == "is not")
            items = operand.items if isinstance(operand, jql.ListOf) else (operand,)
            wanted = {item.text for item in items if isinstance(item, jql.Value)}
            assert len(wanted) == len(items)
            if operator in ("=", "in"):
                return bool(set(values) & wanted)
            assert operator in ("!=", "not in")
            return bool(values) and not set(values) & wanted
    raise AssertionError(node)


def in_jira(field: str, thing: Resource) -> list[str]:
    facts = thing.facts
    names = {
        "issuetype": "issueType",
        "level": "securityLevel",
        "component": "components",
        "category": "projectCategory",
    }
    if field == "key":
        return [thing.id]
    value = facts.get(names.get(field, field))
    return [] if value is None else [value] if isinstance(value, str) else list(value)


@MANY
@given(seed=st.integers(0, 2**32))
def test_narrowing_loses_no_allowed_issue(seed: int) -> None:
    """1,600 random issues: what the rules allow, the JQL finds; where it is exact, it finds nothing else."""
    dice = random.Random(seed)
    text = rules_text(dice)
    judge = Judge(build(files(text), TOOLS))
    who, when = someone(dice), Moment(NOON, dice.randint(0, 6), dice.randint(0, 6))
    subject = judge.subjects.subject(who)
    question = judge.subjects.question(subject, "issue_in_results", {}, when)
    assert question is not None
    search = judge.outlook.search(question)
    where = None if search.jql is None else jql.parse(search.jql, trusted=True).where
    for _ in range(40):
        thing = something(dice)
        allowed = judge.verdict(question, thing).allowed
        found = where is None or matches(where, thing)
        assert found or not allowed, (text, search, thing)
        if not search.inexact and not search.errors:
            assert found is allowed, (text, search, thing)


@MANY
@given(seed=st.integers(0, 2**32))
def test_nothing_is_hidden_or_refused_beforehand_that_would_be_allowed(seed: int) -> None:
    """What `visible` hides and `admit` refuses, no issue could have made allowed."""
    dice = random.Random(seed)
    text = rules_text(dice)
    judge = Judge(build(files(text), TOOLS))
    for _ in range(10):
        who, thing, tool = someone(dice), something(dice), dice.choice(["jira_get_issue", "jira_comment"])
        when = Moment(NOON, dice.randint(0, 6), dice.randint(0, 6))
        subject = judge.subjects.subject(who)
        question = judge.subjects.question(subject, tool, {"fields": ["x"]}, when)
        assert question is not None
        if judge.verdict(question, thing).allowed:
            assert judge.outlook.anything(subject, tool).possible, text
            assert judge.outlook.on_some_resource(question).possible, text


def test_the_model_of_jira_bites() -> None:
    """If negations forgot about empty fields, the property above would fail: the model says so."""
    labelled, bare = issue("OPEN-1", labels=["red"]), issue("OPEN-2")
    (node,) = [jql.parse('labels != "blue"', trusted=True).where]
    assert node is not None
    assert matches(node, labelled)
    assert not matches(node, bare)


@pytest.mark.parametrize("seed", range(3))
def test_random_rules_are_rules(seed: int) -> None:
    """The generator makes bundles that load, with permits, forbids and obligations among them."""
    text = "".join(rules_text(random.Random(seed * 50 + i)) for i in range(50))
    assert {"permit", "forbid", "@obligation"} <= {
        w for w in ("permit", "forbid", "@obligation") if w in text
    }
