"""What changes issues: create, edit, transition, link, delete. No function here awaits.

Each checks everything first and changes last, so a refusal leaves the site as it was. Whose change
it is stands in the issue's history. The statuses of refusals are Jira's own and not uniform: a
missing permission is 403 for create and delete, 400 for edit and transition, 404 for links.
"""

from typing import Any

from gateway import clock
from sandbox.jira import comments
from sandbox.jira.catalogue import CUSTOM_FIELDS, LINK_TYPES, MEDIUM
from sandbox.jira.errors import JiraError
from sandbox.jira.inputs import Target, checked, issue_type
from sandbox.jira.issues import open_transitions
from sandbox.jira.model import Change, Issue, Link, Project, Site
from sandbox.jira.permissions import Who, can, seen_issue, sees_project
from sandbox.people import Person

Item = tuple[str, str | None, str | None, str | None, str | None]


def signed_in(who: Who) -> Person:
    """The person. Raises `JiraError` 401 for a write by nobody that permissions would have let through."""
    if who is None:
        raise JiraError(401, "You do not have the permission to see the specified issue. Login Required")
    return who


def create(site: Site, who: Who, body: Any) -> Issue:
    """`POST issue`: 400 for an unseen project or wrong fields, 403 without CREATE_ISSUES."""
    if not isinstance(body, dict) or not isinstance(body.get("fields"), dict):
        raise JiraError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    fields = dict(body["fields"])
    project = _project(site, who, fields.pop("project", None))
    if not can(who, "CREATE_ISSUES", project):
        raise JiraError(403, "You do not have permission to create issues in this project.")
    author = signed_in(who)
    fields.setdefault("summary", None)
    attributes = checked(Target(site, who, project), fields, body.get("update"))
    kind = attributes.get("type") or issue_type(project, fields.get("issuetype"))
    if kind.level < 0 and not attributes.get("parent"):
        why = "Issue type is a sub-task but parent issue key or id not specified."
        raise JiraError(400, errors={"issuetype": why})
    now = clock.wall()
    issue = Issue(
        id=0, key="", project=project, type=kind, summary="", status=project.initial, priority=MEDIUM,
        reporter=author.name, creator=author.name, created=now, updated=now, status_changed=now,
    )  # fmt: skip
    _assign(issue, attributes)
    if kind.level < 0:
        issue.level = site.issues[issue.parent or ""].level
    _remember(issue, body)
    issue.id, issue.key = site.next_id(), site.next_key(project)
    issue.watchers.add(author.name)
    site.issues[issue.key] = issue
    return issue


def edit(site: Site, who: Who, id_or_key: str, body: Any) -> Issue:
    """`PUT issue`: 404 unseen, 400 without EDIT_ISSUES or for wrong fields. The status cannot be set."""
    issue = seen_issue(site, who, id_or_key)
    if not can(who, "EDIT_ISSUES", issue.project, issue):
        raise JiraError(400, "You do not have permission to edit issues in this project.")
    author = signed_in(who)
    fields, update = _parts(body)
    attributes = checked(Target(site, who, issue.project, issue), fields, update)
    added = comments.checked(who, issue, update)
    _change(site, issue, author, attributes)
    comments.attach(site, issue, author, added)
    _remember(issue, body)
    return issue


def transition(site: Site, who: Who, id_or_key: str, body: Any) -> Issue:
    """`POST transitions`: 404 unseen; 400 for an id that is not open to this caller; else moves the issue."""
    issue = seen_issue(site, who, id_or_key)
    wanted = body.get("transition") if isinstance(body, dict) else None
    number = str(wanted.get("id")) if isinstance(wanted, dict) else None
    if number is None:
        raise JiraError(400, "Missing 'transition' identifier")
    step = next((s for s in open_transitions(who, issue) if str(s.id) == number), None)
    if step is None:
        raise JiraError(400, f"Transition id '{number}' is not valid for this issue.")
    author = signed_in(who)
    fields, update = _parts(body)
    attributes = checked(Target(site, who, issue.project, issue), fields, update)
    added = comments.checked(who, issue, update)
    attributes["status"] = step.target
    finished = step.target.category == "done"
    attributes["resolution"] = attributes.get("resolution", "Done") if finished else None
    _change(site, issue, author, attributes)
    issue.status_changed = issue.updated
    issue.resolved = issue.updated if finished else None
    comments.attach(site, issue, author, added)
    _remember(issue, body)
    return issue


def delete(site: Site, who: Who, id_or_key: str, *, subtasks: bool) -> None:
    """`DELETE issue`: 404 unseen, 403 without DELETE_ISSUES, 400 with sub-tasks unless they go too."""
    issue = seen_issue(site, who, id_or_key)
    if not can(who, "DELETE_ISSUES", issue.project, issue):
        raise JiraError(403, "You do not have permission to delete issues in this project.")
    children = [child for child in site.children(issue) if child.type.level < 0]
    if children and not subtasks:
        raise JiraError(
            400, f"The issue '{issue.key}' has subtasks. Set 'deleteSubtasks' to delete them too."
        )
    gone = {issue.key, *(child.key for child in children)}
    for child in site.children(issue):
        child.parent = None
    for key in gone:
        del site.issues[key]
    site.links = [link for link in site.links if not {link.inward, link.outward} & gone]


def link(site: Site, who: Who, body: Any) -> Link:
    """`POST issueLink`: A *blocks* B for inwardIssue A, outwardIssue B. 404 when either end or LINK_ISSUES
    is missing; a second equal link changes nothing."""
    if not isinstance(body, dict):
        raise JiraError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    wanted = body["type"] if isinstance(body.get("type"), dict) else {}
    kind = next(
        (t for t in LINK_TYPES if wanted.get("name") == t.name or wanted.get("id") == str(t.id)), None
    )
    if kind is None:
        raise JiraError(404, f"No issue link type with name '{wanted.get('name')}' found.")
    ends = [seen_issue(site, who, _end(body.get(side))) for side in ("inwardIssue", "outwardIssue")]
    if not all(can(who, "LINK_ISSUES", end.project, end) for end in ends):
        raise JiraError(404, "No Link Issue Permission for issue")
    inward, outward = (end.key for end in ends)
    for known in site.links:
        if (known.type, known.inward, known.outward) == (kind, inward, outward):
            return known
    added = comments.body_of(who, ends[0], body["comment"]) if body.get("comment") else None
    made = Link(site.next_id(), kind, inward, outward)
    site.links.append(made)
    comments.attach(site, ends[0], signed_in(who), [added] if added else [])
    return made


def _end(value: Any) -> str:
    found = (value.get("key") or value.get("id")) if isinstance(value, dict) else None
    return str(found or "")


def _project(site: Site, who: Who, value: Any) -> Project:
    key = (value.get("key") or value.get("id")) if isinstance(value, dict) else None
    project = site.project(key) if isinstance(key, str) else None
    if project is None or not sees_project(who, project):
        raise JiraError(400, errors={"project": "Specify a valid project ID or key"})
    return project


def _parts(body: Any) -> tuple[Any, Any]:
    if not isinstance(body, dict):
        raise JiraError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    return body.get("fields"), body.get("update")


def _assign(issue: Issue, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        if name in CUSTOM_FIELDS:
            issue.custom[name] = value
        else:
            setattr(issue, name, value)


def _change(site: Site, issue: Issue, author: Person, attributes: dict[str, Any]) -> None:
    before = {name: _shown(issue, name) for name in attributes}
    _assign(issue, attributes)
    items = [
        (_HISTORY.get(name, name), *before[name], *_shown(issue, name))
        for name in attributes
        if before[name] != _shown(issue, name)
    ]
    if "level" in attributes:
        for child in site.children(issue):
            if child.type.level < 0:
                child.level = issue.level
    issue.updated = clock.wall()
    if items:
        issue.history.append(Change(site.next_id(), author.name, issue.updated, tuple(items)))


_HISTORY = {"level": "security", "type": "issuetype", "due": "duedate"}


def _shown(issue: Issue, name: str) -> tuple[str | None, str | None]:
    """(id, text) of an attribute, as history shows it."""
    value = issue.custom.get(name) if name in CUSTOM_FIELDS else getattr(issue, name)
    if value is None:
        return None, None
    if isinstance(value, dict):
        return None, comments.plain(value)
    if isinstance(value, tuple):
        return None, " ".join(value)
    identity = getattr(value, "id", None)
    return (None, str(value)) if identity is None else (str(identity), value.name)


def _remember(issue: Issue, body: dict[str, Any]) -> None:
    """Entity properties that came in the same body."""
    for item in body.get("properties") or []:
        if isinstance(item, dict) and isinstance(item.get("key"), str):
            issue.properties[item["key"]] = item.get("value")
