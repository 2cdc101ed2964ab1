"""Markdown to ADF. The parser's flat tokens are folded into nodes with one stack.

ADF allows less nesting than Markdown: what may not stand in a list item or a quotation is
turned into its nearest relative there (a heading into a bold paragraph, a table into lines), so
every document is valid and no words are lost.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from gateway import limits
from gateway.errors import InvalidCall

Node = dict[str, Any]

_DEEPEST = 40
"""levels of the parser: lists within lists count two each."""

# HTML stays text. Link definitions are off because an unused one would swallow its line, and joining of
# texts because a written-out `\[ ]` must remain telling apart from a task's box.
_PARSER = (
    MarkdownIt("commonmark", {"html": False, "maxNesting": 2 * _DEEPEST})
    .enable(["table", "strikethrough"])
    .disable(["reference", "text_join"])
)
_BOX = re.compile(r"\[([ xX])\](?:\s+|$)")
_BREAK = re.compile(r"<br ?/?>")
_MARKS = {"strong_open": "strong", "em_open": "em", "s_open": "strike"}
_IN_QUOTATION = frozenset({"paragraph", "bulletList", "orderedList", "codeBlock"})
_IN_ITEM = _IN_QUOTATION | {"taskList"}


def to_adf(markdown: str) -> Node:
    """The ADF `doc` of `markdown`. Raises `InvalidCall` when it is too long or nested too deeply."""
    if len(markdown) > limits.MARKDOWN_CHARS:
        raise InvalidCall(
            f"The text is too long for Jira: at most {limits.MARKDOWN_CHARS} characters; shorten it."
        )
    tokens = _PARSER.parse(markdown)
    if any(token.level > _DEEPEST for token in tokens):
        raise InvalidCall("The text is nested too deeply for Jira; use fewer levels of lists and quotations.")
    return {"version": 1, "type": "doc", "content": _Fold().blocks(tokens)}


class _Fold:
    """Folds tokens: `open_[-1]` holds the finished children of the innermost open block."""

    def __init__(self) -> None:
        self.open_: list[list[Node]] = [[]]
        self.openers: list[Token] = []
        self.tasks = 0

    def blocks(self, tokens: Sequence[Token]) -> list[Node]:
        boxed = ""
        for at, token in enumerate(tokens):
            if token.nesting == 1:
                self.open_.append([])
                self.openers.append(token)
            elif token.type == "inline":
                in_cell = tokens[at - 1].tag in ("th", "td")
                self.open_[-1] = _inline(token.children or (), breaks=in_cell)
                first = at > 1 and tokens[at - 2].type == "list_item_open"
                box = _BOX.match(token.content) if first else None
                boxed = box[1] if box else ""
            else:
                made = self.closed(token) if token.nesting == -1 else [_leaf(token)]
                if boxed and token.type == "paragraph_close":
                    made[0]["box"] = boxed
                    boxed = ""
                self.open_[-1] += made
        return self.open_[0]

    def closed(self, token: Token) -> list[Node]:
        """What the block that `token` closes becomes."""
        children, opener = self.open_.pop(), self.openers.pop()
        match token.type:
            case "paragraph_close":
                return [{"type": "paragraph", "content": children}]
            case "heading_close":
                return [{"type": "heading", "attrs": {"level": int(token.tag[1])}, "content": children}]
            case "blockquote_close":
                return [{"type": "blockquote", "content": _fitted(children, _IN_QUOTATION)}]
            case "list_item_close":
                return [{"type": "listItem", "content": children}]
            case "bullet_list_close":
                return [self.bullets(children)]
            case "ordered_list_close":
                return [_ordered(children, int(opener.attrs.get("start", 1)))]
            case "th_close" | "td_close":
                kind = "tableHeader" if token.tag == "th" else "tableCell"
                return [{"type": kind, "attrs": {}, "content": [{"type": "paragraph", "content": children}]}]
            case "tr_close":
                return [{"type": "tableRow", "content": children}]
            case "table_close":
                return [{"type": "table", "content": children}]
        return children  # thead and tbody: their rows

    def bullets(self, items: list[Node]) -> Node:
        if not all(map(_is_task, items)):
            return {"type": "bulletList", "content": _items(items)}
        found: list[Node] = []
        for item in items:
            paragraph, *below = item["content"]
            state = "TODO" if paragraph["box"] == " " else "DONE"
            content = _without_box(paragraph["content"])
            found.append(
                {"type": "taskItem", "attrs": {"localId": self.task(), "state": state}, "content": content}
            )
            found += below
        return {"type": "taskList", "attrs": {"localId": self.task()}, "content": found}

    def task(self) -> str:
        self.tasks += 1
        return f"task-{self.tasks}"


def _is_task(item: Node) -> bool:
    content = item["content"]
    return bool(
        content
        and "box" in content[0]
        and all(n["type"] == "taskList" for n in content[1:])
        and len(content) < 3
    )


def _without_box(content: list[Node]) -> list[Node]:
    first, *rest = content
    text = _BOX.sub("", first["text"], count=1)
    return [{**first, "text": text}, *rest] if text else rest


def _ordered(items: list[Node], start: int) -> Node:
    node: Node = {"type": "orderedList", "content": _items(items)}
    if start != 1:
        node["attrs"] = {"order": start}
    return node


def _items(items: list[Node]) -> list[Node]:
    for item in items:
        for child in item["content"]:
            child.pop("box", None)
        item["content"] = _fitted(item["content"], _IN_ITEM)
    return items


def _fitted(nodes: Iterable[Node], allowed: frozenset[str]) -> list[Node]:
    """`nodes` as they may stand in a list item or quotation: one at least."""
    found: list[Node] = []
    for node in nodes:
        kind = node["type"]
        if kind in allowed:
            found.append(node)
        elif kind == "heading":
            found.append({"type": "paragraph", "content": [_bold(child) for child in node["content"]]})
        elif kind == "blockquote":
            found += node["content"]
        elif kind == "table":
            found += map(_line, node["content"])
        elif kind == "taskList":
            found.append(_plain_tasks(node))
    return found or [{"type": "paragraph", "content": []}]


def _bold(node: Node) -> Node:
    marks = node.get("marks", [])
    if node["type"] != "text" or any(mark["type"] in ("strong", "code") for mark in marks):
        return node
    return {**node, "marks": [*marks, {"type": "strong"}]}


def _line(row: Node) -> Node:
    content: list[Node] = []
    for cell in row["content"]:
        if content:
            content.append({"type": "text", "text": " | "})
        content += cell["content"][0]["content"]
    return {"type": "paragraph", "content": content}


def _plain_tasks(tasks: Node) -> Node:
    items: list[Node] = []
    for node in tasks["content"]:
        if node["type"] == "taskList":
            items[-1]["content"].append(_plain_tasks(node))
            continue
        box = "[ ] " if node["attrs"]["state"] == "TODO" else "[x] "
        content = [{"type": "text", "text": box}, *node["content"]]
        items.append({"type": "listItem", "content": [{"type": "paragraph", "content": content}]})
    return {"type": "bulletList", "content": items}


def _leaf(token: Token) -> Node:
    if token.type == "hr":
        return {"type": "rule"}
    node: Node = {"type": "codeBlock", "content": []}
    text = token.content.removesuffix("\n")
    if text:
        node["content"] = [{"type": "text", "text": text}]
    if language := token.info.strip().split(maxsplit=1):
        node["attrs"] = {"language": language[0]}
    return node


def _inline(tokens: Sequence[Token], *, breaks: bool) -> list[Node]:
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
            if mark not in marks and not (code and mark["type"] != "link"):
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
                node["marks"] = [m for m in node.get("marks", []) if m["type"] != "link"]

    def image(self, token: Token) -> None:
        """A picture elsewhere cannot be shown by Jira: a link to it."""
        href = str(token.attrs.get("src", ""))
        if any(mark["type"] == "link" for mark in self.marks):
            self.text(token.content or href)
            return
        self.link(href, "")
        self.text(token.content)
        self.unlink()
