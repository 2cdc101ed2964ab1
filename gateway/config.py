"""Settings: `gateway.toml`, the environment over it (`GATEWAY__SECTION__KEY`), secrets from `*_FILE`.

Unknown keys are refused. Every problem is reported with its key, its place (file and line, or the
variable) and how to fix it. Relative paths are relative to the file. Only this module reads the
environment.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from gateway import limits
from gateway.errors import ConfigError

PREFIX = "GATEWAY__"

TOOL_MODULES = (
    "tools.comments",
    "tools.issues",
    "tools.projects",
    "tools.search",
    "tools.transitions",
    "tools.users",
)


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an absolute https:// address")
    if parts.scheme == "http" and not loopback:
        raise ValueError("must be https:// (plain http is allowed on loopback only)")
    if parts.query or parts.fragment or parts.username or value.endswith("/"):
        raise ValueError("must have no query, fragment, user name or trailing slash")
    return value


Url = Annotated[str, AfterValidator(_base_url)]


class Section(BaseModel):
    """A section of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(Section):
    """Where the gateway listens and what people type."""

    public_url: Url = Field(description="The address that people type, without `/mcp`.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    allowed_hosts: tuple[str, ...] = Field((), description="Host headers accepted besides the public one.")
    allowed_origins: tuple[str, ...] = Field((), description="Browser origins that may call.")


class Issuer(Section):
    """One identity provider whose access tokens are accepted."""

    issuer: Url = Field(description="The `iss` claim, exactly.")
    profile: str = Field("rfc9068", description="Token profile: rfc9068, keycloak, okta, entra, auth0.")
    audience: str = Field("", description="The `aud` claim, exactly; default: the public URL with `/mcp`.")
    jwks_uri: str = Field("", description="Where its keys are; default: from its metadata.")


class Identity(Section):
    """Who may call."""

    issuers: tuple[Issuer, ...] = Field(min_length=1, description="Identity providers, one table each.")


class Credential(Section):
    """As whom at Jira."""

    source: Literal["exchange"] = Field("exchange", description="How a Jira credential is obtained.")
    token_endpoint: Url = Field(description="The token endpoint that performs RFC 8693 exchange.")
    client_id: str = Field(min_length=1, description="The gateway's own client at the identity provider.")
    client_secret: SecretStr = Field(description="Its secret; prefer `client_secret_file`.")
    audience: str = Field(min_length=1, description="Audience of the tokens that Jira accepts.")
    read_scope: str = Field("read:jira-work", description="Scopes asked for a read.")
    write_scope: str = Field("read:jira-work write:jira-work", description="Scopes asked for a write.")


class JiraSite(Section):
    """The Jira that the gateway stands in front of."""

    url: Url = Field(description="Base URL for the REST API.")
    name: str = Field("jira", pattern=r"^[a-z][a-z0-9-]{0,30}$", description="The site's name in policies.")
    browse_url: str = Field("", description="Base URL for links that people open; default: `url`.")


class Policy(Section):
    """The rules."""

    dir: Path | None = Field(None, description="Folder of the policy bundle; default: the one that ships.")
    reload_seconds: float = Field(2.0, gt=0, description="How often the folder is looked at for changes.")


class Audit(Section):
    """The record."""

    dir: Path = Field(description="Folder of the audit files.")
    second: Path = Field(description="A second place for the last signed checkpoint; best another disk.")
    checkpoint_seconds: float = Field(
        limits.CHECKPOINT_SECONDS,
        gt=0,
        description="A record is under a signed checkpoint this soon, in seconds.",
    )
    key_file: Path | None = Field(None, description="Ed25519 key; default: `checkpoint.key` in `dir`.")


class Tools(Section):
    """Which tools are offered."""

    modules: tuple[str, ...] = Field(TOOL_MODULES, min_length=1, description="Modules that declare tools.")


class Limits(Section):
    """Bounds on concurrency."""

    calls_at_once: int = Field(limits.CALLS_AT_ONCE, ge=1, description="Calls in flight in one process.")
    calls_per_person: int = Field(limits.CALLS_PER_PERSON, ge=1, description="Calls in flight of one person.")


class Settings(Section):
    """Everything that can be set."""

    server: Server
    identity: Identity
    credential: Credential
    jira: JiraSite
    policy: Policy = Policy()
    audit: Audit
    tools: Tools = Tools()
    limits: Limits = Limits()


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
        for keys, (name, value) in self._variables.items():
            self._overlay(tree, keys, name, value)
        for section in tree.values():
            self._read_secrets(section)
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

    def _read_secrets(self, section: Any) -> None:
        if not isinstance(section, dict):
            return
        for key in [k for k in section if k.endswith("_secret_file")]:
            file = self.path.resolve().parent / str(section.pop(key))
            try:
                section[key.removesuffix("_file")] = file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as unreadable:
                section[key.removesuffix("_file")] = ""  # reported once, here
                why = getattr(unreadable, "strerror", None) or "not text"
                self.problems.append(
                    f"{self._where((key,))}: {key}: {file} cannot be read ({why}). "
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
        variable = self._variables.get(tuple(str(k) for k in keys[:2]))
        if variable:
            return variable[0]
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
