"""The demo data is what the stories need, and is itself in order."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from gateway import clock
from sandbox.jira import DEMO, adf
from sandbox.jira.data import demo_site
from sandbox.jira.dates import function, literal, period
from sandbox.jira.errors import JiraError
from sandbox.people import PEOPLE

_ADF = Path(__file__).parents[2] / "data" / "adf" / "adf-schema-v1-full.json"


def test_three_projects_and_sixty_issues() -> None:
    """Three projects, sixty issues, with comments, links, sub-tasks, levels and personal data among them."""
    site = demo_site(PEOPLE)
    assert Counter(issue.project.key for issue in site.issues.values()) == {
        "OPEN": 31,
        "VAULT": 12,
        "HELP": 17,
    }
    assert sum(len(issue.comments) for issue in site.issues.values()) >= 9
    assert len(site.links) == 7
    assert {issue.level.name for issue in site.issues.values() if issue.level} == {
        "Staff only", "Confidential", "Reporter and HR",
    }  # fmt: skip
    assert [key for key, issue in site.issues.items() if issue.level and issue.project.key == "OPEN"] == [
        "OPEN-7"
    ]
    assert all(DEMO[name] in site.issues for name in DEMO if name != "moved_from")
    assert "jira_delete_issue" in adf.plain(site.issues[DEMO["injection"]].description)
    assert site.issues[DEMO["address"]].custom["customfield_10042"]


def test_every_document_is_valid_adf() -> None:
    """Descriptions and comments fit Atlassian's schema of the format."""
    schema = jsonschema_rs.validator_for(json.loads(_ADF.read_text()))
    for issue in demo_site(PEOPLE).issues.values():
        for document in [issue.description, *(comment.body for comment in issue.comments)]:
            schema.validate(document)
            assert adf.accepted(document, "x") is document


def test_times_run_forward() -> None:
    """Nothing happens before its issue was created, or in the future; ids are given once."""
    site = demo_site(PEOPLE)
    now = clock.wall()
    for issue in site.issues.values():
        moments = [c.created for c in issue.comments] + [h.created for h in issue.history]
        assert all(issue.created <= moment <= issue.updated <= now for moment in moments)
    ids = [i.id for i in site.issues.values()] + [c.id for i in site.issues.values() for c in i.comments]
    assert len(set(ids)) == len(ids)


DEEP: Any = {"type": "text", "text": "x"}
for _ in range(5000):
    DEEP = {"type": "blockquote", "content": [DEEP]}


@pytest.mark.parametrize(
    "value",
    ["words", None, 1, [], {}, {"type": "doc", "version": 2, "content": []}, {"type": "doc", "version": 1},
     {"type": "doc", "version": 1, "content": ["words"]},
     {"type": "doc", "version": 1, "content": [{"type": "text", "text": ""}]},
     {"type": "doc", "version": 1, "content": [DEEP]}],
)  # fmt: skip
def test_what_is_no_document_is_refused(value: Any) -> None:
    """Anything but a document is refused in Jira's words, however deep it is."""
    with pytest.raises(JiraError) as refused:
        adf.accepted(value, "description")
    assert refused.value.body["errors"]["description"].startswith(
        "Operation value must be an Atlassian Document"
    )


NOW = 1_795_000_000.0  # 2026-11-18 11:06:40 UTC, a Wednesday
DAY = 86_400

PERIODS = [("-5d", -5 * DAY), ("4w 2d", 30 * DAY), ("+1h", 3600), ("-30m", -1800), ("1y", 365 * DAY),
           ("5", None), ("d", None), ("", None), ("-5x", None)]  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), PERIODS)
def test_periods(text: str, seconds: float | None) -> None:
    """Weeks, days, hours, minutes, years, alone or together."""
    assert period(text) == seconds


MOMENTS = [
    ("now", (), "2026-11-18 11:06"), ("startOfDay", (), "2026-11-18 00:00"),
    ("startOfDay", ("-1d",), "2026-11-17 00:00"),
    ("startOfDay", ("-1",), "2026-11-17 00:00"), ("startOfWeek", (), "2026-11-15 00:00"),
    ("startOfMonth", (), "2026-11-01 00:00"), ("startOfYear", (), "2026-01-01 00:00"),
    ("endOfDay", (), "2026-11-18 23:59"), ("endOfMonth", (), "2026-11-30 23:59"),
    ("endOfYear", (), "2026-12-31 23:59"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "expected"), MOMENTS)
def test_functions_of_time(name: str, arguments: tuple[str, ...], expected: str) -> None:
    """Edges of day, week (from Sunday), month and year, and shifted ones."""
    found = function(name, arguments, NOW)
    assert found is not None
    assert found // 60 * 60 == literal("created", expected, NOW)


def test_a_function_of_something_else_is_none() -> None:
    """`currentUser` names no moment; a shift that is no period is refused."""
    assert function("currentUser", (), NOW) is None
    with pytest.raises(JiraError):
        function("startOfDay", ("soon",), NOW)
