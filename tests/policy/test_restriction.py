"""What searches are narrowed to, word for word."""

import pytest

from gateway import jql
from gateway.policy.facts import Moment
from tests.policy.making import NOON, STAFF, caller, judge, rule

LEVEL = rule(
    "level",
    "forbid (principal, action, resource is Jira::Issue) when { resource has securityLevel } "
    "unless { principal.clearances.contains(resource.securityLevel) };",
)


def narrowed(text: str, *groups: str) -> tuple[str | None, tuple[str, ...]]:
    """(JQL, rules that it says only in part) for somebody in these groups."""
    on = judge(text)
    subject = on.subjects.subject(caller("ana", *groups))
    question = on.subjects.question(subject, "issue_in_results", {}, Moment(NOON))
    assert question is not None
    found = on.outlook.search(question)
    assert not found.errors
    return found.jql, found.inexact


def on_issue(condition: str) -> str:
    return STAFF + rule("x", f"forbid (principal, action, resource is Jira::Issue) when {{ {condition} }};")


SAID = {
    "false": None,
    'resource.issueType == "Bug"': 'issuetype != "Bug"',
    '!(resource.issueType == "Bug")': 'issuetype = "Bug"',
    '["Bug", "Epic"].contains(resource.issueType)': 'issuetype not in ("Bug", "Epic")',
    "resource has reporter": "reporter is EMPTY",
    'resource has priority && resource.priority == "High"': 'priority is EMPTY OR priority != "High"',
    'resource.labels.contains("x")': 'labels != "x" OR labels is EMPTY',
    '!resource.labels.containsAll(["x", "y"])': 'labels = "x" AND labels = "y"',
    "resource.labels.isEmpty()": "labels is not EMPTY",
    'resource.components.containsAny(["a", "b"])': 'component not in ("a", "b") OR component is EMPTY',
    'resource in Jira::Project::"VAULT"': 'project != "VAULT"',
    'resource.project.key == "VAULT"': 'project != "VAULT"',
    'resource in Jira::ProjectCategory::"secret"': 'category != "secret" OR category is EMPTY',
    'resource == Jira::Issue::"OPEN-1"': 'key != "OPEN-1"',
    'resource in Jira::Site::"jira"': "project is EMPTY",
    "true": "project is EMPTY",
}


@pytest.mark.parametrize("condition", SAID)
def test_a_forbid_narrows_what_is_searched(condition: str) -> None:
    """The contrary of a forbid, negations on fields that may be empty with `OR … is EMPTY`."""
    text, inexact = narrowed(on_issue(condition))
    expected = SAID[condition]
    assert not inexact
    if expected is None or text is None:
        assert text is expected
    else:
        assert jql.parse(text, trusted=True) == jql.parse(expected, trusted=True) or text == expected
        assert text.replace("(", "").replace(")", "") == expected.replace("(", "").replace(")", "")


@pytest.mark.parametrize(
    "condition",
    [
        'resource.issueType like "HR*"',
        '!(resource.issueType like "HR*")',
        'resource.statusCategory == "done"',
        "resource.issueType == resource.status",
        'resource.issueType == "a\\nb"',
    ],
)
def test_what_jql_cannot_say_widens(condition: str) -> None:
    """Negated or not, it leaves the search as it is, and says so; each result is decided later."""
    assert narrowed(on_issue(condition)) == (None, ("x",))


def test_a_rule_that_jql_says_in_part() -> None:
    """The part that can be said narrows still."""
    condition = 'resource.issueType == "Bug" || resource.status like "In*"'
    assert narrowed(on_issue(condition)) == ('issuetype != "Bug"', ("x",))
    condition = 'resource.issueType == "Bug" && resource.status like "In*"'
    assert narrowed(on_issue(condition)) == (None, ("x",))


def test_clearances_decide_the_levels() -> None:
    """The shipped shape: no level, or one that the person is cleared for."""
    assert narrowed(STAFF + LEVEL) == ("level is EMPTY", ())
    assert narrowed(STAFF + LEVEL, "staff", "hr") == ('level is EMPTY OR level = "L2"', ())
    assert narrowed(STAFF + LEVEL, "staff", "leads") == ('level is EMPTY OR level in ("L1", "L2")', ())


def test_several_forbids_are_joined_by_or_before_they_are_negated() -> None:
    """NOT (a OR b), where NOT (a AND b) would let through what one of them forbids."""
    text = on_issue('resource.issueType == "Bug"') + rule(
        "y", 'forbid (principal, action, resource in Jira::Project::"VAULT");'
    )
    assert narrowed(text)[0] == 'issuetype != "Bug" AND project != "VAULT"'


def test_permits_are_joined_by_or() -> None:
    """Whoever may see two projects searches in both."""
    text = rule(
        "a", 'permit (principal in Jira::Group::"staff", action, resource in Jira::Project::"OPEN");'
    ) + rule("b", 'permit (principal in Jira::Group::"hr", action, resource in Jira::Project::"VAULT");')
    assert narrowed(text)[0] == 'project = "OPEN"'
    assert narrowed(text, "staff", "hr")[0] == 'project = "OPEN" OR project = "VAULT"'


def test_nobody_searches_nothing() -> None:
    """Whoever nothing permits gets JQL that no issue matches."""
    assert narrowed(STAFF, "others") == ("project is EMPTY", ())


def test_a_failing_rule_narrows_to_nothing() -> None:
    """A policy that fails is a refusal here too."""
    on = judge(
        on_issue("9223372036854775807 + context.call.hour > 0").replace("resource is Jira::Issue", "resource")
    )
    question = on.subjects.question(on.subjects.subject(caller()), "issue_in_results", {}, Moment(NOON))
    assert question is not None
    found = on.outlook.search(question)
    assert found.jql == "project is EMPTY"
    assert found.errors


@pytest.mark.parametrize("value", ['x" OR project = "VAULT', "a\\", "x') OR (y", 'b\\" OR 1'])
def test_a_value_stays_a_value(value: str) -> None:
    """Quotes and backslashes in a rule's text do not end the text in JQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    text, _ = narrowed(on_issue(f'resource.issueType == "{escaped}"'))
    assert text is not None
    where = jql.parse(text, trusted=True).where
    assert where == jql.Clause(jql.Field("issuetype"), "!=", jql.Value(value))
