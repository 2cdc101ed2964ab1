"""What assistants are told about the tools."""

import re
from typing import Any

import jsonschema_rs
import orjson
import pytest

from gateway.model import Effect
from gateway.tool import Tool
from tests.tools.conftest import REGISTRY

EXPECTED = {
    "jira_whoami": Effect.READ,
    "jira_search": Effect.READ,
    "jira_get_issue": Effect.READ,
    "jira_list_projects": Effect.READ,
    "jira_create_issue": Effect.WRITE,
    "jira_update_issue": Effect.WRITE,
    "jira_transition": Effect.WRITE,
    "jira_comment": Effect.WRITE,
    "jira_delete_issue": Effect.DESTROY,
}
TOOLS = list(REGISTRY)


def test_the_nine_tools() -> None:
    """These and no others, each with its effect."""
    assert {t.name: t.effect for t in TOOLS} == EXPECTED


@pytest.mark.parametrize("tool", TOOLS, ids=lambda t: t.name)
def test_a_declaration_is_complete(tool: Tool) -> None:
    """A name that every client takes, a title, a short description, and each parameter described."""
    assert re.fullmatch(r"[a-z][a-z0-9_]{2,39}", tool.name)
    assert tool.title
    assert 40 <= len(tool.description) <= 400
    for name, schema in tool.input_schema["properties"].items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert schema.get("description"), f"{tool.name}.{name}"
    assert tool.annotations()["readOnlyHint"] is (tool.effect is Effect.READ)
    assert tool.annotations()["destructiveHint"] is (
        tool.effect is not Effect.READ and tool.name not in ("jira_comment", "jira_create_issue")
    )


def nested(node: Any) -> list[dict[str, Any]]:
    """Every object in a schema."""
    if isinstance(node, list):
        return [found for item in node for found in nested(item)]
    if not isinstance(node, dict):
        return []
    return [node, *(found for item in node.values() for found in nested(item))]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda t: t.name)
def test_schemas_are_plain_and_closed(tool: Tool) -> None:
    """No references or alternatives, which some clients cannot read; no unknown members; limits."""
    for schema in (tool.input_schema, tool.output_schema):
        assert jsonschema_rs.meta.is_valid(dict(schema))
        for node in nested(dict(schema)):
            assert not {"$ref", "anyOf", "oneOf", "allOf"} & node.keys()
            if node.get("type") == "object" and "properties" in node:
                assert node["additionalProperties"] is False
    for node in nested(dict(tool.input_schema)["properties"]):
        if node.get("type") == "string" and "enum" not in node:
            assert (
                node["maxLength"] > 0
                if "maxLength" in node
                else "{0,9}" in node["pattern"] or "{1,19}" in node["pattern"]
            )
        if node.get("type") == "array":
            assert node["maxItems"] > 0


def test_all_tools_cost_a_model_little() -> None:
    """Names, descriptions and input schemas of all nine together: under 6,500 characters."""
    told = [[t.name, t.title, t.description, dict(t.input_schema)] for t in TOOLS]
    assert len(orjson.dumps(told)) < 6_500
