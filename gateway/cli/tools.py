"""`tools`: what is offered, and the two files that are generated from it."""

import argparse

import orjson
from rich.console import Console
from rich.table import Table

from gateway.cli import GOOD
from gateway.config import TOOL_MODULES
from gateway.policy.schema import cedar_schema
from gateway.tool import Registry, Tool


def tools(arguments: argparse.Namespace) -> int:
    """List the tools; or print `tools.lock` or the Cedar schema."""
    registry = Registry.load(TOOL_MODULES)
    if arguments.lock:
        print(lock(registry), end="")
    elif arguments.cedar_schema:
        print(cedar_schema(registry.actions()), end="")
    elif arguments.json:
        print(orjson.dumps([_described(t) for t in registry], option=orjson.OPT_INDENT_2).decode())
    else:
        _show(registry)
    return GOOD


def lock(registry: Registry) -> str:
    """The text of tools.lock: a changed description is a reviewed change."""
    head = "# name and digest of every tool's schema and description; `jira-agent-gateway tools --lock` prints it\n"
    return head + "".join(f"{t.name} {t.digest}\n" for t in registry)


def _described(tool: Tool) -> dict[str, object]:
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "effect": tool.effect,
        "resource": tool.target.kind,
        "scopes": tool.scopes,
        "inputSchema": tool.input_schema,
        "outputSchema": tool.output_schema,
        "annotations": tool.annotations(),
        "digest": tool.digest,
    }


def _show(registry: Registry) -> None:
    table = Table(title="Tools", title_justify="left")
    for column in ("tool", "effect", "on", "scopes", "what it does"):
        table.add_column(column)
    colours = {"read": "green", "write": "yellow", "destroy": "red"}
    for t in registry:
        effect = f"[{colours[t.effect]}]{t.effect}[/]"
        table.add_row(
            t.name, effect, t.target.kind.lower(), " ".join(t.scopes), t.description.splitlines()[0]
        )
    Console().print(table)
