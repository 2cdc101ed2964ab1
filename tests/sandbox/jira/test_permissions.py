"""Who sees and does what: ana and bo side by side, and the rules that make a sandbox's Jira true."""

from typing import Any

import pytest

from sandbox.jira import DEMO
from tests.sandbox.jira.conftest import JiraServer, adf

UNSEEN = {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}}

SEEN = [  # issue, then whether ana, bo, hana, lee and mallory see it
    (DEMO["epic"], "ana bo hana lee"),
    (DEMO["secured"], "ana"),
    (DEMO["vault"], "ana"),
    (DEMO["confidential"], "ana"),
    (DEMO["address"], "ana bo hana lee"),
    (DEMO["private"], "hana lee"),
    ("HELP-4", "bo hana"),
]


@pytest.mark.parametrize(("key", "seers"), SEEN)
@pytest.mark.parametrize("who", ["ana", "bo", "hana", "lee", "mallory", ""])
async def test_an_issue_exists_for_those_who_may_see_it(
    jira: JiraServer, key: str, seers: str, who: str
) -> None:
    """Direct reads, searches and counts agree; for the others it is answered as if there were none."""
    sees = who in seers.split()
    answer = await jira.ask(who, "GET", f"issue/{key}")
    assert answer.status_code == (200 if sees else 404)
    assert await jira.keys(who, f"key = {key}") == ([key] if sees else [])
    count = (await jira.ask(who, "POST", "search/approximate-count", {"jql": f"key = {key}"})).json()
    assert count == {"count": 1 if sees else 0}
    if not sees:
        assert answer.json() == UNSEEN == (await jira.ask(who, "GET", "issue/OPEN-99999")).json()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("tail", ["", "/transitions", "/comment"])
async def test_nothing_tells_an_unseen_issue_from_a_missing_one(
    jira: JiraServer, method: str, tail: str
) -> None:
    """Every route below an issue answers bo alike for VAULT-1 and for an issue that never was."""
    unseen = await jira.ask("bo", method, f"issue/{DEMO['vault']}{tail}", {})
    missing = await jira.ask("bo", method, f"issue/VAULT-9999{tail}", {})
    assert unseen.status_code == missing.status_code
    assert unseen.text.replace(DEMO["vault"], "*") == missing.text.replace("VAULT-9999", "*")


PERMISSIONS = [  # permission, where, and who holds it of ana, bo, hana, lee
    ("BROWSE_PROJECTS", "projectKey=OPEN", "ana bo hana lee"),
    ("CREATE_ISSUES", "projectKey=OPEN", "ana bo"),
    ("ADD_COMMENTS", "projectKey=OPEN", "ana bo"),
    ("TRANSITION_ISSUES", "projectKey=OPEN", "ana"),
    ("DELETE_ISSUES", "projectKey=OPEN", "ana"),
    ("SET_ISSUE_SECURITY", "projectKey=OPEN", "ana"),
    ("DELETE_ISSUES", "projectKey=HELP", "hana"),
    ("TRANSITION_ISSUES", "issueKey=HELP-3", "hana"),
    ("EDIT_ISSUES", "issueKey=HELP-3", "hana lee"),
    ("EDIT_ISSUES", "issueKey=HELP-1", "bo hana"),
    ("EDIT_ISSUES", "projectKey=HELP", "ana bo hana lee"),
    ("USER_PICKER", "projectKey=OPEN", "ana bo hana"),
    ("ADMINISTER", "projectKey=OPEN", ""),
]


@pytest.mark.parametrize(("permission", "where", "holders"), PERMISSIONS)
async def test_mypermissions_differ(jira: JiraServer, permission: str, where: str, holders: str) -> None:
    """In a project, issue-dependent holders count as possible; on an issue the answer is exact."""
    for who in ("ana", "bo", "hana", "lee"):
        answer = await jira.get(who, f"mypermissions?{where}&permissions={permission}")
        assert list(answer["permissions"]) == [permission]
        assert answer["permissions"][permission]["havePermission"] is (who in holders.split()), who


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("permissions=NONSENSE", 400), ("permissions=ADD_COMMENTS&projectKey=VAULT", 404),
     ("permissions=ADD_COMMENTS&issueKey=OPEN-7", 404), ("permissions=ADD_COMMENTS&projectKey=NONE", 404)],
)  # fmt: skip
async def test_mypermissions_refuses(jira: JiraServer, query: str, status: int) -> None:
    """The keys are mandatory and known; an unseen project or issue is 404."""
    assert (await jira.ask("bo", "GET", f"mypermissions?{query}")).status_code == status


async def test_searches_stay_within_what_is_seen(jira: JiraServer) -> None:
    """Whatever bo asks, no issue of VAULT or at a level that is not his is found or counted."""
    everything = "project in (OPEN, VAULT, HELP)"
    seen = set(await jira.keys("bo", everything))
    assert seen == {key for key in seen if not key.startswith("VAULT")}
    assert seen.isdisjoint({DEMO["secured"], DEMO["private"]})
    assert {DEMO["secured"], DEMO["vault"]} <= set(await jira.keys("ana", everything))
    for jql in (
        "level is not EMPTY OR project = VAULT",
        "text ~ heron",
        "NOT project = OPEN",
        "key != OPEN-1",
    ):
        assert set(await jira.keys("bo", jql)) <= seen
    count = (await jira.ask("bo", "POST", "search/approximate-count", {"jql": everything})).json()["count"]
    assert count == len(seen)


async def test_stubs_of_unseen_issues_are_absent(jira: JiraServer) -> None:
    """Links, sub-tasks and parents that the caller may not see are not shown inside those that he may."""
    linked = await jira.get("ana", f"issue/{DEMO['rich']}")
    assert [link["outwardIssue"]["key"] for link in linked["fields"]["issuelinks"]] == ["VAULT-2"]
    assert (await jira.get("bo", f"issue/{DEMO['rich']}"))["fields"]["issuelinks"] == []
    assert (await jira.get("bo", "issue/OPEN-6"))["fields"]["issuelinks"] == []
    level = jira.site.issues[DEMO["secured"]].level
    jira.site.issues["OPEN-16"].level = level
    subtasks = (await jira.get("bo", "issue/OPEN-2"))["fields"]["subtasks"]
    assert [stub["key"] for stub in subtasks] == ["OPEN-15"]
    jira.site.issues["OPEN-2"].level = level
    child = await jira.get("bo", "issue/OPEN-15")
    assert "parent" not in child["fields"]
    assert await jira.keys("bo", "parent = OPEN-2") == []


async def test_subtasks_inherit_the_level(jira: JiraServer) -> None:
    """A sub-task of a secured issue is as hidden as its parent, and follows when the level is taken away."""
    fields = {"project": {"key": "OPEN"}, "issuetype": {"name": "Sub-task"}, "summary": "Fix it",
              "parent": {"key": DEMO["secured"]}}  # fmt: skip
    key = (await jira.ask("ana", "POST", "issue", {"fields": fields})).json()["key"]
    assert (await jira.ask("bo", "GET", f"issue/{key}")).status_code == 404
    await jira.ask("ana", "PUT", f"issue/{DEMO['secured']}", {"fields": {"security": None}})
    assert (await jira.ask("bo", "GET", f"issue/{key}")).status_code == 200


async def test_transitions_are_per_caller(jira: JiraServer) -> None:
    """ana may move OPEN-3, bo gets an empty list and a 400 that does not say whether the id exists."""
    ana = (await jira.get("ana", "issue/OPEN-3/transitions"))["transitions"]
    assert [(step["id"], step["name"], step["to"]["name"]) for step in ana] == [
        ("11", "Start progress", "In Progress"),
        ("51", "Drop", "Done"),
    ]
    assert (await jira.get("bo", "issue/OPEN-3/transitions"))["transitions"] == []
    refused = await jira.ask("bo", "POST", "issue/OPEN-3/transitions", {"transition": {"id": "11"}})
    assert refused.status_code == 400
    assert refused.json()["errorMessages"] == ["Transition id '11' is not valid for this issue."]
    assert jira.site.issues["OPEN-3"].status.name == "To Do"


async def test_createmeta_is_per_caller(jira: JiraServer) -> None:
    """Types to create are listed for those who may create, none for a reader, and 404 hides the project."""
    assert (await jira.get("bo", "issue/createmeta/OPEN/issuetypes"))["total"] == 5
    assert (await jira.get("lee", "issue/createmeta/OPEN/issuetypes"))["issueTypes"] == []
    assert (await jira.ask("bo", "GET", "issue/createmeta/VAULT/issuetypes")).status_code == 404


async def test_restricted_comments_are_for_their_role_or_group(jira: JiraServer) -> None:
    """A comment for Leads is read by ana alone: in the issue, in the list, by id, and by text search."""
    shown = {who: await jira.get(who, "issue/OPEN-4/comment") for who in ("ana", "bo")}
    assert (shown["ana"]["total"], shown["bo"]["total"]) == (2, 1)
    secret = shown["ana"]["comments"][1]
    assert secret["visibility"] == {"type": "role", "value": "Leads", "identifier": "Leads"}
    assert (await jira.ask("bo", "GET", f"issue/OPEN-4/comment/{secret['id']}")).status_code == 404
    assert (await jira.get("bo", "issue/OPEN-4"))["fields"]["comment"]["total"] == 1
    assert await jira.keys("ana", 'text ~ "customer\'s"') == ["OPEN-4"]
    assert await jira.keys("bo", 'text ~ "customer\'s"') == []
    assert (await jira.get("lee", "issue/HELP-3/comment"))["total"] == 1
    assert (await jira.get("hana", "issue/HELP-3/comment"))["total"] == 2


async def test_users_are_found_by_those_who_may_browse_them(jira: JiraServer) -> None:
    """Without USER_PICKER the search is empty and a lookup is 403, but everybody may look at themselves."""
    bo = (await jira.get("bo", "myself"))["accountId"]
    assert [user["displayName"] for user in await jira.get("ana", "user/search?query=bo")] == ["Bo Berg"]
    assert await jira.get("lee", "user/search?query=bo") == []
    assert (await jira.ask("lee", "GET", f"user?accountId={bo}")).status_code == 403
    assert (await jira.ask("ana", "GET", f"user?accountId={bo}")).status_code == 200
    assert (await jira.ask("bo", "GET", f"user?accountId={bo}")).status_code == 200
    assert (await jira.ask("ana", "GET", "user?accountId=nobody")).status_code == 404


@pytest.mark.parametrize(("who", "keys"), [("ana", "HELP OPEN VAULT"), ("lee", "HELP OPEN"), ("mallory", "")])
async def test_projects_are_listed_for_those_who_may_browse_them(
    jira: JiraServer, who: str, keys: str
) -> None:
    """A project that one may not browse is in no list and is 404, like one that never was."""
    listed = await jira.get(who, "project/search")
    assert [project["key"] for project in listed["values"]] == keys.split()
    for key in ("OPEN", "VAULT", "HELP"):
        answer = await jira.ask(who, "GET", f"project/{key}")
        assert answer.status_code == (200 if key in keys.split() else 404)
    missing = await jira.ask(who, "GET", "project/NONE")
    assert missing.json()["errorMessages"] == ["No project could be found with key 'NONE'."]


async def test_project_keys_are_case_sensitive_and_issue_keys_are_not(jira: JiraServer) -> None:
    """`open` is no project, and `open-1` is OPEN-1."""
    assert (await jira.ask("ana", "GET", "project/open")).status_code == 404
    assert (await jira.get("ana", "issue/open-1"))["key"] == "OPEN-1"


async def test_configuration_is_for_administrators(jira: JiraServer) -> None:
    """Roles are 401 for others than project administrators, as Jira answers it; schemes are 403."""
    assert "Leads" in await jira.get("ana", "project/OPEN/role")
    refused = await jira.ask("bo", "GET", "project/OPEN/role")
    assert (refused.status_code, refused.json()["errorMessages"]) == (
        401,
        ["You cannot edit the configuration of this project."],
    )
    assert (await jira.ask("bo", "GET", "project/VAULT/role")).status_code == 404
    assert (await jira.ask("bo", "GET", "project/OPEN/permissionscheme")).status_code == 403


async def test_levels_are_listed_for_their_members(jira: JiraServer) -> None:
    """A project's levels are those of the caller."""
    ana: Any = await jira.get("ana", "project/OPEN/securitylevel")
    assert [level["name"] for level in ana["levels"]] == ["Staff only"]
    assert await jira.get("bo", "project/OPEN/securitylevel") == {"levels": []}


async def test_a_moved_issue_answers_to_its_old_key(jira: JiraServer) -> None:
    """The old key gives the issue under its new key, to those who may see it where it is now."""
    moved = await jira.get("ana", f"issue/{DEMO['moved_from']}")
    assert (moved["key"], moved["fields"]["project"]["key"]) == (DEMO["moved_to"], "VAULT")
    assert (await jira.ask("bo", "GET", f"issue/{DEMO['moved_from']}")).json() == UNSEEN


async def test_the_stories_hold(jira: JiraServer) -> None:
    """bo creates and comments in OPEN; ana may delete there, nobody in VAULT."""
    fields = {"project": {"key": "OPEN"}, "issuetype": {"name": "Bug"}, "summary": "Seen by bo"}
    made = await jira.ask("bo", "POST", "issue", {"fields": fields})
    assert (made.status_code, made.json()["key"]) == (201, "OPEN-32")
    assert (await jira.ask("bo", "POST", "issue/OPEN-32/comment", {"body": adf("Me too")})).status_code == 201
    assert (await jira.ask("bo", "DELETE", "issue/OPEN-32")).status_code == 403
    assert (await jira.ask("ana", "DELETE", "issue/OPEN-32")).status_code == 204
    for key in (DEMO["story"], DEMO["epic"]):  # what policy refuses in the demo, Jira would have done
        assert (await jira.ask("ana", "DELETE", f"issue/{key}")).status_code == 204
    assert (await jira.ask("ana", "DELETE", f"issue/{DEMO['vault']}")).status_code == 403
