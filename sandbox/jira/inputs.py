"""What a caller may write into each field: checked whole before anything changes.

`checked` turns Jira's `fields` and `update` into attributes of `Issue`, or raises one `JiraError` 400
that names every wrong field.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sandbox.jira import adf
from sandbox.jira.catalogue import HOME_ADDRESS, PRIORITIES, RESOLUTIONS
from sandbox.jira.errors import JiraError, unsettable
from sandbox.jira.model import Issue, IssueType, Project, SecurityLevel, Site
from sandbox.jira.permissions import Who, can, cleared, sees

_SUMMARY_CHARS = 255
_TEXT_BYTES = 32_767


@dataclass(frozen=True, slots=True)
class Target:
    """Who writes into what; `issue` is None while it is being created."""

    site: Site
    who: Who
    project: Project
    issue: Issue | None = None

    def may(self, permission: str) -> bool:
        """Whether the writer holds the permission here."""
        return can(self.who, permission, self.project, self.issue)


def checked(target: Target, fields: Any, update: Any) -> dict[str, Any]:
    """The attributes to set. Raises `JiraError` 400 with every wrong field."""
    attributes: dict[str, Any] = {}
    errors: dict[str, str] = {}
    wanted = {**_object(fields, "fields"), **_updated(target, _object(update, "update"))}
    for name, value in wanted.items():
        try:
            if name not in _SETTERS:
                raise unsettable(name)
            attributes |= _SETTERS[name](target, value)
        except JiraError as wrong:
            errors |= wrong.body["errors"]
    if errors:
        raise JiraError(400, errors=errors)
    return attributes


def issue_type(project: Project, value: Any) -> IssueType:
    """One of the project's types by id or name. Raises `JiraError` 400."""
    found: IssueType | None = _picked(project.types, value)
    if found is None:
        raise _wrong("issuetype", "Specify a valid issue type")
    return found


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise JiraError(400, f"'{name}' must be an object.")
    return value


def _updated(target: Target, update: Mapping[str, Any]) -> dict[str, Any]:
    """`update` as the values that it leads to; comments are added elsewhere."""
    wanted: dict[str, Any] = {}
    for name, steps in update.items():
        if name == "comment":
            continue
        if not isinstance(steps, list) or not all(
            isinstance(step, dict) and len(step) == 1 for step in steps
        ):
            raise _wrong(name, "An update is a list of objects with one operation each.")
        for step in steps:
            ((verb, value),) = step.items()
            before = wanted.get(name, list(target.issue.labels) if target.issue else [])
            if verb == "set":
                wanted[name] = value
            elif not isinstance(before, list):
                raise _wrong(name, "data was not an array")
            elif name == "labels" and verb == "add":
                wanted[name] = [*before, value]
            elif name == "labels" and verb == "remove":
                wanted[name] = [label for label in before if label != value]
            else:
                raise _wrong(name, f"Field does not support update '{verb}'")
    return wanted


def _wrong(field: str, why: str) -> JiraError:
    return JiraError(400, errors={field: why})


def _picked(choices: Any, value: Any) -> Any:
    """The choice that `{"id": …}` or `{"name": …}` names; None without one."""
    if isinstance(value, dict):
        for choice in choices:
            if value.get("id") == str(choice.id) or ("id" not in value and value.get("name") == choice.name):
                return choice
    return None


def _summary(target: Target, value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or not value.strip():
        raise _wrong("summary", "You must specify a summary of the issue.")
    if len(value) > _SUMMARY_CHARS:
        raise _wrong("summary", f"Summary can't exceed {_SUMMARY_CHARS} characters.")
    if "\n" in value or "\r" in value:
        raise _wrong("summary", "The summary is invalid because it contains newline characters.")
    return {"summary": value.strip()}


def _rich(name: str) -> Callable[[Target, Any], dict[str, Any]]:
    def setter(target: Target, value: Any) -> dict[str, Any]:
        if value is None:
            return {name: None}
        document = adf.accepted(value, name)
        if len(adf.plain(document).encode()) > _TEXT_BYTES:
            raise _wrong(
                name, f"The entered text is too long. It exceeds the limit of {_TEXT_BYTES} characters."
            )
        return {name: document}

    return setter


def _priority(target: Target, value: Any) -> dict[str, Any]:
    found = _picked(PRIORITIES, value)
    if found is None:
        raise _wrong("priority", "The priority selected is invalid.")
    return {"priority": found}


def _labels(target: Target, value: Any) -> dict[str, Any]:
    if not isinstance(value, list) or not all(isinstance(label, str) and label for label in value):
        raise _wrong("labels", "data was not an array of strings")
    for label in value:
        if any(character.isspace() for character in label):
            raise _wrong("labels", f"The label '{label}' contains spaces which is invalid.")
    return {"labels": tuple(dict.fromkeys(value))}


def _account(target: Target, field: str, value: Any) -> str | None:
    account = (value.get("accountId") or value.get("id")) if isinstance(value, dict) else value
    if account is None:
        return None
    found = target.site.accounts.get(account) if isinstance(account, str) else None
    if found is None:
        raise _wrong(field, f"Specify a valid value for {field}")
    return found.name


def _assignee(target: Target, value: Any) -> dict[str, Any]:
    if not target.may("ASSIGN_ISSUES"):
        raise unsettable("assignee")
    name = _account(target, "assignee", value)
    if name and not can(target.site.people[name], "ASSIGNABLE_USER", target.project, target.issue):
        raise _wrong("assignee", f"User '{target.site.people[name].display_name}' cannot be assigned issues.")
    return {"assignee": name}


def _reporter(target: Target, value: Any) -> dict[str, Any]:
    name = _account(target, "reporter", value) if target.may("MODIFY_REPORTER") else None
    if name is None:
        raise unsettable("reporter")
    return {"reporter": name}


def _security(target: Target, value: Any) -> dict[str, Any]:
    if not target.may("SET_ISSUE_SECURITY"):
        raise unsettable("security")
    if value is None:
        return {"level": None}
    found: SecurityLevel | None = _picked(target.project.levels, value)
    if found is None or not cleared(target.who, found, target.project, target.issue):
        raise _wrong("security", "The security level selected is invalid.")
    return {"level": found}


def _due(target: Target, value: Any) -> dict[str, Any]:
    try:
        return {"due": None if value is None else date.fromisoformat(value).isoformat()}
    except (TypeError, ValueError):
        raise _wrong("duedate", "Error parsing date string; the format is yyyy-MM-dd.") from None


def _parent(target: Target, value: Any) -> dict[str, Any]:
    key = (value.get("key") or value.get("id")) if isinstance(value, dict) else None
    found = target.site.issue(key) if isinstance(key, str) else None
    if found is None or not sees(target.who, found) or found.project is not target.project:
        raise _wrong("parent", "Could not find issue by id or key.")
    return {"parent": found.key}


def _type(target: Target, value: Any) -> dict[str, Any]:
    found = issue_type(target.project, value)
    if target.issue is not None and (found.level < 0) != (target.issue.type.level < 0):
        raise _wrong("issuetype", "The issue type selected is invalid.")
    return {"type": found}


def _resolution(target: Target, value: Any) -> dict[str, Any]:
    name = value.get("name") if isinstance(value, dict) else None
    if name not in RESOLUTIONS or not target.may("RESOLVE_ISSUES"):
        raise unsettable("resolution")
    return {"resolution": name}


def _address(target: Target, value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, str):
        raise _wrong(HOME_ADDRESS, "Operation value must be a string")
    return {HOME_ADDRESS: value}


def _points(target: Target, value: Any) -> dict[str, Any]:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise _wrong("customfield_10016", "Operation value must be a number")
    return {"customfield_10016": value}


_SETTERS: dict[str, Callable[[Target, Any], dict[str, Any]]] = {
    "summary": _summary,
    "description": _rich("description"),
    "environment": _rich("environment"),
    "priority": _priority,
    "labels": _labels,
    "assignee": _assignee,
    "reporter": _reporter,
    "security": _security,
    "duedate": _due,
    "parent": _parent,
    "issuetype": _type,
    "resolution": _resolution,
    HOME_ADDRESS: _address,
    "customfield_10016": _points,
}
