"""What can be set, section by section. docs/settings.md is made from these descriptions."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator, model_validator

from gateway import limits
from gateway.settings.client import ClientKeys, ClientSettings
from gateway.settings.identity import Identity, Issuer, RoleRule
from gateway.settings.jira import CredentialSettings, JiraSite, Sites, known_sources
from gateway.settings.section import ExactUrl, SecretFile, Section, Url, apart
from gateway.settings.signin import SignIn

__all__ = [
    "TOOL_MODULES",
    "ClientKeys",
    "ClientSettings",
    "CredentialSettings",
    "ExactUrl",
    "Field",
    "Identity",
    "Issuer",
    "JiraSite",
    "RoleRule",
    "SecretFile",
    "SecretStr",
    "Section",
    "Settings",
    "SignIn",
    "Url",
    "known_sources",
    "model_validator",
]

TOOL_MODULES = (
    "tools.comments",
    "tools.issues",
    "tools.projects",
    "tools.search",
    "tools.transitions",
    "tools.users",
)


_OF_THE_TOKEN = ("exchange", "entra", "idjag")
"""Sources that need a token of the person's from the provider."""


class Server(Section):
    """Where the gateway listens and what people type."""

    public_url: Url = Field(description="The address that people type, without `/mcp`.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    allowed_hosts: tuple[str, ...] = Field((), description="Host headers accepted besides the public one.")
    allowed_origins: tuple[str, ...] = Field((), description="Browser origins that may call.")
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        (),
        description="Addresses or networks of the proxies in front, whose `X-Forwarded-For` says where a request "
        "comes from: limits are counted by source, and without it everybody behind a proxy is one.",
    )

    def notes(self) -> list[str]:
        """A proxy that is not named."""
        if self.public_url.startswith("https://") and not self.trusted_proxies:
            return [
                "server.trusted_proxies: TLS ends at a proxy that is not named here, so everybody counts as one "
                "source, and one stranger can use up what all may."
            ]
        return []


class Database(Section):
    """What must outlive a restart: linked Jira grants, revocations, browser sign-ins' clients."""

    url: SecretStr = Field(
        SecretStr("sqlite:///data/gateway.db"),
        description="SQLAlchemy URL: `sqlite:///file`, relative to this file, or `postgresql+psycopg://…`.",
    )


class Store(Section):
    """Short-lived state that replicas share: leases, browser sessions, codes."""

    url: SecretStr = Field(
        SecretStr(""), description="`redis://…` or `rediss://…`; without it, the memory of one process."
    )


class Vault(Section):
    """How refresh tokens are sealed at rest. There is no default key: without one nothing is kept."""

    provider: Literal["local", "openbao", "awskms"] = Field(
        "local", description="Who holds the key-encryption keys: `local`, `openbao` (or Vault), `awskms`."
    )
    key_file: Path | None = Field(
        None, description="local: the key ring, one `ID:base64 of 32 bytes` a line; the first one seals."
    )
    key_secret: SecretStr = Field(SecretStr(""), description="local: the same, from the environment.")
    address: str = Field("", description="openbao: its address; awskms: another endpoint than the region's.")
    key_name: str = Field(
        "",
        description="openbao: the derived transit key, or `MOUNT/KEY`; awskms: id, ARN or alias of the key.",
    )
    token_secret: SecretStr = Field(
        SecretStr(""), description="openbao: the token; none where `address` is an agent that signs in."
    )
    region: str = Field("", description="awskms: the region.")


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
    jira: Sites = Field(min_length=1)
    database: Database = Database()
    store: Store = Store()
    vault: Vault = Vault()
    client: ClientKeys = ClientKeys()
    signin: SignIn = SignIn()
    policy: Policy = Policy()
    audit: Audit
    tools: Tools = Tools()
    limits: Limits = Limits()

    def notes(self) -> list[str]:
        """Those of the providers and of the ways to a Jira credential."""
        sections: list[Section] = [
            self.server,
            *self.identity.issuers,
            self.signin,
            *(way for site in self.jira for way in site.credential),
        ]
        return [note for section in sections for note in section.notes()] + self._mismatches()

    def _mismatches(self) -> list[str]:
        """Settings that are good each, and do not serve one another."""
        asserted = [one.short for one in self.identity.issuers if one.id_jag]
        needs = [
            site.name for site in self.jira if all(way.source in _OF_THE_TOKEN for way in site.credential)
        ]
        if asserted and needs:
            return [
                f"identity.issuers ({asserted[0]}): `id_jag` lets assistants in without a grant of the provider, and "
                f"at {needs[0]} only an exchange leads to Jira: such calls are refused. Let people link accounts there."
            ]
        return []

    @field_validator("jira")
    @classmethod
    def _told_apart(cls, sites: tuple[JiraSite, ...]) -> tuple[JiraSite, ...]:
        apart("`name`", (site.name for site in sites))
        return sites
