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
from pydantic import SecretStr, ValidationError

from gateway.errors import ConfigError
from gateway.settings import TOOL_MODULES, CredentialSettings, JiraSite, SecretFile, Section, Settings

__all__ = ["TOOL_MODULES", "JiraSite", "Section", "Settings", "load", "shipped_policies"]

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
        found = wrong.errors()
        problems += [source.explain(error) for error in found if not _follows(error, found)]
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
        self._tree: dict[str, Any] = {}

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
        self._read_secrets((), tree)
        for keys, (variable, value) in self._variables.items():
            self._overlay(tree, keys, variable, value)
        self._read_secrets((), tree)
        self._tree = tree
        return tree

    def _overlay(self, tree: dict[str, Any], keys: tuple[str, ...], name: str, value: str) -> None:
        if len(keys) < 2 or not all(keys):
            self.problems.append(f"{name}: use {PREFIX}SECTION__KEY, for example {PREFIX}SERVER__PORT.")
            return
        place: Any = tree
        for key in keys[:-1]:
            place = _entered(place, key)
        table = _only(place)
        if isinstance(table, dict):
            table[keys[-1]] = _decoded(value)
        else:
            self.problems.append(f"{name}: `{'.'.join(keys[:-1])}` is not a section.")

    def _read_secrets(self, keys: tuple[Any, ...], value: Any) -> None:
        """Put the content of each `…_secret_file` in the place of the secret, at any depth."""
        if isinstance(value, list):
            for index, item in enumerate(value):
                self._read_secrets((*keys, index), item)
        if not isinstance(value, dict):
            return
        for key, inner in list(value.items()):
            if key.endswith("_secret_file"):
                value[key.removesuffix("_file")] = self._secret((*keys, key), str(value.pop(key)))
            else:
                self._read_secrets((*keys, key), inner)

    def _secret(self, keys: tuple[Any, ...], name: str) -> SecretFile:
        file = self.path.resolve().parent / name
        try:
            return SecretFile(file.read_text(encoding="utf-8").strip(), file)
        except (OSError, UnicodeDecodeError) as unreadable:
            why = getattr(unreadable, "strerror", None) or "not text"
            self.problems.append(
                f"{self._where(keys)}: {_dotted(keys)}: {file} cannot be read ({why}). "
                "Write the secret into it, readable by the gateway alone."
            )
            return SecretFile("-", file)  # reported once, here

    def explain(self, error: Any) -> str:
        """One sentence: place, key, what is wrong, how to fix it."""
        keys = self._written(error["loc"])
        kind = error["type"]
        if kind == "extra_forbidden":
            what = "is not a setting. Remove it or correct its name (docs/settings.md lists them all)."
        elif kind == "missing":
            what = f"is missing. Add it{_help(keys)}."
        else:
            what = f"{error['msg'].removeprefix('Value error, ')}. Correct it{_help(keys)}."
        return f"{self._where(keys)}: {_dotted(keys)}: {what}"

    def _written(self, keys: tuple[Any, ...]) -> tuple[Any, ...]:
        """The keys as the file has them: one table that stands for a list of one has no number."""
        place: Any = self._tree
        found = []
        for key in keys:
            if isinstance(key, int) and isinstance(place, dict):
                continue
            found.append(key)
            if isinstance(place, dict | list):
                inside = isinstance(key, int) if isinstance(place, list) else key in place
                place = place[key] if inside else None
        return tuple(found)

    def _where(self, keys: tuple[Any, ...]) -> str:
        line = _line(self._text, keys)
        wanted = tuple(str(k) for k in keys)
        for known, (variable, _) in self._variables.items():
            if known == wanted or (line is None and known[: len(wanted)] == wanted):
                return variable
        return f"{self.path}:{line}" if line else str(self.path)


def _follows(error: Any, others: list[Any]) -> bool:
    """A list that is too short because its items are wrong: the items tell."""
    depth = len(error["loc"])
    return error["type"] == "too_short" and any(
        len(other["loc"]) > depth and other["loc"][:depth] == error["loc"] for other in others
    )


def _dotted(keys: tuple[Any, ...]) -> str:
    return ".".join(str(key) for key in keys)


def _entered(place: Any, key: str) -> Any:
    """What is under `key`: in a list, the element of that number, or a key of its only element."""
    if isinstance(place, list) and key.isdecimal():
        return place[int(key)] if int(key) < len(place) else None
    table = _only(place)
    return table.setdefault(key, {}) if isinstance(table, dict) else None


def _only(place: Any) -> Any:
    return place[0] if isinstance(place, list) and len(place) == 1 else place


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
    best, longest = None, 0
    section: tuple[Any, ...] = ()
    counts: dict[tuple[Any, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([\w.\-]+)\s*\]", line)
        key = re.match(r"\s*([\w\-]+)\s*=", line)
        if header:
            section = place = _section(header[2], counts, begins=header[1] == "[[")
        elif key:
            place = (*section, key[1])
        else:
            continue
        if len(place) > longest and place == keys[: len(place)]:
            best, longest = number, len(place)
    return best


def _section(name: str, counts: dict[tuple[Any, ...], int], *, begins: bool) -> tuple[Any, ...]:
    """The keys of a header: after the name of each list of tables, the number of its last table."""
    found: tuple[Any, ...] = ()
    names = name.split(".")
    for depth, part in enumerate(names, 1):
        found = (*found, part)
        if begins and depth == len(names):
            counts[found] = counts.get(found, -1) + 1
        if found in counts:
            found = (*found, counts[found])
    return found


def _database(settings: Settings, base: Path) -> SecretStr:
    """SQLite's file is relative to the settings like every other path."""
    kind, slashes, file = settings.database.url.get_secret_value().partition(":///")
    if kind != "sqlite" or not file:
        return settings.database.url
    return SecretStr(f"{kind}{slashes}{base / file}")


def shipped_policies() -> Path:
    """The bundle that comes with the gateway: in the wheel, or in the checkout."""
    packaged = Path(__file__).parent / "shipped" / "policies"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "policies"


def _resolved(settings: Settings, base: Path) -> Settings:
    def at(path: Path | None) -> Path | None:
        return None if path is None else base / path

    def from_file(order: CredentialSettings) -> CredentialSettings:
        """A source's own settings are known to nobody here: whatever in them is a path."""
        return order.model_copy(update={k: base / v for k, v in order if isinstance(v, Path)})

    sites = [
        site.model_copy(update={"credential": tuple(map(from_file, site.credential))})
        for site in settings.jira
    ]
    return settings.model_copy(
        update={
            "jira": tuple(sites),
            "database": settings.database.model_copy(update={"url": _database(settings, base)}),
            "vault": settings.vault.model_copy(update={"key_file": at(settings.vault.key_file)}),
            "client": settings.client.model_copy(update={"key_file": at(settings.client.key_file)}),
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
