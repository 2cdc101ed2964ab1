"""What people say on issues."""

from typing import Annotated

from msgspec import Meta

from gateway.jira import JiraSession
from gateway.jira.adf import document
from gateway.jira.views import Receipt
from gateway.model import Effect
from gateway.tool import IssueKey, Looked, Markdown, issue, tool


@tool(effect=Effect.WRITE, on=issue, title="Comment on a Jira issue", additive=True)
async def jira_comment(
    jira: JiraSession,
    looked: Looked,
    key: IssueKey,
    body: Annotated[Markdown, Meta(description="The comment, in Markdown.")],
) -> Receipt:
    """Add a comment to an issue, as the caller and visible to everyone who sees the issue."""
    found = looked["key"]
    await jira.post("issue", found, "comment", json={"body": await document(body)})
    return Receipt(found, "comment added", jira.site)
