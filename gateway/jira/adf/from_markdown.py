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
from gateway.jira.adf.from_inline import inline_nodes

Node = dict[str, Any]

_DEEPEST = 40
"""levels of the parser: lists within lists count two each."""

_BRACKETS = 300
"""brackets open at once."""

_CELLS = 20_000
"""rows times columns, were all tables one."""

# HTML stays text. Link definitions are off because an unused one would swallow its line, and joining of
# texts because a written-out `\[ ]` must remain telling apart from a task's box.
_PARSER = (
    MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST + 10})
    .enable(["table", "strikethrough"])
    .disable(["reference", "text_join"])
)
_BRACKET = re.compile(r"[\[\]]")
_BOX = re.compile(r"\[([ xX])\](?:\s+|$)")
IN_QUOTATION = frozenset({"paragraph", "bulletList", "orderedList", "codeBlock"})
_IN_ITEM = IN_QUOTATION | {"taskList"}


def to_adf(markdown: str) -> Node:
    """The ADF `doc` of `markdown`. Raises `InvalidCall` when it is too long or nested too deeply."""
    if len(markdown) > limits.MARKDOWN_CHARS:
        raise InvalidCall(
            f"The text is too long for Jira: at most {limits.MARKDOWN_CHARS} characters; shorten it."
        )
    _refuse_absurd(markdown)
    tokens = _PARSER.parse(markdown)
    if any(token.nesting == 1 and token.level > _DEEPEST for token in tokens):
        raise InvalidCall("The text is nested too deeply for Jira; use fewer levels of lists and quotations.")
    return {"version": 1, "type": "doc", "content": _Fold().blocks(tokens)}


def _refuse_absurd(markdown: str) -> None:
    """What would keep the parser busy for seconds: brackets in brackets, and tables that it fills up."""
    depth = deepest = 0
    for sign in _BRACKET.findall(markdown):
        depth = depth + 1 if sign == "[" else max(0, depth - 1)
        deepest = max(deepest, depth)
    if deepest > _BRACKETS:
        raise InvalidCall(
            "The text has too many brackets that are not closed; close them or put them in code."
        )
    lines = markdown.split("\n")
    rows = sum("|" in line for line in lines)
    if rows * max(line.count("|") for line in lines) > _CELLS:
        raise InvalidCall("The text has too large a table for Jira; split it or attach it as a file.")


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
                self.open_[-1] = inline_nodes(token.children or (), breaks=in_cell)
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
                return [{"type": "blockquote", "content": fitted(children, IN_QUOTATION)}]
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


def _with_box(box: str, content: list[Node]) -> list[Node]:
    if content and content[0]["type"] == "text" and "marks" not in content[0]:
        return [{"type": "text", "text": box + content[0]["text"]}, *content[1:]]
    return [{"type": "text", "text": box}, *content]


def _ordered(items: list[Node], start: int) -> Node:
    node: Node = {"type": "orderedList", "content": _items(items)}
    if start != 1:
        node["attrs"] = {"order": start}
    return node


def _items(items: list[Node]) -> list[Node]:
    for item in items:
        for child in item["content"]:
            child.pop("box", None)
        item["content"] = fitted(item["content"], _IN_ITEM)
    return items


def fitted(nodes: Iterable[Node], allowed: frozenset[str]) -> list[Node]:
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
        content = _with_box("[ ] " if node["attrs"]["state"] == "TODO" else "[x] ", node["content"])
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
