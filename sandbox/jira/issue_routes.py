"""Issues, transitions, comments and links over HTTP."""

from starlette.responses import Response

from sandbox.jira import comments, writes
from sandbox.jira.auth import WRITE
from sandbox.jira.errors import JiraError
from sandbox.jira.model import Project
from sandbox.jira.permissions import can, seen_issue, seen_project
from sandbox.jira.wire import Call, Endpoint, answer

_COMMENT_ORDERS = {"created": False, "+created": False, "-created": True}


def expansions(call: Call) -> frozenset[str]:
    """The `expand` parameter."""
    return frozenset(call.texts("expand"))


def get_issue(call: Call) -> Response:
    """`GET issue/{key}`."""
    issue = seen_issue(call.site, call.who, call.path("key"))
    shown = call.issues.bean(issue, call.texts("fields") or ("*all",), expansions(call))
    asked = call.texts("properties")
    if asked:
        wanted = issue.properties if "*all" in asked else asked
        shown["properties"] = {name: issue.properties[name] for name in wanted if name in issue.properties}
    return answer(shown)


def post_issue(call: Call) -> Response:
    """`POST issue`."""
    issue = writes.create(call.site, call.who, call.json())
    self_url = f"{call.views.api}/issue/{issue.id}"
    return answer({"id": str(issue.id), "key": issue.key, "self": self_url}, 201)


def put_issue(call: Call) -> Response:
    """`PUT issue/{key}`."""
    body = call.json()
    if call.text("notifyUsers") == "false":
        why = "To discard the user notification either admin or project admin permissions are required."
        seen_issue(call.site, call.who, call.path("key"))
        raise JiraError(400, why)
    issue = writes.edit(call.site, call.who, call.path("key"), body)
    if call.flag("returnIssue"):
        return answer(call.issues.bean(issue, expand=expansions(call)))
    return answer(status=204)


def delete_issue(call: Call) -> Response:
    """`DELETE issue/{key}`."""
    writes.delete(call.site, call.who, call.path("key"), subtasks=call.flag("deleteSubtasks"))
    return answer(status=204)


def get_transitions(call: Call) -> Response:
    """`GET issue/{key}/transitions`: what this caller may do, an empty list when nothing."""
    issue = seen_issue(call.site, call.who, call.path("key"))
    shown = call.issues.transitions(issue, fields="transitions.fields" in expansions(call))
    wanted = call.text("transitionId")
    if wanted:
        shown = [step for step in shown if step["id"] == wanted]
    return answer({"expand": "transitions", "transitions": shown})


def post_transition(call: Call) -> Response:
    """`POST issue/{key}/transitions`."""
    writes.transition(call.site, call.who, call.path("key"), call.json())
    return answer(status=204)


def get_comments(call: Call) -> Response:
    """`GET issue/{key}/comment`; a bad `orderBy` is refused before the issue is looked up."""
    order = call.text("orderBy", "created")
    if order not in _COMMENT_ORDERS:
        raise JiraError(400, f"The provided orderBy value '{order}' is invalid. Supported: created.")
    start, most = call.number("startAt", 0), call.number("maxResults", 100, most=100)
    issue = seen_issue(call.site, call.who, call.path("key"))
    shown = call.issues.comments(issue)
    if _COMMENT_ORDERS[order]:
        shown.reverse()
    page = {
        "startAt": start,
        "maxResults": most,
        "total": len(shown),
        "comments": shown[start : start + most],
    }
    return answer(page)


def get_comment(call: Call) -> Response:
    """`GET issue/{key}/comment/{id}`."""
    issue, comment = comments.seen(call.site, call.who, call.path("key"), call.path("id"))
    return answer(call.views.comment(issue, comment, rendered="renderedBody" in expansions(call)))


def post_comment(call: Call) -> Response:
    """`POST issue/{key}/comment`."""
    issue, comment = comments.add(call.site, call.who, call.path("key"), call.json())
    return answer(call.views.comment(issue, comment), 201)


def put_comment(call: Call) -> Response:
    """`PUT issue/{key}/comment/{id}`."""
    issue, comment = comments.edit(call.site, call.who, call.path("key"), call.path("id"), call.json())
    return answer(call.views.comment(issue, comment))


def delete_comment(call: Call) -> Response:
    """`DELETE issue/{key}/comment/{id}`."""
    comments.delete(call.site, call.who, call.path("key"), call.path("id"))
    return answer(status=204)


def post_link(call: Call) -> Response:
    """`POST issueLink`: 201 with an empty body."""
    writes.link(call.site, call.who, call.json())
    return answer(status=201)


def get_issue_types(call: Call) -> Response:
    """`GET issue/createmeta/{project}/issuetypes`: nothing for a project where the caller cannot create."""
    project = creatable(call)
    kinds = [] if project is None else [call.views.issue_type(kind) for kind in project.types]
    page = {"startAt": 0, "maxResults": 50, "total": len(kinds), "issueTypes": kinds}
    return answer(page)


def creatable(call: Call) -> Project | None:
    """The project of a createmeta path, None where the caller lacks CREATE_ISSUES; 404 unseen."""
    project = seen_project(call.site, call.who, call.path("project"))
    return project if can(call.who, "CREATE_ISSUES", project) else None


ENDPOINTS = (
    Endpoint("GET", "/issue/createmeta/{project}/issuetypes", get_issue_types),
    Endpoint("POST", "/issue", post_issue, WRITE),
    Endpoint("GET", "/issue/{key}", get_issue),
    Endpoint("PUT", "/issue/{key}", put_issue, WRITE),
    Endpoint("DELETE", "/issue/{key}", delete_issue, WRITE),
    Endpoint("GET", "/issue/{key}/transitions", get_transitions),
    Endpoint("POST", "/issue/{key}/transitions", post_transition, WRITE),
    Endpoint("GET", "/issue/{key}/comment", get_comments),
    Endpoint("POST", "/issue/{key}/comment", post_comment, WRITE),
    Endpoint("GET", "/issue/{key}/comment/{id}", get_comment),
    Endpoint("PUT", "/issue/{key}/comment/{id}", put_comment, WRITE),
    Endpoint("DELETE", "/issue/{key}/comment/{id}", delete_comment, WRITE),
    Endpoint("POST", "/issueLink", post_link, WRITE),
)
