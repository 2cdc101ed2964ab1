"""How assistants reach the line: MCP over streamable HTTP, both protocol eras on one URL, stateless.

    client ── /mcp ──> McpEndpoint ── ordinary requests ──> the line
                            └── anything unusual ──> Fallback (the SDK's own app) ──> the same line

The room accepts bytes and answers with bytes. It decides nothing: who calls, which tools they see
and what a call gives all come from the line.
"""

from typing import Protocol

from gateway.model import Bearer, Caller, Result, ToolRequest


class Line(Protocol):
    """What the transport needs of `gateway.pipeline`."""

    async def authenticate(self, bearer: Bearer | None, source: str) -> Caller:
        """The caller. Raises `Unauthenticated` (`presented=False` when `bearer` is None) or `Unavailable`."""

    def visible(self, caller: Caller) -> frozenset[str]:
        """Names of the tools that `tools/list` shows to this caller."""

    async def call(self, bearer: Bearer, request: ToolRequest) -> Result:
        """The answer to one tool call. Raises a `GatewayError`; may be cancelled at any await."""
