"""Inline Markdown tokens to inline ADF nodes."""

import re
from collections.abc import Sequence
from typing import Any

from markdown_it.token import Token

Node = dict[str, Any]

_BREAK = re.compile(r"<br ?/?>")
_MARKS = {"strong_open": "strong", "em_open": "em", "s_open": "strike"}


def inline_nodes(tokens: Sequence[Token], *, breaks: bool) -> list[Node]:
    """Inline nodes; with `breaks`, `<br>` is a line break, the only one that a table's cell can hold."""
    found = _Line()
    for token in tokens:
        match token.type:
            case "text" if breaks and "<br" in token.content:
                for number, part in enumerate(_BREAK.split(token.content)):
                    if number:
                        found.nodes.append({"type": "hardBreak"})
                    found.text(part)
            case "text" | "text_special":
                found.text(token.content)
            case "softbreak":
                found.text(" ")
            case "hardbreak":
                found.nodes.append({"type": "hardBreak"})
            case "code_inline":
                found.text(token.content, code=True)
            case "image":
                found.image(token)
            case "link_open":
                found.link(str(token.attrs.get("href", "")), str(token.attrs.get("title", "")))
            case "link_close":
                found.unlink()
            case kind if kind in _MARKS:
                found.marks.append({"type": _MARKS[kind]})
            case kind if kind.endswith("_close"):
                found.marks.pop()
    return found.nodes


class _Line:
    """Inline nodes under construction, and the marks that are open."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.marks: list[Node] = []
        self.linked_at = 0

    def text(self, text: str, *, code: bool = False) -> None:
        """Add `text` under the open marks; ADF allows beside `code` only a link."""
        if not text:
            return
        marks: list[Node] = []
        for mark in self.marks:
            # One of a kind: an address in angle brackets may stand in a link, and stays part of it.
            if all(mark["type"] != m["type"] for m in marks) and not (code and mark["type"] != "link"):
                marks.append(mark)
        if code:
            marks.append({"type": "code"})
        last = self.nodes[-1] if self.nodes else {}
        if last.get("type") == "text" and last.get("marks", []) == marks:
            last["text"] += text
            return
        node: Node = {"type": "text", "text": text}
        if marks:
            node["marks"] = marks
        self.nodes.append(node)

    def link(self, href: str, title: str) -> None:
        attrs = {"href": href, "title": title} if title else {"href": href}
        self.marks.append({"type": "link", "attrs": attrs})
        self.linked_at = len(self.nodes)

    def unlink(self) -> None:
        """End the link: one without words shows its address, one without an address is no link."""
        mark = next(mark for mark in reversed(self.marks) if mark["type"] == "link")
        href = mark["attrs"]["href"]
        if len(self.nodes) == self.linked_at:
            self.text(href)
        self.marks.remove(mark)
        if not href:
            for node in self.nodes[self.linked_at :]:
                if "marks" in node:
                    node["marks"] = [m for m in node["marks"] if m["type"] != "link"]

    def image(self, token: Token) -> None:
        """A picture elsewhere cannot be shown by Jira: a link to it."""
        href = str(token.attrs.get("src", ""))
        if any(mark["type"] == "link" for mark in self.marks):
            self.text(token.content or href)
            return
        self.link(href, "")
        self.text(token.content)
        self.unlink()
