"""Rubbish is refused: whatever is sent, the sandbox answers in the 400s and stays as it was."""

# ruff: noqa: E501 - a body a line is easier to compare

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.jira.data import demo_site
from sandbox.jira.errors import JiraError
from sandbox.jira.search import search
from sandbox.people import PEOPLE
from tests.sandbox.jira.conftest import JiraServer, adf

WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "\x00",
    [],
    [[]],
    [None],
    {},
    {"id": {}},
    {"key": []},
    {"name": 1},
]
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "issue", {"fields": {"project": {"key": "OPEN"}, "issuetype": {"name": "Task"}, "summary": "x",
                                  "parent": {"key": "OPEN-2"}, "security": {"id": "1"}, "duedate": "2027-01-01"},
                       "update": {"labels": [{"add": "x"}]}, "properties": [{"key": "a", "value": 1}]}),
    ("PUT", "issue/OPEN-3", {"fields": {"assignee": {"accountId": "x"}, "labels": ["x"], "description": adf("x"),
                                        "priority": {"id": "1"}, "issuetype": {"id": "10002"},
                                        "customfield_10042": "x", "customfield_10016": 1},
                             "update": {"labels": [{"set": ["a"]}, {"add": "b"}],
                                        "comment": [{"add": {"body": adf("x")}}]}}),
    ("POST", "issue/OPEN-3/transitions", {"transition": {"id": "11"}, "fields": {"resolution": {"name": "Done"}}}),
    ("POST", "issue/OPEN-3/comment", {"body": adf("x"), "visibility": {"type": "role", "value": "Leads"}}),
    ("PUT", "issue/OPEN-2/comment/1", {"body": adf("x")}),
    ("POST", "issueLink", {"type": {"name": "Blocks"}, "inwardIssue": {"key": "OPEN-3"},
                           "outwardIssue": {"key": "OPEN-5"}, "comment": {"body": adf("x")}}),
    ("POST", "search/jql", {"jql": "project = OPEN", "fields": ["summary"], "maxResults": 5, "reconcileIssues": [1]}),
    ("POST", "search/approximate-count", {"jql": "project = OPEN"}),
]  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every node in a body."""
    inner: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(place for key, child in inner for place in _places(child, (*path, key)))]


def _with(body: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    if not path:
        return wrong
    changed = copy.deepcopy(body)
    node = changed
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = wrong
    return changed


@pytest.mark.parametrize(
    ("method", "path", "body"), BODIES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_wrong_node_anywhere_is_no_crash(jira: JiraServer, method: str, path: str, body: Any) -> None:
    """Each node of each body, replaced by each wrong value, is answered below 500."""
    for place in _places(body):
        for wrong in WRONG:
            answer = await jira.ask("ana", method, path, _with(body, place, wrong))
            assert answer.status_code < 500, (place, wrong, answer.text)


PATHS = [
    "issue/" + "9" * 5000, "issue/%00", "issue/OPEN-²", "issue/..%2f..%2fmyself", "issue/OPEN-1%3Fx", "issue/-", "issue/%F0%9F%98%80-1",
    "project/" + "9" * 5000, "project/search?startAt=" + "9" * 5000, "project/search?startAt=-1&maxResults=-5",
    "search/jql?jql=project%3DOPEN&nextPageToken=AAAA", "search/jql?jql=project%3DOPEN&nextPageToken=%F0%9F%98%80",
    "search/jql?jql=project%3DOPEN&maxResults=-3", "search/jql?jql=project%3DOPEN&nextPageToken=W1tdXQ==",
    "search/jql?jql=project%3DOPEN&reconcileIssues=" + "9" * 5000,
    "issue/OPEN-1/comment?startAt=%C2%B2", "mypermissions?permissions=,,&issueKey=%00", "issue/OPEN-1?fields=,,-,*",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
async def test_a_wrong_path_is_no_crash(jira: JiraServer, path: str) -> None:
    """Ids of 5,000 digits, NUL, other scripts' digits, dots and foreign tokens are answered below 500."""
    assert (await jira.ask("ana", "GET", path)).status_code < 500


SITE = demo_site(PEOPLE)
FIELDS = (
    "project", "key", "status", "statusCategory", "labels", "level", "assignee", "reporter", "created", "due",
    "priority", "text", "summary", "parent", "resolution", "cf[10042]", "issuetype", "nonsense",
)  # fmt: skip
OPERATORS = ("=", "!=", "~", "!~", "<", ">=", "in", "not in", "is", "is not", "was", "was not", "changed")
OPERANDS = (
    "OPEN", "VAULT", "OPEN-1", "VAULT-1", "Done", "High", "EMPTY", "'Staff only'", "currentUser()", "now()",
    "-999999y", "-5d", "'9999-12-31'", "'0001-01-01'", "startOfDay('-999999y')", "endOfYear(999999)", "(OPEN, EMPTY)",
    "(High, currentUser())", "subTaskIssueTypes()", "''", "'*'", "9", "",
)  # fmt: skip
CLAUSES = st.builds(
    " ".join, st.tuples(st.sampled_from(FIELDS), st.sampled_from(OPERATORS), st.sampled_from(OPERANDS))
)
JOINED = st.recursive(
    CLAUSES,
    lambda inner: st.one_of(
        inner.map("NOT ({})".format),
        st.tuples(inner, st.sampled_from((" AND ", " OR ")), inner).map("".join),
    ),
    max_leaves=4,
)
ORDERS = st.sampled_from(("", *(f" ORDER BY {field} DESC, key" for field in FIELDS)))


@given(JOINED, ORDERS)
@settings(max_examples=600, deadline=None)
def test_any_jql_is_answered_or_refused(where: str, order: str) -> None:
    """Any join of clauses is a list of issues that bo may see, or a 400."""
    try:
        found = search(SITE, SITE.people["bo"], where + order)
    except JiraError as refused:
        assert refused.status == 400
    else:
        assert all(issue.project.key != "VAULT" and issue.key != "OPEN-7" for issue in found)
