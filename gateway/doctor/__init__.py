"""Whether a configuration fits the live provider, and what to do where it does not. It looks and changes nothing.

    provider   issuer, metadata, keys, clock
    token      a token of an assistant: every reason for which the gateway would refuse it; groups and roles
    exchange   whether the provider gives the gateway a token for Jira
    login      the client for signing people in: redirect URI, secret
    beside     introspection, security events, the directory
    clients    what assistants do to sign in; alone leaves something behind: a registration under a name of its own

Each check gives lines; the command line prints them. No line ever holds a token or a secret.
"""

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["good", "wrong", "note"]

SHOWN = 300
"""characters of what somebody else said that a line shows"""


@dataclass(frozen=True, slots=True)
class Line:
    """One check: what was looked at, how it is, what was found, and what to do where something is wrong."""

    what: str
    state: State
    found: str
    do: str = ""


def good(what: str, found: object) -> Line:
    """It fits."""
    return Line(what, "good", shown(found))


def wrong(what: str, found: object, do: str) -> Line:
    """It does not; `do` says where to click."""
    return Line(what, "wrong", shown(found), do)


def note(what: str, found: object, do: str = "") -> Line:
    """It was not looked at, or is nobody's fault."""
    return Line(what, "note", shown(found), do)


def shown(found: object) -> str:
    """As one short line of a terminal: what a provider says may hold anything."""
    text = "".join(char if char.isprintable() else " " for char in str(found))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def listed(value: Any) -> str:
    """A claim's value for people: a list as its members, an absent one as such."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple | set | frozenset):
        members = sorted(map(str, value)) if isinstance(value, set | frozenset) else list(map(str, value))
        return ", ".join(members) or "an empty list"
    return str(value)


def seconds(value: Any) -> float | None:
    """A NumericDate (RFC 7519 §2); None for anything else."""
    return float(value) if type(value) in (int, float) else None
