"""What can be set, section by section. docs/settings.md is made from these descriptions."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway import limits

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
    profile: Literal["rfc9068", "keycloak", "okta", "entra", "auth0"] = Field(
        "rfc9068", description="Token profile: rfc9068, keycloak, okta, entra, auth0."
    )
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
    client_secret: SecretStr = Field(min_length=1, description="Its secret; prefer `client_secret_file`.")
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

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.second == self.dir:
            raise ValueError("`second` must be another place than `dir`; best another disk")
        return self


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
