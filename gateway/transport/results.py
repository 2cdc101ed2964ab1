"""What a tool call gave, as the fields of an MCP CallToolResult."""

from typing import Any

from gateway.errors import GatewayError
from gateway.model import Result

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
        "content": [{"type": "text", "text": f"{problem.public} (call {call_id})"}],
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
