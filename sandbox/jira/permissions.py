"""Who may see and do what: grants of schemes, roles, groups and security levels.

    can(who, permission, project, issue) = some grant of the project's scheme has `who` as holder
    sees(who, issue) = can BROWSE_PROJECTS and (no level, or member of the level)

`who` is None for an anonymous caller. Without an issue, a holder that depends on one (reporter,
assignee) counts as possible, which is why such a BROWSE grant lists the project to everybody
signed in (Jira's own behaviour).
"""

from collections.abc import Iterator

from sandbox.jira.catalogue import GLOBAL_PERMISSIONS, PROJECT_PERMISSIONS
from sandbox.jira.errors import JiraError, unseen_issue, unseen_project
from sandbox.jira.model import Comment, Grant, Issue, Project, SecurityLevel, Site
from sandbox.people import Person

Who = Person | None


def holds(grant: Grant, who: Who, project: Project, issue: Issue | None = None) -> bool:
    """Whether `who` is the holder that `grant` names. An unknown kind of holder is nobody."""
    if grant.holder == "anyone":
        return True
    if who is None:
        return False
    match grant.holder:
        case "applicationRole":
            return "staff" in who.groups
        case "group":
            return grant.parameter in who.groups
        case "user":
            return grant.parameter == who.name
        case "projectLead":
            return project.lead == who.name
        case "projectRole":
            return in_role(who, project, grant.parameter or "")
        case "reporter":
            return issue is None or issue.reporter == who.name
        case "assignee":
            return issue is None or issue.assignee == who.name
    return False


def in_role(who: Who, project: Project, role: str) -> bool:
    """Whether `who` is an actor of the role, by name or through a group."""
    if who is None or role not in project.roles:
        return False
    actors = project.roles[role].actors
    return f"user:{who.name}" in actors or any(f"group:{group}" in actors for group in who.groups)


def can(who: Who, permission: str, project: Project, issue: Issue | None = None) -> bool:
    """Whether a grant of the project's scheme gives `who` the permission."""
    return any(
        grant.permission == permission and holds(grant, who, project, issue)
        for grant in project.scheme.grants
    )


def can_globally(who: Who, permission: str) -> bool:
    """A global permission; `ADMINISTER` implies no other."""
    return who is not None and any(group in who.groups for group in GLOBAL_PERMISSIONS[permission].groups)


def cleared(who: Who, level: SecurityLevel, project: Project, issue: Issue | None = None) -> bool:
    """Whether `who` is a member of the security level."""
    return any(holds(member, who, project, issue) for member in level.members)


def sees(who: Who, issue: Issue) -> bool:
    """Whether the issue exists for `who`."""
    return can(who, "BROWSE_PROJECTS", issue.project, issue) and (
        issue.level is None or cleared(who, issue.level, issue.project, issue)
    )


def sees_project(who: Who, project: Project) -> bool:
    """Whether the project exists for `who`."""
    return any(can(who, key, project) for key in ("BROWSE_PROJECTS", "ADMINISTER_PROJECTS"))


def sees_comment(who: Who, issue: Issue, comment: Comment) -> bool:
    """Whether a comment of a visible issue is shown to `who`: all, or its role or group."""
    if comment.visibility is None:
        return True
    kind, name = comment.visibility
    if kind == "role":
        return in_role(who, issue.project, name)
    return who is not None and name in who.groups


def visible(site: Site, who: Who) -> Iterator[Issue]:
    """Every issue that exists for `who`."""
    return (issue for issue in site.issues.values() if sees(who, issue))


def seen_issue(site: Site, who: Who, id_or_key: str) -> Issue:
    """The issue. Raises `JiraError` 404, alike for a missing and for an invisible one."""
    issue = site.issue(id_or_key)
    if issue is None or not sees(who, issue):
        raise unseen_issue()
    return issue


def seen_project(site: Site, who: Who, id_or_key: str) -> Project:
    """The project. Raises `JiraError` 404, alike for a missing and for an invisible one."""
    project = site.project(id_or_key)
    if project is None or not sees_project(who, project):
        raise unseen_project(id_or_key)
    return project


def granted(site: Site, who: Who, permission: str, project: Project | None, issue: Issue | None) -> bool:
    """What `mypermissions` says. Raises `JiraError` 400 on an unknown key.

    Globally: in any project. For a project: for any of its issues, else by the project itself.
    For an issue: exactly.
    """
    if permission in GLOBAL_PERMISSIONS:
        return can_globally(who, permission)
    if permission not in PROJECT_PERMISSIONS:
        raise JiraError(400, f"Unrecognized permission: {permission}")
    if issue is not None:
        return can(who, permission, issue.project, issue)
    projects = [project] if project is not None else list(site.projects.values())
    return any(can(who, permission, candidate) for candidate in projects if sees_project(who, candidate))
