"""JQL as Jira evaluates it, and the search endpoints with their checks in Jira's order."""

from typing import Any

import pytest

from sandbox.people import PEOPLE
from tests.sandbox.jira.conftest import JiraServer

ALL_OPEN = {f"OPEN-{n}" for n in range(1, 32)}

FOUND = [
    ("project = OPEN AND status = Done", "OPEN-5 OPEN-10 OPEN-12 OPEN-15 OPEN-17 OPEN-22 OPEN-23"),
    ("project = 'Open Platform' AND issuetype = Epic", "OPEN-1 OPEN-24"),
    ("project = 10001 AND statusCategory = Done", "VAULT-3 VAULT-6 VAULT-10"),
    ("project = VAULT AND statusCategory in ('To Do', done) AND labels = 'audit'", "VAULT-4 VAULT-11"),
    ("key in (OPEN-1, open-2, OPEN-900, OPEN-5000)", "OPEN-1 OPEN-2 VAULT-3"),
    ("priority > High AND project = OPEN", "OPEN-4 OPEN-7 OPEN-30"),
    ("priority <= Lowest AND project = OPEN", "OPEN-19"),
    ("project = OPEN AND assignee = currentUser()", "OPEN-1 OPEN-7 OPEN-24 OPEN-27"),
    (f"project = OPEN AND reporter = {PEOPLE['lee'].account_id} AND labels = docs", "OPEN-29"),
    ("project = OPEN AND reporter = 'Lee Lindgren' AND labels in (docs, export)", "OPEN-13 OPEN-29"),
    ("project = OPEN AND assignee is EMPTY AND labels = web AND priority = Medium", "OPEN-8"),
    ("summary ~ passkey AND type = Story", "OPEN-2"),
    ("summary ~ 'passk*' AND type != Story", "OPEN-15 OPEN-16 OPEN-27"),
    ("text ~ 'discount column'", "OPEN-4"),
    ("description ~ heron", "VAULT-1"),
    ("comment ~ phone", "OPEN-2"),
    ("project = OPEN AND created >= -5d", "OPEN-13 OPEN-28 OPEN-30"),
    ("project = OPEN AND created < '-120d 1h'", "OPEN-20 OPEN-24"),
    ("project = OPEN AND created > startOfDay('-2d')", "OPEN-30"),
    ("due < '2027-02-01' AND due is not EMPTY", "OPEN-6"),
    ("level = 'Staff only'", "OPEN-7"),
    ("level is not EMPTY AND project = OPEN", "OPEN-7"),
    ("parent = OPEN-2", "OPEN-15 OPEN-16"),
    ("project = OPEN AND type in subTaskIssueTypes()", "OPEN-15 OPEN-16"),
    ("project = OPEN AND resolution = Done AND labels = ops", "OPEN-22"),
    ("project = VAULT AND status was Draft AND status = Paid", "VAULT-3 VAULT-6 VAULT-10"),
    ("project = OPEN AND status changed AND labels = search", ""),
    ("'Home address' ~ Harbour", "HELP-3"),
    ("cf[10042] ~ Mill", "HELP-14"),
    ("cf[10042] is not EMPTY", "HELP-3 HELP-10 HELP-14"),
    ("project = HELP AND NOT (status = Resolved OR labels in (hardware, 'access', people, office))",
     "HELP-3 HELP-14 HELP-16"),
    ("project = NONE", ""),
    ("project = OPEN AND project = VAULT", ""),
    ("this is not jql", ""),
]  # fmt: skip


@pytest.mark.parametrize(("jql", "keys"), FOUND)
async def test_what_is_found(jira: JiraServer, jql: str, keys: str) -> None:
    """Each query finds exactly these, for ana."""
    assert sorted(await jira.keys("ana", jql)) == sorted(keys.split())


NEGATIVE = [
    ("labels != web", "labels = web"),
    ("assignee != currentUser()", "assignee = currentUser()"),
    ("level != 'Staff only'", "level = 'Staff only'"),
    ("level not in ('Staff only', Confidential)", "level in ('Staff only', Confidential)"),
    ("summary !~ build", "summary ~ build"),
    ("resolution != Done", "resolution = Done"),
]


@pytest.mark.parametrize(("negative", "positive"), NEGATIVE)
async def test_negative_operators_leave_out_empty_fields(
    jira: JiraServer, negative: str, positive: str
) -> None:
    """`!=`, `NOT IN` and `NOT (=)` find what has another value, and not what has none."""
    field = positive.split()[0]
    held = set(await jira.keys("ana", f"project = OPEN AND {positive}"))
    others = set(await jira.keys("ana", f"project = OPEN AND {negative}"))
    empty = ALL_OPEN - held - others
    if field != "summary":
        assert empty == set(await jira.keys("ana", f"project = OPEN AND {field} is EMPTY"))
    assert others == set(await jira.keys("ana", f"project = OPEN AND NOT {positive}"))
    assert held | others | empty == ALL_OPEN
    assert not held & others


ORDERED = [
    ("project = VAULT AND type = Task ORDER BY key", "VAULT-4 VAULT-5 VAULT-8 VAULT-11"),
    ("project = VAULT AND type = Task ORDER BY key DESC", "VAULT-11 VAULT-8 VAULT-5 VAULT-4"),
    ("project = VAULT AND type = Task ORDER BY created", "VAULT-5 VAULT-11 VAULT-4 VAULT-8"),
    ("project = VAULT AND type = Task ORDER BY created ASC", "VAULT-8 VAULT-4 VAULT-11 VAULT-5"),
    ("project = VAULT AND type = Task ORDER BY priority, key DESC", "VAULT-5 VAULT-11 VAULT-4 VAULT-8"),
    ("project = VAULT AND type = Task ORDER BY assignee, key", "VAULT-4 VAULT-5 VAULT-11 VAULT-8"),
    ("project = VAULT AND type = Task", "VAULT-11 VAULT-8 VAULT-5 VAULT-4"),
]


@pytest.mark.parametrize(("jql", "keys"), ORDERED)
async def test_order(jira: JiraServer, jql: str, keys: str) -> None:
    """ORDER BY sorts by several fields; dates and priority go down by default, empty comes last going up."""
    assert await jira.keys("ana", jql) == keys.split()


BAD = [
    ("", "Unbounded JQL queries are not allowed here."),
    ("ORDER BY created", "Unbounded JQL queries are not allowed here."),
    ('project = "x', "Error in the JQL Query"),
    ("project = OPEN AND (", "Error in the JQL Query"),
    ("nonsense = 1", "Field 'nonsense' does not exist or you do not have permission to view it."),
    ("project = OPEN ORDER BY nonsense", "Field 'nonsense' does not exist"),
    ("issue.property[x].y = 1", "does not exist"),
    ("status = Nonsense", "The value 'Nonsense' does not exist for the field 'status'."),
    ("priority = Urgent", "The value 'Urgent' does not exist for the field 'priority'."),
    ("assignee = nobody", "The value 'nobody' does not exist for the field 'assignee'."),
    ("summary = x", "The operator '=' is not supported by the 'summary' field."),
    ("status ~ Done", "The operator '~' is not supported by the 'status' field."),
    ("labels > a", "The operator '>' is not supported by the 'labels' field."),
    ("created > yesterday", "Date value 'yesterday' for field 'created' is invalid."),
    ("assignee in membersOf(hr)", "Unable to find JQL function 'membersOf()'."),
    ("key = nonsense", "The issue key 'nonsense' for field 'issuekey' is invalid."),
    (
        "project = OPEN ORDER BY key, status, priority, created, updated, labels, assignee, summary",
        "at most 7",
    ),
]


@pytest.mark.parametrize(("jql", "why"), BAD)
async def test_what_jira_refuses(jira: JiraServer, jql: str, why: str) -> None:
    """Searches and counts refuse alike, with Jira's sentence."""
    search = await jira.ask("ana", "POST", "search/jql", {"jql": jql})
    count = await jira.ask("ana", "POST", "search/approximate-count", {"jql": jql})
    assert search.status_code == count.status_code == 400
    assert why in search.json()["errorMessages"][0]
    assert search.json() == count.json()


async def test_unseen_is_as_missing_in_every_clause(jira: JiraServer) -> None:
    """A project, issue or level that bo may not see gives him the same answer as one that never was."""
    for unseen, missing in (
        ("project = VAULT", "project = NONE"),
        ("key = VAULT-1", "key = NONE-1"),
        ("parent = OPEN-7", "parent = OPEN-7777"),
        ("level = Confidential", "level = Nonsense"),
        ("level != 'Staff only'", "level != 'Nonsense'"),
    ):
        answers = [
            (await jira.ask("bo", "POST", "search/jql", {"jql": jql})).json() for jql in (unseen, missing)
        ]
        assert answers[0] == answers[1], unseen


async def test_ids_only_by_default(jira: JiraServer) -> None:
    """Without `fields` an issue is its id; with them it has a key and just those fields."""
    page = (await jira.ask("ana", "POST", "search/jql", {"jql": "key = OPEN-1"})).json()
    assert page == {"isLast": True, "issues": [{"id": str(jira.site.issues["OPEN-1"].id)}]}
    page = (
        await jira.ask("ana", "POST", "search/jql", {"jql": "key = OPEN-1", "fields": ["summary"]})
    ).json()
    assert set(page["issues"][0]) == {"expand", "id", "self", "key", "fields"}
    assert set(page["issues"][0]["fields"]) == {"summary"}


@pytest.mark.parametrize("size", [1, 7, 30, 31, 5000])
async def test_pages_are_walked_by_token(jira: JiraServer, size: int) -> None:
    """Pages meet without gap or overlap; only the last has no token; there is no total."""
    body: dict[str, Any] = {"jql": "project = OPEN ORDER BY key", "fields": ["key"], "maxResults": size}
    keys: list[str] = []
    while True:
        page = (await jira.ask("ana", "POST", "search/jql", body)).json()
        assert page["isLast"] is ("nextPageToken" not in page)
        assert not {"total", "startAt"} & set(page)
        keys += [issue["key"] for issue in page["issues"]]
        if page["isLast"]:
            break
        body["nextPageToken"] = page["nextPageToken"]
    assert keys == [f"OPEN-{n}" for n in range(1, 32)]


GOOD = "project = OPEN"
CHECKED = [  # the earlier check wins over every later one
    ({"jql": "", "startAt": 0, "nextPageToken": "x", "maxResults": 0}, "Invalid request payload."),
    ({"jql": GOOD, "expand": ["names"]}, "Invalid request payload."),
    ({"jql": GOOD, "fields": "summary"}, "Invalid request payload."),
    ([], "Invalid request payload."),
    (
        {"jql": "", "nextPageToken": "x", "reconcileIssues": list(range(51)), "maxResults": 0},
        "next page token",
    ),
    ({"jql": "", "reconcileIssues": list(range(51)), "maxResults": 0}, "issues to reconcile is 50."),
    ({"jql": "", "maxResults": 0}, "between 1 and 5000"),
    ({"jql": "", "maxResults": 5001}, "between 1 and 5000"),
    ({"jql": ""}, "Unbounded"),
]


@pytest.mark.parametrize(("body", "why"), CHECKED)
async def test_the_order_of_the_checks(jira: JiraServer, body: Any, why: str) -> None:
    """Binding, token, reconcile count, range, restriction: in this order, each a 400."""
    answer = await jira.ask("ana", "POST", "search/jql", body)
    assert answer.status_code == 400
    assert why in answer.json()["errorMessages"][0]


async def test_a_token_is_for_its_query(jira: JiraServer) -> None:
    """The token of one query is refused by another."""
    first = await jira.ask("ana", "POST", "search/jql", {"jql": GOOD, "maxResults": 1})
    stolen = {"jql": "project = HELP", "nextPageToken": first.json()["nextPageToken"]}
    assert (await jira.ask("ana", "POST", "search/jql", stolen)).status_code == 400


async def test_get_and_post_agree(jira: JiraServer) -> None:
    """The same search by GET has the same answer."""
    params = {"jql": GOOD, "fields": "summary,status", "maxResults": "2", "expand": "names"}
    got = await jira.get("bo", "search/jql", params=params)
    body = {"jql": GOOD, "fields": ["summary", "status"], "maxResults": 2, "expand": "names"}
    assert got == (await jira.ask("bo", "POST", "search/jql", body)).json()
    assert got["names"] == {"summary": "Summary", "status": "Status"}


@pytest.mark.parametrize("path", ["/rest/api/3/search", "/rest/api/2/search"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_old_search_is_gone(jira: JiraServer, path: str, method: str) -> None:
    """410 with where to go."""
    answer = await jira.ask("ana", method, f"{jira.url}{path}")
    assert answer.status_code == 410
    assert "/rest/api/3/search/jql" in answer.json()["errorMessages"][0]
