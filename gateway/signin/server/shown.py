"""What others wrote, as people may be shown it; and where a form's answer may lead."""

import re
import unicodedata
from urllib.parse import urlsplit

from gateway import limits
from gateway.signin.server import host_of

SCOPES = {
    "jira:read": "Read what you can read in Jira",
    "jira:write": "Create and change what you can change in Jira",
    "offline_access": "Stay signed in, without asking you each time",
}
"""What a scope lets an assistant do, in words for people."""

_ALIKE = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "FULLWIDTH"})
_HOST = re.compile(r"[a-z0-9.-]+")


def plain(text: str, most: int = limits.SHOWN_CHARS) -> str:
    """Text of others as one line that changes nothing around it: no control, format or private characters
    (Unicode C, Zl, Zp), at most two accents on a letter, at most `most` characters."""
    kept: list[str] = []
    accents = 0
    for letter in unicodedata.normalize("NFC", text[: 4 * most]):
        kind = unicodedata.category(letter)
        accents = accents + 1 if kind in ("Mn", "Me") else 0
        if kind[0] == "Z" or letter in "\t\r\n":
            kept.append(" ")
        elif kind[0] != "C" and accents <= 2:
            kept.append(letter)
    line = " ".join("".join(kept).split())
    return line if len(line) <= most and len(text) <= 4 * most else line[: most - 1] + "…"


def shown_host(redirect_uri: str) -> str:
    """`host_of` with no letters that look like others: other alphabets as they are looked up (RFC 3490)."""
    host = plain(host_of(redirect_uri))
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return ascii(host)


def mixes_alphabets(name: str) -> bool:
    """Whether Latin letters stand among letters of alphabets that have the same shapes (Unicode TS 39 §5.1)."""
    alphabets = {unicodedata.name(letter, "").partition(" ")[0] for letter in name if letter.isalpha()}
    return "LATIN" in alphabets and bool(alphabets & _ALIKE)


def origin_of(redirect_uri: str) -> str:
    """The origin to which a form's answer may redirect for it; empty where only `closing` leads back."""
    parts = urlsplit(redirect_uri)
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not _HOST.fullmatch(host):
        return ""
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port is not None else "")
