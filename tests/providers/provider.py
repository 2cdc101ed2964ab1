"""What the acceptance suite asks of an identity provider, whoever made it.

    async with make(parties) as provider:          `make` is a class that has this face
        provider.settings()                        the TOML with which a gateway trusts it and exchanges at it
        tokens = await provider.token("ana")       code flow with PKCE through the provider's own login page
        await provider.jira_claims(token)          what the sandbox Jira knows about a token for it

A provider serves on loopback, knows `PEOPLE` with their passwords and groups, and gives two kinds of
token: to assistants for the gateway, to the gateway (by token exchange) for Jira.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from sandbox.people import PEOPLE, Person

ASSISTANT = "demo-assistant"
"""The public client that people sign in through; every provider knows it, with `REDIRECT`."""

REDIRECT = "http://127.0.0.1:33418/callback"
"""Where the assistant would listen. Nobody does: the address is read, never opened."""

READ = "openid jira:read"
WRITE = "openid jira:read jira:write"


@dataclass(frozen=True, slots=True)
class Parties:
    """Who a provider has to do with. Everything is on loopback."""

    gateway: str
    """The gateway's `/mcp` address: what assistants send as `resource` (RFC 8707)."""
    jira: str
    """Base URL of the Jira that verifies the provider's tokens."""
    folder: Path
    """An empty folder for whatever the provider writes."""
    people: Mapping[str, Person] = field(default_factory=lambda: PEOPLE)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token response (RFC 6749 §5.1)."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    id: str = field(default="", repr=False)
    scope: frozenset[str] = frozenset()
    life: float = 0.0
    """seconds: `expires_in`"""
    client: str = ASSISTANT

    @classmethod
    def of(cls, answer: Mapping[str, Any], client: str = ASSISTANT) -> Self:
        return cls(
            access=answer["access_token"],
            refresh=answer.get("refresh_token", ""),
            id=answer.get("id_token", ""),
            scope=frozenset(str(answer.get("scope", "")).split()),
            life=float(answer["expires_in"]),
            client=client,
        )


class Refused(Exception):
    """The provider said no: an OAuth error, or what its page says (`error` is then `login`)."""

    def __init__(self, error: str, description: str = "", status: int = 0) -> None:
        super().__init__(f"{status} {error}: {description}")
        self.error, self.description, self.status = error, description, status


class Provider(Protocol):
    """One running identity provider: a class that is built with its `Parties`."""

    assistant: str
    """`client_id` of the assistant through which `token` signs people in."""
    name: str
    """Its row in the table, with its version: `Keycloak 26.7.3`."""
    issuer: str
    jira_audience: str
    """`aud` of the tokens that its exchange gives for Jira."""
    mfa: str
    """The `acr` value to ask for, and to get, when a second factor is wanted."""

    def __init__(self, parties: Parties) -> None: ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its own metadata (OpenID Connect Discovery 1.0 §3), once it runs."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

    def settings(self) -> "GatewaySettings":
        """How a gateway trusts this provider."""

    async def login(self, public_url: str, *, chain: bool = False) -> Mapping[str, Any]:
        """Register the client with which the gateway at `public_url` signs people in: its `login` settings.

        With `chain`, what that client is given can be refreshed, and be exchanged for Jira.
        """

    async def token(
        self, user: str, scope: str = WRITE, *, acr: str | None = None, client: str = ASSISTANT
    ) -> Tokens:
        """Sign `user` in through the login page; `acr` is asked as `acr_values`. Raises `Refused`."""

    async def refresh(self, tokens: Tokens) -> Tokens:
        """RFC 6749 §6. Raises `Refused`."""

    async def sign_out(self, user: str) -> None:
        """End the sessions and the refresh tokens of `user`, as signing out at the provider does."""

    async def disable(self, user: str) -> None:
        """Switch the account off, as an administrator would."""

    async def enable(self, user: str) -> None:
        """Switch it on again."""

    def subject(self, user: str) -> str:
        """The `sub` that the provider's tokens have for `user`."""

    async def jira_claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a good token for Jira, verified with the published keys; else None.

        `sub` is replaced by the person's name in `PEOPLE`: it is how this Jira knows its accounts.
        """


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What the settings say about one provider; `place.toml` writes it, the only place that knows the tables."""

    issuer: str
    profile: str
    audience: str
    token_endpoint: str
    client_id: str
    client_secret: str
    jira_audience: str
    client_auth: str = "client_secret_basic"
    read_scope: str = "read:jira-work"
    write_scope: str = "read:jira-work write:jira-work"
    harmless_scopes: tuple[str, ...] = ()
    """Scopes that the exchange adds unasked and that are no right at Jira."""
    outlives: float = 0.0
    """seconds by which an exchanged token may outlive the token it was exchanged for"""
    beside: tuple[str, ...] = ()
    """Audiences that may stand beside the gateway's."""
    id_jag: bool = False
    """Whether assistants may come with its identity assertion."""
    resource: str = ""
    """RFC 8707 `resource` that the exchange sends besides `audience`."""
    more: str = ""
    """More lines of `[jira.credential]`, and tables below it."""
