"""Comments: added, edited and deleted as one caller, seen by role or group where restricted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import clock
from sandbox.jira import adf
from sandbox.jira.adf import plain
from sandbox.jira.errors import JiraError
from sandbox.jira.model import Adf, Comment, Issue, Site
from sandbox.jira.permissions import Who, can, in_role, seen_issue, sees_comment
from sandbox.people import Person

__all__ = ["Draft", "add", "attach", "body_of", "checked", "delete", "edit", "plain", "seen"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A comment that was checked and is not attached yet."""

    body: Adf
    visibility: tuple[str, str] | None


def seen(site: Site, who: Who, id_or_key: str, number: str) -> tuple[Issue, Comment]:
    """The comment and its issue. Raises `JiraError` 404 when either is not visible."""
    issue = seen_issue(site, who, id_or_key)
    for comment in issue.comments:
        if str(comment.id) == number and sees_comment(who, issue, comment):
            return issue, comment
    raise JiraError(404, f"Can not find a comment for the id: {number}.")


def body_of(who: Who, issue: Issue, value: Any) -> Draft:
    """A comment to come. Raises `JiraError` 400 for a wrong body or visibility, 403 without ADD_COMMENTS."""
    if who is None or not can(who, "ADD_COMMENTS", issue.project, issue):
        raise JiraError(403, errors={"comment": "You do not have the permission to comment on this issue."})
    return _draft(who, issue, value)


def checked(who: Who, issue: Issue, update: Any) -> list[Draft]:
    """The comments that an `update` adds. Raises `JiraError` 400."""
    steps = update.get("comment", []) if isinstance(update, dict) else []
    if not isinstance(steps, list) or not all(
        isinstance(step, dict) and set(step) == {"add"} for step in steps
    ):
        raise JiraError(400, errors={"comment": "Only 'add' is supported here."})
    return [body_of(who, issue, step["add"]) for step in steps]


def attach(site: Site, issue: Issue, author: Person, drafts: list[Draft]) -> None:
    """Put checked comments on the issue."""
    for draft in drafts:
        now = clock.wall()
        issue.comments.append(Comment(site.next_id(), author.name, draft.body, now, now, draft.visibility))
        issue.updated = now


def add(site: Site, who: Who, id_or_key: str, value: Any) -> tuple[Issue, Comment]:
    """`POST comment`."""
    issue = seen_issue(site, who, id_or_key)
    draft = body_of(who, issue, value)
    assert who is not None
    attach(site, issue, who, [draft])
    return issue, issue.comments[-1]


def edit(site: Site, who: Who, id_or_key: str, number: str, value: Any) -> tuple[Issue, Comment]:
    """`PUT comment`: 400 without permission, as Jira answers it."""
    issue, comment = seen(site, who, id_or_key, number)
    author = _allowed(who, issue, comment, "EDIT")
    draft = _draft(who, issue, value)
    comment.body, comment.editor, comment.updated = draft.body, author.name, clock.wall()
    if "visibility" in value:
        comment.visibility = draft.visibility
    issue.updated = comment.updated
    return issue, comment


def delete(site: Site, who: Who, id_or_key: str, number: str) -> None:
    """`DELETE comment`: 400 without permission, as Jira answers it."""
    issue, comment = seen(site, who, id_or_key, number)
    _allowed(who, issue, comment, "DELETE")
    issue.comments.remove(comment)
    issue.updated = clock.wall()


def _allowed(who: Who, issue: Issue, comment: Comment, verb: str) -> Person:
    own = who is not None and comment.author == who.name
    keys = [f"{verb}_ALL_COMMENTS", *([f"{verb}_OWN_COMMENTS"] if own else [])]
    if who is None or not any(can(who, key, issue.project, issue) for key in keys):
        word = verb.lower()
        why = f"You do not have permission to {word} comment with id: {comment.id}"
        raise JiraError(400, why)
    return who


def _draft(who: Who, issue: Issue, value: Any) -> Draft:
    if not isinstance(value, dict) or "body" not in value:
        raise JiraError(400, errors={"comment": "Comment body can not be empty!"})
    document = adf.accepted(value["body"], "comment")
    if not document["content"]:
        raise JiraError(400, errors={"comment": "Comment body can not be empty!"})
    return Draft(document, _visibility(who, issue, value.get("visibility")))


def _visibility(who: Who, issue: Issue, value: Any) -> tuple[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.get("type") not in ("role", "group"):
        raise JiraError(400, errors={"commentLevel": "Specify a valid visibility."})
    kind, name = value["type"], str(value.get("value") or value.get("identifier") or "")
    if kind == "role" and not in_role(who, issue.project, name):
        why = f"You are currently not a member of the project role: {name}."
        raise JiraError(400, errors={"commentLevel": why})
    if kind == "group" and (who is None or name not in who.groups):
        raise JiraError(400, errors={"commentLevel": f"You are currently not a member of the group: {name}."})
    return kind, name
