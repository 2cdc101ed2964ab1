"""Moving issues through their workflow."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from gateway.jira import JiraSession
from gateway.jira.adf import document
from gateway.jira.views import Receipt, line
from gateway.model import Effect
from gateway.tool import InvalidCall, IssueKey, JiraRefused, Looked, Markdown, Name, issue, tool


def _destination(looked: Looked, arguments: Mapping[str, Any]) -> dict[str, str]:
    """For policy: the status that the issue would get, however the transition was called."""
    found = _fitting(looked, arguments["to"])
    return {"to": _status(found[0])} if len(found) == 1 else {}


@tool(
    effect=Effect.WRITE,
    on=issue(expand="transitions"),
    title="Move a Jira issue to another status",
    exact=_destination,
)
async def jira_transition(
    jira: JiraSession,
    looked: Looked,
    key: IssueKey,
    to: Annotated[Name, Meta(description="Name of the target status or of the transition, e.g. Done.")],
    comment: Annotated[Markdown, Meta(description="A comment to add with the move, in Markdown.")]
    | None = None,
) -> Receipt:
    """Move an issue to another status, if its workflow lets the caller; otherwise lists what is possible."""
    found = _fitting(looked, to)
    if not found:
        raise JiraRefused(
            f"You cannot move this issue to `{to}`; possible now: {_listed(looked)}.", status=400
        )
    if len(found) > 1:
        names = ", ".join(f"`{line(transition['name'], 60)}`" for transition in found)
        raise InvalidCall(f"Several transitions fit `{to}`: {names}. Name one of them.")
    wanted: dict[str, Any] = {"transition": {"id": found[0]["id"]}}
    if comment is not None:
        wanted["update"] = {"comment": [{"add": {"body": await document(comment)}}]}
    await jira.post("issue", looked["key"], "transitions", json=wanted)
    done = f"moved to {_status(found[0])}" + (", comment added" if comment is not None else "")
    return Receipt(looked["key"], done, jira.site)


def _fitting(looked: Looked, to: str) -> list[dict[str, Any]]:
    """The transitions of that name, or else those that lead to the status of that name."""
    wanted = to.casefold()
    possible = _possible(looked)
    named = [t for t in possible if t["name"].casefold() == wanted]
    return named or [t for t in possible if _status(t).casefold() == wanted]


def _possible(looked: Looked) -> list[dict[str, Any]]:
    return [t for t in looked.get("transitions") or () if isinstance(t.get("name"), str)]


def _status(transition: Mapping[str, Any]) -> str:
    target = transition.get("to")
    return str(target.get("name", "")) if isinstance(target, dict) else ""


def _listed(looked: Looked) -> str:
    names = [f"`{line(t['name'], 60)}` (to {line(_status(t), 60)})" for t in _possible(looked)]
    return ", ".join(names[:20]) or "nothing, for you"
