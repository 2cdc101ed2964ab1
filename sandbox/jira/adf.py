"""Atlassian Document Format: the few nodes that the demo data is written with, and plain text out of any."""

from collections.abc import Iterator
from html import escape
from typing import Any

from sandbox.jira.errors import JiraError
from sandbox.jira.model import Adf

_DEPTH = 100
"""Deeper documents are refused, so that no walk over one can exhaust the stack."""

_BREAKS = frozenset({"paragraph", "heading", "codeBlock", "hardBreak", "listItem", "tableRow", "rule"})


def doc(*blocks: str | Adf) -> Adf:
    """A document; a plain string is a paragraph."""
    return {
        "type": "doc",
        "version": 1,
        "content": [paragraph(b) if isinstance(b, str) else b for b in blocks],
    }


def text(words: str, *marks: str) -> Adf:
    """Words, with marks such as `strong`, `em`, `code`."""
    node: Adf = {"type": "text", "text": words}
    if marks:
        node["marks"] = [{"type": mark} for mark in marks]
    return node


def paragraph(*parts: str | Adf) -> Adf:
    """A paragraph of strings and inline nodes."""
    return {"type": "paragraph", "content": [text(p) if isinstance(p, str) else p for p in parts]}


def heading(words: str, level: int = 2) -> Adf:
    """A heading, level 1 to 6."""
    return {"type": "heading", "attrs": {"level": level}, "content": [text(words)]}


def bullets(*items: str) -> Adf:
    """A bullet list with one paragraph an item."""
    return {"type": "bulletList", "content": [{"type": "listItem", "content": [paragraph(i)]} for i in items]}


def numbered(*items: str) -> Adf:
    """A numbered list with one paragraph an item."""
    return {**bullets(*items), "type": "orderedList"}


def code(lines: str, language: str) -> Adf:
    """A code block."""
    return {"type": "codeBlock", "attrs": {"language": language}, "content": [text(lines)]}


def panel(words: str, kind: str = "info") -> Adf:
    """A coloured panel: info, note, success, warning or error."""
    return {"type": "panel", "attrs": {"panelType": kind}, "content": [paragraph(words)]}


def quote(words: str) -> Adf:
    """A block quote."""
    return {"type": "blockquote", "content": [paragraph(words)]}


def table(*rows: tuple[str, ...]) -> Adf:
    """A table whose first row is its head."""
    kinds = ("tableHeader", *("tableCell" for _ in rows[1:]))
    return {
        "type": "table",
        "content": [
            {"type": "tableRow", "content": [{"type": kind, "content": [paragraph(c)]} for c in row]}
            for kind, row in zip(kinds, rows, strict=True)
        ],
    }


def accepted(value: Any, field: str) -> Adf:
    """`value` as it came, when it is a document. Raises `JiraError` 400 as Jira does for a plain string."""
    if isinstance(value, dict) and value.get("type") == "doc" and value.get("version") == 1:
        content = value.get("content")
        if isinstance(content, list) and all(_is_node(node, _DEPTH) for node in content):
            return value
    why = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
    raise JiraError(400, errors={field: why})


def _is_node(node: Any, depth: int) -> bool:
    if depth == 0 or not isinstance(node, dict) or not isinstance(node.get("type"), str):
        return False
    if node["type"] == "text" and not (isinstance(node.get("text"), str) and node["text"]):
        return False
    content = node.get("content", [])
    return isinstance(content, list) and all(_is_node(child, depth - 1) for child in content)


def plain(document: Adf | None) -> str:
    """The words of a document, blocks on lines of their own."""
    return "" if document is None else "".join(_words(document)).strip()


def html(document: Adf | None) -> str | None:
    """A rough rendering for `renderedFields`: paragraphs of escaped text."""
    if document is None:
        return None
    return "".join(f"<p>{escape(line)}</p>" for line in plain(document).split("\n") if line)


def _words(node: Adf) -> Iterator[str]:
    if node.get("type") == "text":
        yield node["text"]
    elif node.get("type") == "mention":
        yield str(node.get("attrs", {}).get("text", ""))
    for child in node.get("content", []):
        yield from _words(child)
    if node.get("type") in _BREAKS:
        yield "\n"
