"""Who may call: the identity providers, and what their groups mean here."""

from functools import cache
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import SchemaError

from gateway import limits
from gateway.settings.client import ClientSettings
from gateway.settings.section import ExactUrl, Section, Url, apart


class RoleRule(Section):
    """Which groups of one provider give a role here. A group that no rule names gives nothing."""

    group: str = Field(
        min_length=1,
        max_length=limits.CLAIM_CHARS,
        description="The group's name exactly as the provider sends it, or its beginning, or its pattern.",
    )
    match: Literal["exact", "prefix", "regex"] = Field(
        "exact",
        description="How `group` is compared; `regex` must fit the whole name, knows neither look-around nor "
        "back-references, and is warned of.",
    )
    role: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,60}$", description="The role that it gives; policies name it as a group."
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.match == "regex":
            try:
                _pattern(self.group)  # on its own first: `a)|(b` must not become one by what stands around it
                _whole(self.group)
            except SchemaError as broken:
                why = str(broken).strip().splitlines()[-1]
                raise ValueError(f"`group` is no regular expression: {why}") from None
        return self

    def gives(self, group: str) -> bool:
        """Whether a group of that name has the role."""
        if self.match == "exact":
            return group == self.group
        if self.match == "prefix":
            return group.startswith(self.group)
        try:
            _whole(self.group).validate_python(group)
        except ValidationError:
            return False
        return True


def _pattern(pattern: str) -> TypeAdapter[str]:
    """pydantic's engine is Rust's, whose time grows with the text alone: no name can make it hang."""
    return TypeAdapter(Annotated[str, StringConstraints(strict=True, pattern=pattern)])


@cache
def _whole(pattern: str) -> TypeAdapter[str]:
    return _pattern(rf"\A(?:{pattern})\z")


class Introspection(ClientSettings):
    """Where opaque tokens of this provider are asked about (RFC 7662)."""

    endpoint: ExactUrl = Field(description="The introspection endpoint.")


class Login(ClientSettings):
    """The gateway's own client for signing people in through their browser (OpenID Connect).

    Register there, letter for letter, `PUBLIC_URL/login/callback` as redirect URI and `PUBLIC_URL/login/out`
    as the address after a sign-out.
    """

    scopes: tuple[str, ...] = Field(("openid", "email", "profile"), description="Scopes asked at sign-in.")


class Directory(ClientSettings):
    """Where groups are looked up that the provider leaves out of its tokens. Read-only; off by default."""

    source: Literal["entra", "google"] = Field(description="Whose directory: `entra` or `google`.")
    client_id: str = Field("", description="Entra: the client that may read the directory.")
    client_auth: Literal["client_secret_post", "client_secret_basic"] = Field(
        "client_secret_post", description="Entra: how it sends its secret."
    )
    client_secret: SecretStr = Field(
        min_length=1,
        description="Entra: its secret. Google: the service account's key, the whole JSON file. "
        "Prefer `client_secret_file`, which is read again when it changes.",
    )
    subject: str = Field("", description="Google: the administrator whose rights are borrowed.")
    endpoint: Url | None = Field(
        None, description="Base address of the directory; default: the vendor's own."
    )


EmailDomain = Annotated[
    str,
    StringConstraints(
        strict=True, to_lower=True, pattern=r"^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$", max_length=253
    ),
]


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
    key_origins: tuple[Url, ...] = Field(
        (), description="Other origins that its metadata may name for keys and endpoints."
    )
    beside: tuple[str, ...] = Field((), description="Audiences that may stand beside ours in its tokens.")
    groups: tuple[str, ...] = Field((), description="Path of the groups claim; default: the profile's.")
    attested_clients: tuple[str, ...] = Field(
        (), description="Clients that prove themselves to the provider; of others the name is only a claim."
    )
    roles: tuple[RoleRule, ...] = Field(
        (),
        max_length=limits.ROLE_RULES,
        description="Which groups give which roles; without the table its groups give nothing.",
    )
    email_domains: tuple[EmailDomain, ...] = Field(
        (),
        description="E-mail domains of its people, for choosing among several providers at sign-in; whom a "
        "provider names is believed whatever the domain.",
    )
    login: Login | None = Field(None, description="The client for signing people in through their browser.")
    introspection: Introspection | None = Field(None, description="For opaque tokens (RFC 7662).")
    directory: Directory | None = Field(None, description="For groups that are left out of its tokens.")
    id_jag: bool = Field(
        False,
        description="Whether assistants may come with its identity assertion (ID-JAG) instead of a browser; with "
        '`signin.mode = "signin"` only.',
    )
    events: bool = Field(False, description="Whether it may push security events (RFC 8935) to `/events`.")

    def notes(self) -> list[str]:
        """Patterns that give roles, and a table that is not there."""
        where = f"identity.issuers ({self.name or self.issuer})"
        notes = [
            f"{where}: the role `{rule.role}` is given by a regular expression; see with `explain user` whom it fits."
            for rule in self.roles
            if rule.match == "regex"
        ]
        if not self.roles:
            notes.append(f"{where}: it has no `roles` table, so its groups give nobody a role.")
        return notes

    @property
    def short(self) -> str:
        """Its name, or else its host's."""
        return self.name or str(urlsplit(self.issuer).hostname)


class Identity(Section):
    """Who may call."""

    issuers: tuple[Issuer, ...] = Field(min_length=1, description="Identity providers, one table each.")

    @field_validator("issuers")
    @classmethod
    def _told_apart(cls, issuers: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        apart("`issuer`", (one.issuer for one in issuers))
        apart("`name`", (one.short for one in issuers))
        return issuers

    @model_validator(mode="after")
    def _one_home_for_each_domain(self) -> Self:
        listed = [domain for one in self.issuers for domain in one.email_domains]
        twice = sorted({domain for domain in listed if listed.count(domain) > 1})
        if twice:
            raise ValueError(f"`email_domains`: {', '.join(twice)} is listed twice; a domain leads to one")
        return self
