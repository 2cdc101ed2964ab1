"""Where an authorization code may go: which redirect URIs are taken, and which one asked for is a registered one.

Two questions, asked at two times: `refusal` when a client registers, `matches` when a browser comes. The
grammar is narrower than RFC 3986 on purpose: what two readers could read differently (user info, backslashes,
dot segments, encoded slashes, `//evil`) is not taken, so that nothing is left to normalise.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable

from gateway import limits

FAMILIES = {
    "https://chatgpt.com/connector/oauth/": "ChatGPT gives each connector its own last segment "
    "(android-remote-control#166, plane#165, omi#8824).",
    "https://global.consent.azure-apim.net/redirect/": "Copilot Studio names the tool in the last segment "
    "(odoo-mcp-pro#57, smartbear#463).",
}
"""Addresses of known hosts whose last segment differs between connectors of one client, each with its source.
A client may ask for any of a family of which it registered one."""

NEVER = frozenset(
    {"about", "blob", "chrome", "data", "file", "filesystem", "ftp", "javascript", "vbscript", "ws", "wss"}
)
"""Schemes that no setting lets in: a browser runs or reads what they name, instead of handing it to an app."""

_URI = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*):(?://(?P<authority>[^/?]*))?(?P<path>[^?]*)(?:\?(?P<query>.*))?"
)
_PLAIN = re.compile(r"(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%(?!7[fF]|[01])[0-9A-Fa-f]{2})*")
_HIDDEN = re.compile(r"(?:^|/)\.{1,2}(?=/|$)|%2[eEfF]|%5[cC]|^//")
_PORT = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_LOOPBACK = re.compile(rf"(?P<host>127\.0\.0\.1|\[::1\]|localhost){_PORT}")
_LOOPBACK_URI = re.compile(rf"http://{_LOOPBACK.pattern}(?P<rest>[/?].*)?")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?=[A-Za-z]){_LABEL}")
_HOST = re.compile(rf"(?P<host>[^:]+){_PORT}")
_SEGMENT = re.compile(r"[A-Za-z0-9_-]{1,200}")


def refusal(uri: str, schemes: Collection[str]) -> str:
    """Why this redirect URI is not taken, as a sentence for its developer; empty when it is.

    Taken are https, http on loopback (RFC 8252 §7.3), and the private-use `schemes` (RFC 8252 §7.1).
    """
    if len(uri) > limits.URI_CHARS:
        return f"It has more than {limits.URI_CHARS} characters."
    if "#" in uri:
        return "It has a fragment; leave `#` and what follows out (RFC 6749 §3.1.2)."
    parts = _URI.fullmatch(uri)
    if parts is None or not _PLAIN.fullmatch(uri):
        return "It is not an absolute URI of plain characters: scheme in lower case, a colon, and no spaces, \
controls or backslashes."
    scheme, authority, path = parts["scheme"], parts["authority"] or "", parts["path"]
    if "@" in authority:
        return "It has user info (`…@`) in front of the host."
    if _HIDDEN.search(path):
        return "Its path has dot segments, an empty beginning, or encoded dots, slashes or backslashes."
    if scheme == "https":
        return _of_host(authority)
    if scheme == "http":
        good = _good_port(_LOOPBACK.fullmatch(authority))
        return "" if good else "Plain http is for 127.0.0.1, [::1] and localhost only; use https."
    if scheme in NEVER or scheme not in schemes:
        return (
            f"The scheme `{scheme[:40]}` is not allowed; the operator can add it to signin.private_schemes."
        )
    return "" if authority or path else "It names nothing after the scheme."


def matches(registered: Iterable[str], asked: str) -> bool:
    """Whether `asked` is one of `registered`: character for character, but for the port on loopback, which an
    app may choose anew each time (RFC 8252 §7.3), and the last segment of `FAMILIES`."""
    if refusal(asked, {asked.partition(":")[0]}):
        return False
    wanted, family = portless(asked), _family(asked)
    return any(portless(one) == wanted or (family and _family(one) == family) for one in registered)


def portless(uri: str) -> str:
    """A loopback URI without its port; any other as it is."""
    parts = _LOOPBACK_URI.fullmatch(uri)
    return f"http://{parts['host']}{parts['rest'] or ''}" if _good_port(parts) and parts else uri


def _of_host(authority: str) -> str:
    parts = _HOST.fullmatch(authority)
    if not _good_port(parts) or parts is None or not (_NAME.fullmatch(parts["host"]) or _ipv4(parts["host"])):
        return "Its host is not a plain name (letters, digits, hyphens, dots) with at most a port."
    return ""


def _ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _good_port(parts: re.Match[str] | None) -> bool:
    return parts is not None and int(parts["port"] or 1) <= 65_535


def _family(uri: str) -> str:
    """The entry of `FAMILIES` that it belongs to; empty for none."""
    return next(
        (head for head in FAMILIES if uri.startswith(head) and _SEGMENT.fullmatch(uri[len(head) :])), ""
    )
