"""From bytes to JSON, strictly: what is not exactly one JSON document is not Jira's answer."""

import json
from typing import Any

import orjson

from gateway.http import Reply
from gateway.jira import Json


def decoded(reply: Reply) -> Json:
    """The object or list in the body; None for an empty one. Raises ValueError that says why not.

    Refused: another media type (a login page) or charset, NaN, truncation, a scalar, and duplicate
    names (RFC 8259 §4), of which two readers may each take another.
    """
    if not reply.body:
        return None
    media, _, parameters = reply.headers.get("Content-Type", "").lower().partition(";")
    if media.strip() != "application/json":
        raise ValueError("not application/json")
    if "charset" in parameters and "utf-8" not in parameters:
        raise ValueError("not UTF-8")
    value = orjson.loads(reply.body)
    if not isinstance(value, dict | list):
        raise ValueError("neither an object nor a list")
    if not _same_length(reply.body, value):
        _refuse_duplicates(reply.body)
    return value


def _same_length(body: bytes, value: Json) -> bool:
    """Whether `value` prints as long as it came: then no name was dropped, and no slow reading is due."""
    try:
        return len(orjson.dumps(value)) == len(body)
    except orjson.JSONEncodeError:
        return False


def _refuse_duplicates(body: bytes) -> None:
    def checked(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name stands twice in one object")

    try:
        json.loads(body, object_pairs_hook=checked)
    except RecursionError:
        raise ValueError("nested too deeply") from None
