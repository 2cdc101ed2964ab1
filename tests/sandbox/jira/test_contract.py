"""What the sandbox sends is what Atlassian's document and recorded payloads say that Jira sends."""

from typing import Any

import pytest

from sandbox.people import PEOPLE
from tests.sandbox.jira import contract
from tests.sandbox.jira.conftest import JiraServer, adf

ANA = PEOPLE["ana"].account_id

READS = [
    ("myself", "myself"),
    ("myself", "myself?expand=groups"),
    ("serverInfo", "serverInfo"),
    ("issue/{issueIdOrKey}/transitions", "issue/OPEN-2/transitions"),
    ("issue/{issueIdOrKey}/transitions", "issue/OPEN-2/transitions?expand=transitions.fields"),
    ("issue/{issueIdOrKey}/comment", "issue/OPEN-4/comment"),
    ("issue/{issueIdOrKey}/comment", "issue/OPEN-4/comment?orderBy=-created&maxResults=1"),
    ("search/jql", "search/jql?jql=project%20%3D%20OPEN"),
    ("search/jql", "search/jql?jql=project%20%3D%20OPEN&fields=*all&expand=names,schema,renderedFields"),
    ("project/search", "project/search"),
    ("project/search", "project/search?maxResults=1&startAt=1"),
    ("project/{projectIdOrKey}", "project/OPEN"),
    ("project/{projectIdOrKey}", "project/VAULT"),
    ("project/{projectIdOrKey}/role", "project/OPEN/role"),
    ("project/{projectIdOrKey}/role/{id}", "project/OPEN/role/10002"),
    ("project/{projectIdOrKey}/role/{id}", "project/OPEN/role/10003"),
    ("project/{projectKeyOrId}/securitylevel", "project/OPEN/securitylevel"),
    ("project/{projectKeyOrId}/permissionscheme", "project/OPEN/permissionscheme"),
    ("permissionscheme", "permissionscheme"),
    ("permissionscheme/{schemeId}", "permissionscheme/10000"),
    ("issueLinkType", "issueLinkType"),
    ("issuetype", "issuetype"),
    ("priority", "priority"),
    ("status", "status"),
    ("field", "field"),
    ("user", f"user?accountId={ANA}"),
    ("user/search", "user/search?query=a"),
    ("mypermissions", "mypermissions?permissions=BROWSE_PROJECTS,USER_PICKER"),
    ("permissions", "permissions"),
    ("issue/createmeta/{projectIdOrKey}/issuetypes", "issue/createmeta/OPEN/issuetypes"),
]


@pytest.mark.parametrize(("template", "path"), READS, ids=[path for _, path in READS])
async def test_each_read_fits_its_schema(jira: JiraServer, template: str, path: str) -> None:
    """Each GET is answered with 200 and a body that its response schema allows, extra keys included."""
    body = await jira.get("ana", path)
    assert body
    contract.answers("GET", template, 200, body)


async def test_every_issue_fits_and_has_what_real_ones_have(jira: JiraServer) -> None:
    """All issues, with all fields and history, fit the schemas of their parts and the recorded payloads."""
    keys = await jira.keys("ana", "project in (OPEN, VAULT, HELP)")
    keys += await jira.keys("hana", "level = 'Reporter and HR'")
    assert len(set(keys)) == 60
    for key in keys:
        who = "ana" if not key.startswith("HELP") else "hana"
        issue = await jira.get(who, f"issue/{key}?expand=changelog,names,renderedFields,transitions,schema")
        contract.answers("GET", "issue/{issueIdOrKey}", 200, issue)
        contract.fits_issue(issue)
        contract.present("issues", issue, without=frozenset(contract.AGILE_ONLY))
        for link in issue["fields"]["issuelinks"]:
            contract.present(
                "issue_relationships", {"fields": {"issuelinks": [link]}, "changelog": {}}, without=_OUTER
            )


_OUTER = frozenset(
    {"expand", "fields", "id", "key", "self", "histories", "maxResults", "startAt", "total"}
    | set(contract._PRESENCE["issue_relationships"]["always_present"]["$.fields"])
)
"""Keys around the links that the check of links alone leaves out."""


async def test_lists_have_what_real_ones_have(jira: JiraServer) -> None:
    """Projects, types, statuses and people carry every key that recorded ones carry."""
    for project in (await jira.get("ana", "project/search"))["values"]:
        contract.present("projects", project)
    for kind in await jira.get("ana", "issuetype"):
        contract.present("issue_types", kind)
    for status in await jira.get("ana", "status"):
        contract.present("status", status)
    contract.present("users", await jira.get("ana", "myself?expand=groups,applicationRoles"))


def _new(**fields: Any) -> dict[str, Any]:
    return {"fields": {"project": {"key": "OPEN"}, "issuetype": {"name": "Task"}, "summary": "New", **fields}}


WRITES = [
    ("POST", "issue", "issue", _new(), 201),
    ("POST", "issue", "issue", _new(description="plain"), 400),
    ("PUT", "issue/{issueIdOrKey}", "issue/OPEN-3", {"fields": {"summary": "Other"}}, 204),
    ("PUT", "issue/{issueIdOrKey}", "issue/OPEN-3", {"fields": {"nonsense": 1}}, 400),
    ("PUT", "issue/{issueIdOrKey}", "issue/NONE-3", {"fields": {}}, 404),
    ("DELETE", "issue/{issueIdOrKey}", "issue/OPEN-3", None, 204),
    ("DELETE", "issue/{issueIdOrKey}", "issue/VAULT-1", None, 403),
    ("DELETE", "issue/{issueIdOrKey}", "issue/OPEN-2", None, 400),
    ("POST", "issue/{issueIdOrKey}/transitions", "issue/OPEN-3/transitions",
     {"transition": {"id": "11"}}, 204),
    ("POST", "issue/{issueIdOrKey}/transitions", "issue/OPEN-3/transitions",
     {"transition": {"id": "1"}}, 400),
    ("POST", "issue/{issueIdOrKey}/comment", "issue/OPEN-3/comment", {"body": adf("Hello")}, 201),
    ("POST", "issue/{issueIdOrKey}/comment", "issue/OPEN-3/comment", {"body": "Hello"}, 400),
    ("POST", "search/jql", "search/jql", {"jql": "project = OPEN", "fields": ["*all"]}, 200),
    ("POST", "search/jql", "search/jql", {"jql": ""}, 400),
    ("POST", "search/approximate-count", "search/approximate-count", {"jql": "project = OPEN"}, 200),
    ("POST", "issueLink", "issueLink",
     {"type": {"name": "Relates"}, "inwardIssue": {"key": "OPEN-3"}, "outwardIssue": {"key": "OPEN-5"}}, 201),
]  # fmt: skip


@pytest.mark.parametrize(("method", "template", "path", "body", "status"), WRITES)
async def test_each_write_answers_as_documented(
    jira: JiraServer, method: str, template: str, path: str, body: Any, status: int
) -> None:
    """Writes and searches answer with a documented status and a body that fits."""
    answer = await jira.ask("ana", method, path, body)
    assert answer.status_code == status, answer.text
    contract.answers(method, template, status, answer.json() if answer.content else None)


async def test_answers_say_their_type_and_who_asked(jira: JiraServer) -> None:
    """JSON says its charset, as Jira does, and every answer names the account and the request."""
    good = await jira.ask("ana", "GET", "issue/OPEN-1")
    missing = await jira.ask("ana", "GET", "issue/OPEN-12345")
    for answer in (good, missing):
        assert answer.headers["content-type"] == "application/json;charset=UTF-8"
        assert answer.headers["x-aaccountid"] == ANA
        assert answer.headers["x-arequestid"]
    assert good.headers["x-arequestid"] != missing.headers["x-arequestid"]


async def test_unknown_paths_are_problem_documents(jira: JiraServer) -> None:
    """A path that is not served, and a number that is none, are RFC 7807 documents, and are logged."""
    unknown = await jira.ask("ana", "GET", "nothing/here")
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json;charset=UTF-8"
    assert unknown.json()["detail"] == "No endpoint GET /rest/api/3/nothing/here."
    wrong = await jira.ask("ana", "GET", "project/search?maxResults=abc")
    assert wrong.status_code == 400
    assert wrong.json()["detail"] == "Failed to convert 'maxResults' with value: 'abc'"
    assert ("GET", "/rest/api/3/nothing/here", "ana") in jira.log()
