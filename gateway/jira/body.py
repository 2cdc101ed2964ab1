"""From bytes to JSON, strictly: what is not exactly one JSON document is not Jira's answer."""

from typing import Any

import msgspec
import orjson

from gateway.http import Reply
from gateway.jira import Json


def decoded(reply: Reply, form: Any = Any) -> Json:
    """The body, as `form` or else an object or list; None for an empty one. Raises ValueError that says why not.

    Refused: another media type (a login page) or charset, NaN, truncation, and a scalar. Of two equal names the
    last one counts (RFC 8259 §4): policy and answer come from this one reading, so there is nobody to disagree.
    """
    if not reply.body:
        return None
    media, _, parameters = reply.headers.get("Content-Type", "").lower().partition(";")
    if media.strip() != "application/json":
        raise ValueError("not application/json")
    if "charset" in parameters and "utf-8" not in parameters:
        raise ValueError("not UTF-8")
    if form is not Any:
        return msgspec.json.decode(reply.body, type=form)
    value = orjson.loads(reply.body)
    if not isinstance(value, dict | list):
        raise ValueError("neither an object nor a list")
    return value
