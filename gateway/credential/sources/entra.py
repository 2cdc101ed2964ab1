"""Microsoft Entra ID, on behalf of the caller: their token for a token of the API that stands before Jira.

    POST https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token
    grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer  requested_token_use=on_behalf_of
    assertion=<the caller's token>  scope=<api>/.default

Entra puts every permission that the person was granted at the API into the token, whatever was asked, so
a read carries a token that can write where writing was granted (`Grant.broad`). What Conditional Access
wants besides comes back as `claims`, which the assistant must take along to the next sign-in.
"""

from typing import ClassVar, Literal, Self

from gateway import limits
from gateway.credential import Parts, Presented, Verify, as_they_came
from gateway.credential.answers import Expected, access_token, check, end, proven
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import Form, TokenEndpoint
from gateway.credential.onbehalf import OnBehalf, only_issuer
from gateway.credential.scopes import ScopedSettings
from gateway.errors import ConfigError
from gateway.model import Caller, Effect, Grant, Secret
from gateway.settings import ClientSettings, ExactUrl, Field, model_validator
from gateway.settings.client import Method

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_V2 = "/v2.0"


class Settings(ScopedSettings, ClientSettings):
    """Microsoft Entra ID: the caller's token is traded on their behalf for one of the API before Jira."""

    source: Literal["entra"] = Field("entra", description="Entra ID, on behalf of the caller.")
    client_auth: Method = Field(
        "client_secret_post",
        description="How it proves itself: `client_secret_post` or `client_secret_basic`. Entra takes assertions "
        "that a certificate vouches for only, not those of our keys.",
    )
    token_endpoint: ExactUrl | None = Field(
        None, description="Default: that of the tenant in the provider's issuer, `…/oauth2/v2.0/token`."
    )
    api: str = Field(min_length=1, description="Application ID URI of the API before Jira, `api://…`.")
    audience: str = Field(
        "", description="`aud` of its tokens: its client id where it takes v2 tokens; default: `api`."
    )
    read_scope: str = Field("Jira.Read", description="Permissions (`scp`) that a read needs.")
    write_scope: str = Field("Jira.Read Jira.Write", description="Permissions (`scp`) that a write needs.")
    harmless_scopes: tuple[str, ...] = Field(
        (), description="Further permissions of the API that its tokens may carry."
    )
    outlives: float = Field(
        5400.0,
        ge=0,
        description="Seconds that an answer may outlive the caller's token; it is not used longer. "
        "Entra gives each token 60 to 90 minutes.",
    )

    @model_validator(mode="after")
    def _by_secret(self) -> Self:
        if not self.client_auth.startswith("client_secret"):
            raise ValueError("`client_auth` must be `client_secret_post` or `client_secret_basic` at Entra")
        return self


class EntraSource(OnBehalf):
    """A `CredentialSource` by on-behalf-of. `verify` takes the tenant's tokens for the API."""

    name: ClassVar[str] = "entra"

    def __init__(
        self,
        settings: Settings,
        issuer: str,
        endpoint: TokenEndpoint,
        verify: Verify,
        *,
        subject: Presented = as_they_came,
        cached: int = limits.GRANTS_CACHED,
    ) -> None:
        super().__init__(settings, issuer, endpoint, "entra", subject=subject, cached=cached)
        self._settings = settings
        self._verify = verify

    async def _fetch(self, caller: Caller, scopes: frozenset[str]) -> Grant:
        answer = await self._asked(self._endpoint, self._form(caller), caller.token)
        harmless = frozenset(self._settings.harmless_scopes)
        allowed = self._settings.scopes(Effect.WRITE) | self._settings.scopes(Effect.READ) | harmless
        named = {f"{self._settings.api}/{scope}" for scope in allowed}
        token = access_token(answer, allowed | named | {"profile", "openid", "email"})
        proof = await proven(token, self._verify)
        check(proof, caller, Expected(scopes, allowed, self._settings.outlives))
        return Grant(
            issuer=caller.issuer,
            subject=caller.subject,
            audience=self._settings.audience or self._settings.api,
            scopes=proof.scopes,
            expires_at=end(answer.body, proof.expires_at),
            secret=Secret(token),
            source=self.name,
            id=proof.token_id,
            broad=not proof.scopes <= scopes | harmless,
        )

    def _form(self, caller: Caller) -> Form:
        return [
            ("grant_type", GRANT_TYPE),
            ("requested_token_use", "on_behalf_of"),
            ("assertion", caller.token.reveal()),
            ("scope", f"{self._settings.api}/.default"),
        ]


def build(settings: Settings, parts: Parts) -> EntraSource:
    """The source for one tenant. Raises `ConfigError`."""
    issuer = parts.issuers[only_issuer(settings, parts)]
    url = settings.token_endpoint
    if url is None and not issuer.endswith(_V2):
        raise ConfigError(
            [
                f"jira.credential.token_endpoint ({parts.site}) is missing: the issuer is not of the form …/v2.0."
            ]
        )
    url = url or f"{issuer.removesuffix(_V2)}/oauth2/v2.0/token"
    endpoint = TokenEndpoint(parts.outward, url, OAuthClient(settings))
    verify = parts.verifier(issuer, settings.audience or settings.api)
    return EntraSource(settings, issuer, endpoint, verify, subject=parts.subject)
