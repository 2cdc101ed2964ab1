"""From Jira's JSON to the facts that policy decides on.

The facts are what Jira returned, never what was asked for: a moved issue answers to its old key
from its new project, so the project is `fields.project.key` and not the key's prefix. What policy
cannot do without (project, type, status) must be there and well formed; otherwise the issue cannot
be decided on, and the call ends as `Unavailable`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from gateway.errors import Unavailable
from gateway.model import Resource

T = TypeVar("T")

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


Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Named(msgspec.Struct):
    name: Text


class _Category(msgspec.Struct):
    key: Text


class _Status(msgspec.Struct):
    name: Text
    statusCategory: _Category


class Account(msgspec.Struct):
    accountId: Text
    displayName: str = ""


class _Project(msgspec.Struct):
    key: Text
    projectCategory: _Named | None = None


class _StubFields(msgspec.Struct):
    issuetype: _Named
    status: _Status
    priority: _Named | None = None


class _Fields(_StubFields, kw_only=True):
    """What policy decides on, and what a row of a search shows; whatever else Jira sends is passed over."""

    summary: str | None = None
    updated: str | None = None
    project: _Project
    labels: list[str] | None = None
    components: list[_Named] | None = None
    security: _Named | None = None
    reporter: Account | None = None
    assignee: Account | None = None


class _Stub(msgspec.Struct):
    key: Text
    fields: _StubFields


class Row(msgspec.Struct):
    """An issue as a search shows it."""

    key: Text
    fields: _Fields


class Rows(msgspec.Struct):
    """The answer of `POST search/jql`."""

    issues: list[Row]
    nextPageToken: str | None = None


def issue_resource(raw: Any) -> Resource:
    """An issue (`GET issue/{key}` or a row of `POST search/jql`) as Cedar's `Issue`.

    Facts: project, issueType, status, statusCategory, labels (lower case), components, and where
    Jira has them projectCategory, priority, securityLevel (the level's name), reporter and assignee
    (accountId). Raises `Unavailable` when a deciding piece is missing or malformed.
    """
    return row_resource(checked(raw, Row))


def row_resource(issue: Row) -> Resource:
    """`issue_resource` of an issue that was read as a `Row`."""
    fields = issue.fields
    facts = {"project": fields.project.key, **_kind_and_status(fields)}
    facts["labels"] = sorted({label.lower() for label in fields.labels}) if fields.labels else []
    facts["components"] = sorted({part.name for part in fields.components}) if fields.components else []
    if fields.project.projectCategory is not None:
        facts["projectCategory"] = fields.project.projectCategory.name
    if fields.security is not None:
        facts["securityLevel"] = fields.security.name
    if fields.reporter is not None:
        facts["reporter"] = fields.reporter.accountId
    if fields.assignee is not None:
        facts["assignee"] = fields.assignee.accountId
    return Resource("Issue", issue.key, facts)


def stub_resource(raw: Any) -> Resource:
    """A linked issue, parent or sub-task as Jira embeds it: key and four fields.

    `fields` holds summary, status, priority and issuetype. A stub names no project, labels or
    level, so the project is its key's prefix and the rest is unknown.
    """
    stub = checked(raw, _Stub)
    facts = {"project": stub.key.rpartition("-")[0], **_kind_and_status(stub.fields)}
    return Resource("Issue", stub.key, facts)


def project_resource(raw: Any) -> Resource:
    """A project (`GET project/{key}` or a value of `GET project/search`) as Cedar's `Project`."""
    project = checked(raw, _Project)
    category = project.projectCategory
    facts = {"key": project.key} if category is None else {"key": project.key, "category": category.name}
    return Resource("Project", project.key, facts)


def rows(raw: Any, name: str) -> list[Mapping[str, Any]]:
    """The list of objects at `name` of a page that Jira returned. Raises `Unavailable` for anything else."""
    found = raw.get(name) if isinstance(raw, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise undecidable(name)
    return found


def _kind_and_status(fields: _StubFields) -> dict[str, Any]:
    facts = {
        "issueType": fields.issuetype.name,
        "status": fields.status.name,
        "statusCategory": fields.status.statusCategory.key,
    }
    if fields.priority is not None:
        facts["priority"] = fields.priority.name
    return facts


def checked(raw: Any, form: type[T]) -> T:
    """Jira's JSON as `form`. Raises `Unavailable` when a deciding piece is missing or malformed."""
    try:
        return msgspec.convert(raw, form)
    except msgspec.ValidationError as malformed:
        raise undecidable(str(malformed)) from None


def undecidable(what: str) -> Unavailable:
    """Jira's answer lacks `what`."""
    return Unavailable(
        "Jira's answer lacks what policy needs to decide, so it is withheld; try again or tell the operator.",
        part="jira",
        private=f"missing or malformed in Jira's answer: {what}",
    )
