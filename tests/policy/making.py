"""Bundles, callers and issues in small, for the tests of this room."""

from pathlib import Path
from typing import Any

from gateway.model import Caller, Resource, Secret, ToolCall, ToolRequest
from gateway.policy.bundle import Bundle, build
from gateway.policy.facts import Moment
from gateway.policy.judge import Judge, Verdict
from tests.policy.actions import TOOLS

SHIPPED = Path(__file__).resolve().parents[2] / "policies"
NOON = 1_772_452_800.0
"""2026-03-02T12:00:00Z, a Monday."""

STAFF = """\
@id("staff-read")
@reason("Staff may read.")
permit (principal in Jira::Group::"staff", action in Jira::Action::"read", resource);

@id("staff-write")
@reason("Staff may write.")
permit (principal in Jira::Group::"staff", action in Jira::Action::"write", resource);
"""

DATA = {
    "known.yaml": b"groups: [staff, leads, hr]\nprojects: [OPEN, VAULT]\ncategories: [products, secret]\n",
    "agents.yaml": b"groups: [small, vendor]\ndefault: {writesPerHour: 5}\n"
    b"clients: {tiny: {groups: [small]}}\n",
    "clearances.yaml": b'"L1": [leads]\n"L2": [leads, hr]\n',
}


def files(rules: str = STAFF, **more: str) -> dict[str, bytes]:
    """A snapshot with these rules; names in `more` are file names with `__` for `/` and `_` for `.`."""
    return {**DATA, "10.cedar": rules.encode(), **{name: text.encode() for name, text in more.items()}}


def bundle(rules: str = STAFF) -> Bundle:
    """A bundle of these rules."""
    return build(files(rules), TOOLS)


def judge(rules: str = STAFF) -> Judge:
    """A judge for these rules."""
    return Judge(bundle(rules))


def rule(name: str, text: str, *notes: str) -> str:
    """A rule with its annotations."""
    return f'@id("{name}") @reason("Because of {name}.") {" ".join(notes)}\n{text}\n'


def caller(subject: str = "ana", *groups: str, **more: Any) -> Caller:
    """Somebody; in `staff` unless said otherwise."""
    facts: dict[str, Any] = {
        "issuer": "https://idp.example.com",
        "client": "claude",
        "scopes": frozenset({"jira:read", "jira:write"}),
        "expires_at": NOON + 3600,
        "token": Secret("t"),
        **more,
    }
    return Caller(subject=subject, groups=frozenset(groups or ("staff",)), **facts)


def issue(key: str = "OPEN-1", **facts: Any) -> Resource:
    """An issue as the facts of Jira's answer tell it."""
    usual = {
        "project": key.rpartition("-")[0],
        "issueType": "Task",
        "status": "To Do",
        "statusCategory": "new",
        "labels": [],
        "components": [],
    }
    return Resource("Issue", key, {**usual, **facts})


def call(who: Caller, tool: str, *, call_id: str = "", **given: Any) -> ToolCall:
    """A bound call of one of the nine tools."""
    spec = next(action for action in TOOLS if action.name == tool)
    request = ToolRequest(tool, {}, call_id=call_id)
    return ToolCall(who, tool, spec.effect, "", {}, given, spec.target, "", (), request)


def ask(
    on: Judge, who: Caller, tool: str, resource: Resource, when: Moment | None = None, **given: Any
) -> Verdict:
    """The verdict on one question."""
    question = on.subjects.question(on.subjects.subject(who), tool, given, when or Moment(NOON))
    return on.verdict(question, resource)
