"""An obligation is a forbid that stands until the gateway promises to perform it."""

from gateway.model import Resource
from gateway.policy.judge import Judge, Verdict
from tests.policy.making import STAFF, ask, caller, issue, judge, rule

HIDE = rule(
    "hide",
    'forbid (principal, action in Jira::Action::"discloseIssue", resource) '
    'unless { principal in Jira::Group::"hr" || context.discharged.contains("hide") };',
    '@obligation("redact_fields") @fields("customfield_7, reporter.emailAddress")',
)
MORE = rule(
    "more",
    'forbid (principal, action in Jira::Action::"discloseIssue", resource) '
    'unless { context.discharged.contains("more") };',
    '@obligation("redact_fields") @fields("environment")',
)
CAP = rule(
    "cap",
    'forbid (principal, action == Jira::Action::"jira_search", resource) '
    "when { context.input.maxResults > 10 } "
    'unless { context.discharged.contains("cap") };',
    '@obligation("cap_results") @max("10")',
)
LEVEL = rule(
    "level", "forbid (principal, action, resource is Jira::Issue) when { resource has securityLevel };"
)
SITE = Resource("Site", "jira")


def read(on: Judge, *groups: str, **facts: str) -> Verdict:
    return ask(on, caller("ana", *groups), "jira_get_issue", issue(**facts))


def test_a_promise_allows_and_is_named() -> None:
    """The gateway must redact what it promised to redact."""
    found = read(judge(STAFF + HIDE))
    assert found.allowed
    assert [(o.rule, o.kind, o.fields) for o in found.obligations] == [
        ("hide", "redact_fields", frozenset({"customfield_7", "reporter.emailAddress"}))
    ]
    assert [reason.rule for reason in found.reasons] == ["staff-read"]
    assert found.asked["discharged"] == ("hide",)


def test_no_promise_where_none_is_needed() -> None:
    """HR sees the whole, and nothing is promised in vain."""
    found = read(judge(STAFF + HIDE), "staff", "hr")
    assert found.allowed
    assert not found.obligations


def test_a_broader_permit_never_drops_an_obligation() -> None:
    """Obligations do not hang on permits, so no permit can lose them."""
    broader = rule("all", 'permit (principal in Jira::Group::"staff", action, resource);')
    assert [o.rule for o in read(judge(STAFF + broader + HIDE)).obligations] == ["hide"]


def test_a_hard_no_comes_first_and_alone() -> None:
    """A refusal names the rule that no promise helps against, and not the obligations beside it."""
    found = read(judge(STAFF + HIDE + LEVEL), securityLevel="L1")
    assert not found.allowed
    assert [reason.rule for reason in found.reasons] == ["level"]
    assert not found.obligations


def test_a_promise_does_not_replace_a_permit() -> None:
    """Whoever nothing permits is not helped by redaction."""
    found = read(judge(STAFF + HIDE), "others")
    assert not found.allowed
    assert not found.reasons
    assert not found.obligations


def test_several_obligations_are_all_performed() -> None:
    """The fields of all of them go."""
    found = read(judge(STAFF + HIDE + MORE))
    assert {o.rule for o in found.obligations} == {"hide", "more"}


def test_a_cap_stands_only_where_it_cuts() -> None:
    """Ten or fewer are asked for: there is nothing to promise."""
    on = judge(STAFF + CAP)
    capped = ask(on, caller(), "jira_search", SITE, jqlFields=[], maxResults=25)
    assert [(o.kind, o.maximum) for o in capped.obligations] == [("cap_results", 10)]
    assert not ask(on, caller(), "jira_search", SITE, jqlFields=[], maxResults=10).obligations


def test_a_promise_that_does_not_discharge_refuses() -> None:
    """A rule that stands in spite of its own promise stays a refusal."""
    stubborn = rule(
        "stubborn",
        'forbid (principal, action in Jira::Action::"discloseIssue", resource) '
        'unless { principal.mfa && context.discharged.contains("stubborn") };',
        '@obligation("redact_fields") @fields("summary")',
    )
    found = read(judge(STAFF + stubborn))
    assert not found.allowed
    assert [reason.rule for reason in found.reasons] == ["stubborn"]


def test_a_rule_that_fails_once_promised_refuses() -> None:
    """An error in the second question is a refusal like one in the first."""
    failing = rule(
        "failing",
        'forbid (principal, action in Jira::Action::"discloseIssue", resource) unless { '
        'context.discharged.contains("failing") && 9223372036854775807 + context.call.hour > 0 };',
        '@obligation("redact_fields") @fields("summary")',
    )
    found = read(judge(STAFF + failing))
    assert not found.allowed
    assert found.errors[0].startswith("policy_error:failing:")
