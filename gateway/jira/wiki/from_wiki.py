"""Wiki text to ADF: first the macros that hold blocks, then the lines between them."""

import re
from collections.abc import Sequence
from typing import Any

from gateway import limits
from gateway.jira.adf.from_markdown import IN_QUOTATION, fitted
from gateway.jira.wiki.blocks import Reader

Node = dict[str, Any]

_MACRO = re.compile(r"(?<!\\)\{(code|noformat|quote|panel)(:[^{}\n]{0,400})?\}")
_IN_PANEL = IN_QUOTATION | {"heading", "rule", "taskList"}


def from_wiki(text: str) -> Node:
    """The ADF `doc` of wiki text; what is too long to be understood in time comes as it stands."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > limits.MARKDOWN_CHARS:
        return _doc([_paragraph(line) for line in text.split("\n") if line.strip()])
    return _doc(_Macros(text).nodes)


def _doc(content: Sequence[Node]) -> Node:
    return {"version": 1, "type": "doc", "content": list(content)}


def _paragraph(*words: str, bold: bool = False) -> Node:
    marks = {"marks": [{"type": "strong"}]} if bold else {}
    return {"type": "paragraph", "content": [{"type": "text", "text": w, **marks} for w in words if w]}


class _Macros:
    """The document's blocks. A quotation or panel that is not closed ends with the text; none is in another."""

    def __init__(self, text: str) -> None:
        self.nodes: list[Node] = []
        self._open: tuple[str, str] | None = None
        """(macro, its parameters) that holds what is read now."""
        self._held: list[Node] = []
        self._unclosed: set[str] = set()
        self._read(text)

    def _read(self, text: str) -> None:
        at = seek = 0
        while (macro := _MACRO.search(text, seek)) is not None:
            name, parameters = macro[1], (macro[2] or ":")[1:]
            raw = name in ("code", "noformat")
            end = self._closing(text, name, macro.end()) if raw else macro.end()
            seek = macro.end()
            if end < 0:
                continue  # nothing closes it: it is text
            self._lines(text[at : macro.start()])
            if raw:
                self._held += _code(text[seek:end], parameters)
                seek = end + len(name) + 2
            else:
                self._turn(name, parameters)
            at = seek
        self._lines(text[at:])
        self._close()

    def _closing(self, text: str, name: str, at: int) -> int:
        if name in self._unclosed:
            return -1
        found = text.find(f"{{{name}}}", at)
        if found < 0:
            self._unclosed.add(name)
        return found

    def _lines(self, text: str) -> None:
        self._held += Reader(text).blocks()

    def _turn(self, name: str, parameters: str) -> None:
        """Open a quotation or panel, or close the one that is open."""
        was = self._open
        self._close()
        if was is None or was[0] != name or parameters:
            self._open = (name, parameters)

    def _close(self) -> None:
        held, self._held = self._held, []
        if self._open is None:
            self.nodes += held
        elif self._open[0] == "quote" and held:
            self.nodes.append({"type": "blockquote", "content": fitted(held, IN_QUOTATION)})
        elif self._open[0] == "panel":
            title = _named(self._open[1], "title")
            content = [_paragraph(title, bold=True)] if title else []
            if content or held:
                content += fitted(held, _IN_PANEL) if held else []
                self.nodes.append({"type": "panel", "attrs": {"panelType": "info"}, "content": content})
        self._open = None


def _code(text: str, parameters: str) -> list[Node]:
    """A block of code, and its title above it."""
    first = parameters.split("|", 1)[0]
    language = first if "=" not in first else ""
    text = text.removeprefix("\n").removesuffix("\n")
    node: Node = {"type": "codeBlock", "content": [{"type": "text", "text": text}] if text else []}
    if language not in ("", "none"):
        node["attrs"] = {"language": language}
    title = _named(parameters, "title")
    return [_paragraph(title, bold=True), node] if title else [node]


def _named(parameters: str, name: str) -> str:
    found = (part.partition("=") for part in parameters.split("|"))
    return next((value.strip() for key, _, value in found if key.strip() == name), "")
