"""Groups in, roles out."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway import limits
from gateway.identity.roles import RoleTable, sent_groups
from gateway.settings.identity import Issuer, RoleRule


def table(*rules: tuple[str, str, str]) -> RoleTable:
    """Of (match, group, role)."""
    return RoleTable([RoleRule(match=match, group=group, role=role) for match, group, role in rules])


RULES = (
    ("exact", "/staff", "staff"),
    ("exact", "/staff", "readers"),
    ("prefix", "jira-admins-", "leads"),
    ("regex", r"team-(red|blue)", "developers"),
)


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ({"/staff"}, {"staff", "readers"}),
        ({"staff"}, set()),
        ({"/STAFF"}, set()),
        ({"/staff "}, set()),
        ({"/staff,jira-admins-x"}, set()),
        ({"x /staff"}, set()),
        ({"/staff/leads"}, set()),
        ({"jira-admins-berlin"}, {"leads"}),
        ({"jira-admins-"}, {"leads"}),
        ({"x-jira-admins-berlin"}, set()),
        ({"team-red"}, {"developers"}),
        ({"team-(red|blue)"}, set()),
        ({"team-redx", "xteam-red", "team-red\n", "team-"}, set()),
        ({"/staff", "team-blue", "nobody"}, {"staff", "readers", "developers"}),
        (set(), set()),
    ],
)
def test_only_what_a_rule_names_gives_a_role(groups: set[str], roles: set[str]) -> None:
    """Exactly, by its beginning, or by a pattern that fits the whole name; nothing else does."""
    assert roles == table(*RULES).roles(groups)
    given = {rule.role for rule in table(*RULES).rules for group in groups if rule.gives(group)}
    assert roles == given


def test_without_rules_nothing_gives_anything() -> None:
    """A group is not a role of its name."""
    assert frozenset() == RoleTable().roles({"staff", "leads"})


def test_tables_of_two_issuers_never_merge() -> None:
    """What one provider calls leads is nothing at the other."""
    ours, theirs = table(("exact", "leads", "leads")), table(("exact", "admins", "leads"))
    assert {"leads"} == ours.roles({"leads"})
    assert frozenset() == theirs.roles({"leads"})


def test_a_rule_is_told_for_each_role() -> None:
    """`explain` shows which one gave it."""
    assert [(rule.role, rule.match) for rule in table(*RULES).given("/staff")] == [
        ("staff", "exact"),
        ("readers", "exact"),
    ]


@pytest.mark.parametrize("pattern", ["(a", "a)|(b", r"(a)\1", "(?=a)b", "a{1000}{1000}{1000}", "*"])
def test_a_pattern_that_cannot_be_trusted_is_refused(pattern: str) -> None:
    """Broken, too large, or of the kind that takes for ever."""
    with pytest.raises(ValidationError, match="no regular expression"):
        RoleRule(match="regex", group=pattern, role="staff")


def test_no_name_makes_a_pattern_hang() -> None:
    """Nested repetitions, on the longest name, for as many groups as are read: done in linear time."""
    rules = table(("regex", "(a+)+(b|a*)*c", "staff"))
    names = {f"{'a' * (limits.CLAIM_CHARS - 5)}{n}" for n in range(200)}
    assert frozenset() == rules.roles(names)  # a backtracking engine would not come back


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({"groups": ["a", "b"]}, ({"a", "b"}, "", "", False)),
        ({"groups": []}, (set(), "", "", False)),
        ({}, (set(), "", "", True)),
        ({"groups": None}, (set(), "", "", True)),
        ({"groups": "a,b"}, (set(), "a str", "", False)),
        ({"groups": {"a": 1}}, (set(), "a dict", "", False)),
        ({"groups": ["a", 1]}, (set(), "one of the names", "", False)),
        ({"groups": ["a", "x" * 257]}, (set(), "one of the names", "", False)),
        ({"groups": ["a\u202e"]}, (set(), "one of the names", "", False)),
        ({"_claim_names": {"groups": "src1"}}, (set(), "", "_claim_names", False)),
        ({"_claim_names": {"other": "src1"}, "groups": ["a"]}, ({"a"}, "", "", False)),
        ({"_claim_names": "groups"}, (set(), "", "_claim_names", False)),
        ({"hasgroups": True, "groups": ["a"]}, (set(), "", "hasgroups", False)),
        ({"groups": [str(n) for n in range(limits.GROUPS_READ + 1)]}, (set(), "", "more than", False)),
    ],
)
def test_what_a_token_says_of_groups(claims: dict[str, Any], found: tuple[set[str], str, str, bool]) -> None:
    """A list of names, or none with the reason why, or the word that they are elsewhere."""
    names, problem, left_out, missing = found
    sent = sent_groups(claims, ("groups",))
    assert names == sent.names
    assert bool(problem) is bool(sent.problem) and problem in sent.problem
    assert bool(left_out) is bool(sent.left_out) and left_out in sent.left_out
    assert missing is sent.missing


def test_check_tells_of_patterns_and_missing_tables() -> None:
    """Notes, not problems."""
    bare = Issuer(issuer="https://as.test")
    exact = Issuer(issuer="https://as.test", roles=(RoleRule(group="a", role="staff"),))
    loose = Issuer(issuer="https://as.test", roles=(RoleRule(group="a.*", match="regex", role="staff"),))
    assert ["no `roles` table" in note for note in bare.notes()] == [True]
    assert exact.notes() == []
    assert ["regular expression" in note for note in loose.notes()] == [True]
