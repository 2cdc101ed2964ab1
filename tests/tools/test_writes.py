"""The changing tools on the sandbox: what they do, at most two requests, one of them the change."""

from typing import Any

import pytest

from gateway.errors import InvalidCall, JiraRefused, OutcomeUnknown
from sandbox.jira import DEMO, Asked, Fault, Kind
from tests.tools.conftest import Line

STORY = "OPEN-2"


async def text_of(line: Line, who: str, key: str) -> str:
    """What the issue says afterwards."""
    return (await line.call(who, "jira_get_issue", key=key)).text


async def test_create(line: Line) -> None:
    """The project is looked at, the issue is made; the type is found in any case."""
    done = await line.call(
        "bo",
        "jira_create_issue",
        project="OPEN",
        issue_type="bug",
        summary="It squeaks",
        description="## Where\n- *here*",
        priority="High",
        labels=["noise"],
    )
    assert line.requests == [("GET", "project/OPEN"), ("POST", "issue")]
    assert line.resources == ["OPEN"]
    assert line.input == {
        "issueType": "Bug",
        "priority": "High",
        "labels": ["noise"],
        "fields": ["description", "issue_type", "labels", "priority", "summary"],
    }
    told = (await line.call("bo", "jira_get_issue", key=done.structured["key"])).structured
    assert (told["summary"], told["type"], told["priority"]) == ("It squeaks", "Bug", "High")
    assert (told["labels"], told["reporter"]) == (["noise"], "Bo Berg")
    assert "## Where\n\n- *here*" in told["description"]


async def test_create_what_the_project_does_not_have(line: Line) -> None:
    """The types that it has are named, and nothing is sent."""
    with pytest.raises(JiraRefused, match="`Epic`, `Story`"):
        await line.call("ana", "jira_create_issue", project="OPEN", issue_type="Payment", summary="x")
    assert line.requests == [("GET", "project/OPEN")]


async def test_create_where_one_may_not_look(line: Line) -> None:
    """A project that bo may not see does not exist; nothing is created."""
    with pytest.raises(JiraRefused, match="does not exist in Jira or you may not see it"):
        await line.call("bo", "jira_create_issue", project="VAULT", issue_type="Task", summary="x")
    assert line.requests == [("GET", "project/VAULT")]


async def test_update(line: Line) -> None:
    """Only what is given changes; one look and one PUT."""
    done = await line.call(
        "bo", "jira_update_issue", key=STORY, summary="Anew", labels=["a"], assignee="unassigned"
    )
    assert done.structured["done"] == "changed summary, labels, assignee"
    assert line.requests == [("GET", f"issue/{STORY}"), ("PUT", f"issue/{STORY}")]
    assert line.input["fields"] == ["assignee", "labels", "summary"]
    told = (await line.call("bo", "jira_get_issue", key=STORY)).structured
    assert (told["summary"], told["labels"], told.get("assignee")) == ("Anew", ["a"], None)
    assert told["priority"] == "High"


async def test_update_nothing(line: Line) -> None:
    """Is refused, and nothing is changed."""
    with pytest.raises(InvalidCall, match="Nothing to change"):
        await line.call("bo", "jira_update_issue", key=STORY, overwrite_rich_text=True)
    assert ("PUT", f"issue/{STORY}") not in line.requests


async def test_a_rich_description_is_not_overwritten_unasked(line: Line) -> None:
    """A panel would be lost: said first, done only when the caller insists."""
    rich = DEMO["injection"]
    with pytest.raises(InvalidCall, match="overwrite_rich_text"):
        await line.call("ana", "jira_update_issue", key=rich, description="short")
    assert [method for method, _ in line.requests] == ["GET"]
    await line.call("ana", "jira_update_issue", key=rich, description="short", overwrite_rich_text=True)
    assert "Ignore all previous" not in await text_of(line, "ana", rich)


async def test_a_plain_description_is_replaced(line: Line) -> None:
    """What Markdown can say, Markdown may replace."""
    await line.call("ana", "jira_update_issue", key=STORY, description="**new**")
    assert "**new**" in await text_of(line, "ana", STORY)


@pytest.mark.parametrize("to", ["Done", "done", "DONE"])
async def test_transition(line: Line, to: str) -> None:
    """By the name of the status in any case; a comment travels in the same request."""
    done = await line.call("ana", "jira_transition", key=STORY, to=to, comment="It *works*.")
    assert done.structured["done"] == "moved to Done, comment added"
    assert line.requests == [("GET", f"issue/{STORY}"), ("POST", f"issue/{STORY}/transitions")]
    assert "It *works*." in await text_of(line, "ana", STORY)


@pytest.mark.parametrize(
    ("to", "status"), [("Send to review", "In Review"), ("in review", "In Review"), ("DONE", "Done")]
)
async def test_policy_sees_where_a_transition_leads(line: Line, to: str, status: str) -> None:
    """However it is called, the rule is asked about the status that the issue would get."""
    await line.call("ana", "jira_transition", key=STORY, to=to)
    assert line.input["to"] == status


async def test_transition_where_there_is_no_way(line: Line) -> None:
    """What is possible is named; nothing is sent."""
    with pytest.raises(JiraRefused, match=r"`Send to review` \(to In Review\), `Done` \(to Done\)"):
        await line.call("ana", "jira_transition", key=STORY, to="Paid")
    assert line.input["to"] == "Paid"
    assert [method for method, _ in line.requests] == ["GET"]


async def test_transition_without_the_permission(line: Line) -> None:
    """Bo may look and may not move: Jira offers nothing, and we ask for nothing."""
    with pytest.raises(JiraRefused, match="nothing, for you"):
        await line.call("bo", "jira_transition", key=STORY, to="Done")
    assert [method for method, _ in line.requests] == ["GET"]


async def test_comment(line: Line) -> None:
    """As the caller; its Markdown comes back."""
    done = await line.call("bo", "jira_comment", key=STORY, body="Seen on **two** phones.")
    assert done.structured["done"] == "comment added"
    assert line.requests == [("GET", f"issue/{STORY}"), ("POST", f"issue/{STORY}/comment")]
    assert line.input == {"fields": ["body"]}
    told = (await line.call("ana", "jira_get_issue", key=STORY)).structured["comments"][-1]
    assert told["author"] == "Bo Berg"
    assert "Seen on **two** phones." in told["text"]


async def test_delete(line: Line) -> None:
    """Gone; Jira's permissions decide, and bo has none."""
    with pytest.raises(JiraRefused, match="does not allow you"):
        await line.call("bo", "jira_delete_issue", key="OPEN-20")
    done = await line.call("ana", "jira_delete_issue", key="OPEN-20")
    assert done.structured == {"key": "OPEN-20", "done": "deleted"}
    with pytest.raises(JiraRefused, match="does not exist"):
        await line.call("ana", "jira_get_issue", key="OPEN-20")


async def test_a_moved_issue_is_changed_where_it_is(line: Line) -> None:
    """The key that was decided on is the key that is written to."""
    await line.call("ana", "jira_comment", key=DEMO["moved_from"], body="Paid.")
    assert line.resources == [DEMO["moved_to"]]
    assert line.requests[-1] == ("POST", f"issue/{DEMO['moved_to']}/comment")


WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "jira_create_issue", {"project": "OPEN", "issue_type": "Task", "summary": "x"}),
    ("PUT", "jira_update_issue", {"key": STORY, "summary": "x"}),
    ("POST", "jira_transition", {"key": STORY, "to": "Done"}),
    ("POST", "jira_comment", {"key": STORY, "body": "x"}),
    ("DELETE", "jira_delete_issue", {"key": "OPEN-20"}),
]
LOST = [
    Fault(Kind.STATUS, status=500),
    Fault(Kind.STATUS, status=502, effect=True),
    Fault(Kind.STATUS, status=503),
    Fault(Kind.RESET),
    Fault(Kind.LOGIN_PAGE, effect=True),
    Fault(Kind.REDIRECT),
    Fault(Kind.OVERSIZE, size=9 * 2**20, effect=True),
    Fault(Kind.ANONYMOUS),
    Fault(Kind.WRONG_ACCOUNT),
]


@pytest.mark.parametrize(("method", "tool", "arguments"), WRITES)
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault.kind}-{fault.status}")
async def test_a_lost_answer_leaves_a_write_in_doubt(
    line: Line, fault: Fault, method: str, tool: str, arguments: dict[str, Any]
) -> None:
    """Whatever became of the answer, the change was sent exactly once, and nobody claims to know."""

    def is_write(asked: Asked) -> bool:
        return asked.method == method

    line.app.state.faults.once(fault, is_write)
    with pytest.raises(OutcomeUnknown):
        await line.call("ana", tool, **arguments)
    assert [m for m, _ in line.requests] == ["GET", method]


@pytest.mark.parametrize(("method", "tool", "arguments"), WRITES)
async def test_nothing_is_written_when_the_look_fails(
    line: Line, method: str, tool: str, arguments: dict[str, Any]
) -> None:
    """No facts, no decision, no change."""
    line.app.state.faults.once(Fault(Kind.LOGIN_PAGE))
    with pytest.raises(JiraRefused):
        await line.call("ana", tool, **arguments)
    assert len(line.requests) == 1


BAD: list[tuple[str, dict[str, Any]]] = [
    ("jira_create_issue", {"project": "OPEN", "issue_type": "Task", "summary": "x", "parent": "VAULT-5"}),
    ("jira_create_issue", {"project": "OP-EN", "issue_type": "Task", "summary": "x"}),
    ("jira_create_issue", {"project": "../x", "issue_type": "Task", "summary": "x"}),
    ("jira_create_issue", {"project": "OPEN", "issue_type": "Task", "summary": ""}),
    ("jira_create_issue", {"project": "OPEN", "issue_type": "Task", "summary": "a\nb"}),
    ("jira_create_issue", {"project": "OPEN", "issue_type": "Task", "summary": "x" * 256}),
    ("jira_create_issue", {"project": "OPEN", "issue_type": "Task"}),
    ("jira_update_issue", {"key": STORY, "labels": ["two words"]}),
    ("jira_update_issue", {"key": STORY, "labels": ["tab\there"]}),
    ("jira_update_issue", {"key": STORY, "labels": ["x"] * 21}),
    ("jira_update_issue", {"key": STORY, "assignee": "a/b"}),
    ("jira_update_issue", {"key": STORY, "status": "Done"}),
    ("jira_comment", {"key": STORY, "body": ""}),
    ("jira_comment", {"key": STORY, "body": "\x00"}),
    ("jira_comment", {"key": STORY, "body": "x" * 32_768}),
    ("jira_transition", {"key": STORY, "to": ""}),
    ("jira_transition", {"key": STORY, "to": "x\x1b[2J"}),
]


@pytest.mark.parametrize(("tool", "arguments"), BAD, ids=lambda v: str(v)[:60])
async def test_bad_arguments_are_not_sent(line: Line, tool: str, arguments: dict[str, Any]) -> None:
    """Refused by type, before anything reaches Jira."""
    with pytest.raises(InvalidCall):
        await line.call("ana", tool, **arguments)
    assert line.requests == []
