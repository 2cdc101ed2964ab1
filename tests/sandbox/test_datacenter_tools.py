"""The nine tools on both flavours of the sandbox's Jira: the same people, the same permissions, the same answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.errors import InvalidCall, JiraRefused, Unavailable
from gateway.http import Outward
from gateway.jira.client import JiraClient
from gateway.jira.datacenter.client import DataCenterClient
from gateway.jira.detail import IssueDetail
from sandbox.jira import DATACENTER, DEMO, Fault, Kind, create_app
from sandbox.jira.datacenter import user_key
from sandbox.jira.flavour import CLOUD
from sandbox.people import PEOPLE
from sandbox.serve import Served, listen
from tests.tools.conftest import Line, grant, verify

STORY = "OPEN-2"
KINDS = {"cloud": (CLOUD, JiraClient), "datacenter": (DATACENTER, DataCenterClient)}


@dataclass
class Place:
    """The tools in front of one flavour."""

    kind: str
    line: Line

    async def told(self, who: str, tool: str, **arguments: Any) -> dict[str, Any]:
        return dict((await self.line.call(who, tool, **arguments)).structured)

    def account(self, name: str) -> str:
        person = PEOPLE[name]
        return person.account_id if self.kind == "cloud" else user_key(PEOPLE, person)


@pytest.fixture(params=KINDS)
async def jira(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """Each flavour, new."""
    flavour, client = KINDS[request.param]
    sock = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    app = create_app(verify, base_url=url, flavour=flavour)
    with sock:
        async with Served(app, sock), Outward() as outward:
            yield Place(request.param, Line(app, client(outward, url)))


async def test_whoami(jira: Place) -> None:
    """accountId at the one, key at the other."""
    told = await jira.told("bo", "jira_whoami")
    assert (told["account_id"], told["name"]) == (jira.account("bo"), "Bo Berg")
    assert told["email"] == PEOPLE["bo"].email


async def test_projects_are_those_of_the_caller(jira: Place) -> None:
    """Page by page, with the category, and by a query."""
    keys: list[str] = []
    arguments: dict[str, Any] = {"max_results": 2}
    while arguments.get("next") != "":
        told = await jira.told("ana", "jira_list_projects", **arguments)
        keys += [p["key"] for p in told["projects"]]
        arguments["next"] = told.get("next", "")
    assert keys == ["HELP", "OPEN", "VAULT"]
    assert [p["key"] for p in (await jira.told("bo", "jira_list_projects"))["projects"]] == ["HELP", "OPEN"]
    found = (await jira.told("ana", "jira_list_projects", query="vau"))["projects"]
    assert found == [{"key": "VAULT", "name": "Vault", "category": "Regulated"}]


async def test_a_search_page_by_page(jira: Place) -> None:
    """Every issue once, in order, with its people."""
    keys: list[str] = []
    arguments: dict[str, Any] = {"jql": "project = OPEN ORDER BY key", "max_results": 7}
    while arguments.get("next") != "":
        told = await jira.told("ana", "jira_search", **arguments)
        keys += [i["key"] for i in told["issues"]]
        arguments["next"] = told.get("next", "")
    assert len(keys) == len(set(keys)) == sum(i.project.key == "OPEN" for i in jira.line.site.issues.values())
    mine = await jira.told("bo", "jira_search", jql="assignee = currentUser()")
    assert {i["assignee"] for i in mine["issues"]} == {"Bo Berg"}


@pytest.mark.parametrize("field", ["key", "project", "level"])
async def test_what_the_caller_may_not_see_is_not_found(jira: Place, field: str) -> None:
    """In a search that names it there is nothing of it, and the rest of the search is as it was."""
    values = {
        "key": (DEMO["secured"], STORY),
        "project": ("VAULT", "OPEN"),
        "level": ("Staff only", "Confidential"),
    }
    hidden, other = values[field]
    told = await jira.told("bo", "jira_search", jql=f'{field} in ("{hidden}", "{other}")', max_results=50)
    found = {i["key"] for i in told.get("issues", [])}
    assert not found & {DEMO["secured"], DEMO["vault"]}
    assert (STORY in found) is (field != "level")
    nothing = await jira.told("bo", "jira_search", jql=f'{field} = "{hidden}"')
    assert not nothing.get("issues") and hidden not in str(nothing)


@pytest.mark.parametrize("key", [DEMO["vault"], DEMO["secured"], "OPEN-4711"])
async def test_hidden_and_absent_are_one(jira: Place, key: str) -> None:
    """For reading and for writing."""
    for tool, more in (("jira_get_issue", {}), ("jira_comment", {"body": "x"}), ("jira_delete_issue", {})):
        with pytest.raises(JiraRefused, match="does not exist in Jira or you may not see it"):
            await jira.told("bo", tool, key=key, **more)


async def test_a_rich_issue_reads_alike(jira: Place) -> None:
    """Heading, table, code, quotation, marks and list: the same Markdown from ADF and from wiki text."""
    told = await jira.told("ana", "jira_get_issue", key=DEMO["rich"])
    text = told["description"]
    for piece in (
        "## What we know",
        "| File | Sheets | Result |",
        "| april.xlsx | 3 | fails |",
        "ImportError: sheet 2: expected 14 columns, found 15",
        "> It worked until",
        "Ask *before* you change `import.schema`.",
        "- Read every sheet.\n- Say which one is wrong.",
    ):
        assert piece in text, text
    story = await jira.told("bo", "jira_get_issue", key=STORY)
    assert story["assignee"] == "Bo Berg" and story["reporter"]
    assert [c["author"] for c in story["comments"]] == ["Bo Berg", "Ana Alvarez"]
    assert {"relation": "parent", "key": DEMO["epic"]} in story["relations"]


async def test_policy_is_told_the_account(jira: Place) -> None:
    """The facts `reporter` and `assignee` are what `jira_whoami` calls the account."""
    detail = await IssueDetail.found(jira.line.client.session(grant("bo")), STORY, ())
    (issue, *_) = detail.resources()
    assert issue.facts["assignee"] == jira.account("bo")


async def test_create_update_comment_and_transition(jira: Place) -> None:
    """What an assistant writes in Markdown is what it reads afterwards."""
    markdown = "## Where\n\n- *here*\n- `there`\n\n[~ana] {code} h1. !x.png!"
    made = await jira.told(
        "bo", "jira_create_issue", project="OPEN", issue_type="bug", summary="It squeaks",
        description=markdown, priority="High", labels=["noise"],
    )  # fmt: skip
    key = made["key"]
    told = await jira.told("bo", "jira_get_issue", key=key)
    assert (told["summary"], told["type"], told["reporter"]) == ("It squeaks", "Bug", "Bo Berg")
    assert markdown in told["description"]
    await jira.told("bo", "jira_update_issue", key=key, assignee=jira.account("ana"), description="**new**")
    await jira.told("bo", "jira_comment", key=key, body="Seen on **two** phones.\n\n1. one\n2. two")
    done = await jira.told("ana", "jira_transition", key=key, to="done", comment="It *works*.")
    assert done["done"] == "moved to Done, comment added"
    told = await jira.told("bo", "jira_get_issue", key=key)
    assert (told["assignee"], told["status"]) == ("Ana Alvarez", "Done")
    assert "**new**" in told["description"]
    assert "Seen on **two** phones.\n\n1. one\n2. two" in told["comments"][0]["text"]
    assert "It *works*." in told["comments"][1]["text"]
    await jira.told("bo", "jira_update_issue", key=key, assignee="unassigned")
    assert "assignee" not in await jira.told("bo", "jira_get_issue", key=key)


async def test_nobody_unknown_is_assigned(jira: Place) -> None:
    """Neither an account that is not there, nor a person by their user name."""
    for account in ("JIRAUSER99999", "bo"):
        with pytest.raises((JiraRefused, InvalidCall)):
            await jira.told("ana", "jira_update_issue", key=STORY, assignee=account)


async def test_permissions_are_jiras(jira: Place) -> None:
    """Bo may not move, nor delete; ana may."""
    with pytest.raises(JiraRefused, match="nothing, for you"):
        await jira.told("bo", "jira_transition", key=STORY, to="Done")
    with pytest.raises(JiraRefused, match="does not allow you"):
        await jira.told("bo", "jira_delete_issue", key="OPEN-20")
    assert (await jira.told("ana", "jira_delete_issue", key="OPEN-20"))["done"] == "deleted"


async def test_a_rich_description_is_not_overwritten_unasked(jira: Place) -> None:
    """A panel is known at both."""
    with pytest.raises(InvalidCall, match="overwrite_rich_text"):
        await jira.told("ana", "jira_update_issue", key=DEMO["injection"], description="short")
    await jira.told("ana", "jira_update_issue", key=STORY, description="short")


async def test_jira_going_on_as_anonymous_is_no_empty_result(jira: Place) -> None:
    """An authentication failure at both."""
    headers = {} if jira.kind == "cloud" else {"X-AUSERNAME": "anonymous"}
    jira.line.app.state.faults.before = lambda asked: Fault(Kind.ANONYMOUS, headers=headers)
    with pytest.raises(Unavailable) as refused:
        await jira.told("ana", "jira_search", jql="project = OPEN")
    assert refused.value.part == "credential"
