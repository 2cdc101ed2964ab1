"""Who the caller is in Jira."""

from gateway.jira import JiraSession
from gateway.jira.views import Person
from gateway.model import Effect
from gateway.tool import site, tool


@tool(effect=Effect.READ, on=site, title="Who am I in Jira")
async def jira_whoami(jira: JiraSession) -> Person:
    """Tell as which Jira account these tools act: account id, name, e-mail, time zone, site."""
    return Person(await jira.get("myself"), jira.site)
