"""JQL text to tokens, as Atlassian's own lexer cuts it.

Longest match; white space is space, tab, LF and CR and nothing else (a no-break space is a letter of a
word); words, and texts in either quote, know the escapes n, r, t, quotes, backslash, blank and uXXXX.
One regular expression without nested repetition, so the time is linear in the length.
"""

import re
from typing import NamedTuple, NoReturn

from gateway.errors import InvalidCall

_NONCHARACTERS = "\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff"
_ESCAPE = r"""\\(?:[nrt"'\\ ]|u[0-9A-Fa-f]{4})"""
_TOKEN = re.compile(
    rf"""
      (?P<space>[ \t\r\n]+)
    | (?P<word>(?:[^\x00-,/;-@\[-\^{{-\x7f{_NONCHARACTERS}]|{_ESCAPE})+)
    | "(?P<double>(?:[^\x00-\x09\x0b\x0c\x0e-\x1f"\\{_NONCHARACTERS}]|{_ESCAPE})*)"
    | '(?P<single>(?:[^\x00-\x09\x0b\x0c\x0e-\x1f'\\{_NONCHARACTERS}]|{_ESCAPE})*)'
    | (?P<sign>&&|\|\||!=|!~|<=|>=|[()\[\],=~<>!&|])
    """,
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]+")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_REFUSED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

_KEYWORDS = "in is and or not empty null was changed before after from to on during order by asc desc"
_RESERVED = """
    abort access add alias alter any as audit avg begin between boolean break byte catch char character
    check checkpoint collate collation column commit connect continue count create current date decimal
    declare decrement default defaults define delete delimiter difference distinct divide do double drop
    else encoding end equals escape exclusive exec execute exists explain false fetch field file first float
    for function go goto grant greater group having identified if immediate increment index initial inner
    inout input insert int integer intersect intersection into isempty isnull join last left less like limit
    lock long max min minus mode modify modulo more multiply next noaudit notin nowait number object of
    option outer output power previous prior privileges public raise raw remainder rename resource return
    returns revoke right row rowid rownum rows select session set share size sqrt start strict string
    subtract sum synonym table then trans transaction trigger true uid union unique update user validate
    values view when whenever where while with
"""

KEYWORDS = frozenset(_KEYWORDS.split())
RESERVED = frozenset(_RESERVED.split())
"""Words that may only stand in quotes."""

_SIGNS = {"&": "and", "&&": "and", "|": "or", "||": "or"}


class Token(NamedTuple):
    """`kind` is `word`, `number`, `text` (was in quotes), `end`, `cf`, or the sign or keyword itself."""

    kind: str
    text: str
    """Decoded."""
    position: int
    """1-based, in characters."""
    shown: str = ""
    """As the caller wrote it."""


def refuse(position: int, problem: str) -> NoReturn:
    """Raise `InvalidCall` with one sentence that says where and what."""
    raise InvalidCall(f"The JQL is not valid at character {position}: {problem}.")


def tokens(text: str) -> list[Token]:
    """The tokens of `text`, the last one of kind `end`. Raises `InvalidCall`."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            _explain(text, at)
        group = match.lastgroup
        if group != "space":
            found.append(_token(str(group), match))
        at = match.end()
    found.append(Token("end", "", len(text) + 1, "the end"))
    return found


def _token(group: str, match: re.Match[str]) -> Token:
    raw, position, shown = match[group], match.start() + 1, match[0]
    if group == "sign":
        return Token(_SIGNS.get(raw, raw), raw, position, shown)
    text = _decoded(raw, position)
    if group != "word":
        return Token("text", text, position, shown)
    lower = raw.lower() if raw.isascii() else raw
    if lower in KEYWORDS:
        return Token("empty" if lower == "null" else lower, raw, position, shown)
    if lower in RESERVED:
        refuse(position, f'`{raw}` is a reserved word; write "{raw}" in quotes')
    if lower == "cf":
        return Token("cf", raw, position, shown)
    return Token("number" if _NUMBER.fullmatch(raw) else "word", text, position, shown)


def _decoded(raw: str, position: int) -> str:
    text = _ESCAPED.sub(_unescaped, raw) if "\\" in raw else raw
    if not text.isascii():
        # Two escapes may be the halves of one character beyond the basic plane.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if "\\u" in raw else text
    if _REFUSED.search(text) or ("\ufffd" in text and "\\u" in raw):
        refuse(position, "this text holds a control character or half a character; remove it")
    return text


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _CONTROLS.get(code, code)


def _explain(text: str, at: int) -> NoReturn:
    char = text[at]
    if char in "\"'":
        refuse(at + 1, "the text in quotes is not closed, or holds a wrong escape or a control character")
    if char == "\\":
        refuse(at + 1, r"a backslash may only stand before n, r, t, a quote, a blank, a backslash or uXXXX")
    if char.isprintable():
        refuse(at + 1, f"`{char}` may only stand within quotes")
    refuse(at + 1, "there is a control character here; remove it")
