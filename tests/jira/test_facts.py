"""What policy is told about an issue is what Jira returned, or nothing at all."""

from typing import Any

import pytest

from gateway.errors import Unavailable
from gateway.jira.facts import issue_resource, project_resource, rows, stub_resource
from tests.jira import raw


def test_the_facts_of_an_issue() -> None:
    """With labels in lower case and people as account ids."""
    level = {"id": "1", "name": "Staff only"}
    found = issue_resource(raw.issue(security=level))
    assert (found.kind, found.id) == ("Issue", "OPEN-1")
    assert found.facts == {
        "project": "OPEN",
        "issueType": "Bug",
        "status": "In Progress",
        "statusCategory": "indeterminate",
        "priority": "High",
        "labels": ["urgent", "web"],
        "components": ["Engine"],
        "securityLevel": "Staff only",
        "reporter": "712020:ana",
        "assignee": "712020:bo",
    }


def test_what_jira_leaves_out_is_unknown() -> None:
    """No priority, level or person: absent, so that a rule must guard itself."""
    found = issue_resource(
        raw.issue(priority=None, reporter=None, assignee=None, labels=None, components=None)
    )
    assert not {"priority", "securityLevel", "reporter", "assignee"} & found.facts.keys()
    assert (found.facts["labels"], found.facts["components"]) == ([], [])


def test_the_project_is_what_jira_says() -> None:
    """A moved issue answers to its old key; its project decides, and not a prefix."""
    moved = {"key": "VAULT", "projectCategory": {"name": "Regulated"}}
    found = issue_resource({**raw.issue("OPEN-900", project=moved), "key": "VAULT-3"})
    assert (found.id, found.facts["project"], found.facts["projectCategory"]) == (
        "VAULT-3",
        "VAULT",
        "Regulated",
    )


BROKEN: list[Any] = [
    None, [], "x", {}, {"key": "OPEN-1"}, {"key": "OPEN-1", "fields": None}, {"key": "OPEN-1", "fields": []},
    {**raw.issue(), "key": ""}, {**raw.issue(), "key": 7},
    *(
        raw.issue(**changed)
        for changed in (
            {"project": None}, {"project": {}}, {"project": {"key": 1}}, {"issuetype": None},
            {"issuetype": {"name": ""}}, {"status": None}, {"status": {"name": "x"}},
            {"status": {"name": "x", "statusCategory": {}}}, {"labels": "no-ai"}, {"labels": [1]},
            {"components": [{}]}, {"components": {}}, {"security": "Staff only"}, {"security": {"id": "1"}},
            {"reporter": {"displayName": "Ana"}}, {"assignee": []}, {"priority": {"id": "1"}},
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda b: str(b)[-80:])
def test_what_cannot_be_decided_is_withheld(broken: Any) -> None:
    """A deciding piece that is missing or malformed fails closed; it never counts as harmless."""
    with pytest.raises(Unavailable) as failure:
        issue_resource(broken)
    assert "Staff only" not in failure.value.private


def test_the_facts_of_a_stub() -> None:
    """A linked issue: its key names its project, and that is all there is."""
    found = stub_resource(raw.stub("VAULT-1"))
    assert found.id == "VAULT-1"
    assert found.facts == {
        "project": "VAULT",
        "issueType": "Task",
        "status": "To Do",
        "statusCategory": "new",
        "priority": "Low",
    }


@pytest.mark.parametrize(
    "broken", [{}, {"key": "A-1"}, raw.stub("A-1", status=None), raw.stub("A-1", issuetype={})]
)
def test_a_broken_stub_is_no_resource(broken: Any) -> None:
    """It cannot be decided on."""
    with pytest.raises(Unavailable):
        stub_resource(broken)


def test_the_facts_of_a_project() -> None:
    """Key, and the category where there is one."""
    assert project_resource({"key": "OPEN"}).facts == {"key": "OPEN"}
    named = project_resource({"key": "VAULT", "projectCategory": {"name": "Regulated"}})
    assert named.facts == {"key": "VAULT", "category": "Regulated"}
    for broken in (None, {}, {"key": ""}, {"key": "OPEN", "projectCategory": {}}, []):
        with pytest.raises(Unavailable):
            project_resource(broken)


@pytest.mark.parametrize("broken", [None, [], {}, {"issues": None}, {"issues": {}}, {"issues": [1]}])
def test_a_page_is_a_list_of_objects(broken: Any) -> None:
    """Anything else is not an empty page."""
    with pytest.raises(Unavailable):
        rows(broken, "issues")
