"""Settings: `gateway.toml`, the environment over it (`GATEWAY__SECTION__KEY`), secrets from `*_FILE`.

Unknown keys are refused. Every problem is reported with its key, its place (file and line, or the
variable) and how to fix it. Relative paths are relative to the file. Only this module reads the
environment; what can be set is in `gateway/settings.py`.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from gateway.errors import ConfigError
from gateway.settings import TOOL_MODULES, Section, Settings

__all__ = ["TOOL_MODULES", "Section", "Settings", "load", "shipped_policies"]

PREFIX = "GATEWAY__"


def load(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings. Raises `ConfigError` with every problem that was found."""
    environ = os.environ if environ is None else environ
    source = _Source(path, environ)
    tree = source.read()
    problems = list(source.problems)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as wrong:
        problems += [source.explain(error) for error in wrong.errors()]
    if problems:
        raise ConfigError(problems)
    return _resolved(settings, path.resolve().parent)


class _Source:
    """The two places that settings come from, and where in them each key stands."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.problems: list[str] = []
        self._variables = {
            tuple(name[len(PREFIX) :].lower().split("__")): (name, value)
            for name, value in environ.items()
            if name.upper().startswith(PREFIX)
        }
        self._text = ""

    def read(self) -> dict[str, Any]:
        try:
            self._text = self.path.read_text(encoding="utf-8")
            tree: dict[str, Any] = tomllib.loads(self._text)
        except FileNotFoundError:
            raise ConfigError(
                [f"{self.path}: there is no such file. `jira-agent-gateway sandbox config` prints one."]
            ) from None
        except (OSError, UnicodeDecodeError) as unreadable:
            raise ConfigError([f"{self.path}: cannot be read ({unreadable})."]) from None
        except tomllib.TOMLDecodeError as broken:
            raise ConfigError([f"{self.path}: not valid TOML: {broken}."]) from None
        for name, section in tree.items():
            self._read_secrets(name, section)
        for keys, (variable, value) in self._variables.items():
            self._overlay(tree, keys, variable, value)
        for name, section in tree.items():
            self._read_secrets(name, section)
        return tree

    def _overlay(self, tree: dict[str, Any], keys: tuple[str, ...], name: str, value: str) -> None:
        if len(keys) != 2 or not all(keys):
            self.problems.append(f"{name}: use {PREFIX}SECTION__KEY, for example {PREFIX}SERVER__PORT.")
            return
        section = tree.setdefault(keys[0], {})
        if not isinstance(section, dict):
            self.problems.append(f"{name}: `{keys[0]}` is not a section.")
            return
        section[keys[1]] = _decoded(value)

    def _read_secrets(self, name: str, section: Any) -> None:
        if not isinstance(section, dict):
            return
        for key in [k for k in section if k.endswith("_secret_file")]:
            file = self.path.resolve().parent / str(section.pop(key))
            try:
                section[key.removesuffix("_file")] = file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as unreadable:
                section[key.removesuffix("_file")] = "-"  # reported once, here
                why = getattr(unreadable, "strerror", None) or "not text"
                self.problems.append(
                    f"{self._where((name, key))}: {name}.{key}: {file} cannot be read ({why}). "
                    "Write the secret into it, readable by the gateway alone."
                )

    def explain(self, error: Any) -> str:
        """One sentence: place, key, what is wrong, how to fix it."""
        keys = tuple(error["loc"])
        name = ".".join(str(key) for key in keys)
        kind = error["type"]
        if kind == "extra_forbidden":
            what = "is not a setting. Remove it or correct its name (docs/settings.md lists them all)."
        elif kind == "missing":
            what = f"is missing. Add it{_help(keys)}."
        else:
            what = f"{error['msg'].removeprefix('Value error, ')}. Correct it{_help(keys)}."
        return f"{self._where(keys)}: {name}: {what}"

    def _where(self, keys: tuple[Any, ...]) -> str:
        wanted = tuple(str(k) for k in keys[:2])
        for known, (variable, _) in self._variables.items():
            if known[: len(wanted)] == wanted and (len(wanted) == 2 or not _line(self._text, keys)):
                return variable
        line = _line(self._text, keys)
        return f"{self.path}:{line}" if line else str(self.path)


def _decoded(value: str) -> Any:
    if value[:1] in "[{":
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _help(keys: tuple[Any, ...]) -> str:
    model: Any = Settings
    text = ""
    for key in keys:
        if isinstance(key, int) or not hasattr(model, "model_fields") or key not in model.model_fields:
            continue
        found = model.model_fields[key]
        text = found.description or ""
        model = found.annotation
        if getattr(model, "__args__", None):
            model = model.__args__[0]
    return f": {text[0].lower()}{text[1:].rstrip('.')}" if text else ""


def _line(text: str, keys: tuple[Any, ...]) -> int | None:
    """The line of the longest prefix of `keys` that the file has."""
    sections = [k for k in keys if isinstance(k, str)]
    index = next((k for k in keys if isinstance(k, int)), 0)
    best, current, seen = None, "", -1
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([\w.\-]+)\s*\]\]?", line)
        if header:
            current = header[1]
            seen += line.lstrip().startswith("[[")
            if sections and (current == sections[0] or current == ".".join(sections[:2])):
                best = number if best is None or seen == index else best
        elif (
            re.match(rf"\s*{re.escape(sections[-1])}\s*=", line)
            and (not current or current.split(".")[0] == sections[0] or len(sections) == 1)
            and (seen in (-1, index) or "." not in current)
        ):
            return number
    return best


def shipped_policies() -> Path:
    """The bundle that comes with the gateway: in the wheel, or in the checkout."""
    packaged = Path(__file__).parent / "shipped" / "policies"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "policies"


def _resolved(settings: Settings, base: Path) -> Settings:
    def at(path: Path | None) -> Path | None:
        return None if path is None else base / path

    return settings.model_copy(
        update={
            "policy": settings.policy.model_copy(
                update={"dir": at(settings.policy.dir) or shipped_policies()}
            ),
            "audit": settings.audit.model_copy(
                update={
                    "dir": at(settings.audit.dir),
                    "second": at(settings.audit.second),
                    "key_file": at(settings.audit.key_file),
                }
            ),
        }
    )
