"""ADF to wiki text, for what `to_adf` makes of Markdown; of any other node the words."""

import re
from collections.abc import Iterator
from typing import Any

from gateway.jira.adf.pieces import attrs_of, children
from gateway.jira.adf.to_inline import clean
from gateway.jira.wiki.signs import BOXES, MARKS, address, escaped, flat, monospaced, unstarted

Node = dict[str, Any]

DEEPEST = 60
BREAK = "\\\\ "
"""A line break where a newline would end the block."""

_LANGUAGE = re.compile(
    r"actionscript|ada|applescript|bash|c|c#|c\+\+|cpp|css|erlang|go|groovy|haskell|html|java|javascript|js|json"
    r"|lua|objc|perl|php|python|r|ruby|scala|sh|sql|swift|visualbasic|xml|yaml"
)
"""Those that Jira colours; for others it shows an error in the text."""

_BOXES = {state: f"{sign} " for sign, state in BOXES.items()}
_LISTS = {"bulletList": "*", "orderedList": "#", "taskList": "*"}
_MENTION = re.compile(r"[A-Za-z0-9_.@:-]{1,128}")


def to_wiki(doc: Any) -> str:
    """Wiki text of an ADF document."""
    return "\n\n".join(_blocks(children(doc), 0)) if isinstance(doc, dict) else ""


def _blocks(nodes: list[Node], depth: int) -> list[str]:
    return [text for node in nodes if (text := _block(node, depth)).strip()] if depth < DEEPEST else []


def _block(node: Node, depth: int) -> str:
    kind = node.get("type")
    match kind:
        case "heading":
            text = flat(_line(node)).strip()
            level = attrs_of(node).get("level")
            return f"h{level if level in (1, 2, 3, 4, 5, 6) else 1}. {text}" if text else ""
        case "blockquote":
            return "{quote}\n" + "\n\n".join(_blocks(_unquoted(node), depth + 1)) + "\n{quote}"
        case "codeBlock":
            return _code(node)
        case "rule":
            return "----"
        case "table":
            return "\n".join(_row(row, depth) for row in children(node) if children(row))
    if kind in _LISTS:
        return "\n".join(_items(node, "", depth))
    if any("content" in child and child.get("type") != "text" for child in children(node)):
        return "\n\n".join(_blocks(children(node), depth + 1))
    return "\n".join(unstarted(line.strip()) for line in _line(node).split("\n") if line.strip())


def _unquoted(node: Node) -> list[Node]:
    """What a quotation holds; `{quote}` does not nest."""
    found: list[Node] = []
    for child in children(node):
        found += children(child) if child.get("type") == "blockquote" else [child]
    return found


def _code(node: Node) -> str:
    text = "".join(t for child in children(node) if isinstance(t := child.get("text"), str))
    text = clean(text).replace("\r\n", "\n").replace("\r", "\n")
    language = str(attrs_of(node).get("language", "")).lower()
    macro, start = (
        ("code", f"{{code:{language}}}") if _LANGUAGE.fullmatch(language) else ("noformat", "{noformat}")
    )
    if f"{{{macro}}}" not in text:
        return f"{start}\n{text}\n{{{macro}}}"
    if "{noformat}" not in text:
        return f"{{noformat}}\n{text}\n{{noformat}}"
    return "\n".join(unstarted(escaped(line).strip()) for line in text.split("\n") if line.strip())


def _items(node: Node, above: str, depth: int) -> Iterator[str]:
    """One line an item, those of nested lists below their own."""
    signs = above + _LISTS[str(node.get("type"))]
    for child in children(node) if depth < DEEPEST else ():
        if child.get("type") in _LISTS:
            yield from _items(child, signs, depth + 1)
            continue
        box = _BOXES.get(str(attrs_of(child).get("state")), "") if child.get("type") == "taskItem" else ""
        prose, after = _item(child, depth)
        yield f"{signs} {box}{prose or '&nbsp;'}"
        for block in after:
            if block.get("type") in _LISTS:
                yield from _items(block, signs, depth + 1)
            else:
                yield _block(block, depth + 1)


def _item(node: Node, depth: int) -> tuple[str, list[Node]]:
    """The text of an item, and the lists and code below it; further paragraphs become lines of it."""
    if node.get("type") == "taskItem":
        return _line(node).replace("\n", BREAK).strip(), []
    lines: list[str] = []
    after: list[Node] = []
    for block in children(node):
        if block.get("type") in _LISTS or block.get("type") == "codeBlock":
            after.append(block)
        elif block.get("type") == "paragraph" and not after:
            lines.append(_line(block).strip().replace("\n", BREAK))
        else:
            after.append(block)
    return BREAK.join(filter(None, lines)), after


def _row(row: Node, depth: int) -> str:
    found, last = "", "|"
    for cell in children(row):
        last = "||" if cell.get("type") == "tableHeader" else "|"
        text = BREAK.join(line for block in _blocks(children(cell), depth + 1) for line in block.split("\n"))
        found += f"{last}{text.strip() or ' '}"
    return found + last


def _line(node: Node) -> str:
    """Inline nodes; a line break is a newline."""
    runs: list[tuple[str, Any]] = []
    for child in _inline(node, 0):
        text, marks = child.get("text"), child.get("marks") or []
        if child.get("type") == "hardBreak":
            runs.append(("\n", None))
        elif child.get("type") == "mention":
            runs.append((_mention(attrs_of(child)), None))
        elif isinstance(text, str) and (text := flat(text)):
            if runs and runs[-1][1] == marks:
                text = runs.pop()[0] + text
            runs.append((text, marks))
    found = ""
    for number, (text, marks) in enumerate(runs):
        after = runs[number + 1][0][:1] if number + 1 < len(runs) else ""
        found += text if marks is None else _run(text, marks, found[-1:], after)
    return found


def _inline(node: Node, depth: int) -> Iterator[Node]:
    """The inline nodes in it, however deep; a mention and a break are such themselves."""
    for child in children(node):
        if child.get("type") == "text" or child.get("type") in ("hardBreak", "mention"):
            yield child
        elif "content" in child and depth < DEEPEST:
            yield from _inline(child, depth + 1)
        else:
            attrs = attrs_of(child)
            word = next((attrs[name] for name in ("text", "shortName", "alt", "url") if attrs.get(name)), "")
            yield {"type": "text", "text": str(word)}


def _mention(attrs: Node) -> str:
    name = str(attrs.get("id", ""))
    return f"[~{name}]" if _MENTION.fullmatch(name) else escaped(str(attrs.get("text", "")))


def _run(text: str, marks: list[Any], before: str, after: str) -> str:
    """Words of one look; blanks at their edges stand outside the signs, which do not count beside them."""
    kinds = {mark.get("type"): mark for mark in marks if isinstance(mark, dict)}
    words = text.strip()
    if not kinds or not words:
        return escaped(text)
    head, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    href = address(str(attrs_of(kinds.get("link", {})).get("href", "")))
    said = f"{{{{{monospaced(words)}}}}}" if "code" in kinds else escaped(words, addresses=False)
    signs = [sign for sign, mark in MARKS.items() if mark in kinds and "code" not in kinds]
    outer = (before if not head else " ", after if not tail else " ")
    for sign in reversed(signs):
        edges = ("", "") if href is not None or sign != signs[0] else outer
        tied = edges[0].isalnum() or edges[1].isalnum() or edges[0] in ("{", "\\")
        said = f"{{{sign}}}{said}{{{sign}}}" if tied else f"{sign}{said}{sign}"
    if "link" in kinds:
        link = str(attrs_of(kinds["link"]).get("href", ""))
        title = attrs_of(kinds["link"]).get("title")
        told = f"|{escaped(title, addresses=False)}" if isinstance(title, str) and title.strip() else ""
        said = f"{said} ({escaped(link)})" if href is None else f"[{said}|{href}{told}]"
    return f"{head}{said}{tail}"
