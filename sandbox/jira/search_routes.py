"""`search/jql`, `search/approximate-count`, `jql/parse`, and the search that is gone.

Checks stand in Jira's order: binding of the request, then the page token, the number of issues to
reconcile, the range of `maxResults`, and only then the query itself.
"""

import base64
import binascii
import hashlib
from typing import Any

import msgspec
import orjson
from starlette.responses import Response

from sandbox.jira.errors import JiraError
from sandbox.jira.search import search
from sandbox.jira.wire import Call, Endpoint, answer

_INVALID = "Invalid request payload. Refer to the REST API documentation and try again."
_MOST_RESULTS = 5000
_MOST_RECONCILED = 50
_GONE = (
    "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration "
    "guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046"
)


class Wanted(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The members of `POST search/jql`, and of its GET. `expand` is a comma-separated string in both."""

    jql: str = ""
    next_page_token: str | None = None
    max_results: int = 50
    fields: list[str] = []
    expand: str = ""
    properties: list[str] = []
    fields_by_keys: bool = False
    fail_fast: bool = False
    reconcile_issues: list[int] = []


def post_search(call: Call) -> Response:
    """`POST search/jql`. An unknown member, such as the old API's `startAt`, is a 400."""
    try:
        wanted = msgspec.convert(call.json(), Wanted)
    except msgspec.ValidationError:
        raise JiraError(400, _INVALID) from None
    return answer(_page(call, wanted))


def get_search(call: Call) -> Response:
    """`GET search/jql`."""
    wanted = Wanted(
        jql=call.text("jql"),
        next_page_token=call.text("nextPageToken") or None,
        max_results=call.number("maxResults", 50, least=-1),
        fields=call.texts("fields"),
        expand=call.text("expand"),
        properties=call.texts("properties"),
        reconcile_issues=[int(i[:18]) for i in call.texts("reconcileIssues") if i.isascii() and i.isdigit()],
    )
    return answer(_page(call, wanted))


def post_count(call: Call) -> Response:
    """`POST search/approximate-count`, bounded like the search."""
    body = call.json()
    if not isinstance(body, dict) or not isinstance(body.get("jql", ""), str):
        raise JiraError(400, _INVALID)
    return answer({"count": len(search(call.site, call.who, body.get("jql", "")))})


def removed(call: Call) -> Response:
    """The old `search`: 410."""
    raise JiraError(410, _GONE)


def _page(call: Call, wanted: Wanted) -> dict[str, Any]:
    start = _start(wanted)
    if len(wanted.reconcile_issues) > _MOST_RECONCILED:
        raise JiraError(400, f"The max number of issues to reconcile is {_MOST_RECONCILED}.")
    if not 1 <= wanted.max_results <= _MOST_RESULTS:
        why = f"The value of maxResults must be between 1 and {_MOST_RESULTS}."
        raise JiraError(400, why)
    found = search(call.site, call.who, wanted.jql)
    rows = found[start : start + wanted.max_results]
    end = start + len(rows)
    expand = frozenset(part for part in wanted.expand.split(",") if part)
    views = call.issues
    page: dict[str, Any] = {"isLast": end >= len(found)}
    if wanted.fields and wanted.fields != ["id"]:
        page["issues"] = [views.bean(issue, wanted.fields, expand - {"names", "schema"}) for issue in rows]
    else:
        page["issues"] = [{"id": str(issue.id)} for issue in rows]
    if rows and wanted.fields:
        first = views.bean(rows[0], wanted.fields, expand)
        page |= {part: first[part] for part in ("names", "schema") if part in first}
    if end < len(found):
        page["nextPageToken"] = _token(wanted.jql, end)
    return page


def _digest(jql: str) -> str:
    return hashlib.sha256(jql.encode()).hexdigest()[:16]


def _token(jql: str, end: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([_digest(jql), end])).decode()


def _start(wanted: Wanted) -> int:
    """Where the page of a token begins. Raises `JiraError` 400 for a token of another query or of nobody."""
    if wanted.next_page_token is None:
        return 0
    try:
        digest, start = orjson.loads(base64.b64decode(wanted.next_page_token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        digest, start = None, 0
    if digest != _digest(wanted.jql) or not isinstance(start, int) or start < 0:
        raise JiraError(400, "The provided next page token is invalid or has expired.")
    return start


ENDPOINTS = (
    Endpoint("GET", "/search/jql", get_search),
    Endpoint("POST", "/search/jql", post_search),
    Endpoint("POST", "/search/approximate-count", post_count),
    Endpoint("GET", "/search", removed),
    Endpoint("POST", "/search", removed),
)
