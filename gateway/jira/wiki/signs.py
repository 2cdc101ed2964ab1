"""The signs of wiki text, and text in which none of them means anything."""

import re

from gateway.jira.adf.to_inline import clean

MARKS = {"*": "strong", "_": "em", "-": "strike"}
"""Sign -> mark, of those that Markdown has too; outermost first."""

BOXES = {"☐": "TODO", "☑": "DONE"}
"""Sign at the begin of an item -> state of the task that it is."""

URL = re.compile(r"(?<![A-Za-z0-9])(?:https?|ftp)://[^\s|\[\]{}!\\^~*<>\"'()&]+")
"""A bare address, in which no sign counts."""

TARGET = re.compile(r"(?:https?|ftp|mailto):[^\s|\[\]\x00-\x20]+", re.IGNORECASE)
"""What a link may lead to."""

_ODD = re.compile(r"[\s|\[\]\x00-\x20]")
_SIGNS = re.compile(
    r"""[{}\[\]|]
      | [*_\-+^~]
      | (?<![^*\#-])\#|\#(?![^*\#-])
      | \?(?=\?)|(?<=\?)\?
      | !(?=\S)
      | \\
      | &(?=\#?[A-Za-z0-9]+;)
      | \((?=(?:[!?/xyni+*-]|on|off|flag|flagoff|\*[rgby])\))
      | [:;](?=[()DP])
    """,
    re.VERBOSE,
)
_START = re.compile(r"[ \t]*(?:(h[1-6]|bq)(?=\.)|([*#-]+)(?=[ \t]|$))", re.IGNORECASE)
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
ENTITY = {"\\": "&#92;", "{": "&#123;", "}": "&#125;", "&": "&amp;"}


def flat(text: str) -> str:
    """Text without line breaks and control characters."""
    return _SPACE.sub(" ", clean(text))


def escaped(text: str, *, addresses: bool = True) -> str:
    """`text` such that it is read as this text. With `addresses`, bare ones stay as they are."""
    text = flat(text)
    if not addresses or "://" not in text:
        return _signs(text)
    found: list[str] = []
    at = 0
    for address in URL.finditer(text):
        found += (_signs(text[at : address.start()]), address[0])
        at = address.end()
    return "".join((*found, _signs(text[at:])))


def monospaced(text: str) -> str:
    """`text` between `{{` and `}}`: braces as entities, since the end is found by them."""
    return escaped(text, addresses=False).replace("\\{", ENTITY["{"]).replace("\\}", ENTITY["}"])


def unstarted(line: str) -> str:
    """A line that begins no heading, quotation, list or rule."""
    start = _START.match(line)
    if start is None:
        return line
    at = start.start(start.lastindex or 0)
    return f"{line[:at]}&#{ord(line[at])};{line[at + 1 :]}"


def address(href: str) -> str | None:
    """`href` as a link's target; None when it can be none."""
    quoted = _ODD.sub(lambda odd: "".join(f"%{byte:02X}" for byte in odd[0].encode()), clean(href).strip())
    return quoted if TARGET.fullmatch(quoted) else None


def opens(before: str, after: str) -> bool:
    """Whether a mark's sign between these two characters ("": the edge) may open."""
    return not before.isalnum() and after != "" and not after.isspace()


def closes(before: str, after: str) -> bool:
    """Whether it may close."""
    return before != "" and not before.isspace() and not after.isalnum()


def _signs(text: str) -> str:
    def sign(found: re.Match[str]) -> str:
        char, at = found[0], found.start()
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if char == "\\":
            return char if after.isalnum() else ENTITY[char]
        if char == "&":
            return ENTITY[char]
        inside = before.isalnum() and after.isalnum()
        alone = before.isspace() and after.isspace()
        return char if char in "*_-+^~" and (inside or alone) else f"\\{char}"

    return _SIGNS.sub(sign, text)
