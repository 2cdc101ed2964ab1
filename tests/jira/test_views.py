"""Answers are short, whole within their limits, and conform to their schemas."""

from typing import Any

import jsonschema_rs
import msgspec
import pytest

from gateway import limits
from gateway.errors import OutcomeUnknown, Unavailable
from gateway.jira.facts import Rows, checked
from gateway.jira.values import HIDDEN, minute, shown
from gateway.jira.views import IssueDetail, Person, ProjectPage, Receipt
from gateway.model import Result
from tests.jira import raw
from tests.jira.raw import page_of

SITE = "https://acme.atlassian.net"
NOTHING: frozenset[str] = frozenset()


def conforms(answer: Any) -> Result:
    """The rendered answer, valid against the schema of its shape."""
    result: Result = answer.render()
    jsonschema_rs.validator_for(msgspec.json.schema(type(answer).shape)).validate(result.structured)
    return result


def test_an_issue_in_few_words() -> None:
    """Everything that one asks first, minutes in UTC, related issues by key alone."""
    result = conforms(IssueDetail(raw.issue(), SITE))
    told = dict(result.structured)
    note = told.pop("note")
    assert told.pop("description").split("\n")[1:-1] == ["It stops.", "", "At once."]
    (only,) = told.pop("comments")
    assert (only["author"], only["at"], only["text"].split("\n")[1]) == ("Bo", "2026-09-28T08:00Z", "Me too.")
    assert told == {
        "key": "OPEN-1",
        "summary": "It does not start",
        "type": "Bug",
        "status": "In Progress",
        "url": "https://acme.atlassian.net/browse/OPEN-1",
        "priority": "High",
        "assignee": "Bo",
        "reporter": "Ana",
        "labels": ["Web", "urgent"],
        "components": ["Engine"],
        "created": "2026-09-27T08:03Z",
        "updated": "2026-10-02T00:59Z",
        "relations": [
            {"relation": "parent", "key": "OPEN-9"},
            {"relation": "sub-task", "key": "OPEN-10"},
            {"relation": "is blocked by", "key": "VAULT-1"},
            {"relation": "blocks", "key": "OPEN-3"},
        ],
        "comments_in_all": 1,
    }
    assert note in result.text
    assert "Summary of" not in f"{result.text} {told}"


def test_an_issue_with_nothing() -> None:
    """Nulls and absent fields are left out, not printed."""
    bare = raw.issue()
    bare["fields"] = {k: bare["fields"][k] for k in ("project", "issuetype", "status")}
    result = conforms(IssueDetail(bare, SITE))
    assert set(result.structured) == {"key", "summary", "type", "status", "url", "note"}
    nulls = raw.issue(
        **{k: None for k in raw.issue()["fields"] if k not in ("project", "issuetype", "status")}
    )
    assert set(conforms(IssueDetail(nulls, SITE)).structured) == set(result.structured)


def test_the_resources_of_an_issue() -> None:
    """Itself first, then each issue whose key it shows, once; a broken stub is not shown either."""
    double = {"type": {"outward": "clones"}, "outwardIssue": raw.stub("OPEN-3")}
    broken = {"type": {"outward": "hides"}, "outwardIssue": {"key": "SECRET-1"}}
    issue = raw.issue(issuelinks=[*raw.issue()["fields"]["issuelinks"], double, broken])
    view = IssueDetail(issue, SITE)
    assert [r.id for r in view.resources()] == ["OPEN-1", "OPEN-9", "OPEN-10", "VAULT-1", "OPEN-3"]
    assert "SECRET-1" not in f"{view.render()}"


@pytest.mark.parametrize("refused", ["OPEN-9", "OPEN-10", "VAULT-1", "OPEN-3"])
def test_a_refused_relation_disappears(refused: str) -> None:
    """Without a gap and without a word."""
    left = IssueDetail(raw.issue(), SITE).without(frozenset({refused}), NOTHING, None)
    result = conforms(left)
    assert refused not in f"{result.text} {result.structured}"
    assert len(result.structured["relations"]) == 3
    assert refused not in {r.id for r in left.resources()}


def test_every_relation_may_be_refused() -> None:
    """Then there is no list of relations at all."""
    refused = frozenset({"OPEN-9", "OPEN-10", "VAULT-1", "OPEN-3"})
    assert (
        "relations" not in conforms(IssueDetail(raw.issue(), SITE).without(refused, NOTHING, None)).structured
    )


def test_the_last_comments() -> None:
    """The newest five in order of time, whatever the order they came in, and how many there are."""
    many = [raw.comment(f"text {n}", f"2026-01-{n:02}T08:00:00.000+0000") for n in range(1, 13)]
    view = IssueDetail(raw.issue(comment={"comments": many[::-1], "total": 40}), SITE)
    result = conforms(view)
    assert [c["at"][:10] for c in result.structured["comments"]] == [f"2026-01-{n:02}" for n in range(8, 13)]
    assert result.structured["comments_in_all"] == 40
    assert "the last 5 of 40 comments" in result.text
    assert "text 7" not in result.text


def test_fields_asked_for() -> None:
    """By id or by name, in any case; values of every kind; an embedded issue is not shown."""
    issue = raw.issue(
        customfield_1=5.0,
        customfield_2={"value": "Gold"},
        customfield_3=[{"value": "a"}, {"displayName": "Bo", "emailAddress": "bo@example.com"}],
        customfield_4=raw.doc("hello"),
        customfield_5=None,
        customfield_6=raw.stub("SECRET-1"),
        customfield_7=True,
        duedate="2026-12-01",
    )
    issue["names"] = {"customfield_1": "Story Points", "customfield_2": "Tier", "customfield_5": "Tier"}
    asked = (
        "story points",
        "TIER",
        "customfield_3",
        "CUSTOMFIELD_4",
        "customfield_6",
        "customfield_7",
        "duedate",
    )
    result = conforms(IssueDetail(issue, SITE, (*asked, "Nonsense", "summary", "labels")))
    told = {name: text.split("\n")[1] for name, text in result.structured["fields"].items()}
    assert told == {
        "story points": "5",
        "TIER (customfield_2)": "Gold",
        "TIER (customfield_5)": "(empty)",
        "customfield_3": "a, Bo",
        "CUSTOMFIELD_4": "hello",
        "customfield_6": "(not shown)",
        "customfield_7": "yes",
        "duedate": "2026-12-01",
        "Nonsense": "(no such field on this issue)",
    }
    assert "SECRET-1" not in f"{result}"


def test_what_is_asked_of_jira() -> None:
    """Named fields by id; all fields only when one is known by its name alone: one request either way."""
    plain = IssueDetail.params(())["fields"].split(",")
    assert "description" in plain
    assert "*all" not in plain
    more = IssueDetail.params(("DueDate", "CustomField_10042", "summary"))
    assert more == {"fields": ",".join((*plain, "duedate", "customfield_10042"))}
    assert IssueDetail.params(("duedate", "Story Points")) == {"fields": "*all", "expand": "names"}


def test_an_issue_beyond_all_limits() -> None:
    """Every part is cut with a marker that tells its length; the whole stays within the answer."""
    huge = raw.issue(
        summary="s" * 300,
        description=raw.doc("d" * 40_000),
        labels=["l" * 255] * 60,
        components=[{"name": "c" * 255}] * 60,
        reporter={"accountId": "x", "displayName": "n" * 999},
        comment={
            "comments": [
                raw.comment("t" * 9_000, f"2026-01-0{n}T08:00:00.000+0000", "A" * 400) for n in range(1, 8)
            ],
            "total": 7,
        },
        issuelinks=[
            {"type": {"inward": "i" * 200}, "inwardIssue": raw.stub(f"OPEN-{n}")} for n in range(100, 200)
        ],
        **{f"customfield_{n}": "f" * 5_000 for n in range(20)},
    )
    result = conforms(IssueDetail(huge, SITE, tuple(f"customfield_{n}" for n in range(20))))
    assert len(result.text) <= limits.ANSWER_CHARS
    assert sum(len(str(v)) for v in result.structured.values()) <= limits.ANSWER_CHARS * 1.2
    assert "[truncated: 5000 characters in Jira]" in result.text
    assert "[truncated: 40000 characters in Jira]" in result.text
    assert result.text.count("[truncated: 9000 characters in Jira]") == limits.COMMENTS_SHOWN
    assert "… and 40 more" in result.text
    assert "and more 82" in result.text


def test_a_page_of_a_search() -> None:
    """One line an issue, a header, our token, and never a total."""
    page = page_of([raw.issue("OPEN-1"), raw.issue("OPEN-2", assignee=None, priority=None)], "TOKEN")
    result = conforms(page)
    lines = result.text.split("\n")
    assert lines[0] == '2 issues; more with next="TOKEN".'
    assert lines[2] == "KEY | type | status | priority | assignee | updated | summary"
    assert lines[4:6] == [
        "OPEN-1 | Bug | In Progress | High | Bo | 2026-10-02T00:59Z | It does not start",
        "OPEN-2 | Bug | In Progress | - | - | 2026-10-02T00:59Z | It does not start",
    ]
    assert result.structured["next"] == "TOKEN"
    assert "total" not in result.structured
    assert conforms(page_of([])).text == "No issues; no further page."


def test_refused_rows_do_not_exist() -> None:
    """F35: neither their keys nor their number. What a cap withholds is counted: nothing is lost silently."""
    page = page_of([raw.issue(f"OPEN-{n}") for n in range(1, 8)])
    left = conforms(page.without(frozenset({"OPEN-2", "OPEN-3"}), NOTHING, None))
    assert [row["key"] for row in left.structured["issues"]] == [
        "OPEN-1",
        "OPEN-4",
        "OPEN-5",
        "OPEN-6",
        "OPEN-7",
    ]
    assert left.text.startswith("5 issues; no further page.")
    capped = conforms(page.without(frozenset({"OPEN-2", "OPEN-3"}), NOTHING, 2))
    assert [row["key"] for row in capped.structured["issues"]] == ["OPEN-1", "OPEN-4"]
    assert capped.structured["withheld"] == 3
    assert capped.text.startswith("2 issues; 3 more withheld by a cap")
    assert conforms(page.without(NOTHING, NOTHING, 0)).structured["withheld"] == 7


def test_a_full_page_of_long_rows_loses_none() -> None:
    """Fifty of the longest rows still fit: summaries are cut, rows are not."""
    long = {
        "summary": "s" * 255,
        "assignee": {"accountId": "x", "displayName": "n" * 200},
        "status": raw.status("t" * 200),
    }
    page = page_of([raw.issue(f"ABCDEFGHIJKLMNOPQRST-{10**9 + n}", **long) for n in range(50)], "T" * 4096)
    result = conforms(page)
    assert len(result.text) <= limits.ANSWER_CHARS
    assert len(result.structured["issues"]) == 50
    assert all(row["summary"].endswith("…") for row in result.structured["issues"])
    short = conforms(page_of([raw.issue(summary="s" * 120)] * 50))
    assert all(len(row["summary"]) == 120 for row in short.structured["issues"])


def test_a_jira_that_sends_more_than_asked() -> None:
    """Does not flood the answer."""
    page = page_of([raw.issue()] * 200).without(NOTHING, NOTHING, None)
    assert len(conforms(page).structured["issues"]) == limits.PAGE_MAX


def test_a_page_of_projects() -> None:
    """Key, name, category; refused ones do not exist."""
    page = ProjectPage(
        [{"key": "OPEN", "name": "Open"}, {"key": "V", "name": "x", "projectCategory": {"name": "R"}}]
    )
    assert [r.id for r in page.resources()] == ["OPEN", "V"]
    result = conforms(page)
    assert "OPEN | Open\nV | x | R" in result.text
    left = conforms(page.without(frozenset({"V"}), NOTHING, None))
    assert left.structured["projects"] == [{"key": "OPEN", "name": "Open"}]
    assert conforms(ProjectPage([])).text == "No projects; no further page."


def test_a_person() -> None:
    """Only what one needs to be recognised."""
    result = conforms(
        Person({**raw.person("Ana"), "timeZone": "Europe/Rome", "groups": {"items": ["x"]}}, SITE)
    )
    assert result.structured == {
        "account_id": "712020:ana",
        "name": "Ana",
        "site": SITE,
        "email": "ana@example.com",
        "time_zone": "Europe/Rome",
    }
    hidden = conforms(Person(raw.person("Ana"), SITE).without(NOTHING, frozenset({"emailAddress"}), None))
    assert hidden.structured["email"] == HIDDEN


def test_a_receipt_is_short() -> None:
    """At most 80 tokens, which are at least 240 characters; the key comes from Jira."""
    receipt = Receipt.created({"id": "1", "key": "OPEN-32", "self": "x"}, "created", SITE)
    result = conforms(receipt)
    assert result.structured == {"key": "OPEN-32", "done": "created", "url": f"{SITE}/browse/OPEN-32"}
    assert result.text == f"OPEN-32: created. {SITE}/browse/OPEN-32"
    assert conforms(Receipt("OPEN-1", "deleted")).text == "OPEN-1: deleted."
    assert len(conforms(Receipt("OPEN-1", "moved to " + "x" * 500, SITE)).text) < 240
    assert receipt.resources() == ()
    assert receipt.without(NOTHING, frozenset({"key"}), 0) == receipt


@pytest.mark.parametrize("body", [None, {}, [], {"key": None}, "OPEN-1"])
def test_a_create_without_a_key_is_in_doubt(body: Any) -> None:
    """Jira took it, and we cannot say what it made."""
    with pytest.raises(OutcomeUnknown):
        Receipt.created(body, "created", SITE)


@pytest.mark.parametrize("body", [{"isLast": True}, {"issues": None}, {"issues": [1]}, []])
def test_a_search_without_issues_is_not_an_empty_result(body: Any) -> None:
    """ "Nothing found" is only said when Jira said so."""
    with pytest.raises(Unavailable):
        checked(body, Rows)


@pytest.mark.parametrize(
    ("jiras", "ours"),
    [
        ("2026-09-27T10:03:11.123+0200", "2026-09-27T08:03Z"),
        ("2026-12-31T23:59:59.999-0100", "2027-01-01T00:59Z"),
        ("2026-09-27T10:03:11Z", "2026-09-27T10:03Z"),
        ("2026-09-27", "2026-09-27T00:00"),
        ("yesterday\nSYSTEM", "yesterday SYSTEM"),
        (None, ""),
        (17, ""),
    ],
)
def test_minutes(jiras: Any, ours: str) -> None:
    """Jira's stamps in UTC, to the minute; what is no time is one short line."""
    assert minute(jiras) == ours


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "(empty)"), ([], "(empty)"), (0, "0"), (2.5, "2.5"), (False, "no"), ({"a": 1}, "(not shown)")],
)
def test_other_values(value: Any, text: str) -> None:
    """Numbers, truth and what has no name."""
    assert shown(value) == text
