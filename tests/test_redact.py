"""What policy hides never leaves, whatever else happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.errors import Denied, Unavailable
from gateway.jira.values import HIDDEN, cut
from gateway.jira.views import IssueDetail
from gateway.model import Decision, Obligation, Reason, Resource, Result
from gateway.redact import redact
from tests.jira import raw
from tests.jira.raw import page_of

RULE = Reason("hide", "Personal data is hidden.")
ALLOWED = Decision(allowed=True, reasons=(RULE,), policy="sha256:x")
SITE = "https://j"


def hiding(*fields: str) -> Decision:
    """Allowed, with these fields redacted."""
    return replace(ALLOWED, obligations=(Obligation("hide", "redact_fields", frozenset(fields)),))


def canary(name: str) -> str:
    """A value that nothing else contains."""
    return f"canary-{name.replace('.', '-')}-end"


def person(field: str) -> dict[str, Any]:
    """A user whose every attribute is a canary."""
    keys = ("accountId", "displayName", "emailAddress")
    return {key: canary(f"{field}.{key}") for key in keys}


PATHS = [
    "summary", "description", "environment", "labels", "components", "security", "priority", "comment",
    "customfield_1", "customfield_2", "customfield_3", "reporter", "assignee", "issuetype", "status",
    "reporter.displayName", "reporter.emailAddress", "assignee.displayName", "assignee.accountId",
    "comment.author.displayName", "comment.comments.body", "customfield_3.displayName", "created", "updated",
]  # fmt: skip


def issue() -> dict[str, Any]:
    """An issue in which each path of `PATHS` holds its own canary."""
    told = {
        "author": {"displayName": canary("comment.author.displayName"), "accountId": "x"},
        "body": raw.doc(canary("comment.comments.body"), canary("comment")),
        "created": "2026-01-01T00:00:00.000+0000",
    }
    fields = {
        "summary": canary("summary"),
        "description": raw.doc(canary("description")),
        "environment": raw.doc(canary("environment")),
        "labels": [canary("labels")],
        "components": [{"name": canary("components")}],
        "security": {"name": canary("security")},
        "priority": {"name": canary("priority")},
        "issuetype": {"name": canary("issuetype")},
        "status": {"name": canary("status"), "statusCategory": {"key": "new"}},
        "reporter": person("reporter"),
        "assignee": person("assignee"),
        "comment": {"comments": [told], "total": 1},
        "customfield_1": canary("customfield_1"),
        "customfield_2": {"value": canary("customfield_2")},
        "customfield_3": [person("customfield_3")],
        "created": "2021-01-01T00:00:00.000+0000",
        "updated": "2022-02-02T00:00:00.000+0000",
    }
    names = {"customfield_1": "Home address", "customfield_2": "Salary"}
    return {**raw.issue(**fields), "names": names}


WHOLE = {"reporter", "assignee", "customfield_3"}
"""Hidden piece by piece or as a whole; the canaries are in the pieces."""
CANARIES = {path: canary(path) for path in PATHS if path not in WHOLE}
CANARIES |= {
    "created": "2021-01",
    "updated": "2022-02",
    "customfield_3.displayName": canary("customfield_3.displayName"),
}
ASKED = ("environment", "Home address", "salary", "customfield_3")
subsets = st.lists(st.sampled_from(PATHS), unique=True)


def hidden_by(path: str, fields: Sequence[str]) -> bool:
    """Whether the canary of `path` must not occur."""
    inside = {"comment.author.displayName": "comment", "comment.comments.body": "comment"}
    return any(path == f or path.startswith(f"{f}.") or inside.get(path) == f for f in fields)


@settings(max_examples=200, deadline=None)
@given(fields=subsets, spelled=st.sampled_from([str, str.upper, str.title]), page=st.booleans())
def test_a_hidden_value_occurs_nowhere(fields: list[str], spelled: Any, page: bool) -> None:
    """Not in the text nor in the structured form, in whichever case the rule writes the field."""
    whole = issue()
    answer = page_of([whole]) if page else IssueDetail(whole, SITE, ASKED)
    result = redact(answer, hiding(*map(spelled, fields)))
    released = result.text.encode() + orjson.dumps(result.structured)
    before = answer.render()
    for path, value in CANARIES.items():
        if hidden_by(path, fields):
            assert value.encode() not in released
        elif value.encode() in before.text.encode() and not (
            path == "comment" and "comment.comments.body" in fields
        ):
            assert value.encode() in released
    assert whole == issue(), "Jira's answer itself is never changed"


def test_what_was_asked_for_is_seen_to_be_hidden() -> None:
    """Instead of the value, also by its human name and where there was none."""
    decision = hiding(
        "description", "cf[1]", "customfield_2", "reporter.displayName", "assignee", "labels", "parent"
    )
    empty = issue()
    empty["fields"]["customfield_2"] = None
    told = redact(IssueDetail(empty, SITE, ASKED), decision).structured
    assert told["description"].split("\n")[1] == HIDDEN
    assert told["fields"]["Home address"].split("\n")[1] == HIDDEN
    assert told["fields"]["salary"].split("\n")[1] == HIDDEN
    assert (told["reporter"], told["assignee"], told["labels"]) == (HIDDEN, HIDDEN, [HIDDEN])
    assert {"relation": "parent", "key": HIDDEN} in told["relations"]


def test_hidden_comments_tell_no_number() -> None:
    """Nor an author."""
    told = redact(IssueDetail(issue(), SITE), hiding("comment"))
    assert [c["text"].split("\n")[1] for c in told.structured["comments"]] == [HIDDEN]


def test_every_field_may_be_hidden_at_once() -> None:
    """And an answer still comes out."""
    fields = list(raw.issue()["fields"])
    for answer in (IssueDetail(issue(), SITE, ASKED), page_of([issue()])):
        text = redact(answer, hiding(*fields)).text
        assert HIDDEN in text
        assert "canary" not in text.replace("canary-customfield", "").replace("canary-environment", "")


@pytest.mark.parametrize("path", ["", ".", "..", "a.b.c", "reporter.", "project.key", " description "])
def test_odd_names_cut_or_do_nothing(path: str) -> None:
    """A name that fits nothing changes nothing else; blanks and a last dot do not save a value."""
    left = cut({"reporter": {"displayName": "Ana"}, "description": "x"}, [path])
    if path.startswith("reporter"):
        assert left["reporter"] == HIDDEN
    if path.strip() == "description":
        assert left["description"] == HIDDEN


@dataclass
class Broken:
    """An answer that fails as it is cut or shown, with a secret in the failure."""

    at: str
    kind: type[Exception] = ValueError

    def resources(self) -> Sequence[Resource]:
        return ()

    def without(self, refused: frozenset[str], fields: frozenset[str], maximum: int | None) -> "Broken":
        if self.at == "without":
            raise self.kind("the secret value")
        return self

    def render(self) -> Result:
        if self.at == "render":
            raise self.kind("the secret value")
        return Result({}, "the secret value")


@pytest.mark.parametrize("at", ["without", "render"])
@pytest.mark.parametrize("kind", [ValueError, KeyError, TypeError, RecursionError, MemoryError])
def test_a_failure_while_cutting_withholds_the_answer(at: str, kind: type[Exception]) -> None:
    """It is refused with the rules that wanted the cut, and the failure's text goes nowhere."""
    with pytest.raises(Denied) as refusal:
        redact(Broken(at, kind), ALLOWED)
    error = refusal.value
    assert error.rules == ("hide",)
    assert "secret" not in f"{error} {error.private} {error.__cause__} {error.__context__}"
    assert kind.__name__ in error.private


def test_an_error_of_ours_passes_as_it_is() -> None:
    """It has a public text of its own."""

    class Down(Broken):
        def render(self) -> Result:
            raise Unavailable("down", part="jira")

    with pytest.raises(Unavailable):
        redact(Down(""), ALLOWED)


@pytest.mark.parametrize(
    "decision",
    [
        replace(ALLOWED, allowed=False),
        replace(ALLOWED, errors=("a policy failed",)),
        replace(ALLOWED, reasons=(), allowed=False),
    ],
)
def test_nothing_is_released_that_was_not_allowed(decision: Decision) -> None:
    """Also when somebody forgot to enforce the decision."""
    with pytest.raises(Denied):
        redact(Broken(""), decision)
    assert redact(Broken(""), ALLOWED).text == "the secret value"
