"""What a SCIM request wants a person to be: a whole user (POST, PUT), or changes to one (PATCH), in the shapes of
both vendors.

    Okta    {"op": "replace", "value": {"active": false}}
    Entra   {"op": "Replace", "path": "active", "value": "False"}

Attributes that we do not keep are not looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import limits
from gateway.signin.server.pushed import Pushed
from gateway.signin.server.scim_documents import USER, ScimError

_KEPT = ("externalId", "userName", "displayName", "active")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What we keep of a user."""

    external_id: str
    user_name: str
    display_name: str
    active: bool


def wanted(told: Mapping[str, Any], before: Pushed | None) -> Wanted:
    """Of a whole user; what it leaves out is as it was before, and somebody new is active. Raises `ScimError`."""
    known = {name.lower(): value for name, value in told.items()}
    found = {
        "externalId": _text(known.get("externalid"), before.external_id if before else ""),
        "userName": _text(known.get("username"), before.user_name if before else ""),
        "displayName": _text(known.get("displayname"), before.display_name if before else ""),
    }
    for name in ("externalId", "userName"):
        if not found[name]:
            raise ScimError(400, f"`{name}` is missing.", "invalidValue")
    active = known.get("active")
    is_active = (before.active if before else True) if active is None else _truth(active)
    return Wanted(found["externalId"], found["userName"], found["displayName"], is_active)


def patched(told: Mapping[str, Any], before: Pushed) -> Wanted:
    """Of changes (RFC 7644 §3.5.2), one after the other. Raises `ScimError`."""
    operations = {name.lower(): value for name, value in told.items()}.get("operations")
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise ScimError(400, "`Operations` is no list.", "invalidSyntax")
    changes: dict[str, Any] = {}
    for one in operations:
        named = {name.lower(): value for name, value in one.items()}
        kind, path = str(named.get("op", "")).lower(), named.get("path")
        if kind not in ("add", "replace", "remove"):
            raise ScimError(400, "`op` is add, replace or remove.", "invalidSyntax")
        if kind == "remove":
            changes |= _removed(path)
        elif path is None:
            if not isinstance(named.get("value"), dict):
                raise ScimError(400, "Without `path`, `value` is an object.", "invalidValue")
            changes |= {_name(name): value for name, value in _flat(named["value"]).items()}
        elif _name(path) == "active" and named.get("value") is None:
            raise ScimError(400, "`active` is true or false.", "invalidValue")
        else:
            changes[_name(path)] = named.get("value")
    return wanted(changes, before)


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes, also where they stand under the name of their schema (RFC 7644 §3.10)."""
    core = value.get(USER)
    return {**value, **core} if isinstance(core, Mapping) else dict(value)


def _removed(path: Any) -> dict[str, Any]:
    """Who is not said to be active any more is not; a name that is gone is nobody's business."""
    return {"active": False} if _name(path) == "active" else {}


def _name(path: Any) -> str:
    """An attribute that we keep, in its own spelling; empty for others."""
    if not isinstance(path, str):
        raise ScimError(400, "`path` is no text.", "invalidPath")
    short = path.lower().removeprefix(f"{USER}:".lower())
    return next((name for name in _KEPT if name.lower() == short), "")


def _text(value: Any, before: str) -> str:
    if value is None:
        return before
    if not isinstance(value, str) or len(value) > limits.CLAIM_CHARS or not value.isprintable():
        raise ScimError(400, "A name or id is no short, printable text.", "invalidValue")
    return value


def _truth(value: Any) -> bool:
    """A truth value; Entra sends it as text."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, Mapping):
        value = value.get("value")
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ScimError(400, "`active` is true or false.", "invalidValue")
