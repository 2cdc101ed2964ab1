"""Jira's JSON for tests: an issue as `GET issue/{key}` and `POST search/jql` give it."""

from typing import Any

from gateway.jira.facts import Rows, checked
from gateway.jira.views import IssuePage


def person(name: str) -> dict[str, Any]:
    """A user bean."""
    return {
        "accountId": f"712020:{name.lower()}",
        "displayName": name,
        "emailAddress": f"{name.lower()}@example.com",
        "active": True,
    }


def doc(*paragraphs: str) -> dict[str, Any]:
    """An ADF document."""
    content = [{"type": "paragraph", "content": [{"type": "text", "text": p}]} for p in paragraphs]
    return {"type": "doc", "version": 1, "content": content}


def status(name: str = "To Do", category: str = "new") -> dict[str, Any]:
    """A status bean."""
    return {"id": "1", "name": name, "statusCategory": {"id": 2, "key": category, "name": name}}


def stub(key: str, **changed: Any) -> dict[str, Any]:
    """An issue as Jira embeds it in another."""
    fields = {
        "summary": f"Summary of {key}",
        "status": status(),
        "priority": {"name": "Low"},
        "issuetype": {"name": "Task", "subtask": False},
    }
    return {"id": "1", "key": key, "fields": {**fields, **changed}}


def comment(text: str, at: str, author: str = "Bo") -> dict[str, Any]:
    """A comment bean."""
    return {"id": at, "author": person(author), "body": doc(text), "created": at, "updated": at}


def issue(key: str = "OPEN-1", **changed: Any) -> dict[str, Any]:
    """An issue with every field that we ask for; `changed` are fields."""
    fields = {
        "summary": "It does not start",
        "project": {"id": "1", "key": key.rpartition("-")[0], "name": "Open"},
        "issuetype": {"id": "1", "name": "Bug", "subtask": False},
        "status": status("In Progress", "indeterminate"),
        "priority": {"id": "2", "name": "High"},
        "labels": ["Web", "urgent"],
        "components": [{"id": "1", "name": "Engine"}],
        "security": None,
        "reporter": person("Ana"),
        "assignee": person("Bo"),
        "created": "2026-09-27T10:03:11.123+0200",
        "updated": "2026-10-01T23:59:59.999-0100",
        "description": doc("It stops.", "At once."),
        "comment": {"comments": [comment("Me too.", "2026-09-28T08:00:00.000+0000")], "total": 1},
        "parent": stub("OPEN-9"),
        "subtasks": [stub("OPEN-10")],
        "issuelinks": [
            {"type": {"inward": "is blocked by", "outward": "blocks"}, "inwardIssue": stub("VAULT-1")},
            {"type": {"inward": "is blocked by", "outward": "blocks"}, "outwardIssue": stub("OPEN-3")},
        ],
    }
    return {"id": "10001", "key": key, "fields": {**fields, **changed}}


def page_of(issues: list[dict[str, Any]], token: str = "") -> IssuePage:
    """A page of a search that found `issues`."""
    return IssuePage(checked({"issues": issues}, Rows).issues, token)
