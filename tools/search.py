"""Finding issues."""

from gateway.jira import JiraSession
from gateway.jira.views import IssuePage, Rows
from gateway.model import Effect
from gateway.tool import Jql, PageSize, PageToken, site, tool


@tool(effect=Effect.READ, on=site, title="Search Jira issues")
async def jira_search(
    jira: JiraSession, jql: Jql, max_results: PageSize = 25, next: PageToken | None = None
) -> IssuePage:
    """Find issues with JQL, one line each: key, type, status, priority, assignee, updated, summary.

    The query needs a restriction, e.g. `project = OPEN AND statusCategory != Done ORDER BY updated DESC`.
    Only issues that the caller may see are found; there is no total. For more, pass `next`.
    """
    query = str(jql)
    wanted = {"jql": query, "maxResults": max_results, "fields": list(IssuePage.fields)}
    if next is not None:
        wanted["nextPageToken"] = jira.open_page(query, next)
    return IssuePage.of(await jira.find("search", "jql", json=wanted, form=Rows), jira, query)
