"""Jira's field values: cut out what policy hides, and turn the rest into short text.

`cut` works on Jira's own JSON, before anything is shown, so that no view can forget a field.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from gateway import limits
from gateway.jira.adf import to_markdown
from gateway.jira.fence import line, plain

HIDDEN = "[hidden by policy]"
"""Stands where a value was cut out, also where there was none: absence would tell something too."""

_CLAUSE = re.compile(r"cf\[(\d+)\]", re.IGNORECASE)
_MINUTE = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:")
_LABELS = ("displayName", "name", "value", "key", "filename")


def cut(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A copy of an issue's `fields` in which every named value is `HIDDEN`.

    A name is a field id (`description`, `customfield_10042` or its JQL form `cf[10042]`) or a dotted
    path into one (`reporter.emailAddress`); lists and pages of things are entered item by item
    (`comment.author.displayName`). Case does not matter.
    """
    left = dict(fields)
    for head, *path in _paths(frozenset(names)):
        for key in _matching(left, head) or [head]:
            if not path:
                left[key] = HIDDEN
            elif key in left:
                left[key] = _cut_inside(left[key], path)
    return left


@lru_cache(64)
def _paths(names: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    """Each name as its parts; an obligation's names are the same from call to call."""
    plain_names = (_CLAUSE.sub(r"customfield_\1", name.strip()) for name in sorted(names))
    return tuple((head, *filter(None, rest)) for head, *rest in (name.split(".") for name in plain_names))


def _matching(node: Mapping[str, Any], name: str) -> list[str]:
    if name in node or name.startswith("customfield_"):  # an id that Jira spells in one way only
        return [name] if name in node else []
    return [key for key in node if key.lower() == name.lower()]


def _cut_inside(node: Any, path: Sequence[str]) -> Any:
    if isinstance(node, list):
        return [_cut_inside(item, path) for item in node]
    if not isinstance(node, dict):
        return node
    keys = _matching(node, path[0])
    if keys:
        rest = path[1:]
        return {**node, **{key: _cut_inside(node[key], rest) if rest else HIDDEN for key in keys}}
    return {
        key: _cut_inside(value, path) if isinstance(value, list) else value for key, value in node.items()
    }


def label(value: Any, limit: int = 60) -> str:
    """The name of a person, status, priority, option …, as one line; empty for nothing."""
    if isinstance(value, dict):
        for key in _LABELS:
            if key in value and isinstance(value[key], str):
                return line(value[key], limit)
    return line(value, limit) if isinstance(value, str) else ""


def labels(value: Any) -> list[str]:
    """The names in a list, at most `LABELS_SHOWN`, and a last item that counts the others."""
    if isinstance(value, str):
        return [line(value, 100)]
    items = [label(item, 100) for item in value] if isinstance(value, list) else []
    more = len(items) - limits.LABELS_SHOWN
    return items if more <= 0 else [*items[: limits.LABELS_SHOWN], f"… and {more} more"]


def body(value: Any) -> str:
    """A text that people wrote, whole, in Markdown; the view cuts it (`gateway.jira.fence.capped`)."""
    if isinstance(value, dict):
        value = to_markdown(value)
    return plain(value).strip() if isinstance(value, str) else ""


def minute(value: Any) -> str:
    """Jira's `2026-09-27T10:03:11.123+0200` as `2026-09-27T08:03Z`."""
    if not isinstance(value, str):
        return ""
    if value.endswith("+0000") and _MINUTE.match(value):
        return value[:16] + "Z"
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return line(value, 20)
    if moment.tzinfo is None:
        return moment.isoformat(timespec="minutes")
    return moment.astimezone(UTC).isoformat(timespec="minutes")[:16] + "Z"


def shown(value: Any) -> str:
    """Any other field as text. An embedded issue is not shown: policy did not decide on it."""
    if value is None:
        return "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value[: limits.LABELS_SHOWN]) or "(empty)"
    if isinstance(value, dict):
        if value.get("type") == "doc":
            return body(value)
        return "(not shown)" if "fields" in value else label(value, limits.FIELD_CHARS) or "(not shown)"
    return body(value)
