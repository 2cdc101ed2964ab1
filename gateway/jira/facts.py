"""From Jira's JSON to the facts that policy decides on.

The facts are what Jira returned, never what was asked for: a moved issue answers to its old key
from its new project, so the project is `fields.project.key` and not the key's prefix. What policy
cannot do without (project, type, status) must be there and well formed; otherwise the issue cannot
be decided on, and the call ends as `Unavailable`.
"""

from collections.abc import Mapping
from typing import Any

from gateway.errors import Unavailable
from gateway.model import Resource

POLICY_FIELDS = (
    "summary",
    "project",
    "issuetype",
    "status",
    "priority",
    "labels",
    "components",
    "security",
    "reporter",
    "assignee",
)
"""Jira fields that every look at an issue asks for; `summary` is for the reader of the record."""


def issue_resource(raw: Any) -> Resource:
    """An issue (`GET issue/{key}` or a row of `POST search/jql`) as Cedar's `Issue`.

    Facts: project, issueType, status, statusCategory, labels (lower case), components, and where
    Jira has them projectCategory, priority, securityLevel (the level's name), reporter and assignee
    (accountId). Raises `Unavailable` when a deciding piece is missing or malformed.
    """
    fields = _object(raw, "fields")
    project = _object(fields, "project")
    facts = {
        "project": _text(project, "key"),
        **_kind_and_status(fields),
        "labels": sorted({label.lower() for label in _texts(fields.get("labels"))}),
        "components": sorted({_text(item, "name") for item in _list(fields.get("components"))}),
    }
    optional = {
        "projectCategory": _named(project.get("projectCategory"), "name"),
        "priority": _named(fields.get("priority"), "name"),
        "securityLevel": _named(fields.get("security"), "name"),
        "reporter": _account(fields.get("reporter")),
        "assignee": _account(fields.get("assignee")),
    }
    facts.update({name: value for name, value in optional.items() if value is not None})
    return Resource("Issue", _text(raw, "key"), facts)


def stub_resource(raw: Any) -> Resource:
    """A linked issue, parent or sub-task as Jira embeds it: key and four fields.

    `fields` holds summary, status, priority and issuetype. A stub names no project, labels or
    level, so the project is its key's prefix and the rest is unknown.
    """
    key = _text(raw, "key")
    fields = _object(raw, "fields")
    facts = {"project": key.rpartition("-")[0], **_kind_and_status(fields)}
    priority = _named(fields.get("priority"), "name")
    if priority is not None:
        facts["priority"] = priority
    return Resource("Issue", key, facts)


def project_resource(raw: Any) -> Resource:
    """A project (`GET project/{key}` or a value of `GET project/search`) as Cedar's `Project`."""
    key = _text(raw, "key")
    category = _named(raw.get("projectCategory"), "name")
    return Resource("Project", key, {"key": key} if category is None else {"key": key, "category": category})


def rows(raw: Any, name: str) -> list[Mapping[str, Any]]:
    """The list of objects at `name` of a page that Jira returned. Raises `Unavailable` for anything else."""
    found = raw.get(name) if isinstance(raw, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise _undecidable(name)
    return found


def _kind_and_status(fields: Mapping[str, Any]) -> dict[str, Any]:
    status = _object(fields, "status")
    return {
        "issueType": _text(_object(fields, "issuetype"), "name"),
        "status": _text(status, "name"),
        "statusCategory": _text(_object(status, "statusCategory"), "key"),
    }


def _account(user: Any) -> str | None:
    return _named(user, "accountId")


def _named(node: Any, name: str) -> str | None:
    """The text at `name` of an object that may be null or absent; anything else is malformed."""
    return None if node is None else _text(node, name)


def _text(node: Any, name: str) -> str:
    value = node.get(name) if isinstance(node, dict) else None
    if not isinstance(value, str) or not value:
        raise _undecidable(name)
    return value


def _object(node: Any, name: str) -> Mapping[str, Any]:
    value = node.get(name) if isinstance(node, dict) else None
    if not isinstance(value, dict):
        raise _undecidable(name)
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _undecidable("a list")
    return value


def _texts(value: Any) -> list[str]:
    texts = _list(value)
    if not all(isinstance(text, str) for text in texts):
        raise _undecidable("labels")
    return texts


def _undecidable(what: str) -> Unavailable:
    return Unavailable(
        "Jira's answer lacks what policy needs to decide, so it is withheld; try again or tell the operator.",
        part="jira",
        private=f"missing or malformed in Jira's answer: {what}",
    )
