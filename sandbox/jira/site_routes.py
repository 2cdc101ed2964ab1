"""People, projects, permissions and the site's own lists over HTTP."""

from typing import Any

from starlette.responses import Response

from gateway import clock
from sandbox.jira.catalogue import (
    FIELDS,
    GLOBAL_PERMISSIONS,
    LINK_TYPES,
    PRIORITIES,
    PROJECT_PERMISSIONS,
    STATUSES,
    TYPES,
)
from sandbox.jira.errors import JiraError, unseen_project
from sandbox.jira.model import Project, Role, Scheme
from sandbox.jira.permissions import (
    can,
    can_globally,
    cleared,
    granted,
    in_role,
    seen_issue,
    seen_project,
    sees_project,
)
from sandbox.jira.views import moment
from sandbox.jira.wire import Call, Endpoint, answer
from sandbox.people import Person

_PROJECT_ORDERS = ("key", "name", "category", "issueCount", "lastIssueUpdatedDate", "owner")


def get_myself(call: Call) -> Response:
    """`GET myself`."""
    assert call.who is not None
    return answer(call.views.profile(call.who, groups="groups" in call.texts("expand")))


def get_server_info(call: Call) -> Response:
    """`GET serverInfo`, for anybody."""
    now = moment(clock.wall())
    return answer(
        {
            "baseUrl": call.views.base,
            "displayUrl": call.views.base,
            "version": "1001.0.0-SNAPSHOT",
            "versionNumbers": [1001, 0, 0],
            "deploymentType": "Cloud",
            "buildNumber": 100_300,
            "buildDate": now,
            "serverTime": now,
            "scmInfo": "sandbox",
            "serverTitle": "Sandbox Jira",
            "serverTimeZone": "Etc/UTC",
        }
    )


def search_projects(call: Call) -> Response:
    """`GET project/search`: the projects that the caller may browse or administer."""
    order = call.text("orderBy", "key")
    if order.lstrip("+-") not in _PROJECT_ORDERS:
        raise JiraError(400, f"orderBy '{order}' is not one of {', '.join(_PROJECT_ORDERS)}.")
    start, most = call.number("startAt", 0), call.number("maxResults", 50, least=1, most=100)
    words, keys = call.text("query").lower(), call.texts("keys")
    found = [
        p
        for p in call.site.projects.values()
        if sees_project(call.who, p)
        and (words in p.key.lower() or words in p.name.lower())
        and (not keys or p.key in keys)
    ]
    found.sort(key=lambda p: p.name if order.endswith("name") else p.key, reverse=order.startswith("-"))
    rows = [call.views.project_row(p) for p in found[start : start + most]]
    here = f"{call.views.api}/project/search?maxResults={most}&startAt={start}"
    last = start + most >= len(found)
    page: dict[str, Any] = {"self": here, "maxResults": most, "startAt": start, "total": len(found)}
    if not last:
        page["nextPage"] = f"{call.views.api}/project/search?maxResults={most}&startAt={start + most}"
    return answer({**page, "isLast": last, "values": rows})


def get_project(call: Call) -> Response:
    """`GET project/{key}`."""
    return answer(call.views.project_whole(seen_project(call.site, call.who, call.path("project")), call.who))


def administered(call: Call) -> Project:
    """The project, for its administrators. Raises `JiraError` 404 unseen, 401 for others as Jira does."""
    project = seen_project(call.site, call.who, call.path("project"))
    if not (can(call.who, "ADMINISTER_PROJECTS", project) or can_globally(call.who, "ADMINISTER")):
        raise JiraError(401, "You cannot edit the configuration of this project.")
    return project


def get_roles(call: Call) -> Response:
    """`GET project/{key}/role`."""
    project = administered(call)
    return answer(
        {r.name: f"{call.views.api}/project/{project.id}/role/{r.id}" for r in project.roles.values()}
    )


def get_role(call: Call) -> Response:
    """`GET project/{key}/role/{id}`."""
    project = administered(call)
    role = next((r for r in project.roles.values() if str(r.id) == call.path("id")), None)
    if role is None:
        raise JiraError(404, f"Can not retrieve a role actor for a null project role: {call.path('id')}")
    return answer(_role(call, project, role))


def _role(call: Call, project: Project, role: Role) -> dict[str, Any]:
    actors: list[dict[str, Any]] = []
    for number, actor in enumerate(role.actors, role.id * 100):
        kind, _, name = actor.partition(":")
        if kind == "user":
            person = call.site.people[name]
            user = {"id": number, "displayName": person.display_name, "type": "atlassian-user-role-actor"}
            actors.append({**user, "actorUser": {"accountId": person.account_id}})
        else:
            group = {"name": name, "displayName": name, "groupId": f"group-{name}"}
            actors.append({"id": number, "displayName": name, "type": "atlassian-group-role-actor",
                           "actorGroup": group})  # fmt: skip
    return {
        "self": f"{call.views.api}/project/{project.id}/role/{role.id}",
        "name": role.name,
        "id": role.id,
        "description": "",
        "actors": actors,
        "currentUserRole": in_role(call.who, project, role.name),
    }


def get_levels(call: Call) -> Response:
    """`GET project/{key}/securitylevel`: the levels that the caller is a member of; 404 without any."""
    project = seen_project(call.site, call.who, call.path("project"))
    if not project.levels:
        raise JiraError(404, f"No issue security scheme is used by project '{project.key}'.")
    levels = [call.views.level(level) for level in project.levels if cleared(call.who, level, project)]
    return answer({"levels": levels})


def get_user(call: Call) -> Response:
    """`GET user?accountId=`: 403 without USER_PICKER, but always oneself."""
    if not call.text("accountId"):
        raise JiraError(400, "The query parameter 'accountId' must be provided.")
    itself = call.who is not None and call.who.account_id == call.text("accountId")
    if not itself and not can_globally(call.who, "USER_PICKER"):
        raise JiraError(403, "You do not have permission to view users.")
    found = call.site.accounts.get(call.text("accountId"))
    if found is None:
        raise JiraError(404, "Specified user does not exist or you do not have required permissions")
    return answer(call.views.profile(found, groups="groups" in call.texts("expand")))


def get_user_groups(call: Call) -> Response:
    """`GET user/groups?accountId=`: the groups of a person, under the conditions of `GET user`."""
    get_user(call)
    found = call.site.accounts[call.text("accountId")]
    return answer(call.views.profile(found, groups=True)["groups"]["items"])


def search_users(call: Call) -> Response:
    """`GET user/search`: empty without USER_PICKER."""
    if not any(
        call.request.query_params.get(name) is not None for name in ("query", "accountId", "property")
    ):
        raise JiraError(400, "Either the query, accountId or property parameter must be provided.")
    if not can_globally(call.who, "USER_PICKER"):
        return answer([])
    words, account = call.text("query").lower(), call.text("accountId")

    def matches(person: Person) -> bool:
        names = (person.display_name.lower(), *person.display_name.lower().split(), person.email)
        return person.account_id == account if account else any(name.startswith(words) for name in names)

    start, most = call.number("startAt", 0), call.number("maxResults", 50, most=1000)
    found = [call.views.user(person) for person in call.site.people.values() if matches(person)]
    return answer([{**user, "locale": "en_GB"} for user in found[start : start + most]])


def get_my_permissions(call: Call) -> Response:
    """`GET mypermissions`: only the keys that were asked for; at least one is mandatory."""
    wanted = call.texts("permissions")
    if not wanted:
        raise JiraError(400, "The 'permissions' query parameter is required.")
    project = issue = None
    if key := call.text("issueKey") or call.text("issueId"):
        issue = seen_issue(call.site, call.who, key)
    elif key := call.text("projectKey") or call.text("projectId"):
        project = seen_project(call.site, call.who, key)
    held = {name: granted(call.site, call.who, name, project, issue) for name in wanted}
    return answer({"permissions": {name: call.views.permission(name, have) for name, have in held.items()}})


def get_permissions(call: Call) -> Response:
    """`GET permissions`: every key that there is."""
    return answer(
        {"permissions": {k: call.views.permission(k) for k in (*GLOBAL_PERMISSIONS, *PROJECT_PERMISSIONS)}}
    )


def _schemes(call: Call) -> dict[str, Scheme]:
    """The schemes of the projects that the caller administers."""
    projects = call.site.projects.values()
    return {str(p.scheme.id): p.scheme for p in projects if can(call.who, "ADMINISTER_PROJECTS", p)}


def get_schemes(call: Call) -> Response:
    """`GET permissionscheme`."""
    return answer({"permissionSchemes": [call.views.scheme(scheme) for scheme in _schemes(call).values()]})


def get_scheme(call: Call) -> Response:
    """`GET permissionscheme/{id}`."""
    found = _schemes(call).get(call.path("id"))
    if found is None:
        raise JiraError(404, "Could not find permission scheme with id: " + call.path("id"))
    return answer(call.views.scheme(found))


def get_project_scheme(call: Call) -> Response:
    """`GET project/{key}/permissionscheme`."""
    project = call.site.project(call.path("project"))
    if project is None or not sees_project(call.who, project):
        raise unseen_project(call.path("project"))
    if not can(call.who, "ADMINISTER_PROJECTS", project):
        raise JiraError(403, "You do not have permission to view the permission scheme of this project.")
    return answer(call.views.scheme(project.scheme))


def get_link_types(call: Call) -> Response:
    """`GET issueLinkType`."""
    return answer({"issueLinkTypes": [call.views.link_type(kind) for kind in LINK_TYPES]})


def get_types(call: Call) -> Response:
    """`GET issuetype`: the types of the projects that the caller may see."""
    seen = {kind for p in call.site.projects.values() if sees_project(call.who, p) for kind in p.types}
    return answer(
        [{**call.views.issue_type(kind), "untranslatedName": kind.name} for kind in TYPES if kind in seen]
    )


def get_priorities(call: Call) -> Response:
    """`GET priority`."""
    return answer([call.views.priority_details(priority) for priority in PRIORITIES])


def get_statuses(call: Call) -> Response:
    """`GET status`: the statuses of the projects that the caller may see."""
    seen = {
        status
        for p in call.site.projects.values()
        if sees_project(call.who, p)
        for status in (p.initial, *(step.target for step in p.workflow))
    }
    shown = [{**call.views.status(s), "untranslatedName": s.name} for s in STATUSES if s in seen]
    return answer(shown)


def get_fields(call: Call) -> Response:
    """`GET field`."""
    return answer([call.views.field(field) for field in FIELDS])


ENDPOINTS = (
    Endpoint("GET", "/myself", get_myself, anonymous=False),
    Endpoint("GET", "/serverInfo", get_server_info),
    Endpoint("GET", "/project/search", search_projects),
    Endpoint("GET", "/project/{project}", get_project),
    Endpoint("GET", "/project/{project}/role", get_roles),
    Endpoint("GET", "/project/{project}/role/{id}", get_role),
    Endpoint("GET", "/project/{project}/securitylevel", get_levels),
    Endpoint("GET", "/project/{project}/permissionscheme", get_project_scheme, anonymous=False),
    Endpoint("GET", "/permissionscheme", get_schemes, anonymous=False),
    Endpoint("GET", "/permissionscheme/{id}", get_scheme, anonymous=False),
    Endpoint("GET", "/permissions", get_permissions),
    Endpoint("GET", "/mypermissions", get_my_permissions),
    Endpoint("GET", "/user", get_user),
    Endpoint("GET", "/user/groups", get_user_groups, anonymous=False),
    Endpoint("GET", "/user/search", search_users),
    Endpoint("GET", "/issueLinkType", get_link_types),
    Endpoint("GET", "/issuetype", get_types),
    Endpoint("GET", "/priority", get_priorities),
    Endpoint("GET", "/status", get_statuses),
    Endpoint("GET", "/field", get_fields),
)
