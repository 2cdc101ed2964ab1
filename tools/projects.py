"""Projects that the caller may see."""

from typing import Annotated

from msgspec import Meta

from gateway.jira import JiraSession
from gateway.jira.views import ProjectPage
from gateway.model import Effect
from gateway.tool import Line, PageSize, PageToken, site, tool


@tool(effect=Effect.READ, on=site, title="List Jira projects")
async def jira_list_projects(
    jira: JiraSession,
    query: Annotated[Line, Meta(description="Only projects with this in their key or name.")] | None = None,
    max_results: PageSize = 50,
    next: PageToken | None = None,
) -> ProjectPage:
    """List the projects that the caller may see: key, name, category. For more, pass `next`."""
    bound = f"projects {query or ''}"
    start = 0 if next is None else int(jira.open_page(bound, next))
    params: dict[str, str | int] = {"orderBy": "key", "startAt": start, "maxResults": max_results}
    if query is not None:
        params["query"] = query
    return ProjectPage.of(await jira.get("project", "search", params=params), jira, bound, start)
