"""Creating, editing, moving, linking and deleting, with Jira's own statuses for each refusal."""

from typing import Any

import pytest

from sandbox.people import PEOPLE
from tests.sandbox.jira.conftest import JiraServer, adf

BO = {"accountId": PEOPLE["bo"].account_id}


def new(**fields: Any) -> dict[str, Any]:
    """A body of POST issue."""
    base = {"project": {"key": "OPEN"}, "issuetype": {"name": "Task"}, "summary": "New"}
    return {"fields": {name: value for name, value in {**base, **fields}.items() if value is not ...}}


async def test_what_is_created_is_what_was_asked(jira: JiraServer) -> None:
    """Fields come back as they were sent, ADF untouched, and the creator is the caller."""
    body = adf("One", "Two")
    fields = {"description": body, "labels": ["a", "b"], "priority": {"name": "High"}, "assignee": BO,
              "duedate": "2027-03-01", "customfield_10042": "9 Quay"}  # fmt: skip
    key = (await jira.ask("ana", "POST", "issue", new(**fields))).json()["key"]
    shown = (await jira.get("bo", f"issue/{key}"))["fields"]
    assert (shown["description"], shown["labels"], shown["duedate"]) == (body, ["a", "b"], "2027-03-01")
    assert (shown["priority"]["name"], shown["status"]["name"]) == ("High", "To Do")
    assert (shown["assignee"]["displayName"], shown["reporter"]["displayName"]) == ("Bo Berg", "Ana Alvarez")
    assert shown["customfield_10042"] == "9 Quay"


REFUSED = [
    ("ana", new(summary=...), 400, "summary"),
    ("ana", new(summary="x" * 256), 400, "summary"),
    ("ana", new(summary="two\nlines"), 400, "summary"),
    ("ana", new(project={"key": "NONE"}), 400, "project"),
    ("bo", new(project={"key": "VAULT"}), 400, "project"),
    ("lee", new(), 403, None),
    ("ana", new(issuetype={"name": "Payment"}), 400, "issuetype"),
    ("ana", new(issuetype={"name": "Sub-task"}), 400, "issuetype"),
    ("ana", new(issuetype={"name": "Sub-task"}, parent={"key": "VAULT-1"}), 400, "parent"),
    ("ana", new(description="plain text"), 400, "description"),
    ("ana", new(description={"type": "doc"}), 400, "description"),
    ("ana", new(labels=["two words"]), 400, "labels"),
    ("ana", new(priority={"name": "Urgent"}), 400, "priority"),
    ("ana", new(assignee={"accountId": "nobody"}), 400, "assignee"),
    ("ana", new(assignee={"accountId": PEOPLE["mallory"].account_id}), 400, "assignee"),
    ("bo", new(security={"name": "Staff only"}), 400, "security"),
    ("bo", new(reporter=BO), 400, "reporter"),
    ("ana", new(customfield_99999=1), 400, "customfield_99999"),
    ("ana", new(status={"name": "Done"}), 400, "status"),
    ("ana", {"fields": []}, 400, None),
    ("ana", [], 400, None),
]


@pytest.mark.parametrize(("who", "body", "status", "field"), REFUSED)
async def test_a_wrong_create_is_refused_whole(
    jira: JiraServer, who: str, body: Any, status: int, field: str | None
) -> None:
    """The refusal names the field, and no issue was made."""
    before = len(jira.site.issues)
    answer = await jira.ask(who, "POST", "issue", body)
    assert answer.status_code == status, answer.text
    assert list(answer.json()["errors"]) == ([field] if field else [])
    assert len(jira.site.issues) == before


async def test_every_wrong_field_is_named_at_once(jira: JiraServer) -> None:
    """Two wrong fields are two errors, in Jira's words."""
    answer = await jira.ask("ana", "POST", "issue", new(description="x", nonsense=1))
    errors = answer.json()["errors"]
    assert errors["description"].startswith("Operation value must be an Atlassian Document")
    assert errors["nonsense"] == (
        "Field 'nonsense' cannot be set. It is not on the appropriate screen, or unknown."
    )


async def test_an_edit_changes_and_remembers(jira: JiraServer) -> None:
    """An edit is 204 with an empty body, and the history says who changed what."""
    sent = {"fields": {"summary": "Other"}, "update": {"labels": [{"add": "new"}, {"remove": "auth"}]}}
    answer = await jira.ask("bo", "PUT", "issue/OPEN-3", sent)
    assert (answer.status_code, answer.content) == (204, b"")
    shown = await jira.get("ana", "issue/OPEN-3?expand=changelog")
    assert (shown["fields"]["summary"], shown["fields"]["labels"]) == ("Other", ["new"])
    change = shown["changelog"]["histories"][0]
    assert change["author"]["displayName"] == "Bo Berg"
    assert [(i["field"], i["toString"]) for i in change["items"]] == [("summary", "Other"), ("labels", "new")]


async def test_an_edit_may_return_the_issue(jira: JiraServer) -> None:
    """`returnIssue=true` is 200 with the issue."""
    answer = await jira.ask("bo", "PUT", "issue/OPEN-3?returnIssue=true", {"fields": {"summary": "Other"}})
    assert (answer.status_code, answer.json()["fields"]["summary"]) == (200, "Other")


@pytest.mark.parametrize(
    ("who", "key", "body", "status"),
    [
        ("lee", "OPEN-3", {"fields": {"summary": "x"}}, 400),  # sees it, may not edit it: 400, not 403
        ("bo", "OPEN-7", {"fields": {"summary": "x"}}, 404),
        ("bo", "OPEN-3", {"fields": {"security": None}}, 400),
        ("bo", "OPEN-3", {"fields": {"summary": "good", "priority": "bad"}}, 400),
        ("lee", "HELP-3", {"fields": {"summary": "Mine"}}, 204),  # the reporter edits
        ("bo", "HELP-3", {"fields": {"summary": "Not mine"}}, 400),
    ],
)
async def test_who_may_edit(jira: JiraServer, who: str, key: str, body: Any, status: int) -> None:
    """A refused edit changes nothing at all."""
    before = jira.site.issues[key].summary
    assert (await jira.ask(who, "PUT", f"issue/{key}", body)).status_code == status
    assert (jira.site.issues[key].summary != before) is (status == 204)


async def test_silence_is_for_administrators(jira: JiraServer) -> None:
    """`notifyUsers=false` is refused in Jira's words."""
    answer = await jira.ask("bo", "PUT", "issue/OPEN-3?notifyUsers=false", {"fields": {"summary": "x"}})
    assert answer.status_code == 400
    assert "discard the user notification" in answer.json()["errorMessages"][0]


async def test_a_transition_moves_and_closes(jira: JiraServer) -> None:
    """A transition with a comment in the same body: status, resolution, comment and history follow."""
    sent = {"transition": {"id": "51"}, "update": {"comment": [{"add": {"body": adf("Not now")}}]}}
    assert (await jira.ask("ana", "POST", "issue/OPEN-3/transitions", sent)).status_code == 204
    shown = await jira.get("ana", "issue/OPEN-3?expand=changelog")
    assert shown["fields"]["status"]["statusCategory"]["key"] == "done"
    assert shown["fields"]["resolution"]["name"] == "Done"
    assert shown["fields"]["created"] < shown["fields"]["resolutiondate"] <= shown["fields"]["updated"]
    assert shown["fields"]["comment"]["comments"][0]["body"] == adf("Not now")
    assert shown["changelog"]["histories"][0]["items"][0]["fromString"] == "To Do"
    again = await jira.ask("ana", "POST", "issue/OPEN-3/transitions", sent)
    assert again.json()["errorMessages"] == ["Transition id '51' is not valid for this issue."]


async def test_conditions_bind_single_steps(jira: JiraServer) -> None:
    """An assignee may take a HELP issue; resolving it needs RESOLVE_ISSUES as well."""
    jira.site.issues["HELP-1"].assignee = "bo"
    assert [t["name"] for t in (await jira.get("bo", "issue/HELP-1/transitions"))["transitions"]] == ["Take"]
    assert (await jira.get("lee", "issue/HELP-1/transitions"))["transitions"] == []
    hana = (await jira.get("hana", "issue/HELP-1/transitions"))["transitions"]
    assert [t["name"] for t in hana] == ["Take", "Resolve"]


async def test_deleting_takes_everything_with_it(jira: JiraServer) -> None:
    """Sub-tasks must be named; then they and the links go, and numbers are not given again."""
    assert (await jira.ask("ana", "DELETE", "issue/OPEN-2")).status_code == 400
    assert (await jira.ask("ana", "DELETE", "issue/OPEN-2?deleteSubtasks=true")).status_code == 204
    for key in ("OPEN-2", "OPEN-15", "OPEN-16"):
        assert (await jira.ask("ana", "GET", f"issue/{key}")).status_code == 404
    assert (await jira.get("ana", "issue/OPEN-3"))["fields"]["issuelinks"] == []
    assert (await jira.ask("ana", "DELETE", "issue/OPEN-31")).status_code == 204
    assert (await jira.ask("ana", "POST", "issue", new())).json()["key"] == "OPEN-32"


def link(inward: str, outward: str, kind: str = "Blocks") -> dict[str, Any]:
    """A body of POST issueLink."""
    return {"type": {"name": kind}, "inwardIssue": {"key": inward}, "outwardIssue": {"key": outward}}


async def test_links_have_a_direction(jira: JiraServer) -> None:
    """inwardIssue A blocks outwardIssue B: A shows B as outward, B shows A as inward; twice is once."""
    for _ in range(2):
        answer = await jira.ask("bo", "POST", "issueLink", link("OPEN-8", "OPEN-12"))
        assert (answer.status_code, answer.content) == (201, b"")
    on_a = (await jira.get("bo", "issue/OPEN-8"))["fields"]["issuelinks"]
    on_b = (await jira.get("bo", "issue/OPEN-12"))["fields"]["issuelinks"]
    assert [found["outwardIssue"]["key"] for found in on_a] == ["OPEN-12"]
    assert [found["inwardIssue"]["key"] for found in on_b] == ["OPEN-8"]


@pytest.mark.parametrize(
    ("who", "body"),
    [("bo", link("OPEN-8", "VAULT-1")), ("bo", link("VAULT-1", "OPEN-8")), ("bo", link("OPEN-8", "NONE-1")),
     ("lee", link("OPEN-8", "OPEN-12")), ("bo", link("OPEN-8", "OPEN-12", "Marries"))],
)  # fmt: skip
async def test_links_that_cannot_be_are_404(jira: JiraServer, who: str, body: Any) -> None:
    """An unseen end, a missing permission and an unknown type are all 404."""
    before = list(jira.site.links)
    assert (await jira.ask(who, "POST", "issueLink", body)).status_code == 404
    assert jira.site.links == before


async def test_properties_travel_with_a_write(jira: JiraServer) -> None:
    """Entity properties in the body of a write can be asked for afterwards."""
    mark = {"key": "agent", "value": {"client": "claude"}}
    key = (await jira.ask("bo", "POST", "issue", {**new(), "properties": [mark]})).json()["key"]
    shown = await jira.get("bo", f"issue/{key}?fields=summary&properties=agent")
    assert shown["properties"] == {"agent": {"client": "claude"}}


async def test_a_body_that_is_no_json_is_refused(jira: JiraServer) -> None:
    """Broken JSON is 400 and changes nothing."""
    answer = await jira.ask("bo", "POST", "issue", content=b'{"fields": ')
    assert answer.status_code == 400
    assert answer.json()["errorMessages"] == [
        "There was an error parsing JSON. Check that your request body is valid."
    ]


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ("summary,status", {"summary", "status"}),
        ("nonsense", set()),
        ("*all,-comment", None),
        ("-comment", None),
    ],
)
async def test_fields_are_chosen(jira: JiraServer, fields: str, keys: set[str] | None) -> None:
    """Names, `*all` and `-name` choose; an unknown name is ignored."""
    shown = set((await jira.get("bo", f"issue/OPEN-1?fields={fields}"))["fields"])
    if keys is None:
        assert "comment" not in shown
        assert {"summary", "worklog"} <= shown
    else:
        assert shown == keys


async def test_comments_are_their_authors(jira: JiraServer) -> None:
    """One edits and deletes one's own; others are refused with 400; an administrator may."""
    made = (await jira.ask("bo", "POST", "issue/OPEN-3/comment", {"body": adf("Mine")})).json()
    path = f"issue/OPEN-3/comment/{made['id']}"
    assert (await jira.ask("lee", "PUT", path, {"body": adf("Yours")})).status_code == 400
    assert (await jira.ask("lee", "DELETE", path)).status_code == 400
    assert (await jira.ask("bo", "PUT", path, {"body": adf("Mine!")})).json()["body"] == adf("Mine!")
    assert (await jira.ask("ana", "PUT", path, {"body": adf("Ours")})).json()["updateAuthor"][
        "displayName"
    ] == "Ana Alvarez"
    assert (await jira.ask("bo", "DELETE", path)).status_code == 204
    assert (await jira.ask("bo", "GET", path)).status_code == 404
    hers = next(c for c in jira.site.issues["OPEN-2"].comments if c.author == "ana")
    path = f"issue/OPEN-2/comment/{hers.id}"
    assert (await jira.ask("bo", "PUT", path, {"body": adf("Not hers")})).status_code == 400
    assert (await jira.ask("bo", "DELETE", path)).status_code == 400


@pytest.mark.parametrize(
    ("who", "body", "status", "error"),
    [
        ("bo", {"body": "plain"}, 400, "comment"),
        ("bo", {"body": {"type": "doc", "version": 1, "content": []}}, 400, "comment"),
        ("bo", {}, 400, "comment"),
        ("bo", {"body": adf("x"), "visibility": {"type": "role", "value": "Leads"}}, 400, "commentLevel"),
        ("bo", {"body": adf("x"), "visibility": {"type": "group", "value": "hr"}}, 400, "commentLevel"),
        ("lee", {"body": adf("x")}, 403, "comment"),
    ],
)
async def test_a_wrong_comment_is_refused(
    jira: JiraServer, who: str, body: Any, status: int, error: str
) -> None:
    """A plain string, an empty body, a role that is not one's own, and no permission: nothing is added."""
    answer = await jira.ask(who, "POST", "issue/OPEN-3/comment", body)
    assert answer.status_code == status
    assert list(answer.json()["errors"]) == [error]
    assert jira.site.issues["OPEN-3"].comments == []


async def test_a_role_that_is_not_ones_own_is_named(jira: JiraServer) -> None:
    """Jira's sentence about the role."""
    body = {"body": adf("x"), "visibility": {"type": "role", "value": "Leads"}}
    answer = await jira.ask("bo", "POST", "issue/OPEN-3/comment", body)
    assert (
        answer.json()["errors"]["commentLevel"]
        == "You are currently not a member of the project role: Leads."
    )


async def test_the_order_of_comments_is_checked_first(jira: JiraServer) -> None:
    """A bad `orderBy` is 400 even for an issue that does not exist; pages are bounded by 100."""
    assert (await jira.ask("bo", "GET", "issue/NONE-1/comment?orderBy=nonsense")).status_code == 400
    page = await jira.get("ana", "issue/OPEN-4/comment?orderBy=-created&maxResults=1000&startAt=1")
    assert (page["maxResults"], page["startAt"], page["total"], len(page["comments"])) == (100, 1, 2, 1)


async def test_a_site_is_its_own(jira: JiraServer) -> None:
    """Two apps share nothing: what is deleted in one is there in the other."""
    from sandbox.jira import create_app
    from tests.sandbox.jira.conftest import verify

    other = create_app(verify, base_url="http://127.0.0.1:1")
    assert (await jira.ask("ana", "DELETE", "issue/OPEN-31")).status_code == 204
    assert "OPEN-31" in other.state.site.issues
    assert "OPEN-31" not in jira.site.issues
