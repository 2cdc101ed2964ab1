"""Lines of wiki text to blocks of ADF: paragraphs, headings, lists, tables, rules."""

import re
from typing import Any

from gateway.jira.wiki.from_inline import inline_nodes
from gateway.jira.wiki.signs import BOXES

Node = dict[str, Any]

_DEEPEST = 12
"""levels of lists; deeper ones stand at this one."""

_RULE = re.compile(r"[ \t]*-{4,}[ \t]*")
_HEADING = re.compile(r"[ \t]*h([1-6])\.[ \t]+(\S.*)")
_QUOTED = re.compile(r"[ \t]*bq\.[ \t]+(\S.*)")
_ITEM = re.compile(r"[ \t]*([*#-]*[*#]|-)[ \t]+(\S.*)")
_ROW = re.compile(r"[ \t]*\|\|?[^|\n].*")
_CELL = re.compile(r"\\.|\[[^\[\]\n]*\]|\|\|?")
_STARTS = (_RULE, _HEADING, _QUOTED, _ITEM, _ROW)


class Reader:
    """Reads the lines one after the other."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._at = 0

    def blocks(self) -> list[Node]:
        found: list[Node] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line.strip():
                self._at += 1
            elif _RULE.fullmatch(line):
                self._at += 1
                found.append({"type": "rule"})
            elif (heading := _HEADING.fullmatch(line)) is not None:
                self._at += 1
                level = {"level": int(heading[1])}
                found.append({"type": "heading", "attrs": level, "content": inline_nodes(heading[2].strip())})
            elif (quoted := _QUOTED.fullmatch(line)) is not None:
                self._at += 1
                found.append({"type": "blockquote", "content": [_paragraph([quoted[1]])]})
            elif _ITEM.fullmatch(line):
                found += self._lists()
            elif _ROW.fullmatch(line):
                found.append(self._table())
            else:
                found.append(_paragraph(self._prose()))
        return found

    def _prose(self) -> list[str]:
        """This line and those that go on with it."""
        first = self._at
        self._at += 1
        while self._at < len(self._lines) and self._goes_on(self._lines[self._at]):
            self._at += 1
        return self._lines[first : self._at]

    def _goes_on(self, line: str) -> bool:
        return bool(line.strip()) and not any(start.fullmatch(line) for start in _STARTS)

    def _lists(self) -> list[Node]:
        found: list[Node] = []
        open_: list[Node] = []
        while self._at < len(self._lines):
            item = _ITEM.fullmatch(self._lines[self._at])
            if item is None or _RULE.fullmatch(self._lines[self._at]):
                break
            _, *more = self._prose()
            depth = min(len(item[1]), len(open_) + 1, _DEEPEST)
            del open_[depth:]
            kind = "orderedList" if item[1][-1] == "#" else "bulletList"
            if len(open_) == depth and open_[-1]["type"] != kind:
                open_.pop()
            if len(open_) < depth:
                made: Node = {"type": kind, "content": []}
                (open_[-1]["content"][-1]["content"] if open_ else found).append(made)
                open_.append(made)
            open_[-1]["content"].append({"type": "listItem", "content": [_paragraph([item[2], *more])]})
        return [_tasks(made) for made in found]

    def _table(self) -> Node:
        rows: list[Node] = []
        while self._at < len(self._lines) and _ROW.fullmatch(self._lines[self._at]):
            line, *more = self._prose()  # a cell may go on below
            rows.append({"type": "tableRow", "content": _cells("\\\\ ".join((line.strip(), *more)))})
        return {"type": "table", "content": rows}


def _paragraph(lines: list[str]) -> Node:
    """Each line ends with a break, as Jira shows it."""
    content: list[Node] = []
    for number, line in enumerate(lines):
        if number:
            content.append({"type": "hardBreak"})
        content += inline_nodes(line.strip())
    return {"type": "paragraph", "content": content}


def _cells(row: str) -> list[Node]:
    """The cells of a row: `||` begins a heading, `|` any other."""
    found: list[Node] = []
    kind, start = "", 0
    for sign in (*_CELL.finditer(row), None):
        if sign is not None and sign[0] not in ("|", "||"):
            continue
        text = row[start : sign.start() if sign else len(row)].strip()
        if kind and (sign is not None or text):
            found.append({"type": kind, "attrs": {}, "content": [_paragraph([text])]})
        if sign is not None:
            kind, start = ("tableHeader" if sign[0] == "||" else "tableCell"), sign.end()
    return found


def _tasks(node: Node) -> Node:
    """A list whose items all begin with a box, as a list of tasks; lists within it first."""
    items = node["content"]
    for item in items:
        item["content"] = [item["content"][0], *(_tasks(below) for below in item["content"][1:])]
    boxes = [_box(item) for item in items]
    if node["type"] != "bulletList" or not all(boxes):
        return node
    found: list[Node] = []
    for item, box in zip(items, boxes, strict=True):
        words, *below = item["content"]
        first = words["content"][0]
        text = first["text"][1:].lstrip()
        content = [{**first, "text": text}, *words["content"][1:]] if text else words["content"][1:]
        found.append({"type": "taskItem", "attrs": {"localId": "task", "state": box}, "content": content})
        found += below
    return {"type": "taskList", "attrs": {"localId": "tasks"}, "content": found}


def _box(item: Node) -> str:
    """The state of an item that is a task: a box, words, and no list below but of tasks."""
    words, *below = item["content"]
    first = words["content"][0] if words["content"] else {}
    if any(block["type"] != "taskList" for block in below) or first.get("marks"):
        return ""
    return BOXES.get(str(first.get("text", ""))[:1], "")
