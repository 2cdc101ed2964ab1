"""Sending a person to a page of ours (MCP URL elicitation), in the way that each protocol era knows.

| the client said that it opens addresses | answer to `ConsentRequired`                                 |
| --------------------------------------- | ----------------------------------------------------------- |
| 2026-07-28, in the request itself       | result `input_required`; the repeated call simply runs again |
| 2025-11-25, at `initialize`             | error -32042 with the address                               |
| never, or in an older revision          | tool error whose text has the address                       |

A repeated call that still lacks the link gets the tool error: opening a page is not yet having
finished there, and asking once more would only open it a second time.

The handshake era is served without sessions, so what a client said at `initialize` goes back to it
as its `Mcp-Session-Id`, which it repeats. That is a note and no handle: it names nobody, nothing is
kept under it, and whoever sends another's learns and gets nothing by it.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mcp.shared.exceptions import UrlElicitationRequiredError
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    ElicitRequest,
    ElicitRequestURLParams,
    InputRequiredResult,
)

from gateway.errors import ConsentRequired
from gateway.model import Caller
from gateway.transport import jsonrpc
from gateway.transport.asgi import Headers, Reply

Address = Callable[[str, Caller], str]
"""(our page, who called) -> the page's address for that person alone."""

SESSION = "mcp-session-id"
SINCE = "2025-11-25"
"""The only handshake revision that knows URL elicitation."""

_KEY = "connect"
_NOTE = "opens-addresses-"


def as_it_is(url: str, caller: Caller) -> str:
    """The `Address` of a gateway whose pages ask nobody to sign in."""
    return url


def addressed(problem: Exception, caller: Caller, address: Address) -> Exception:
    """`problem`; if it sends the caller to a page of ours, with that page's address for the caller."""
    if not isinstance(problem, ConsentRequired) or not problem.url:
        return problem
    return ConsentRequired(problem.public, url=address(problem.url, caller), private=problem.private)


def opens_addresses(headers: Headers, message: jsonrpc.Message, *, modern: bool) -> bool:
    """Whether this client, with this very request, can be asked to open an address."""
    params = message.params or {}
    if not modern:
        note = headers.get(SESSION) or ""
        return note.startswith(_NOTE) and headers.get("mcp-protocol-version") == SINCE
    meta = params.get("_meta")
    said = meta.get(CLIENT_CAPABILITIES_META_KEY) if isinstance(meta, dict) else None
    return _declared(said) and "inputResponses" not in params


def remembered(reply: Reply, message: jsonrpc.Message) -> Reply:
    """The answer to a request of the handshake era; to `initialize`, with a note of what the client can."""
    params = message.params or {}
    if message.method != "initialize" or reply.status != 200 or not _declared(params.get("capabilities")):
        return reply
    note = (SESSION.encode(), (_NOTE + secrets.token_urlsafe(16)).encode())
    return replace(reply, headers=(*reply.headers, note))


def _declared(capabilities: Any) -> bool:
    """`{"elicitation": {}}` is form mode alone (client/elicitation, Capabilities)."""
    said = capabilities.get("elicitation") if isinstance(capabilities, dict) else None
    return isinstance(said, dict) and isinstance(said.get("url"), dict)


def input_required(problem: ConsentRequired) -> InputRequiredResult:
    """2026-07-28: the result that asks the client to open the address and to call again."""
    asked = ElicitRequest(params=ElicitRequestURLParams(message=problem.public, url=problem.url))
    return InputRequiredResult(input_requests={_KEY: asked})


def required_error(problem: ConsentRequired, call_id: str) -> UrlElicitationRequiredError:
    """2025-11-25: error -32042. `call_id` is the elicitation's id: unique, and in our record."""
    asked = ElicitRequestURLParams(message=problem.public, url=problem.url, elicitation_id=call_id)
    return UrlElicitationRequiredError([asked], problem.public)
