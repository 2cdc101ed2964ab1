"""Write what is generated: docs/settings.md, docs/tools.md, and the README's help. `--check` only compares."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway.cli import _parser  # noqa: E402 - the checkout first
from gateway.config import TOOL_MODULES, Section, Settings  # noqa: E402 - the checkout first
from gateway.settings import Issuer, JiraSite, SecretStr, known_sources  # noqa: E402 - the checkout first
from gateway.settings.client import Rotation  # noqa: E402 - the checkout first
from gateway.settings.identity import Directory, Introspection, Login, RoleRule  # noqa: E402 - the checkout first
from gateway.settings.jira import SOURCES  # noqa: E402 - the checkout first
from gateway.tool import Registry, Tool  # noqa: E402 - the checkout first

ISSUER_PARTS: dict[str, type[Section]] = {
    "[[identity.issuers.roles]]": RoleRule,
    "[identity.issuers.login]": Login,
    "[identity.issuers.introspection]": Introspection,
    "[identity.issuers.directory]": Directory,
}

SETTINGS_HEAD = """# Settings

`gateway.toml`, and over it the environment: `GATEWAY__SECTION__KEY`, for example `GATEWAY__SERVER__PORT=9000`
(lists and tables as JSON). A secret is best read from a file: write `client_secret_file = "…"` instead of
`client_secret`, or set `GATEWAY__JIRA__CREDENTIAL__CLIENT_SECRET_FILE`. One table may stand for a list of one; in a
longer list the variable has the number: `GATEWAY__JIRA__1__URL`. Paths are relative to the file. Unknown keys are
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
    text = SETTINGS_HEAD
    for name, field in Settings.model_fields.items():
        if name == "identity":
            text += _table("[[identity.issuers]], one table for each provider", Issuer)
            text += "".join(_table(f"{title} of an issuer", model) for title, model in ISSUER_PARTS.items())
        elif name == "jira":
            text += _table("[jira], or [[jira]], one table for each site", JiraSite)
            text += "".join(_source(source) for source in known_sources())
            text += _table("[jira.credential.rotation], for `secrets rotate`", Rotation)
        else:
            text += _table(f"[{name}]", field.annotation)
    return text


def _source(name: str) -> str:
    model = import_module(f"{SOURCES}.{name}").Settings
    text = _table(f'[jira.credential] with `source = "{name}"`', model)
    for key, field in model.model_fields.items():
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, Section) and inner is not Rotation:
                text += _table(f'[jira.credential.{key}] with `source = "{name}"`', inner)
    return text


def _table(title: str, model: type[Section]) -> str:
    rows = []
    for key, field in model.model_fields.items():
        default = "**required**" if field.is_required() else _shown(field.default)
        rows.append(f"| `{key}` | {field.description} | {default} |\n")
    return f"\n## {title}\n\n{model.__doc__}\n\n| key | what | default |\n| --- | --- | --- |\n" + "".join(
        rows
    )


def _shown(default: Any) -> str:
    if isinstance(default, SecretStr):
        return _shown(default.get_secret_value())
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


def readme() -> str:
    """README.md with today's `--help` in its place."""
    text = (ROOT / "README.md").read_text("utf-8")
    before, _, rest = text.partition("<!-- help -->")
    os.environ["COLUMNS"] = "80"
    shown = f"\n```\n{_parser().format_help().strip()}\n```\n"
    return f"{before}<!-- help -->{shown}<!-- /help -->{rest.partition('<!-- /help -->')[2]}"


PAGES = {"docs/settings.md": settings_page, "docs/tools.md": tools_page, "README.md": readme}

if __name__ == "__main__":
    stale = [
        n for n, page in PAGES.items() if not (ROOT / n).exists() or (ROOT / n).read_text("utf-8") != page()
    ]
    if "--check" in sys.argv:
        sys.exit(f"stale: {', '.join(stale)}; run scripts/docs.py" if stale else 0)
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
