"""Errors of the line as answers: an HTTP challenge, a protocol error, or a tool result that says what to do.

| error                                | answer                                              |
| ------------------------------------ | --------------------------------------------------- |
| `Unauthenticated`                    | 401 challenge (RFC 6750 §3, RFC 9728 §5.1)          |
| `StepUpRequired`                     | 403 challenge with all scopes that the call needs,  |
|                                      | or 401 with `acr_values` and `max_age` (RFC 9470)   |
| `Unavailable`, part `identity`       | 503 with Retry-After                                |
| `UnknownTool`                        | JSON-RPC -32602                                     |
| `ConsentRequired` with an address    | as the client declared it: see `elicit.py`          |
| any other `GatewayError`             | tool result with `isError`                          |
| anything else                        | JSON-RPC -32603; the cause goes to the log only     |
"""

import logging
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

import orjson
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from gateway import limits
from gateway.errors import (
    ConsentRequired,
    GatewayError,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    UnknownTool,
)
from gateway.transport import jsonrpc
from gateway.transport.asgi import JSON, Reply
from gateway.transport.elicit import required_error

log = logging.getLogger("gateway.transport")


def protocol_error(
    id: jsonrpc.RequestId | None, code: int, text: str, data: Any = None, *, modern: bool = True
) -> Reply:
    """A JSON-RPC error. The handshake era sends an answered request's error with HTTP 200."""
    status = ERROR_CODE_HTTP_STATUS.get(code, 200) if modern else 200
    return Reply(status, jsonrpc.error(id, code, text, data))


def note(problem: GatewayError, call_id: str) -> None:
    """Log the private cause, where there is one, under the call's correlation id.

    Strangers are counted by the line and logged only for debugging, so that they cannot fill the disk.
    """
    if problem.private:
        level = logging.DEBUG if isinstance(problem, Unauthenticated) else logging.WARNING
        log.log(level, "call %s: %s: %r", call_id, problem.code, problem.private)


class Answers:
    """Turns an error into a `Reply`; knows where sign-in is described."""

    def __init__(self, metadata_url: str, scopes: Iterable[str]) -> None:
        self._where = f'resource_metadata="{metadata_url}"'
        self._scopes = tuple(scopes)

    def __call__(
        self,
        problem: Exception,
        call_id: str,
        id: jsonrpc.RequestId | None = None,
        *,
        modern: bool = True,
        opens_addresses: bool = False,
    ) -> Reply | None:
        """The answer to `problem`, or None when it is one that belongs into a tool result."""
        if not isinstance(problem, GatewayError):
            log.error("call %s failed unexpectedly", call_id, exc_info=problem)
            return protocol_error(
                id,
                INTERNAL_ERROR,
                "The gateway failed at this call and does not know whether it had an effect; "
                f"look in Jira before you repeat it, and give the operator this id: {call_id}.",
                modern=modern,
            )
        note(problem, call_id)
        if isinstance(problem, Unauthenticated):
            return self._unauthenticated(problem)
        if isinstance(problem, StepUpRequired):
            return self._step_up(problem)
        if isinstance(problem, UnknownTool):
            return protocol_error(id, INVALID_PARAMS, problem.public, modern=modern)
        if isinstance(problem, ConsentRequired) and problem.url and opens_addresses and not modern:
            asked = required_error(problem, call_id).error
            return protocol_error(id, asked.code, asked.message, asked.data, modern=False)
        if isinstance(problem, Unavailable) and problem.part == "identity":
            return unavailable(problem)
        return None

    def outside_a_call(self, problem: Exception, call_id: str, id: jsonrpc.RequestId | None = None) -> Reply:
        """The answer to what failed where no tool result could carry it."""
        return self(problem, call_id, id) or unavailable(problem)

    def _unauthenticated(self, problem: Unauthenticated) -> Reply:
        if not problem.presented:
            body = {"message": "Sign in to use this server; WWW-Authenticate says where."}
            return self._challenge(401, body, (), self._scopes)
        body = {"error": "invalid_token", "error_description": problem.public}
        return self._challenge(401, body, ("error", "error_description"), self._scopes)

    def _step_up(self, problem: StepUpRequired) -> Reply:
        """RFC 6750 §3.1 for scopes; RFC 9470 §3 for the sign-in itself; Entra's claims challenge as it came."""
        body = {"error": problem.code, "error_description": problem.public}
        if problem.acr_values:
            body["acr_values"] = " ".join(problem.acr_values)
        if problem.max_age is not None:
            body["max_age"] = str(problem.max_age)
        if problem.claims:
            body["claims"] = urlsafe_b64encode(problem.claims.encode()).decode().rstrip("=")
        status = 403 if problem.code == "insufficient_scope" else 401
        return self._challenge(status, body, tuple(body), problem.scopes or self._scopes)

    def token_in_query(self) -> Reply:
        """RFC 6750 §2.3 is refused: a token in a URL ends in logs."""
        body = {
            "error": "invalid_request",
            "error_description": "Send the access token in the Authorization header, never in the URL.",
        }
        return self._challenge(400, body, ("error", "error_description"), self._scopes)

    def _challenge(
        self, status: int, body: dict[str, str], told: tuple[str, ...], scopes: tuple[str, ...]
    ) -> Reply:
        parts = [f'{key}="{_quotable(body[key])}"' for key in told]
        parts += [self._where, f'scope="{" ".join(scopes)}"']
        header = (b"www-authenticate", f"Bearer {', '.join(parts)}".encode("ascii"))
        return Reply(status, orjson.dumps(body), (*JSON, header))


def unavailable(problem: Exception) -> Reply:
    """503: nobody can be let in at the moment."""
    body = orjson.dumps({"error": "temporarily_unavailable", "error_description": str(problem)})
    return Reply(503, body, (*JSON, (b"retry-after", b"%d" % limits.RETRY_AFTER_SECONDS)))


def _quotable(text: str) -> str:
    """Only the characters that RFC 6750 §3 allows in `error_description`."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)
