"""Reading, creating, changing and deleting issues."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from gateway.jira import JiraSession
from gateway.jira.adf import document, lossless
from gateway.jira.views import IssueDetail, Receipt, line
from gateway.model import Effect
from gateway.tool import (
    AccountId,
    InvalidCall,
    IssueKey,
    JiraRefused,
    Line,
    Looked,
    Markdown,
    Name,
    ProjectKey,
    issue,
    project,
    tool,
)

Summary = Annotated[Line, Meta(description="One line that says what it is about.")]
Description = Annotated[Markdown, Meta(description="The description, in Markdown.")]
Priority = Annotated[Name, Meta(description="Name of the priority, e.g. High.")]
Label = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\s\u0000-\u001f\u007f]+$")]
Labels = Annotated[list[Label], Meta(max_length=20, description="All labels that it shall have; no blanks.")]
Fields = Annotated[
    list[Name], Meta(max_length=20, description="Further fields to show, by name or id, e.g. Story Points.")
]


@tool(effect=Effect.READ, on=issue, title="Read a Jira issue")
async def jira_get_issue(jira: JiraSession, key: IssueKey, fields: Fields | None = None) -> IssueDetail:
    """Read one issue: its state and people, description in Markdown, the last comments, related keys."""
    return await IssueDetail.found(jira, key, tuple(fields or ()))


def _exact_type(looked: Looked, arguments: Mapping[str, Any]) -> dict[str, str]:
    """For policy: the issue type as the project spells it."""
    found = _type(looked, arguments["issue_type"])
    return {"issueType": found["name"]} if found else {}


@tool(effect=Effect.WRITE, on=project, title="Create a Jira issue", additive=True, exact=_exact_type)
async def jira_create_issue(
    jira: JiraSession,
    looked: Looked,
    project: ProjectKey,
    issue_type: Annotated[Name, Meta(description="Name of the issue type, e.g. Task.")],
    summary: Summary,
    description: Description | None = None,
    priority: Priority | None = None,
    labels: Labels | None = None,
) -> Receipt:
    """Create an issue in a project, with the caller as its reporter, and tell its key."""
    found = _type(looked, issue_type)
    if found is None and looked.get("issueTypes"):
        names = ", ".join(f"`{line(kind['name'], 60)}`" for kind in looked["issueTypes"][:20])
        raise JiraRefused(f"This project has no issue type `{issue_type}`; it has {names}.", status=400)
    fields: dict[str, Any] = {
        "project": {"key": looked["key"]},
        "issuetype": {"id": found["id"]} if found else {"name": issue_type},
        **await _fields(summary, description, priority, labels),
    }
    return Receipt.created(await jira.post("issue", json={"fields": fields}), "created", jira.site)


@tool(effect=Effect.WRITE, on=issue(fields=("description",)), title="Change a Jira issue")
async def jira_update_issue(
    jira: JiraSession,
    looked: Looked,
    key: IssueKey,
    summary: Summary | None = None,
    description: Description | None = None,
    priority: Priority | None = None,
    labels: Labels | None = None,
    assignee: AccountId | None = None,
    overwrite_rich_text: Annotated[
        bool, Meta(description="Replace the description even if it holds what Markdown cannot.")
    ] = False,
) -> Receipt:
    """Change fields of an issue; what is not given stays. For the status use `jira_transition`."""
    fields = await _fields(summary, description, priority, labels)
    if assignee is not None:
        fields["assignee"] = None if assignee == "unassigned" else {"accountId": assignee}
    if not fields:
        raise InvalidCall("Nothing to change was given; name at least one field.")
    before = looked["fields"].get("description")
    if description is not None and before is not None and not overwrite_rich_text and not lossless(before):
        raise InvalidCall(
            "The description holds things that Markdown would lose (e.g. panels, mentions or media); "
            "ask the person, then call again with `overwrite_rich_text`, or add a comment instead."
        )
    await jira.put("issue", looked["key"], json={"fields": fields})
    return Receipt(looked["key"], f"changed {', '.join(fields)}", jira.site)


@tool(effect=Effect.DESTROY, on=issue, title="Delete a Jira issue")
async def jira_delete_issue(jira: JiraSession, looked: Looked, key: IssueKey) -> Receipt:
    """Delete an issue for good, with its comments and history. It cannot be undone."""
    await jira.delete("issue", looked["key"])
    return Receipt(looked["key"], "deleted")


async def _fields(
    summary: str | None, description: str | None, priority: str | None, labels: list[str] | None
) -> dict[str, Any]:
    given = {
        "summary": summary,
        "description": None if description is None else await document(description),
        "priority": None if priority is None else {"name": priority},
        "labels": labels,
    }
    return {name: value for name, value in given.items() if value is not None}


def _type(looked: Looked, name: str) -> dict[str, Any] | None:
    """The project's issue type of that name, in any case."""
    kinds = looked.get("issueTypes") or ()
    return next((kind for kind in kinds if kind["name"].casefold() == name.casefold()), None)
