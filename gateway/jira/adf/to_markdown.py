"""ADF to compact Markdown: for a model to read, so whatever Jira sends must come out as something.

What Markdown has no word for is written in brackets: `[status: DONE]`, `[media: plan.png]`,
`[unsupported: extension]`. Text that only looks like Markdown is escaped.
"""

import re
from itertools import pairwise
from typing import Any

from gateway.jira.adf.pieces import attrs_of, card, children, date, unsupported, word, words
from gateway.jira.adf.to_inline import CODE, Mark, clean, code_span, escaped, marked

DEEPEST = 60
"""levels of ADF; Jira's editor makes about ten."""

# What would start another block, once the line is composed.
_LINE_START = re.compile(
    r"(?:#{1,6}|[-+*]|[0-9]{1,9}(?=[.)]))(?=[.)]?(?:\s|$))|>|[-:|= ]+$|\[[ xX]\](?:\s|$)"
)
_STARTERS = frozenset("#>+-*:|=[0123456789")
_AS_IT_STANDS = re.compile(r" *[A-Za-z(\"'][ !-%'-)+-;=?-\[^a-}]*")
"""Visible ASCII that begins no block and holds no sign that Markdown could read (`inline.escaped`)."""
_FENCE = re.compile(r"`{3,}")
_UNSAFE = re.compile(r"[\s\x00-\x1f]*(?:javascript|vbscript|file|data):", re.IGNORECASE)
"""Links that no Markdown makes: only their words are shown."""
_BLANK = {"type": "text", "text": " "}
_FRAMES = ("doc", "layoutSection", "layoutColumn", "bodiedSyncBlock", "listItem")
_LISTS = frozenset({"bulletList", "orderedList", "taskList", "decisionList"})


def to_markdown(doc: Any, *, limit: int | None = None) -> str:
    """Markdown of an ADF node or document; empty for anything else. Never raises.

    `limit` (characters) cuts, and ends with `… [truncated, N characters in all]`.
    """
    text = "\n\n".join(_blocks([doc], 0)) if isinstance(doc, dict) else ""
    if limit is None or len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()}… [truncated, {len(text)} characters in all]"


def _blocks(nodes: list[dict[str, Any]], depth: int) -> list[str]:
    """One text a block, none of them empty."""
    if depth > DEEPEST:
        return ["[unsupported: nested too deeply]"]
    found: list[str] = []
    previous, second = "", False
    for node in nodes:
        kind = node.get("type")
        family = ""
        if kind == "paragraph":
            text = _prose(node) or _lines(node, depth)
        elif isinstance(kind, str) and kind in _LISTS:
            # Neighbouring lists would grow together: every second one has another marker.
            family = _family(kind)
            second = family == previous and not second
            text = _list(node, kind, depth, second)
        else:
            text = _block(node, kind, depth)
        if text:
            found.append(text)
            previous = family
    return found


def _family(kind: str) -> str:
    return "ordered" if kind == "orderedList" else "bullet"


def _block(node: dict[str, Any], kind: Any, depth: int) -> str:
    if kind in _FRAMES:
        return "\n\n".join(_blocks(children(node), depth + 1))
    match kind:
        case "heading":
            level = attrs_of(node).get("level")
            marker = "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1)
            return f"{marker} {_one_line(node, depth)}".rstrip()
        case "codeBlock":
            return _code(node)
        case "rule":
            return "---"
        case "blockquote":
            return _quoted(_blocks(children(node), depth + 1))
        case "panel":
            return _quoted(
                [f"[panel: {word(attrs_of(node).get('panelType'))}]", *_blocks(children(node), depth + 1)]
            )
        case "expand" | "nestedExpand":
            title = words(attrs_of(node).get("title"))
            return _quoted([f"[expand: {title}]", *_blocks(children(node), depth + 1)])
        case "table":
            return _table(node, depth)
        case "mediaSingle" | "mediaGroup":
            return "\n".join(filter(None, (_block(c, c.get("type"), depth) for c in children(node))))
        case "caption":
            return _lines(node, depth)
        case "bodiedExtension":
            return "\n\n".join([unsupported(kind), *_blocks(children(node), depth + 1)])
        case "blockCard" | "embedCard" | "media" | "text":
            return _lines({"content": [node]}, depth)
    return unsupported(kind)


def _prose(node: dict[str, Any]) -> str:
    """A paragraph of one plain text that Markdown reads as it stands: most of them. Else empty."""
    try:
        [only] = node["content"]
        if len(only) == 2 and only["type"] == "text" and _AS_IT_STANDS.fullmatch(only["text"]):
            return str(only["text"].strip(" "))
    except (KeyError, TypeError, ValueError):  # another form: it is read piece by piece
        pass
    return ""


def _lines(node: dict[str, Any], depth: int) -> str:
    """A paragraph: inline content, no line of which starts another block."""
    text = _inline(children(node), depth)
    if "\n" not in text:
        return _safe(text.strip())
    return "\\\n".join(_safe(line) for part in text.split("\n") if (line := part.strip()))


def _safe(line: str) -> str:
    if line and line[0] in _STARTERS and (match := _LINE_START.match(line)):
        at = match.end() if line[0].isdigit() else 0
        return f"{line[:at]}\\{line[at:]}"
    return line


def _one_line(node: dict[str, Any], depth: int) -> str:
    """A heading or task: a line break is a blank, and closing #s are text."""
    nodes = [_BLANK if child.get("type") == "hardBreak" else child for child in children(node)]
    text = _inline(nodes, depth).replace("\n", " ").strip()
    return f"{text[:-1]}\\#" if text.endswith("#") else text


def _inline(nodes: list[dict[str, Any]], depth: int) -> str:
    """A line break comes out as a newline, and nothing else does."""
    if len(nodes) == 1 and nodes[0].keys() == _BLANK.keys() and isinstance(nodes[0]["text"], str):
        return escaped(clean(nodes[0]["text"])) if nodes[0]["type"] == "text" else _atom(nodes[0], depth)
    texts: list[tuple[str, tuple[Mark, ...] | None]] = []
    any_marks = False
    for node in nodes:
        if node.get("type") != "text":
            texts.append((_atom(node, depth), None))
            continue
        text, marks = node.get("text"), node.get("marks")
        if not isinstance(text, str):
            continue
        text, looks = clean(text), _marks(marks) if marks else ()
        any_marks = any_marks or looks != ()
        if texts and texts[-1][1] == looks:
            text = texts.pop()[0] + text
        texts.append((text, looks))
    if any_marks:
        return marked([(_run(text, looks), looks or ()) for text, looks in texts])
    return "".join([text if looks is None else escaped(text) for text, looks in texts])


def _run(text: str, looks: tuple[Mark, ...] | None) -> str:
    if not looks:
        return text if looks is None else escaped(text)
    if CODE in looks:
        return code_span(text) if text else ""
    return escaped(text, in_link=any(isinstance(mark, tuple) for mark in looks))


def _marks(marks: Any) -> tuple[Mark, ...]:
    """The marks that Markdown has; beside `code` only a link, as in ADF."""
    found: list[Mark] = []
    for mark in marks if isinstance(marks, list) else ():
        kind = mark.get("type") if isinstance(mark, dict) else None
        if kind in (CODE, "strong", "em", "strike"):
            found.append(kind)
        elif kind == "link":
            href, title = attrs_of(mark).get("href"), attrs_of(mark).get("title")
            if isinstance(href, str) and href and not _UNSAFE.match(href):
                found.append((clean(href), clean(title) if isinstance(title, str) else ""))
    if CODE in found:
        return (CODE, *[mark for mark in found if isinstance(mark, tuple)][:1])
    return tuple(sorted(set(found), key=repr))


def _atom(node: dict[str, Any], depth: int) -> str:
    """An inline node that is not text."""
    kind, attrs = node.get("type"), attrs_of(node)
    match kind:
        case "hardBreak":
            return "\n"
        case "mention":
            name = words(attrs.get("text")) or words(attrs.get("id"))
            return "@" + name.removeprefix("@")
        case "emoji":
            return words(attrs.get("text")) or words(attrs.get("shortName"))
        case "status":
            return f"[status: {words(attrs.get('text'))}]"
        case "date":
            return date(attrs.get("timestamp"))
        case "inlineCard" | "blockCard" | "embedCard":
            return card(attrs)
        case "media" | "mediaInline":
            return f"[media: {words(attrs.get('alt')) or words(attrs.get('url')) or word(attrs.get('type'))}]"
        case "placeholder":
            return f"[placeholder: {words(attrs.get('text'))}]"
        case "paragraph" | "caption" | "heading":
            return _inline(children(node), depth + 1) if depth < DEEPEST else ""
    return unsupported(kind)


def _code(node: dict[str, Any]) -> str:
    text = "".join(t for child in children(node) if isinstance(t := child.get("text"), str))
    text = clean(text).replace("\r\n", "\n").replace("\r", "\n")
    longest = max((len(run) for run in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    language = attrs_of(node).get("language")
    info = language if isinstance(language, str) and re.fullmatch(r"[^\s`\\&]{1,40}", language) else ""
    return f"{fence}{info}\n{text}\n{fence}" if text else f"{fence}{info}\n{fence}"


def _quoted(blocks: list[str]) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in "\n\n".join(blocks).split("\n"))


def _list(node: dict[str, Any], kind: str, depth: int, second: bool) -> str:
    if depth > DEEPEST:
        return unsupported("list")
    order = attrs_of(node).get("order")
    number = order if isinstance(order, int) and 0 <= order < 10**8 else 1
    bullet, dot = ("*", ")") if second else ("-", ".")
    found: list[str] = []
    for item in children(node):
        if item.get("type") in _LISTS:  # a list of tasks within one stands beside its item
            found.append(_indented(_list(item, str(item["type"]), depth + 1, False), "  "))
            continue
        marker = f"{number}{dot} " if kind == "orderedList" else f"{bullet} "
        number += 1
        body = _indented(_item(item, depth), " " * len(marker))
        # `- - -` would be a rule: a list of nothing begins below its marker.
        hollow = body and not body.split("\n", 1)[0].strip("-* ")
        found.append(marker.rstrip() + "\n" + body if hollow else (marker + body.lstrip(" ")).rstrip(" "))
    return "\n".join(found)


def _item(item: dict[str, Any], depth: int) -> str:
    attrs = attrs_of(item)
    match item.get("type"):
        case "taskItem" | "blockTaskItem":
            box = "[x]" if attrs.get("state") == "DONE" else "[ ]"
            return f"{box} {_one_line(item, depth)}"
        case "decisionItem":
            return f"[decision] {_one_line(item, depth)}"
    blocks = _blocks(children(item), depth + 1)
    text = blocks[0] if blocks else ""
    for above, below in pairwise(blocks):
        tight = below.startswith(("- ", "1. ")) and not above.startswith(("```", "> ", "|"))
        text += ("\n" if tight else "\n\n") + below
    return text


def _indented(text: str, indent: str) -> str:
    return "\n".join(indent + line if line else line for line in text.split("\n"))


def _table(node: dict[str, Any], depth: int) -> str:
    rows = [[_cell(cell, depth) for cell in children(row)] for row in children(node)]
    width = max(map(len, rows), default=0)
    if not width:
        return ""
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * width, *lines[1:]])


def _cell(cell: dict[str, Any], depth: int) -> str:
    text = "\n".join(_blocks(children(cell), depth + 2)).replace("\\\n", "\n")
    return "<br>".join(filter(None, (line.strip() for line in text.split("\n")))).replace("|", "\\|")
