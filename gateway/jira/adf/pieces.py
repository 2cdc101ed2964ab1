"""The small pieces of a document: what a node holds, and nodes that are one word of ours."""

import re
from datetime import UTC, datetime
from typing import Any

from gateway.jira.adf.to_inline import clean, escaped

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def children(node: dict[str, Any]) -> list[dict[str, Any]]:
    content = node.get("content")
    return [child for child in content if isinstance(child, dict)] if isinstance(content, list) else []


def attrs_of(node: dict[str, Any]) -> dict[str, Any]:
    attrs = node.get("attrs")
    return attrs if isinstance(attrs, dict) else {}


def card(attrs: dict[str, Any]) -> str:
    data = attrs.get("data")
    url = attrs.get("url") or (data.get("url") if isinstance(data, dict) else None)
    if not isinstance(url, str):
        return unsupported("card")
    return f"<{url}>" if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>\x00-\x1f]*", url) else words(url)


def date(timestamp: Any) -> str:
    try:
        return datetime.fromtimestamp(int(timestamp) / 1000, UTC).strftime("%Y-%m-%d")
    except (TypeError, ValueError, OverflowError, OSError):
        return "[unsupported: date]"


def words(text: Any) -> str:
    return escaped(clean(" ".join(text.split()))) if isinstance(text, str) else ""


def word(text: Any) -> str:
    return text if isinstance(text, str) and _NAME.fullmatch(text) else "unknown"


def unsupported(kind: Any) -> str:
    return f"[unsupported: {word(kind)}]"
