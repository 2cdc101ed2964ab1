"""One line of wiki text to inline ADF nodes. Each sign is looked at once, and its end sought once."""

import html
import re
from typing import Any

from gateway.jira.wiki.signs import TARGET, URL, opens

Node = dict[str, Any]
Marks = tuple[Node, ...]

_NEXT = re.compile(r"\\|&|(?:https?|ftp)://|\{|\[|!|[*_\-+^~]|\?\?")
_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos|nbsp|copy|reg|[mn]dash|hellip);"
)
_COLOUR = re.compile(r"\{color(?::([^{}\n]{1,40}))?\}")
_TIED = re.compile(r"\{([*_\-+^~])\}|\{(\?\?)\}")
_PICTURE = re.compile(r"!((?:https?://)?[^\s!|\[\]{}]+\.[A-Za-z0-9]{1,5})(?:\|[^!|\n{}\[\]]{0,200})?!")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_WORD = re.compile(r"[^ ]")
_PART = re.compile(r"(?<!\\)\|")
_CARDS = ("smart-link", "smart-card", "smart-embed")
_LOOKS: dict[str, Node] = {
    "*": {"type": "strong"},
    "_": {"type": "em"},
    "-": {"type": "strike"},
    "+": {"type": "underline"},
    "^": {"type": "subsup", "attrs": {"type": "sup"}},
    "~": {"type": "subsup", "attrs": {"type": "sub"}},
    "??": {"type": "em"},
}
_ENDS = {
    **{sign: re.compile(rf"(?<![\s\\]){re.escape(sign)}(?![^\W_])") for sign in _LOOKS},
    **{f"{{{sign}}}": re.compile(re.escape(f"{{{sign}}}")) for sign in _LOOKS},
    "{{": re.compile(r"\}\}(?!\})"),
    "[": re.compile(r"(?<!\\)\]"),
}


def inline_nodes(text: str) -> list[Node]:
    """The nodes of a line; `\\\\` in it is a line break."""
    return _Line(text, ()).nodes


class _Line:
    """A line, or the part of it between two signs, being read under the marks that are open."""

    def __init__(self, text: str, marks: Marks) -> None:
        self.source = text
        self.marks = marks
        self.nodes: list[Node] = []
        self.colour: Node | None = None
        self._none: set[str] = set()
        """Signs that have no end in the rest of the line."""
        self._read()

    def _read(self) -> None:
        at = 0
        while (sign := _NEXT.search(self.source, at)) is not None:
            self.text(self.source[at : sign.start()])
            at = self._sign(sign.start(), sign[0])
        self.text(self.source[at:])

    def text(self, text: str, *more: Node) -> None:
        if not text:
            return
        colour = () if self.colour is None or any(m["type"] == "code" for m in more) else (self.colour,)
        marks = _together((*self.marks, *colour, *more))
        last = self.nodes[-1] if self.nodes else {}
        if last.get("type") == "text" and last.get("marks", []) == marks:
            last["text"] += text
        else:
            self.nodes.append({"type": "text", "text": text} | ({"marks": marks} if marks else {}))

    def _sign(self, at: int, sign: str) -> int:
        """Read what begins at `at`; where it ends."""
        if sign == "\\":
            return self._escape(at)
        if sign == "&":
            entity = _ENTITY.match(self.source, at)
            return self._took(html.unescape(entity[0]) if entity else "&", entity.end() if entity else at + 1)
        if sign.endswith("//"):
            address = URL.match(self.source, at)
            return self._took(address[0], address.end()) if address else self._took(sign, at + len(sign))
        if sign == "{":
            return self._brace(at)
        if sign == "[":
            return self._link(at)
        if sign == "!":
            return self._picture(at)
        return self._mark(at, sign)

    def _took(self, text: str, end: int) -> int:
        self.text(text)
        return end

    def _escape(self, at: int) -> int:
        after = self.source[at + 1 : at + 2]
        if after == "\\":
            self.nodes.append({"type": "hardBreak"})
            return len(self.source) if (word := _WORD.search(self.source, at + 2)) is None else word.start()
        if after == "" or after.isalnum() or after.isspace():
            return self._took("\\", at + 1)
        return self._took(after, at + 2)

    def _brace(self, at: int) -> int:
        if self.source.startswith("{{", at) and (end := self._end("{{", at + 3)) is not None:
            inner = _Line(self.source[at + 2 : end.start()], ())
            self.text("".join(n.get("text", " ") for n in inner.nodes) or " ", {"type": "code"})
            return end.end()
        if (tied := _TIED.match(self.source, at)) is not None:
            return self._marked(at, tied[0], tied[1] or tied[2])
        if (colour := _COLOUR.match(self.source, at)) is not None:
            name = colour[1] or ""
            shade = name.lower() if _HEX.fullmatch(name) else "#000000"
            self.colour = {"type": "textColor", "attrs": {"color": shade}} if name else None
            return colour.end()
        return self._took("{", at + 1)

    def _mark(self, at: int, sign: str) -> int:
        after = self.source[at + len(sign) : at + len(sign) + 1]
        if not opens(self.source[at - 1 : at] if at else "", after) or after == sign[0]:
            return self._took(sign, at + len(sign))
        return self._marked(at, sign, sign)

    def _marked(self, at: int, opener: str, sign: str) -> int:
        start = at + len(opener)
        end = self._end(opener, start + 1)
        if end is None:
            return self._took(opener, start)
        colour = () if self.colour is None else (self.colour,)
        inner = _Line(self.source[start : end.start()], (*self.marks, *colour, _LOOKS[sign]))
        self.nodes += inner.nodes
        return end.end()

    def _end(self, opener: str, at: int) -> re.Match[str] | None:
        """Where what `opener` began ends; that there is no end is found once."""
        if opener in self._none:
            return None
        found = _ENDS[opener].search(self.source, at)
        if found is None:
            self._none.add(opener)
        return found

    def _link(self, at: int) -> int:
        end = self._end("[", at + 1)
        nodes = None if end is None else self._linked(self.source[at + 1 : end.start()])
        if end is None or nodes is None:
            return self._took("[", at + 1)
        self.nodes += nodes
        return end.end()

    def _linked(self, inner: str) -> list[Node] | None:
        """What stands between the brackets of a link, mention or attachment; None when it is none."""
        if inner[:1] == "~" and re.fullmatch(r"~[^\s|\[\]~]{1,255}", inner):
            name = inner[1:].removeprefix("accountid:")
            return [{"type": "mention", "attrs": {"id": name, "text": f"@{name}"}}] if name else None
        if inner[:1] == "^" and len(inner) > 1 and "|" not in inner:
            return [_file(inner[1:])]
        parts = _PART.split(inner)
        target = parts[0] if len(parts) == 1 else parts[1]
        if len(parts) > 3 or not TARGET.fullmatch(target) or any(m["type"] == "link" for m in self.marks):
            return None
        tip = parts[2] if len(parts) == 3 and parts[2] not in _CARDS else ""
        title = "".join(n.get("text", " ") for n in _Line(tip, ()).nodes)
        link: Node = {
            "type": "link",
            "attrs": {"href": target, "title": title} if title else {"href": target},
        }
        colour = () if self.colour is None else (self.colour,)
        words = _Line(parts[0], (*self.marks, *colour, link)) if len(parts) > 1 and parts[0].strip() else None
        if words is not None:
            return words.nodes
        shown = _Line("", (*self.marks, *colour, link))
        shown.text(target)
        return shown.nodes

    def _picture(self, at: int) -> int:
        found = _PICTURE.match(self.source, at)
        if found is None:
            return self._took("!", at + 1)
        self.nodes.append(_file(found[1]))
        return found.end()


def _file(name: str) -> Node:
    """A picture or attachment, of which we know the name only."""
    return {"type": "mediaInline", "attrs": {"type": "file", "id": name, "collection": "", "alt": name}}


def _together(marks: Marks) -> list[Node]:
    """Those that ADF lets stand together: one of a kind, and beside `code` only a link."""
    code = any(mark["type"] == "code" for mark in marks)
    kept = {mark["type"]: mark for mark in marks if not code or mark["type"] in ("code", "link")}
    return list(kept.values())
