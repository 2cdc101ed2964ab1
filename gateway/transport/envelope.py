"""Which requests are ordinary: of the exact form that the hot path answers itself.

The judge is the SDK's own model of each revision. Its verdict on a request's `_meta` is remembered,
because a client sends the same capabilities and client info with every request.
"""

from typing import Any

import orjson
from mcp_types import InitializeRequestParams
from mcp_types.methods import validate_client_request

from gateway import limits

_MEMBERS = {
    "initialize": frozenset({"protocolVersion", "capabilities", "clientInfo", "_meta"}),
    "ping": frozenset({"_meta"}),
    "server/discover": frozenset({"_meta"}),
    "tools/call": frozenset({"name", "arguments", "_meta"}),
    "tools/list": frozenset({"_meta"}),
}

_PASSING = frozenset({"progressToken", "traceparent", "tracestate", "baggage"})
"""Members of `_meta` that differ from request to request. We send no progress, as a server may choose."""


def ordinary(method: str, params: dict[str, Any]) -> bool:
    """Whether `params` has only members that we know, in their types; `Envelopes` judges `_meta`."""
    members = _MEMBERS.get(method)
    if members is None or not params.keys() <= members:
        return False
    if method == "tools/call":
        arguments = params.get("arguments")
        return type(params.get("name")) is str and (arguments is None or type(arguments) is dict)
    return True


class Envelopes:
    """Remembers which `_meta` objects the SDK's model accepts."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def good(self, version: str, meta: Any) -> bool:
        """Whether `meta` is valid at `version`; absent counts as valid (2026-07-28 was checked before)."""
        if meta is None:
            return True
        if type(meta) is not dict or type(meta.get("progressToken", "")) not in (str, int):
            return False
        key = orjson.dumps([version, {k: v for k, v in meta.items() if k not in _PASSING}])
        if key in self._known:
            return True
        try:
            validate_client_request("tools/list", version, {"_meta": meta})
        except ValueError:  # pydantic's ValidationError is one
            return False
        if len(key) <= limits.ENVELOPE_BYTES:
            if len(self._known) >= limits.ENVELOPES_CACHED:
                self._known.clear()
            self._known.add(key)
        return True

    def initialize(self, version: str, params: dict[str, Any]) -> bool:
        """Whether `params` are valid for `initialize`."""
        try:
            validate_client_request("initialize", version, params)
            InitializeRequestParams.model_validate(params, by_name=False)
        except ValueError:  # pydantic's ValidationError is one
            return False
        return True
