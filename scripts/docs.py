"""Write the pages that are generated: docs/settings.md and docs/tools.md. `--check` only compares."""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway.config import TOOL_MODULES, Section, Settings  # noqa: E402 - the checkout first
from gateway.tool import Registry, Tool  # noqa: E402

SETTINGS_HEAD = """# Settings

`gateway.toml`, and over it the environment: `GATEWAY__SECTION__KEY`, for example `GATEWAY__SERVER__PORT=9000`
(lists and tables as JSON). A secret is best read from a file: write `client_secret_file = "…"` instead of
`client_secret`, or set `GATEWAY__CREDENTIAL__CLIENT_SECRET_FILE`. Paths are relative to the file. Unknown keys are
refused. `jira-agent-gateway check` names every problem with its place and how to fix it;
`jira-agent-gateway sandbox config` prints a complete file.

Limits that are not settings stand in `gateway/limits.py`, each with its unit and reason.
"""

TOOLS_HEAD = """# Tools

What an assistant is offered. A tool that this caller's policy could never allow is not listed; when it is called
anyway, the call is decided, recorded and refused with its rule. `jira-agent-gateway tools` prints this list with
digests; `tools.lock` holds them, so that a changed description is a reviewed change.
"""


def settings_page() -> str:
    """docs/settings.md, from the settings' own descriptions."""
    return SETTINGS_HEAD + "".join(
        _section(name, field.annotation) for name, field in Settings.model_fields.items()
    )


def _section(name: str, model: Any) -> str:
    if name == "identity":
        return _table(
            "[[identity.issuers]], one table for each provider",
            model.model_fields["issuers"].annotation.__args__[0],
        )
    return _table(f"[{name}]", model)


def _table(title: str, model: type[Section]) -> str:
    rows = []
    for key, field in model.model_fields.items():
        default = "**required**" if field.is_required() else _shown(field.default)
        rows.append(f"| `{key}` | {field.description} | {default} |\n")
    return f"\n## {title}\n\n{model.__doc__}\n\n| key | what | default |\n| --- | --- | --- |\n" + "".join(
        rows
    )


def _shown(default: Any) -> str:
    if default in ("", None, ()):
        return "–"
    if isinstance(default, tuple):
        return ", ".join(f"`{item}`" for item in default)
    return f"`{default}`"


def tools_page() -> str:
    """docs/tools.md, from the tools themselves."""
    return TOOLS_HEAD + "".join(_tool(t) for t in Registry.load(TOOL_MODULES))


def _tool(tool: Tool) -> str:
    scopes = ", ".join(f"`{s}`" for s in tool.scopes)
    text = f"\n## {tool.name}\n\n{tool.description}\n\n"
    text += f"Effect: **{tool.effect}** on {tool.target.kind.lower()}. Scopes: {scopes}.\n\n"
    text += "| argument | type | what |\n| --- | --- | --- |\n"
    for p in tool.parameters:
        need = "" if p.required else ", optional"
        text += (
            f"| `{p.name}` | {p.schema.get('type', 'choice')}{need} | {p.schema.get('description', '')} |\n"
        )
    return text if tool.parameters else text[: text.index("| argument")] + "No arguments.\n"


PAGES = {"docs/settings.md": settings_page, "docs/tools.md": tools_page}

if __name__ == "__main__":
    stale = [
        n for n, page in PAGES.items() if not (ROOT / n).exists() or (ROOT / n).read_text("utf-8") != page()
    ]
    if "--check" in sys.argv:
        sys.exit(f"stale: {', '.join(stale)}; run scripts/docs.py" if stale else 0)
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
