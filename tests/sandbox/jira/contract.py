"""The outside contract: Atlassian's OpenAPI document, and the keys that real payloads always carry."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

_DATA = Path(__file__).parents[2] / "data" / "jira"
_OPENAPI = json.loads((_DATA / "openapi.json").read_text())
_PRESENCE = json.loads((_DATA / "presence-profile.json").read_text())

NESTED = {
    "assignee": "UserDetails", "reporter": "UserDetails", "creator": "UserDetails",
    "status": "StatusDetails", "priority": "Priority", "issuetype": "IssueTypeDetails",
    "project": "ProjectDetails", "comment": "PageOfComments", "worklog": "PageOfWorklogs",
    "votes": "Votes", "watches": "Watchers", "parent": "LinkedIssue", "security": "SecurityLevel",
    "statusCategory": "StatusCategory",
}  # fmt: skip
"""Fields of an issue, which the document leaves open, and the schema that each has elsewhere in it."""

NESTED_LISTS = {"issuelinks": "IssueLink", "subtasks": "LinkedIssue", "attachment": "Attachment"}

AGILE_ONLY = {"flagged", "sprint"}
"""Keys of the recorded issues that only the boards' API sends."""


def _schemas() -> dict[str, Any]:
    """The document's schemas as JSON Schema, with the drift from real payloads that is known by name."""
    schemas: dict[str, Any] = json.loads(json.dumps(_OPENAPI["components"]["schemas"]))
    schemas["IssueLink"].pop("required")  # real links carry one end: the other is the issue itself
    schemas["IssueTypeDetails"]["properties"]["untranslatedName"] = {"type": "string"}
    item = schemas["ChangeDetails"]["properties"]
    for name in ("from", "fromString", "to", "toString"):
        item[name] = {"type": ["string", "null"]}
    return schemas


@functools.cache
def _validator(pointer: str) -> Any:
    schema = {"$ref": pointer, "components": {"schemas": _schemas()}, "paths": _OPENAPI["paths"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=False)


def fits(name: str, value: Any) -> None:
    """Fail unless `value` is an instance of the document's schema `name`."""
    _require(f"#/components/schemas/{name}", value)


def _require(pointer: str, value: Any) -> None:
    problems = [
        f"{'/'.join(map(str, p.instance_path))}: {p.message}" for p in _validator(pointer).iter_errors(value)
    ]
    assert not problems, f"{pointer}: {problems[:5]}"


def answers(method: str, template: str, status: int, body: Any) -> None:
    """Fail unless the document has this status for the operation, and `body` fits its schema there."""
    responses = _OPENAPI["paths"][f"/rest/api/3/{template}"][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {template} is not documented to answer {status}"
    if "content" in responses[str(status)]:
        path = (
            f"/rest/api/3/{template}".replace("~", "~0")
            .replace("/", "~1")
            .replace("{", "%7B")
            .replace("}", "%7D")
        )
        _require(f"#/paths/{path}/{method.lower()}/responses/{status}/content/application~1json/schema", body)
    elif status >= 400 and isinstance(body, dict) and "errorMessages" in body:
        fits("ErrorCollection", body)


def fits_issue(issue: Any) -> None:
    """Fail unless the issue and everything nested in its fields fit."""
    fits("IssueBean", issue)
    for field, name in NESTED.items():
        if issue["fields"].get(field) is not None:
            fits(name, issue["fields"][field])
    for field, name in NESTED_LISTS.items():
        for value in issue["fields"].get(field, []):
            fits(name, value)


def present(kind: str, value: Any, *, without: frozenset[str] = frozenset()) -> None:
    """Fail unless every object in `value` has the keys that real ones of this kind always have."""
    for path, keys in _PRESENCE[kind]["always_present"].items():
        for found in _at(value, path.removeprefix("$").strip(".").split(".") if path != "$" else []):
            missing = set(keys) - found.keys() - without
            assert not missing, f"{kind} {path} lacks {sorted(missing)}"


def _at(value: Any, steps: list[str]) -> Iterator[dict[str, Any]]:
    """Every object at the path; a missing or null step ends it."""
    if not steps:
        if isinstance(value, dict):
            yield value
        return
    name, many = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    inner = value.get(name) if isinstance(value, dict) else None
    for item in inner if many and isinstance(inner, list) else [inner]:
        if item is not None:
            yield from _at(item, steps[1:])
