"""A service account, for callers that are programs themselves. It is never a fallback for a person.

    client credentials   RFC 6749 §4.4, at Atlassian or at Jira Data Center's own server
    API token            of the service account, with scopes, sent as Basic (`email:token`)

Who serves whom is settled before (`chosen.py`: a program's own token, and no other), and that a program
may do anything at all only by a rule that names it (`policies/10-read.cedar`). The account is named in
the settings: an answer of Jira as anybody else is refused.
"""

import base64
import math
from functools import partial
from typing import ClassVar, Literal, Protocol, Self

from gateway import clock, limits
from gateway.credential import GrantOrder, Parts
from gateway.credential.answers import access_token, end, thrown_away
from gateway.credential.client import HeldSecret, OAuthClient
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.refusals import down, ours, unusable
from gateway.credential.scopes import ScopedSettings
from gateway.errors import ConsentRequired, Unavailable
from gateway.http import OutwardError
from gateway.model import Effect, Grant, Secret
from gateway.settings import ClientSettings, ExactUrl, Field, SecretStr, model_validator
from gateway.settings.client import Method
from gateway.store.flight import SingleFlight
from gateway.store.memory import ExpiringCache


class ServiceClient(ClientSettings):
    """The service account's own OAuth client (client credentials)."""

    client_auth: Method = Field("client_secret_post", description="How it proves itself.")
    token_endpoint: ExactUrl = Field(
        description="Cloud: `https://auth.atlassian.com/oauth/token`; Data Center: `JIRA/rest/oauth2/latest/token`."
    )


class Settings(ScopedSettings):
    """A service account at Jira, for programs that a policy rule names. People are never served by it."""

    programs: ClassVar[bool] = True

    source: Literal["service"] = Field("service", description="A service account, for programs only.")
    account: str = Field(
        min_length=1, description="The service account at Jira: its `accountId`, or `key` at Data Center."
    )
    client: ServiceClient | None = Field(
        None, description="Client credentials: a table with `client_id`, `token_endpoint` and so on."
    )
    email: str = Field("", description="API token: the address of the service account.")
    api_token_secret: SecretStr = Field(
        SecretStr(""),
        description="API token of the service account, with scopes; prefer `api_token_secret_file`.",
    )
    read_scope: str = Field("read:jira-work", description="Scopes for a read; Data Center: `READ`.")
    write_scope: str = Field(
        "read:jira-work write:jira-work", description="Scopes for a write; Data Center: `WRITE`."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        token = bool(self.email and self.api_token_secret.get_secret_value())
        if token is (self.client is not None):
            raise ValueError("give either a `client` table, or `email` and `api_token_secret_file`")
        return self


class Minted(Protocol):
    """A way to the service account's token."""

    scheme: str
    broad: bool

    async def token(self, scopes: frozenset[str]) -> tuple[Secret, float]:
        """The credential and its end in Unix seconds. Raises `Unavailable`."""

    def state(self) -> tuple[bool, str]:
        """(ready, one line)."""


class ClientCredentials:
    """Asked for with the scopes of the call, so a read carries no token that can write."""

    scheme = "Bearer"
    broad = False

    def __init__(self, endpoint: TokenEndpoint) -> None:
        self._endpoint = endpoint

    async def token(self, scopes: frozenset[str]) -> tuple[Secret, float]:
        form = [("grant_type", "client_credentials"), ("scope", " ".join(sorted(scopes)))]
        try:
            answer = await self._endpoint.ask(form)
        except OutwardError as failed:
            raise unusable(str(failed)) from None
        if answer.status != 200:
            busy = answer.status >= 500 or answer.status == 429
            raise down(answer) if busy else ours(answer)
        token = access_token(answer, scopes)
        ends = end(answer.body, math.inf)
        if ends > clock.wall() + limits.TOKEN_LIFE_SECONDS:
            raise thrown_away("it lives too long")
        return Secret(token), ends

    def state(self) -> tuple[bool, str]:
        ready, told = self._endpoint.state()
        return ready, f"client credentials at {told}"


class ApiToken:
    """One token for everything that it was made for: a read carries what can write, where that was chosen."""

    scheme = "Basic"
    broad = True

    def __init__(self, email: str, secret: SecretStr) -> None:
        self._email = email
        self._secret = HeldSecret("api token", secret)

    async def token(self, scopes: frozenset[str]) -> tuple[Secret, float]:
        pair = f"{self._email}:{self._secret.secret().reveal()}"
        return Secret(base64.b64encode(pair.encode()).decode("ascii")), math.inf

    def state(self) -> tuple[bool, str]:
        age = self._secret.age_days()
        return True, "API token" if age is None else f"API token, {age:.0f} days old"


class ServiceSource:
    """A `CredentialSource` for programs."""

    def __init__(self, settings: Settings, site_url: str, way: Minted) -> None:
        self._settings = settings
        self._site_url = site_url
        self._way = way
        self._kept: ExpiringCache[frozenset[str], tuple[Secret, float]] = ExpiringCache(len(Effect))
        self._flight: SingleFlight[frozenset[str], tuple[Secret, float]] = SingleFlight()
        self._problem = ""

    async def grant(self, order: GrantOrder) -> Grant:
        """The service account's, for a program. Raises `ConsentRequired` for a person, and `Unavailable`."""
        caller = order.caller
        if not caller.service:  # the composition sees to it as well; this is the one that must not fail
            raise ConsentRequired(
                "This Jira site cannot be reached with the account that you signed in with; "
                "ask the operator which account to use.",
                private="a service account never stands in for a person",
            )
        scopes = self._settings.scopes(order.effect)
        secret, ends = await self._token(scopes, order.refused)
        return Grant(
            issuer=caller.issuer,
            subject=caller.subject,
            audience=self._site_url,
            scopes=scopes,
            expires_at=min(ends, caller.expires_at),
            secret=secret,
            source="service",
            account=self._settings.account,
            broad=self._way.broad and order.effect is Effect.READ,
            scheme=self._way.scheme,
        )

    def forget(self, issuer: str, subject: str, **_: str) -> None:
        """Nothing is kept of any caller: the token is the service account's."""

    def state(self) -> tuple[bool, str]:
        """Ready: the next call finds out by itself. The line names the last failure."""
        ready, told = self._way.state()
        return ready, f"service account: {told}" + (
            f"; last attempt failed: {self._problem}" * bool(self._problem)
        )

    async def _token(self, scopes: frozenset[str], refused: Grant | None) -> tuple[Secret, float]:
        found = self._kept.get(scopes)
        if found is None or (refused is not None and found[0].reveal() == refused.secret.reveal()):
            self._kept.drop(scopes)
            found = await self._flight.run(scopes, partial(self._fresh, scopes))
        if refused is not None and found[0].reveal() == refused.secret.reveal():
            raise unusable("Jira refused the service account's API token: make a new one")
        return found

    async def _fresh(self, scopes: frozenset[str]) -> tuple[Secret, float]:
        try:
            secret, ends = await self._way.token(scopes)
        except Unavailable as failed:
            self._problem = failed.private
            raise
        self._problem = ""
        if math.isfinite(ends):  # an API token stays in its file, which may be replaced
            self._kept.put(scopes, (secret, ends), until=ends - limits.GRANT_SKEW_SECONDS)
        return secret, ends


def build(settings: Settings, parts: Parts) -> ServiceSource:
    """The source for one site. Raises `ConfigError`."""
    if settings.client is None:
        return ServiceSource(settings, parts.site_url, ApiToken(settings.email, settings.api_token_secret))
    client = OAuthClient(settings.client, parts.keys, audience=settings.client.token_endpoint)
    endpoint = TokenEndpoint(parts.outward, settings.client.token_endpoint, client)
    return ServiceSource(settings, parts.site_url, ClientCredentials(endpoint))
