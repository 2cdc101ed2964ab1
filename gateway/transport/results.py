"""What a tool call gave, as the fields of an MCP CallToolResult."""

from typing import Any

from gateway.errors import ConsentRequired, GatewayError
from gateway.model import Result
from gateway.transport.elicit import input_required

ERROR_META_KEY = "jira-agent-gateway/error"
"""Key in a failed result's `_meta`: `{code, rules, call, retryable}`."""


def succeeded(result: Result) -> dict[str, Any]:
    """The answer: structured, and as the short text that some assistants alone show."""
    return {
        "content": [{"type": "text", "text": result.text}],
        "structuredContent": result.structured,
        "isError": False,
    }


def failed(problem: GatewayError, call_id: str) -> dict[str, Any]:
    """One sentence with the next step, and facts for programs in `_meta`."""
    return {
        "content": [{"type": "text", "text": f"{_told(problem)} (call {call_id})"}],
        "isError": True,
        "_meta": {
            ERROR_META_KEY: {
                "code": problem.code,
                "rules": list(problem.rules),
                "call": call_id,
                "retryable": problem.retryable,
            }
        },
    }


def refused(problem: GatewayError, call_id: str, *, opens_addresses: bool) -> dict[str, Any]:
    """A 2026-07-28 result: `failed`, or a request to open the address that the problem names."""
    if opens_addresses and isinstance(problem, ConsentRequired) and problem.url:
        return input_required(problem).model_dump(mode="json", by_alias=True, exclude_none=True)
    return failed(problem, call_id)


def _told(problem: GatewayError) -> str:
    url = getattr(problem, "url", "")
    return f"{problem.public} Open {url}" if url else problem.public
