"""Who may call: the identity providers, and what their groups mean here."""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from gateway.settings.section import ExactUrl, Section, Url


class RoleRule(Section):
    """Which groups of one provider give a role here."""

    group: str = Field(min_length=1, description="The group's name as the provider sends it, or its pattern.")
    match: Literal["exact", "prefix", "regex"] = Field(
        "exact", description="How `group` is compared; `regex` must fit the whole name, and is warned of."
    )
    role: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,60}$", description="The role that it gives; policies name it as a group."
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.match == "regex":
            try:
                re.compile(self.group)
            except re.error as broken:
                raise ValueError(f"`group` is no regular expression: {broken}") from None
        return self


class Introspection(Section):
    """Where opaque tokens of this provider are asked about (RFC 7662)."""

    endpoint: ExactUrl = Field(description="The introspection endpoint.")
    client_id: str = Field(min_length=1, description="The gateway's client there.")
    client_secret: SecretStr = Field(min_length=1, description="Its secret.")


class Login(Section):
    """The gateway's own client for signing people in through their browser (OpenID Connect)."""

    client_id: str = Field(min_length=1, description="The gateway's client id at the provider.")
    client_secret: SecretStr = Field(min_length=1, description="Its secret; prefer `client_secret_file`.")
    scopes: tuple[str, ...] = Field(("openid", "email", "profile"), description="Scopes asked at sign-in.")


class Directory(Section):
    """Where groups are looked up that the provider leaves out of its tokens. Read-only; off by default."""

    source: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,30}$", description="The file under `gateway/identity/groups/` that asks."
    )
    client_id: str = Field("", description="The client, or the account, that may read the directory.")
    client_secret: SecretStr = Field(SecretStr(""), description="Its secret or private key.")
    subject: str = Field("", description="Google: the administrator whose rights are borrowed.")
    endpoint: Url | None = Field(
        None, description="Base address of the directory; default: the vendor's own."
    )


class Issuer(Section):
    """One identity provider whose access tokens are accepted."""

    name: str = Field(
        "", pattern=r"^([a-z][a-z0-9-]{0,30})?$", description="A short name; default: its host name."
    )
    issuer: ExactUrl = Field(description="The `iss` claim, exactly, with its last slash if it has one.")
    profile: str = Field(
        "rfc9068",
        pattern=r"^[a-z][a-z0-9_]{0,30}$",
        description="Token profile: rfc9068, keycloak, okta, okta_org, entra, entra_v1, auth0, ping, google.",
    )
    audience: str = Field("", description="The `aud` claim, exactly; default: the address of the endpoint.")
    jwks_uri: str = Field("", description="Where its keys are; default: from its metadata.")
    key_origins: tuple[Url, ...] = Field((), description="Other origins that its metadata may name for keys.")
    beside: tuple[str, ...] = Field((), description="Audiences that may stand beside ours in its tokens.")
    groups: tuple[str, ...] = Field((), description="Path of the groups claim; default: the profile's.")
    attested_clients: tuple[str, ...] = Field(
        (), description="Clients that prove themselves to the provider; of others the name is only a claim."
    )
    roles: tuple[RoleRule, ...] | None = Field(
        None, description="Which groups give which roles; without the table each group is a role of its name."
    )
    login: Login | None = Field(None, description="The client for signing people in through their browser.")
    introspection: Introspection | None = Field(None, description="For opaque tokens (RFC 7662).")
    directory: Directory | None = Field(None, description="For groups that are left out of its tokens.")
    events: bool = Field(False, description="Whether it may push security events (RFC 8935) to `/events`.")


class Identity(Section):
    """Who may call."""

    issuers: tuple[Issuer, ...] = Field(min_length=1, description="Identity providers, one table each.")
