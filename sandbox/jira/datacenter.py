"""The sandbox's site as a Jira Data Center shows it: REST v2, wiki text, users by key and name, a search
that counts. Data and permissions are those of the Cloud flavour.

As documented for Jira 9 to 11; where a real one may differ stands in docs/identity/jira-datacenter.md.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote_plus

import msgspec
from starlette.responses import Response

from gateway import jql
from gateway.errors import InvalidCall
from sandbox.jira import adf, issue_routes, site_routes, wiki
from sandbox.jira.auth import Session
from sandbox.jira.errors import JiraError
from sandbox.jira.flavour import Flavour
from sandbox.jira.model import Adf, Site
from sandbox.jira.permissions import Who, can_globally, cleared, sees, sees_project
from sandbox.jira.search import search
from sandbox.jira.views import Views, Wire
from sandbox.jira.wire import Call, Endpoint, answer
from sandbox.people import Person

MOST_RESULTS = 1000
"""`jira.search.views.default.max`: more are not given, and not refused either."""


def user_key(people: Mapping[str, Person], person: Person) -> str:
    """The user's `key`: it stays when the user name changes."""
    return f"JIRAUSER{10_000 + list(people).index(person.name)}"


def headers(session: Session) -> dict[str, str]:
    """`X-AUSERNAME`, URL-encoded."""
    return {"X-AUSERNAME": "anonymous" if session.who is None else quote_plus(session.who.name)}


class DataCenterViews(Views):
    """People without accountId, bodies as wiki text."""

    version: ClassVar[str] = "2"

    def user(self, person: Person) -> Wire:
        """A person inside something else."""
        return {
            "self": f"{self.api}/user?username={quote_plus(person.name)}",
            "name": person.name,
            "key": user_key(self.site.people, person),
            "emailAddress": person.email,
            "avatarUrls": self._avatars("user", person.name),
            "displayName": person.display_name,
            "active": True,
            "timeZone": "Etc/UTC",
        }

    def rich(self, document: Adf | None) -> str | None:
        """Wiki text."""
        return None if document is None else wiki.written(document)


class DataCenterCall(Call):
    """A request whose body speaks v2; to the handlers it is as if it spoke v3."""

    def json(self) -> Any:
        """The body. Raises `JiraError` 400 for ADF where wiki text belongs."""
        body = super().json()
        if not isinstance(body, dict):
            return body
        told = dict(body)
        if "body" in told:
            told["body"] = _document(told["body"], "comment")
        if isinstance(told.get("fields"), dict):
            told["fields"] = {name: self._field(name, value) for name, value in told["fields"].items()}
        update = told.get("update")
        if isinstance(update, dict) and isinstance(update.get("comment"), list):
            told["update"] = {**update, "comment": [_added(step) for step in update["comment"]]}
        return told

    def _field(self, name: str, value: Any) -> Any:
        if name in ("description", "environment") and value is not None:
            return _document(value, name)
        if name in ("assignee", "reporter"):
            wanted = value.get("name") if isinstance(value, dict) else value
            if wanted is None and isinstance(value, dict) and "name" not in value:
                raise JiraError(400, errors={name: "data was not an object with a name"})
            person = self.site.people.get(str(wanted))
            return None if wanted is None else {"accountId": person.account_id if person else "nobody"}
        return value


def _document(value: Any, field: str) -> Adf:
    if not isinstance(value, str):
        raise JiraError(400, errors={field: "Operation value must be a string"})
    return {**adf.doc(*(line for line in value.splitlines() if line.strip())), "wiki": value}


def _added(step: Any) -> Any:
    comment = step.get("add") if isinstance(step, dict) else None
    if not isinstance(comment, dict) or "body" not in comment:
        return step
    return {"add": {**comment, "body": _document(comment["body"], "comment")}}


class Wanted(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The members of `POST search`."""

    jql: str = ""
    start_at: int = 0
    max_results: int = 50
    fields: tuple[str, ...] = ("*navigable",)
    expand: list[str] = []
    validate_query: bool = True


def post_search(call: Call) -> Response:
    """`POST search`: a page, and how many there are in all."""
    try:
        wanted = msgspec.convert(call.json(), Wanted)
    except msgspec.ValidationError as wrong:
        raise JiraError(400, str(wrong)) from None
    if wanted.validate_query:
        _validate(call.site, call.who, wanted.jql)
    found = search(call.site, call.who, wanted.jql)
    start, most = max(wanted.start_at, 0), max(0, min(wanted.max_results, MOST_RESULTS))
    rows = [call.issues.bean(i, wanted.fields, frozenset(wanted.expand)) for i in found[start : start + most]]
    page = {"expand": "schema,names", "startAt": start, "maxResults": most, "total": len(found)}
    return answer({**page, "issues": rows})


def _validate(site: Site, who: Who, text: str) -> None:
    """Raises `JiraError` 400 for a project, issue or level that the caller does not see, as for one that is not."""
    try:
        where = jql.parse(text, trusted=True).where
    except InvalidCall as wrong:
        raise JiraError(400, f"Error in the JQL Query: {wrong}") from None
    projects = [p for p in site.projects.values() if sees_project(who, p)]
    seen = {
        "project": {word.lower() for p in projects for word in (p.key, p.name, str(p.id))},
        "level": {level.name.lower() for p in projects for level in p.levels if cleared(who, level, p)},
    }
    unseen: list[str] = []
    for field, value in _values(where):
        if field in ("key", "issue", "issuekey", "id"):
            issue = site.issue(value)
            if issue is None or not sees(who, issue):
                unseen.append(f"An issue with key '{value}' does not exist for field '{field}'.")
        elif field in seen and value.lower() not in seen[field]:
            unseen.append(f"The value '{value}' does not exist for the field '{field}'.")
    if unseen:
        raise JiraError(400, *unseen)


def _values(node: jql.Node | None) -> Iterator[tuple[str, str]]:
    """(field, literal) of each condition."""
    if isinstance(node, jql.Clause):
        items = node.operand.items if isinstance(node.operand, jql.ListOf) else (node.operand,)
        yield from ((node.field.name.lower(), item.text) for item in items if isinstance(item, jql.Value))
    elif isinstance(node, jql.Not):
        yield from _values(node.part)
    elif node is not None:
        for part in node.parts:
            yield from _values(part)


def get_projects(call: Call) -> Response:
    """`GET project`: all that the caller may see, in one list."""
    return answer(
        [call.views.project_row(p) for p in call.site.projects.values() if sees_project(call.who, p)]
    )


def get_user(call: Call) -> Response:
    """`GET user?username=` or `?key=`: 403 without USER_PICKER, but always oneself."""
    people = call.site.people
    by = {
        "username": {p.name: p for p in people.values()},
        "key": {user_key(people, p): p for p in people.values()},
    }
    asked = next((name for name in by if call.text(name)), None)
    if asked is None:
        raise JiraError(400, "Either the 'username' or the 'key' query parameters need to be provided")
    found = by[asked].get(call.text(asked))
    if call.who is None or (found != call.who and not can_globally(call.who, "USER_PICKER")):
        raise JiraError(403, "You do not have permission to view users.")
    if found is None:
        raise JiraError(404, f"The user with the {asked} '{call.text(asked)}' does not exist")
    return answer(call.views.profile(found, groups="groups" in call.texts("expand")))


def get_server_info(call: Call) -> Response:
    """`GET serverInfo`, for anybody."""
    told = {"baseUrl": call.views.base, "version": "10.3.0", "versionNumbers": [10, 3, 0]}
    return answer({**told, "deploymentType": "DataCenter", "serverTitle": "Sandbox Jira"})


_OWN = (
    Endpoint("POST", "/search", post_search),
    Endpoint("GET", "/project", get_projects),
    Endpoint("GET", "/user", get_user),
    Endpoint("GET", "/serverInfo", get_server_info),
)
_NOT_HERE = {"/project/search", "/user/search", *(point.path for point in _OWN)}
_POINTS = (
    *_OWN,
    *(p for p in (*issue_routes.ENDPOINTS, *site_routes.ENDPOINTS) if p.path not in _NOT_HERE),
)

DATACENTER = Flavour(
    endpoints=tuple((version, point) for version in ("2", "latest") for point in _POINTS),
    views=DataCenterViews,
    call=DataCenterCall,
    announce=headers,
)
