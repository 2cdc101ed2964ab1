"""Inline Markdown: escaping, code spans and the delimiters of marks (CommonMark 0.31 §2.4, §6)."""

import re
import string
from typing import Any

CODE = "code"
Mark = Any
"""`code`, `strong`, `em`, `strike`, or (href, title) of a link."""

Run = tuple[str, tuple[Mark, ...]]

_DELIMITERS = {"strong": "**", "em": "*", "strike": "~~"}
_SUSPECT = re.compile(r"[\\`*_\]<~&\n\r]")
# Only where the sign could mean something, so that ordinary prose stays as it was written.
_SPECIAL = re.compile(
    r"""\\(?=[!-/:-@\[-`{-~]|\s*$)  # a backslash before punctuation
      | `
      | (?<=\S)\*|\*(?=\S|\s*$)  # not alone between blanks
      | (?<![A-Za-z0-9])_|_(?![A-Za-z0-9])
      | \](?=\(|\s*$)
      | <(?=[A-Za-z/!?])|<(?=\s*$)
      | ~(?=~|\s*$)|(?<=~)~
      | &(?=\#?[A-Za-z0-9]+;)|&(?=\s*$)
    """,
    re.VERBOSE,
)
_SIGNS = frozenset(string.punctuation)
_CONTROLS = bytes(range(9)) + b"\x0b\x0c" + bytes(range(14, 32)) + b"\x7f"
_BRACKET = re.compile(r"[\[\]]")
_NEWLINES = re.compile(r"\s*[\r\n]\s*")
_TICKS = re.compile(r"`+")
_PLAIN_HREF = re.compile(r"[^\s<>()\\&*_`\[\]\x00-\x20\x7f]+")
_AUTOLINK = re.compile(r"(?:https?|mailto|ftp):[^\s<>\\&*_`\[\]\x00-\x20\x7f]+")
_ODD_HREF = re.compile(r"[<>\\\s\x00-\x20\x7f&]")


def clean(text: str) -> str:
    """`text` without control characters and halves of characters, which no reader needs and some obey."""
    if text.isascii() and text.isprintable():
        return text
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "replace")
        text = raw.decode()
    kept = raw.translate(None, _CONTROLS)
    return text if len(kept) == len(raw) else kept.decode()


def escaped(text: str, *, in_link: bool = False) -> str:
    """`text` such that Markdown reads it as this text."""
    if in_link and ("[" in text or "]" in text):
        parts = _BRACKET.split(text)
        signs = _BRACKET.findall(text)
        done = [escaped(parts[0])]
        for sign, part in zip(signs, parts[1:], strict=True):
            done += ("\\", sign, escaped(part))
        return "".join(done)
    if _SUSPECT.search(text) is None:
        return text
    return _SPECIAL.sub(r"\\\g<0>", _NEWLINES.sub(" ", text))


def code_span(text: str) -> str:
    """`text` as a code span."""
    text = _NEWLINES.sub(" ", text)
    longest = {len(run) for run in _TICKS.findall(text)}
    fence = "`" * next(n for n in range(1, len(longest) + 2) if n not in longest)
    if text.strip(" ") and (text[0] == "`" or text[-1] == "`" or text[0] == text[-1] == " "):
        text = f" {text} "
    return f"{fence}{text}{fence}"


def _sign(mark: Mark) -> str:
    """The character that opens `mark`."""
    return str(_DELIMITERS.get(mark, "["))[0]


def _like_letter(char: str) -> bool:
    """Neither blank nor punctuation to CommonMark, or perhaps so."""
    return char not in _SIGNS and char not in " \t\n\xa0"


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
        self.touched = ""
        """The character before the delimiters of emphasis that were just closed."""

    def text(self) -> str:
        for at, (text, marks) in enumerate(self.runs):
            core = text if text == "\n" else text.strip()
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
        self.touched = ""
        self.close(keep)
        self.gap += lead
        opening = [mark for mark in marks if mark not in self.open_ and mark != CODE]
        if self.touched and not self.gap:
            # `*a***b**` is read in more than one way; the words matter more than their weight.
            opening = [mark for mark in opening if isinstance(mark, tuple)]
            if not opening and not self.touched.isalnum() and _like_letter(core[0]):
                core = f"&#{ord(core[0])};{core[1:]}"
        opening.sort(key=lambda mark: -self.lasts(at, mark))
        self.out.append(self.gap)
        self.gap = ""
        for number, mark in enumerate(opening, 1):
            other = next((m for m in opening[number:] if _sign(m) != _sign(mark)), None)
            self.begin(mark, _sign(other) if other else core[0])
        written = "".join(self.out[-2:])
        if core[0] in "*~" and written and written[-1] in "*~":
            core = "\\" + core
        self.out.append(core)

    def lasts(self, at: int, mark: Mark) -> int:
        end = at
        while end < len(self.runs) and (mark in self.runs[end][1] or not self.runs[end][0].strip()):
            end += 1
        return end

    def begin(self, mark: Mark, following: str) -> None:
        """Open `mark`. A delimiter between a letter and a sign opens nothing: then the letter is written
        as an entity, whose semicolon is a sign too."""
        before = "".join(self.out[-2:])
        at = -1 if self.out and self.out[-1] else -2
        if isinstance(mark, tuple):
            if before.endswith("!"):  # would make a picture of the link
                self.out[at] = f"{self.out[at][:-1]}\\!"
        elif before and not following.isalnum() and _like_letter(before[-1]):
            if len(self.out[at]) == 1 and "".join(self.out[:at])[-1:] in ("*", "~"):
                return  # the entity would spoil the delimiter before it
            head = self.out[at][:-1]
            if (len(head) - len(head.rstrip("\\"))) % 2:
                head += "\\"  # it stood before a letter and meant itself
            self.out[at] = f"{head}&#{ord(before[-1])};"
        self.open_.append(mark)
        self.out.append(_DELIMITERS.get(mark, "["))

    def close(self, keep: int) -> None:
        """Close what is open beyond the first `keep` marks, the last opened first."""
        sign = ""
        while len(self.open_) > keep:
            mark = self.open_.pop()
            if isinstance(mark, tuple):
                self.end_link(*mark)
                self.touched = sign = ""
                continue
            if _sign(mark) != sign:
                sign, self.touched = _sign(mark), self.out[-1][-1]
            self.out.append(_DELIMITERS[mark])

    def end_link(self, href: str, title: str) -> None:
        if self.out[-2:] == ["[", href] and not title and _AUTOLINK.fullmatch(href):
            self.out[-2:] = [f"<{href}>"]
            return
        if not _PLAIN_HREF.fullmatch(href):
            href = f"<{_ODD_HREF.sub(lambda m: f'%{ord(m[0]):02X}' if ord(m[0]) < 128 else m[0], href)}>"
        quoted = title.replace("\\", "\\\\").replace('"', '\\"')
        self.out.append(f']({href} "{_NEWLINES.sub(" ", quoted)}")' if title else f"]({href})")
