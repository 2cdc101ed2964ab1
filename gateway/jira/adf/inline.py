"""Inline Markdown: escaping, code spans and the delimiters of marks (CommonMark 0.31 §2.4, §6)."""

import re
from typing import Any

Mark = Any
"""`strong`, `em`, `strike`, or (href, title) of a link."""

Run = tuple[str, tuple[Mark, ...]]

_DELIMITERS = {"strong": "**", "em": "*", "strike": "~~"}
_SUSPECTS = "\\`*_]<~&\n\r"
# Only where the sign could mean something, so that ordinary prose stays as it was written.
_SPECIAL = re.compile(
    r"""\\(?=[!-/:-@\[-`{-~]|$)     # a backslash before punctuation
      | `
      | (?:(?<=\S)|^)\*|\*(?=\S|$)  # not alone between blanks
      | (?<![A-Za-z0-9])_|_(?![A-Za-z0-9])
      | \](?=\(|$)
      | <(?=[A-Za-z/!?])|<$
      | ~(?=~|$)|(?:(?<=~)|^)~
      | &(?=\#?[A-Za-z0-9]+;)|&$
    """,
    re.VERBOSE,
)
_BRACKET = re.compile(r"[\[\]]")
_NEWLINES = re.compile(r"\s*[\r\n]\s*")
_TICKS = re.compile(r"`+")
_PLAIN_HREF = re.compile(r"[^\s<>()\\&*_`\[\]\x00-\x1f]+")
_AUTOLINK = re.compile(r"(?:https?|mailto|ftp):[^\s<>\\&*_`\[\]\x00-\x1f]+")
_ODD_HREF = re.compile(r"[<>\\\s\x00-\x1f&]")


def escaped(text: str, *, in_link: bool = False) -> str:
    """`text` such that Markdown reads it as this text."""
    if in_link and ("[" in text or "]" in text):
        parts = _BRACKET.split(text)
        signs = _BRACKET.findall(text)
        done = [escaped(parts[0])]
        for sign, part in zip(signs, parts[1:], strict=True):
            done += ("\\", sign, escaped(part))
        return "".join(done)
    for sign in _SUSPECTS:
        if sign in text:
            text = _NEWLINES.sub(" ", text)
            return _SPECIAL.sub(r"\\\g<0>", text)
    return text


def code_span(text: str) -> str:
    """`text` as a code span."""
    text = _NEWLINES.sub(" ", text)
    longest = {len(run) for run in _TICKS.findall(text)}
    fence = "`" * next(n for n in range(1, len(longest) + 2) if n not in longest)
    if text.strip(" ") and (text[0] == "`" or text[-1] == "`" or text[0] == text[-1] == " "):
        text = f" {text} "
    return f"{fence}{text}{fence}"


def marked(runs: list[Run]) -> str:
    """The runs with the delimiters of their marks, nested properly."""
    return _Writer(runs).text()


class _Writer:
    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs
        self.out: list[str] = []
        self.open_: list[Mark] = []
        self.gap = ""
        """Blanks not yet written: a delimiter must touch a word."""
        self.closed = False
        """Whether a delimiter of emphasis was just closed."""

    def text(self) -> str:
        for at, (text, marks) in enumerate(self.runs):
            core = text.strip(" \t\xa0")
            if not core:
                self.gap += text
                continue
            start = text.index(core)
            self.step(at, core, marks, text[:start])
            self.gap = text[start + len(core) :]
        self.close(0)
        return "".join(self.out) + self.gap

    def step(self, at: int, core: str, marks: tuple[Mark, ...], lead: str) -> None:
        keep = 0
        while keep < len(self.open_) and self.open_[keep] in marks:
            keep += 1
        self.closed = False
        self.close(keep)
        self.gap += lead
        opening = [mark for mark in marks if mark not in self.open_]
        if self.closed and not self.gap:
            # `*a***b**` is read in more than one way; the words matter more than their weight.
            opening = [mark for mark in opening if isinstance(mark, tuple)]
        opening.sort(key=lambda mark: -self.lasts(at, mark))
        ends_in_punctuation = self.closed and not self.gap and not opening
        if self.gap:
            self.out.append(self.gap)
            self.gap = ""
        for mark in opening:
            self.begin(mark, core)
        first = core[0]
        if ends_in_punctuation and (first.isalnum() or ord(first) > 127):
            core = f"&#{ord(first)};{core[1:]}"
        self.out.append(core)

    def lasts(self, at: int, mark: Mark) -> int:
        end = at
        while end < len(self.runs) and (mark in self.runs[end][1] or not self.runs[end][0].strip()):
            end += 1
        return end

    def begin(self, mark: Mark, core: str) -> None:
        self.open_.append(mark)
        if isinstance(mark, tuple):
            self.out.append("[")
            return
        before = self.out[-1] if self.out else ""
        if before and not core[0].isalnum() and (before[-1].isalnum() or ord(before[-1]) > 127):
            self.out[-1] = f"{before[:-1]}&#{ord(before[-1])};"
        self.out.append(_DELIMITERS[mark])

    def close(self, keep: int) -> None:
        while len(self.open_) > keep:
            mark = self.open_.pop()
            if isinstance(mark, tuple):
                self.end_link(*mark)
            else:
                self.out.append(_DELIMITERS[mark])
                self.closed = True

    def end_link(self, href: str, title: str) -> None:
        if self.out[-2:] == ["[", href] and not title and _AUTOLINK.fullmatch(href):
            self.out[-2:] = [f"<{href}>"]
            return
        if not _PLAIN_HREF.fullmatch(href):
            href = f"<{_ODD_HREF.sub(lambda m: f'%{ord(m[0]):02X}' if ord(m[0]) < 128 else m[0], href)}>"
        quoted = title.replace("\\", "\\\\").replace('"', '\\"')
        self.out.append(f']({href} "{_NEWLINES.sub(" ", quoted)}")' if title else f"]({href})")
