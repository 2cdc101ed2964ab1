"""A Data Center behind the face of Jira Cloud: what leaves, whose answer it is, what comes back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import InvalidCall, JiraRefused, OutcomeUnknown, Unavailable
from gateway.http import Outward
from gateway.jira.datacenter.client import DataCenterClient
from gateway.jira.facts import Rows
from gateway.jira.wiki import from_wiki
from gateway.model import Grant
from tests.jira.conftest import grant_of
from tests.jira.server import Answer, Server, answer

ANA = {"name": "ana", "key": "JIRAUSER10000", "displayName": "Ana", "emailAddress": "ana@corp.test"}
ISSUE = {"key": "OPEN-1", "fields": {"description": "h1. Hi\r\n\r\n*you*", "reporter": ANA, "assignee": None}}
LOGIN = b"<!DOCTYPE html><title>Log in - Jira</title>"

Connect = Callable[[Server], DataCenterClient]


def told(body: Any = None, *, name: str | None = "ana", **more: Any) -> Answer:
    """A Data Center's answer to the user of that name."""
    whose = {} if name is None else {"X-AUSERNAME": name}
    return answer(body, account=None, headers=whose, **more)


@pytest.fixture
def connect(outward: Outward) -> Connect:
    """`connect(server)` is a client of it."""
    return lambda server: DataCenterClient(outward, server.url, seconds=5.0)


def linked(account: str = "JIRAUSER10000") -> Grant:
    """A grant that is bound to the account of that key."""
    return replace(grant_of("ana"), account=account)


async def test_an_issue_comes_in_clouds_shape(connect: Connect) -> None:
    """From /rest/api/2/: people by accountId, which is the key, and the body as a document."""
    async with Server(told(ISSUE)) as server:
        found = await connect(server).session(grant_of("ana")).get("issue", "OPEN-1")
    assert server.seen[0].target == "/rest/api/2/issue/OPEN-1"
    assert found["fields"]["reporter"]["accountId"] == "JIRAUSER10000"
    assert not {"key", "name"} & found["fields"]["reporter"].keys()
    assert found["fields"]["description"] == from_wiki("h1. Hi\n\n*you*")
    assert found["fields"]["assignee"] is None


async def test_only_the_newest_comments_are_read(connect: Connect) -> None:
    """v2 sends every one; how many there are stays known."""
    comments = [{"created": f"2026-01-{n:02}", "body": f"no {n}", "author": ANA} for n in range(1, 21)]
    fields = {"comment": {"comments": comments, "total": 20}}
    async with Server(told({"key": "OPEN-1", "fields": fields})) as server:
        found = await connect(server).session(grant_of("ana")).get("issue", "OPEN-1")
    page = found["fields"]["comment"]
    assert [c["created"][-2:] for c in page["comments"]] == ["16", "17", "18", "19", "20"]
    assert page["total"] == 20


async def test_a_search_counts_where_cloud_has_tokens(connect: Connect) -> None:
    """POST search with startAt; there is a next page until the total is reached, and never after an empty one."""
    row = {"key": "OPEN-1", "fields": {"issuetype": {"name": "Bug"}, "project": {"key": "OPEN"},
           "status": {"name": "Open", "statusCategory": {"key": "new"}}}}  # fmt: skip
    pages = [({"startAt": 0, "total": 3, "issues": [row, row]}, "2"),
             ({"startAt": 2, "total": 3, "issues": [row]}, None),
             ({"startAt": 3, "total": 9, "issues": []}, None)]  # fmt: skip
    async with Server(*(told(page) for page, _ in pages)) as server:
        jira = connect(server).session(grant_of("ana"))
        for number, (_, upstream) in enumerate(pages):
            json = {"jql": "a = b", "maxResults": 2} | ({"nextPageToken": str(number)} if number else {})
            assert (await jira.find("search", "jql", json=json, form=Rows)).nextPageToken == upstream
    assert [s.json for s in server.seen] == [
        {"jql": "a = b", "maxResults": 2, "startAt": n} for n in range(3)
    ]
    assert {s.target for s in server.seen} == {"/rest/api/2/search"}


@pytest.mark.parametrize("page", [{}, {"issues": []}, {"issues": [], "startAt": 0, "total": "3"}, [], "x"])
async def test_a_search_that_is_none_is_no_empty_result(connect: Connect, page: Any) -> None:
    """What lacks is told, and never read as nothing found."""
    async with Server(told(page)) as server:
        with pytest.raises((Unavailable, JiraRefused)):
            jira = connect(server).session(grant_of("ana"))
            await jira.find("search", "jql", json={"jql": "a = b"}, form=Rows)


async def test_a_value_that_is_not_seen_finds_nothing(connect: Connect) -> None:
    """As at Cloud: asked again without Jira's validation. Another mistake stays one."""
    unseen = {"errorMessages": ["The value 'VAULT' does not exist for the field 'project'."]}
    unknown = {"errorMessages": ["Field 'x' does not exist or you do not have permission to view it."]}
    empty = told({"startAt": 0, "total": 0, "issues": []})
    async with Server(told(unseen, status=400), empty, told(unknown, status=400)) as server:
        jira = connect(server).session(grant_of("ana"))
        assert not (await jira.find("search", "jql", json={"jql": "q"}, form=Rows)).issues
        with pytest.raises(JiraRefused, match="A field in the JQL"):
            await jira.find("search", "jql", json={"jql": "q"}, form=Rows)
    assert [s.json.get("validateQuery") for s in server.seen] == [None, False, None]


async def test_projects_are_paged_here(connect: Connect) -> None:
    """`GET project` is one list; query, order and page are ours."""
    rows = [{"key": key, "name": name} for key, name in (("B", "Bee"), ("A", "Ant"), ("C", "Beetle"))]
    async with Server(told(rows)) as server:
        jira = connect(server).session(grant_of("ana"))
        first = await jira.get("project", "search", params={"startAt": 0, "maxResults": 2, "orderBy": "key"})
        last = await jira.get("project", "search", params={"startAt": 1, "maxResults": 2, "query": "bee"})
    assert ([p["key"] for p in first["values"]], first["isLast"]) == (["A", "B"], False)
    assert ([p["key"] for p in last["values"]], last["isLast"]) == (["C"], True)


async def test_a_write_speaks_v2(connect: Connect) -> None:
    """Bodies as wiki text; a person by the name that belongs to the key now; nobody is a null name."""
    body = from_wiki("*bold*")
    async with Server(told({"key": "JIRAUSER7", "name": "bo.new"}), told(status=204)) as server:
        jira = connect(server).session(grant_of("ana"))
        await jira.put(
            "issue", "OPEN-1", json={"fields": {"assignee": {"accountId": "JIRAUSER7"}, "description": body}}
        )
        await jira.put("issue", "OPEN-1", json={"fields": {"assignee": None, "labels": ["a"]}})
        await jira.post(
            "issue", "OPEN-1", "transitions", json={"update": {"comment": [{"add": {"body": body}}]}}
        )
    assert server.seen[0].target == "/rest/api/2/user?key=JIRAUSER7"
    assert [s.json for s in server.seen[1:]] == [
        {"fields": {"assignee": {"name": "bo.new"}, "description": "*bold*"}},
        {"fields": {"assignee": {"name": None}, "labels": ["a"]}},
        {"update": {"comment": [{"add": {"body": "*bold*"}}]}},
    ]


@pytest.mark.parametrize(
    "user", [told({}, status=404), told({"key": "JIRAUSER8", "name": "other"}), told({})]
)
async def test_nobody_else_is_assigned(connect: Connect, user: Answer) -> None:
    """An account that Jira does not know by exactly that key is refused, and nothing is changed."""
    async with Server(user) as server:
        jira = connect(server).session(grant_of("ana"))
        with pytest.raises(InvalidCall, match="no such account"):
            await jira.put("issue", "OPEN-1", json={"fields": {"assignee": {"accountId": "JIRAUSER7"}}})
    assert [s.method for s in server.seen] == ["GET"]


@pytest.mark.parametrize(
    "strange",
    [told(ISSUE, name="anonymous"), told(ISSUE, name=None), told(ISSUE, name="bo"),
     answer(ISSUE, account="712020:ana")],
)  # fmt: skip
async def test_an_answer_to_somebody_else_is_none(connect: Connect, strange: Answer) -> None:
    """Anonymous, nobody named, another name than before, or a Cloud's header alone: an authentication failure."""
    async with Server(told(ISSUE), strange) as server:
        jira = connect(server).session(grant_of("ana"))
        await jira.get("issue", "OPEN-1")
        with pytest.raises(Unavailable) as refused:
            await jira.get("issue", "OPEN-1")
    assert refused.value.part == "credential"


async def test_a_write_as_somebody_else_is_in_doubt(connect: Connect) -> None:
    """It happened, but not as the person."""
    async with Server(told(ISSUE), told(status=204, name="bo")) as server:
        jira = connect(server).session(grant_of("ana"))
        await jira.get("issue", "OPEN-1")
        with pytest.raises(OutcomeUnknown):
            await jira.put("issue", "OPEN-1", json={})


async def test_the_login_page_is_an_expired_credential(connect: Connect) -> None:
    """200 with HTML: another grant is asked for once; without one the person signs in again."""
    page = told(LOGIN, kind="text/html;charset=UTF-8", name=None)

    async def renew(refused: Grant) -> Grant:
        return grant_of("ana")

    async with Server(page, told(ISSUE), page) as server:
        client = connect(server)
        assert (await client.session(grant_of("ana"), renew=renew).get("issue", "OPEN-1"))["key"] == "OPEN-1"
        with pytest.raises(JiraRefused, match="sign in again") as refused:
            await client.session(grant_of("ana")).get("issue", "OPEN-1")
    assert refused.value.status == 401


async def test_the_login_page_to_a_write_is_in_doubt(connect: Connect) -> None:
    """It is not sent twice, and nobody says that nothing happened."""
    async with Server(told(LOGIN, kind="text/html", name=None)) as server:
        with pytest.raises(OutcomeUnknown):
            await connect(server).session(grant_of("ana")).post("issue", json={})
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("name", "header"), [("ana", "ana"), ("ana b@x", "ana+b%40x"), ("änne", "%C3%A4nne")]
)
async def test_a_key_is_held_to_the_name_in_myself(connect: Connect, name: str, header: str) -> None:
    """The grant names a key, the header a name, URL-encoded: `/myself` says which belong together."""
    async with Server(
        told({**ANA, "name": name}, name=header), told(ISSUE, name=header), told(ISSUE, name="bo")
    ) as s:
        client = connect(s)
        account = await client.account("token")
        assert (account.id, account.email) == ("JIRAUSER10000", "ana@corp.test")
        await client.session(linked()).get("issue", "OPEN-1")
        with pytest.raises(Unavailable):
            await client.session(linked()).get("issue", "OPEN-1")


async def test_a_linked_account_is_held_from_the_first_answer(connect: Connect) -> None:
    """What was never seen before is not learned from whoever answers."""
    async with Server(told(ANA), told(ISSUE, name="bo"), told(ISSUE)) as server:
        client = connect(server)
        await client.account("token")
        with pytest.raises(Unavailable):
            await client.session(linked()).get("issue", "OPEN-1")
        assert (await client.session(linked()).get("issue", "OPEN-1"))["key"] == "OPEN-1"


async def test_a_new_name_of_the_same_key_is_learned(connect: Connect) -> None:
    """With the next look at `/myself`, which each generation of a link brings."""
    async with Server(
        told(ANA), told({**ANA, "name": "ana.b"}, name="ana.b"), told(ISSUE, name="ana.b")
    ) as server:
        client = connect(server)
        await client.account("token")
        await client.account("token")
        assert (await client.session(linked()).get("issue", "OPEN-1"))["key"] == "OPEN-1"


@pytest.mark.parametrize(
    "myself",
    [told(ANA, name="bo"), told(ANA, name="anonymous"), told(ANA, name=None), told({**ANA, "key": ""}),
     told(LOGIN, kind="text/html"), told({}, status=401)],
)  # fmt: skip
async def test_whose_account_is_not_guessed(connect: Connect, myself: Answer) -> None:
    """A `/myself` whose header and body differ, or that is none, names nobody."""
    async with Server(myself) as server:
        with pytest.raises(Unavailable):
            await connect(server).account("token")
