"""JSON-RPC 2.0 messages: read strictly, written once.

Reading refuses what two parsers could understand differently: NaN, lone surrogates, an object that
names a member twice (RFC 7493 §2.3), and nesting beyond `limits.JSON_DEPTH`.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson
from mcp_types import INVALID_REQUEST, PARSE_ERROR

from gateway import limits

RequestId = str | int


class Malformed(Exception):
    """Not one JSON-RPC message. `code` is the JSON-RPC error code, `id` the message's where it has one."""

    def __init__(self, code: int, text: str, id: RequestId | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.id = id


@dataclass(frozen=True, slots=True)
class Message:
    """A request (`id` is set), a notification (`id` is None), or a client's response (`method` is empty)."""

    id: RequestId | None
    method: str
    params: dict[str, Any] | None
    whole: dict[str, Any]


def read(body: bytes) -> Message:
    """The one message in `body`. Raises `Malformed`."""
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed(PARSE_ERROR, "The body is not valid JSON.") from None
    if type(tree) is not dict:
        raise Malformed(
            INVALID_REQUEST, "The body must be a single JSON-RPC message; batches are not accepted."
        )
    given = tree.get("id")
    known = given if type(given) in (str, int) else None
    _check_form(tree, body, known)
    if tree.get("jsonrpc") != "2.0":
        raise Malformed(INVALID_REQUEST, 'A JSON-RPC message must say "jsonrpc": "2.0".', known)
    if "id" in tree and known is None:
        raise Malformed(INVALID_REQUEST, "The id of a request must be a string or an integer.")
    method, params = tree.get("method"), tree.get("params")
    if method is None and known is not None and ("result" in tree) != ("error" in tree):
        return Message(known, "", None, tree)
    if type(method) is not str or not method:
        raise Malformed(INVALID_REQUEST, "A JSON-RPC message must name its method.", known)
    if params is not None and type(params) is not dict:
        raise Malformed(INVALID_REQUEST, "The params of a message must be an object.", known)
    return Message(known, method, params, tree)


_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def _check_form(tree: dict[str, Any], body: bytes, known: RequestId | None) -> None:
    """Refuse depth and duplicate members.

    In valid JSON each member has one colon outside strings, so there are more such colons than
    members in the tree exactly when a name came twice.
    """
    level: list[Any] = [tree]
    members = depth = 0
    while level:
        depth += 1
        if depth > limits.JSON_DEPTH:
            raise Malformed(INVALID_REQUEST, f"The body nests deeper than {limits.JSON_DEPTH} levels.", known)
        below: list[Any] = []
        for node in level:
            if type(node) is dict:
                members += len(node)
                below += [v for v in node.values() if type(v) is dict or type(v) is list]
            else:
                below += [v for v in node if type(v) is dict or type(v) is list]
        level = below
    if body.count(b":") != members and _STRING.sub(b"", body).count(b":") != members:
        raise Malformed(INVALID_REQUEST, "An object in the body names a member twice.", known)


def result(id: RequestId, payload: bytes) -> bytes:
    """A response whose result is already JSON."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (orjson.dumps(id), payload)


def error(id: RequestId | None, code: int, text: str, data: Any = None) -> bytes:
    """An error response."""
    told: dict[str, Any] = {"code": code, "message": text}
    if data is not None:
        told["data"] = data
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "error": told})
