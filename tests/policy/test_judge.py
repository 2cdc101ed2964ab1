"""Answers are kept, but never given to other facts; a page of alike issues costs one question."""

from typing import Any

import pytest

from gateway.policy.cedar import Rules
from gateway.policy.facts import Moment
from gateway.policy.judge import Judge
from tests.policy.making import NOON, STAFF, ask, caller, issue, judge, rule

LEVEL = rule(
    "level",
    "forbid (principal, action, resource is Jira::Issue) when { resource has securityLevel } "
    "unless { principal.clearances.contains(resource.securityLevel) };",
)
BUDGET = rule(
    "budget",
    'forbid (principal, action in Jira::Action::"write", resource) when { context.agent has writesPerHour && '
    "context.call.writesLastHour >= context.agent.writesPerHour };",
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions Cedar got, one entry a batch."""
    counts: list[int] = []
    real = Rules.ask

    def counting(self: Rules, world: Any, questions: Any) -> Any:
        counts.append(len(questions))
        return real(self, world, questions)

    monkeypatch.setattr(Rules, "ask", counting)
    return counts


def page(on: Judge, *issues: Any) -> list[bool]:
    question = on.subjects.question(on.subjects.subject(caller()), "issue_in_results", {}, Moment(NOON))
    return [verdict.allowed for verdict in on.verdicts(question, issues)]


def test_alike_issues_share_one_question(asked: list[int]) -> None:
    """Fifty issues that differ only in what no rule reads are one question; levels make three of them."""
    on = judge(STAFF + LEVEL)
    asked.clear()
    assert (
        page(on, *(issue(f"OPEN-{n}", status=f"s{n}", reporter=f"r{n}") for n in range(1, 51))) == [True] * 50
    )
    assert asked == [1]
    levels = (None, "L1", "L2")
    assert (
        page(on, *(issue(f"OPEN-{n}", securityLevel=levels[n % 3]) for n in range(3, 33)))
        == [True, False, False] * 10
    )
    assert asked == [1, 2]


def test_an_answer_is_not_given_to_other_facts(asked: list[int]) -> None:
    """Project, level, person, agent, action and input each make another question."""
    on = judge(
        STAFF
        + LEVEL
        + rule(
            "to",
            'forbid (principal, action == Jira::Action::"jira_transition", resource) '
            'when { context.input.to == "Done" };',
        )
    )
    asked.clear()
    assert ask(on, caller(), "jira_transition", issue(), to="To Do").allowed
    assert not ask(on, caller(), "jira_transition", issue(), to="Done").allowed
    assert not ask(on, caller("bo", "others"), "jira_transition", issue(), to="To Do").allowed
    assert not ask(on, caller(), "jira_transition", issue(securityLevel="L1"), to="To Do").allowed
    assert ask(
        on, caller("cy", "staff", "leads"), "jira_transition", issue(securityLevel="L1"), to="To Do"
    ).allowed
    assert ask(on, caller(), "jira_transition", issue("VAULT-1"), to="To Do").allowed
    assert len(asked) == 6
    assert ask(on, caller("dora"), "jira_transition", issue("VAULT-9"), to="To Do").allowed
    assert len(asked) == 6


def test_a_rule_on_one_person_keeps_people_apart() -> None:
    """People are only alike as long as no rule names one of them."""
    named = judge(
        STAFF
        + rule("not-bo", 'forbid (principal == Jira::User::"https://idp.example.com|bo", action, resource);')
    )
    assert ask(named, caller("ana"), "jira_get_issue", issue()).allowed
    assert not ask(named, caller("bo"), "jira_get_issue", issue()).allowed
    mailed = judge(
        STAFF
        + rule(
            "mail",
            "forbid (principal, action, resource) "
            'unless { principal has email && principal.email == "ana@x" };',
        )
    )
    assert ask(mailed, caller("ana", email="ana@x"), "jira_get_issue", issue()).allowed
    assert not ask(mailed, caller("bo", email="bo@x"), "jira_get_issue", issue()).allowed


def test_a_rule_on_one_issue_keeps_issues_apart() -> None:
    """So it is with issues."""
    on = judge(STAFF + rule("one", 'forbid (principal, action, resource == Jira::Issue::"OPEN-7");'))
    assert page(on, issue("OPEN-6"), issue("OPEN-7"), issue("OPEN-8")) == [True, False, True]


def test_a_rule_on_one_client_keeps_agents_apart() -> None:
    """And with assistants."""
    on = judge(
        STAFF + rule("one", 'forbid (principal, action, resource) when { context.agent.client == "evil" };')
    )
    assert ask(on, caller(), "jira_get_issue", issue()).allowed
    assert not ask(on, caller(client="evil"), "jira_get_issue", issue()).allowed


def test_a_count_is_kept_under_what_it_is_compared_with(asked: list[int]) -> None:
    """Sixty writes in a row are not sixty questions, and the sixth of five is still refused."""
    on = judge(STAFF + BUDGET)
    asked.clear()
    allowed = [
        ask(on, caller(), "jira_comment", issue(), Moment(NOON, writes=n), fields=[]).allowed
        for n in range(60)
    ]
    assert allowed == [True] * 5 + [False] * 55
    assert len(asked) == 3


def test_a_count_in_arithmetic_is_exact() -> None:
    """A count that is used in any other way than compared is asked as it is."""
    on = judge(
        STAFF
        + rule(
            "odd",
            'forbid (principal, action in Jira::Action::"write", resource) '
            "when { context.call.writesLastHour * 2 > 7 };",
        )
    )
    allowed = [
        ask(on, caller(), "jira_comment", issue(), Moment(NOON, writes=n), fields=[]).allowed
        for n in range(6)
    ]
    assert allowed == [True, True, True, True, False, False]


def test_one_bad_issue_does_not_decide_for_the_others() -> None:
    """F29, F35: a page with one issue that cannot be decided on shows the rest."""
    on = judge(STAFF + LEVEL)
    found = page(
        on, issue("OPEN-1"), issue("OPEN-2", project=None), issue('OPEN"3'), issue("OPEN-4", securityLevel=7)
    )
    assert found == [True, False, False, False]


def test_two_accounts_of_one_issue_are_decided_apart() -> None:
    """An issue that is linked to itself comes whole and as a stub; neither colours the other."""
    on = judge(STAFF + LEVEL)
    assert page(on, issue("OPEN-1", securityLevel="L1"), issue("OPEN-1")) == [False, True]
    assert page(on, issue("OPEN-1", projectCategory="secret"), issue("OPEN-2")) == [True, True]


def test_a_failure_is_not_kept() -> None:
    """A question that could not be asked is asked again."""
    on = judge(STAFF + LEVEL)
    assert page(on, issue("OPEN-2", securityLevel="\ud800")) == [False]
    assert page(on, issue("OPEN-2")) == [True]


def test_an_action_that_does_not_exist_is_refused() -> None:
    """A tool without an action in the vocabulary is denied, and so is a group of actions."""
    for tool in ("jira_format_disk", "read", ""):
        found = ask(judge(), caller(), tool, issue())
        assert not found.allowed
        assert found.errors


def test_another_kind_of_resource_is_refused() -> None:
    """An action is asked on the kind of thing that it is for."""
    from gateway.model import Resource

    found = ask(judge(), caller(), "jira_get_issue", Resource("Project", "OPEN", {"key": "OPEN"}))
    assert not found.allowed
    assert found.errors
