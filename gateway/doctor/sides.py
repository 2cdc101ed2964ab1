"""The two sides of one person: what the provider says of them, and what Jira does."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.identity.roles import RoleTable
from gateway.jira import JiraSession

PERMISSIONS: Mapping[str, str] = {
    "BROWSE_PROJECTS": "browse",
    "CREATE_ISSUES": "create",
    "EDIT_ISSUES": "edit",
    "TRANSITION_ISSUES": "move",
    "ASSIGN_ISSUES": "assign",
    "ADD_COMMENTS": "comment",
    "DELETE_ISSUES": "delete",
    "ADMINISTER_PROJECTS": "admin",
}
"""What tools need, as Jira names it (REST `mypermissions`), and in a word."""

PROJECTS = 10
"""projects that are looked at: one request each"""


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group by name. `differs` is empty where both sides agree and it has a role."""

    name: str
    sent: bool
    """Whether the provider sent it."""
    roles: tuple[str, ...]
    """What it gives here."""
    jira: bool
    """Whether Jira counts the person in a group of that name."""
    differs: str = ""


@dataclass(frozen=True, slots=True)
class JiraSide:
    """The person as Jira knows them."""

    account: str
    name: str
    email: str
    groups: tuple[str, ...]
    projects: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    """Key of a project -> permission -> whether the person has it."""
    more: int = 0
    """Projects that were not looked at."""


async def ask_jira(session: JiraSession) -> JiraSide:
    """As the person. Raises what a `JiraSession` raises."""
    myself = await session.get("myself", params={"expand": "groups"})
    found = await session.get("project", "search", params={"maxResults": PROJECTS, "orderBy": "key"})
    projects = {}
    for project in found["values"]:
        params = {"projectKey": project["key"], "permissions": ",".join(PERMISSIONS)}
        held = (await session.get("mypermissions", params=params))["permissions"]
        projects[project["key"]] = {p: bool(held.get(p, {}).get("havePermission")) for p in PERMISSIONS}
    return JiraSide(
        account=str(myself.get("accountId") or myself.get("key")),
        name=str(myself.get("displayName") or ""),
        email=str(myself.get("emailAddress") or ""),
        groups=await _groups(session, myself),
        projects=projects,
        more=max(0, int(found.get("total", 0)) - len(projects)),
    )


async def _groups(session: JiraSession, myself: Mapping[str, Any]) -> tuple[str, ...]:
    """Of `myself`; where it lists only some of them, those of `user/groups`."""
    told = myself.get("groups", {})
    items = told.get("items", [])
    if len(items) < told.get("size", 0) and "accountId" in myself:
        items = await session.get("user", "groups", params={"accountId": myself["accountId"]})
    return tuple(sorted(str(item["name"]) for item in items))


def side_by_side(sent: Iterable[str], table: RoleTable, jira: Sequence[str]) -> list[GroupRow]:
    """Every group of either side, the same name on one row."""
    there = {_plain(name): name for name in jira}
    rows = []
    for name in sorted(sent):
        roles = tuple(sorted(table.roles([name])))
        same = there.pop(_plain(name), None)
        rows.append(GroupRow(name, True, roles, same is not None, _differs(roles, same)))
    rows += [
        GroupRow(name, False, (), True, "Jira only: the provider sends no such group")
        for name in there.values()
    ]
    return rows


def _differs(roles: tuple[str, ...], jira: str | None) -> str:
    found = ["gives no role here"] if not roles else []
    if jira is None:
        found.append("no such group of this person in Jira")
    return "; ".join(found)


def _plain(name: str) -> str:
    """Keycloak's path begins with a slash; Jira's names are all in small letters at some sites."""
    return name.strip("/").lower()
