"""Where an answer may be sent: loopback on any port, and the assistants' own schemes and pages.

The rule is a list of what is good, since every list of what is bad has ended as a stolen code.
"""

import re

PRIVATE_SCHEMES = ("vscode", "vscode-insiders", "cursor", "claude")
"""Schemes of VS Code, Cursor and the Claude app (RFC 8252 §7.1)."""

PAGES = ("https://vscode.dev/redirect", "https://insiders.vscode.dev/redirect")
"""Exactly these pages on the web."""

LONGEST = 2_000
"""characters of one redirect URI: what every browser passes on."""

_CLEAN = re.compile(r"[!$-;=?-Z\[\]_a-z~]+")
"""RFC 3986 characters less `#` (no fragments, RFC 6749 §3.1.2), quotes, angle brackets and `\\`."""

_LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(?::([1-9]\d{0,4}))?([/?].*)?")

_PRIVATE = re.compile(rf"(?:{'|'.join(PRIVATE_SCHEMES)})://[A-Za-z0-9.-]+(?::\d+)?(?:[/?].*)?")


def _loopback(uri: str) -> tuple[str, str] | None:
    """(host, the rest after the port) of a loopback URI, else None."""
    found = _LOOPBACK.fullmatch(uri)
    if found is None or int(found[2] or 80) > 65_535:
        return None
    rest = found[3] or "/"
    return found[1], rest if rest.startswith("/") else "/" + rest


def acceptable(uri: object) -> bool:
    """Whether a client may register `uri`."""
    if not isinstance(uri, str) or len(uri) > LONGEST or not _CLEAN.fullmatch(uri):
        return False
    return uri in PAGES or _PRIVATE.fullmatch(uri) is not None or _loopback(uri) is not None


def matches(registered: str, asked: str) -> bool:
    """Whether `asked` is the `registered` one: exactly, but on loopback whatever the port (RFC 8252 §7.3)."""
    if not acceptable(asked):
        return False
    if registered == asked:
        return True
    ours = _loopback(registered)
    return ours is not None and ours == _loopback(asked)


def destination(uri: str) -> str:
    """Who gets the answer, in words for a person."""
    scheme, _, rest = uri.partition("://")
    host = re.split(r"[/?]", rest, maxsplit=1)[0]
    if scheme == "http":
        return f"a program on this computer ({host})"
    return host if scheme == "https" else f"the {scheme} application on this computer"


def form_source(uri: str) -> str:
    """`uri` as a CSP source: browsers hold the redirect after a form to `form-action` as well."""
    scheme, _, rest = uri.partition("://")
    if scheme in PRIVATE_SCHEMES or "[" in rest:  # CSP cannot name a scheme's host, nor an IPv6 address
        return f"{scheme}:"
    return f"{scheme}://{re.split(r'[/?]', rest, maxsplit=1)[0]}"
