"""What a tool acts on, and how that is looked at: as the caller, in one request."""

from dataclasses import dataclass, replace
from typing import Any, NewType

from gateway.jira import JiraSession
from gateway.jira.facts import POLICY_FIELDS, issue_resource, project_resource
from gateway.model import Resource

Looked = NewType("Looked", dict[str, Any])
"""Jira's JSON of the target, as the caller sees it."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a tool acts on: how it is looked at, and which Cedar resource it is."""

    kind: str
    parameter: str | None = None
    fields: tuple[str, ...] = ()
    expand: str = ""

    def __call__(self, *, fields: tuple[str, ...] = (), expand: str = "") -> "Target":
        """The same target, looked at with more of Jira's fields or an `expand`."""
        return replace(self, fields=fields, expand=expand)

    async def look(self, jira: JiraSession, key: str) -> Looked:
        """One request, as the caller."""
        if self.kind == "Project":
            return Looked(await jira.get("project", key))
        params = {"fields": ",".join((*POLICY_FIELDS, *self.fields))}
        if self.expand:
            params["expand"] = self.expand
        return Looked(await jira.get("issue", key, params=params))

    def resource(self, looked: Looked) -> Resource:
        """The facts, from what Jira returned and never from the key that was asked for."""
        return project_resource(looked) if self.kind == "Project" else issue_resource(looked)


issue = Target("Issue", "key")
project = Target("Project", "project")
site = Target("Site")
