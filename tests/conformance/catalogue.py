"""The suite's fixture tools, as far as a server that only offers tools with text and JSON can have them.

They exist for tests alone: a line that knows one token and answers these tools by name.
"""

from gateway.errors import InvalidCall, UnknownTool
from gateway.model import Bearer, Caller, Result, Secret, ToolRequest
from gateway.tool import Tool
from tests.transport.world import tool

TOKEN = "conformance-token"

_SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

TEXTS = {
    "greet": "Hello, {name}!",
    "json_schema_2020_12_tool": "The schema is what matters.",
    "slow_compute": "Computed at once.",
    "test_custom_headers": "Region accepted.",
    "test_logging_tool": "Nothing is logged to the client.",
    "test_simple_text": "This is a simple text response for testing.",
    "test_streaming_elicitation": "Nobody is asked anything.",
    "test_tool_with_task": "Done without a task.",
}
FAILING = "test_error_handling"


def tools() -> list[Tool]:
    """The fixture tools, by name."""
    mirrored = {"region": {"type": "string", "x-mcp-header": "Region"}}
    made = {name: tool(name) for name in (*TEXTS, FAILING)}
    made["test_custom_headers"] = tool("test_custom_headers", properties=mirrored)
    made["greet"] = tool("greet", properties={"name": {"type": "string"}})
    made["slow_compute"] = tool(
        "slow_compute", properties={"seconds": {"type": "number"}, "label": {"type": "string"}}
    )
    made["json_schema_2020_12_tool"] = tool("json_schema_2020_12_tool", schema=_SCHEMA_2020_12)
    return [made[name] for name in sorted(made)]


class FixtureLine:
    """Lets one token in and answers the fixture tools."""

    async def authenticate(self, bearer: Bearer | None, source: str) -> Caller:
        """The suite, if it brings its token; the proxy gives it."""
        assert bearer == TOKEN, "the proxy adds the token to each request"
        return Caller(
            issuer="https://login.example",
            subject="suite",
            client="conformance",
            scopes=frozenset({"jira:read", "jira:write"}),
            expires_at=2e9,
            token=Secret(TOKEN),
        )

    def visible(self, caller: Caller) -> frozenset[str]:
        """All of them."""
        return frozenset({*TEXTS, FAILING})

    async def call(self, bearer: Bearer, request: ToolRequest) -> Result:
        """The text of the tool."""
        if request.name == FAILING:
            raise InvalidCall("This tool intentionally returns an error for testing")
        if request.name not in TEXTS:
            raise UnknownTool
        text = TEXTS[request.name]
        if request.name == "greet":
            text = text.format(name=request.arguments.get("name", "stranger"))
        return Result({"text": text}, text)
