"""As whom Jira runs a request, and what it says when a credential is wrong."""

from typing import Any

import pytest

from sandbox.jira import api_token
from sandbox.people import PEOPLE
from tests.sandbox.jira.conftest import JiraServer, adf, basic, bearer

READ_ONLY, WRITE_ONLY = "read:jira-work", "write:jira-work"


@pytest.mark.parametrize("who", ["ana", "ana@basic", "bo", "bo@basic", "mallory"])
async def test_a_good_credential_is_its_person(jira: JiraServer, who: str) -> None:
    """A verified token and an API token both make the person; the answer says so in body and header."""
    person = PEOPLE[who.removesuffix("@basic")]
    answer = await jira.ask(who, "GET", "myself")
    assert answer.json()["accountId"] == person.account_id
    assert answer.headers["x-aaccountid"] == person.account_id
    assert "x-seraph-loginreason" not in answer.headers


ANONYMOUS = [
    ("GET", "project/search", None, 200, lambda body: body["values"] == [] and body["total"] == 0),
    ("POST", "search/jql", {"jql": "project = OPEN"}, 200,
     lambda body: body == {"issues": [], "isLast": True}),
    ("POST", "search/approximate-count", {"jql": "project = OPEN"}, 200, lambda body: body == {"count": 0}),
    ("GET", "issue/OPEN-1", None, 404, lambda body: "do not have permission" in body["errorMessages"][0]),
    ("POST", "issue/OPEN-1/comment", {"body": adf("x")}, 404, lambda body: True),
    ("GET", "user/search?query=a", None, 200, lambda body: body == []),
    ("GET", "mypermissions?permissions=BROWSE_PROJECTS", None, 200,
     lambda body: body["permissions"]["BROWSE_PROJECTS"]["havePermission"] is False),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "sent", "status", "right"), ANONYMOUS)
async def test_a_wrong_api_token_goes_on_as_anonymous(
    jira: JiraServer, method: str, path: str, sent: Any, status: int, right: Any
) -> None:
    """A wrong Basic pair is not refused: Jira answers as to a stranger and says so only in a header."""
    client = await jira.client(basic(PEOPLE["ana"].email, "expired"))
    answer = await client.request(method, path, json=sent)
    assert answer.status_code == status
    assert right(answer.json())
    assert answer.headers["x-seraph-loginreason"] == "AUTHENTICATED_FAILED"
    assert "x-aaccountid" not in answer.headers


async def test_another_persons_token_does_not_fit(jira: JiraServer) -> None:
    """A good API token under another e-mail address is nobody's."""
    client = await jira.client(basic(PEOPLE["ana"].email, api_token(PEOPLE["bo"])))
    assert (await client.get("issue/OPEN-1")).status_code == 404


@pytest.mark.parametrize("path", ["myself", "permissionscheme", "project/OPEN/permissionscheme"])
async def test_some_routes_demand_that_somebody_is_signed_in(jira: JiraServer, path: str) -> None:
    """`myself` and the routes of administrators refuse strangers in Jira's words."""
    answer = await jira.ask("", "GET", path)
    assert answer.status_code == 401
    assert answer.text == "Client must be authenticated to access this resource."
    assert answer.headers["www-authenticate"] == f'OAuth realm="{jira.url}"'


async def test_nobody_is_not_a_failed_login(jira: JiraServer) -> None:
    """Without any credential there is no login to fail."""
    answer = await jira.ask("", "GET", "project/search")
    assert answer.json()["values"] == []
    assert "x-seraph-loginreason" not in answer.headers


@pytest.mark.parametrize("path", ["myself", "issue/OPEN-1", "serverInfo", "nothing/here"])
async def test_a_bearer_that_is_no_jwt_is_refused_everywhere(jira: JiraServer, path: str) -> None:
    """Jira Cloud takes an opaque Bearer for a broken session token: 403 on every route."""
    answer = await (await jira.client({"Authorization": "Bearer opaque"})).get(path)
    assert (answer.status_code, answer.json()) == (
        403,
        {"error": "Failed to parse Connect Session Auth Token"},
    )


@pytest.mark.parametrize("token", ["bad.ana.read:jira-work", "ok.nobody.read:jira-work"])
async def test_a_token_that_does_not_verify_is_refused(jira: JiraServer, token: str) -> None:
    """A token of nobody known here, or that does not verify, is 401 and nothing runs."""
    answer = await (await jira.client({"Authorization": f"Bearer {token}"})).get("issue/OPEN-1")
    assert (answer.status_code, answer.json()) == (401, {"code": 401, "message": "Unauthorized"})


WRITES = [
    ("POST", "issue"), ("PUT", "issue/OPEN-3"), ("DELETE", "issue/OPEN-3"),
    ("POST", "issue/OPEN-3/transitions"), ("POST", "issue/OPEN-3/comment"), ("PUT", "issue/OPEN-3/comment/1"),
    ("DELETE", "issue/OPEN-3/comment/1"), ("POST", "issueLink"),
]  # fmt: skip
READS = [
    ("GET", "myself"), ("GET", "issue/OPEN-1"), ("POST", "search/jql"), ("POST", "search/approximate-count"),
    ("GET", "issue/OPEN-1/transitions"), ("GET", "project/search"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "method", "path"), [(READ_ONLY, *w) for w in WRITES] + [(WRITE_ONLY, *r) for r in READS]
)
async def test_a_token_does_what_its_scope_says(jira: JiraServer, scope: str, method: str, path: str) -> None:
    """A write needs the write scope, a read the read scope; neither implies the other."""
    before = len(jira.site.issues)
    answer = await (await jira.client(bearer("ana", scope))).request(
        method, path, json={"jql": "project = OPEN"}
    )
    assert answer.status_code == 401
    assert answer.json() == {"code": 401, "message": "Unauthorized; scope does not match"}
    assert len(jira.site.issues) == before


async def test_the_log_says_who_sent_what(jira: JiraServer) -> None:
    """Each request is logged with its subject, body and token id, refused ones too."""
    await jira.ask("bo", "POST", "issue/OPEN-3/comment", {"body": adf("Logged")})
    await (await jira.client({"Authorization": "Bearer opaque"})).get("myself")
    first, second = jira.app.state.requests
    assert (first.method, first.path, first.subject) == ("POST", "/rest/api/3/issue/OPEN-3/comment", "bo")
    assert (first.token_id, b"Logged" in first.body) == ("jti-bo", True)
    assert (second.path, second.subject) == ("/rest/api/3/myself", "")
