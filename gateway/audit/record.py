"""What a record says. Pure: nouns in, a JSON object out; and back from stored bytes.

Kinds about calls:

    call            a whole call: a read with its answer released, or a refusal of any kind
    call.decision   a write that policy allows, before it is sent to Jira
    call.outcome    how a committed call ended; for a read only when its answer was not released after all
    call.in_doubt   written at the next start for a decision whose outcome is missing

Kinds about the log and the gateway: `audit.opened`, `audit.closed`, `audit.started`, `audit.unsealed`,
`authentication.failed`, `gateway.started`, `gateway.stopped`, `policy.loaded`, `access.revoked`,
`access.known`.

What policy may see of an argument stands in the record as it is (keys, names, numbers, choices), and
so does JQL, which a reviewer needs and which may hold people's names. All other text (bodies,
summaries, comments) is told by length and keyed digest only. No token or credential is ever in it.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway import clock
from gateway.errors import GatewayError, JiraRefused, OutcomeUnknown, Unauthenticated, Unavailable
from gateway.model import Caller, Decision, Grant, Resource, ToolCall, ToolRequest

CALL = "call"
DECISION = "call.decision"
OUTCOME = "call.outcome"
IN_DOUBT = "call.in_doubt"
OPENED = "audit.opened"
CLOSED = "audit.closed"
STARTED = "audit.started"
UNSEALED = "audit.unsealed"
STRANGERS = "authentication.failed"

NAME_CHARS = 200
"""characters of a name that a stranger chose (a tool that does not exist) which the record keeps."""


def encoded(record: Any) -> bytes:
    """The bytes that are stored and hashed. Whatever is in the record, there is an encoding."""
    try:
        return orjson.dumps(record, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # lone surrogates and huge integers, which JSON's escapes can hold
        return json.dumps(record, default=_plain, separators=(",", ":")).encode()


def decoded(body: bytes) -> dict[str, Any]:
    """The record in stored bytes. Raises ValueError when they are not a JSON object."""
    try:
        record = orjson.loads(body)
    except ValueError:
        try:
            record = json.loads(body)
        except RecursionError as wrong:
            raise ValueError("nested too deeply") from wrong
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset | set):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


class Pending:
    """Which calls are decided and have no outcome yet: call id -> number of the decision's record."""

    _MARK = b'"kind":"call.'

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}

    def note(self, seq: int, kind: str, call_id: str) -> None:
        """One more record of this kind about this call."""
        if kind == DECISION:
            self.calls[call_id] = seq
        elif kind in (OUTCOME, IN_DOUBT):
            self.calls.pop(call_id, None)

    def read(self, seq: int, body: bytes) -> None:
        """One more stored record; a file's first names the calls that it takes over. Raises ValueError."""
        if seq == 0:
            self.calls = dict.fromkeys(decoded(body).get("open") or (), 0)
        elif self._MARK in body:
            record = decoded(body)
            self.note(seq, str(record.get("kind")), str(record.get("id")))


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """A record about the gateway itself."""
    return {"kind": kind, "time": clock.iso(), "mono": round(clock.mono(), 6), **fields}


def of_request(request: ToolRequest, call_id: str) -> dict[str, Any]:
    """When, from where, in which protocol, and the tool's name as it was asked."""
    return {
        "id": call_id,
        "time": clock.iso(),
        "mono": round(clock.mono(), 6),
        "protocol": request.protocol,
        "source": request.source,
        "tool": request.name[:NAME_CHARS],
    }


def of_caller(caller: Caller) -> dict[str, Any]:
    """Who, on whose behalf, with which assistant and by which token (its id, never itself)."""
    return {
        "issuer": caller.issuer,
        "subject": caller.subject,
        "actor": caller.actor,
        "client": caller.client,
        "assurance": caller.assurance,
        "token": caller.token_id,
        **({"family": caller.family} if caller.family else {}),
    }


def of_call(call: ToolCall, key: bytes) -> dict[str, Any]:
    """What was asked."""
    return {
        "tool": call.tool,
        "schema": call.schema_digest,
        "action": call.tool,
        "effect": str(call.effect),
        "resource": {"kind": call.target, "id": call.target_id, "as": "asked"},
        "arguments": _arguments(call, key),
    }


def _arguments(call: ToolCall, key: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in call.arguments.items():
        head, *rest = name.split("_")
        seen_by_policy = head + "".join(part.title() for part in rest) in call.input
        if (
            value is None
            or isinstance(value, bool | int | float)
            or seen_by_policy
            or value == call.target_id
        ):
            told[name] = value
        elif isinstance(value, str | list | tuple):
            told[name] = of_text(value, key)
        else:
            told[name] = str(value)  # a parsed query
    return told


def of_text(value: Any, key: bytes) -> dict[str, Any]:
    """Length and HMAC-SHA-256 of a text (of its UTF-8), or of the JSON of anything else."""
    length = len(value) if isinstance(value, str | list | tuple) else None
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else encoded({"": value})
    return {"hmac": hmac.digest(key, data, "sha256").hex(), "length": length}


def of_resources(resources: Sequence[Resource], target: str) -> dict[str, Any]:
    """What Jira returned: the resource decided on, and the others whose content the answer would show."""
    if resources and resources[0].kind == target:
        first, rest = resources[0], resources[1:]
        return {
            "resource": {"kind": first.kind, "id": first.id, "as": "returned"},
            "seen": [r.id for r in rest],
        }
    return {"seen": [r.id for r in resources]}


def of_grant(grant: Grant) -> dict[str, Any]:
    """With which credential: everything about it but itself."""
    return {
        "grant": {
            "id": grant.id,
            "source": grant.source,
            "subject": grant.subject,
            "audience": grant.audience,
            "scopes": sorted(grant.scopes),
            "expires": clock.iso(grant.expires_at),
            **({"account": grant.account} if grant.account else {}),
            **({"broad": True} if grant.broad else {}),
        }
    }


def of_decision(decision: Decision) -> dict[str, Any]:
    """Whether, by which rules of which version, from which facts, and what was promised."""
    return {
        "allowed": decision.allowed and not decision.errors,
        "reasons": [{"rule": r.rule, "where": r.where} for r in decision.reasons],
        "policy": decision.policy,
        "errors": decision.errors,
        "obligations": [
            {"rule": o.rule, "kind": o.kind, "fields": sorted(o.fields), "maximum": o.maximum}
            for o in decision.obligations
        ],
        "refused": len(decision.refused),
        "narrowing": decision.narrowing,
        "redactions": sorted(decision.redacted),
        "facts": decision.facts,
    }


def of_error(error: BaseException) -> dict[str, Any]:
    """How a call failed: a stable code, the rules behind it and Jira's status where there is one."""
    if not isinstance(error, GatewayError):
        code = "internal_error" if isinstance(error, Exception) else "cancelled"
        return {"outcome": code, "cause": type(error).__name__}
    told: dict[str, Any] = {"outcome": error.code}
    if error.rules:
        told["rules"] = list(error.rules)
    if isinstance(error, Unavailable):
        told["part"] = error.part
    if isinstance(error, JiraRefused):
        told["jira"] = {"status": error.status}
    return told


def happened(error: BaseException) -> bool | None:
    """Whether a write that ended in `error` after it was allowed took effect in Jira; None: nobody knows."""
    if isinstance(error, OutcomeUnknown | Unauthenticated):  # the latter: Jira went on as somebody else
        return None
    return False if isinstance(error, GatewayError) else None
