"""RFC 8693: the caller's token, exchanged at its own provider for one that Jira accepts.

The answer is believed only after its signature, subject, audience, scopes and life were checked; a
wrong one is thrown away.
"""

from typing import ClassVar, Literal

from gateway import limits
from gateway.credential import Parts, Presented, Verify, as_they_came
from gateway.credential.answers import ACCESS_TOKEN, JWT, Expected, access_token, check, end, proven
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import Form, TokenEndpoint
from gateway.credential.onbehalf import OnBehalf, only_issuer
from gateway.credential.refusals import TABLES
from gateway.credential.scopes import ScopedSettings
from gateway.model import Caller, Grant, Secret
from gateway.settings import ClientSettings, ExactUrl, Field

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"

Vendor = Literal["", "generic", "keycloak", "okta", "auth0", "ping", "zitadel"]


class Settings(ScopedSettings, ClientSettings):
    """RFC 8693: the caller's token is exchanged at its own provider for one that Jira accepts."""

    source: Literal["exchange"] = Field("exchange", description="RFC 8693 token exchange.")
    token_endpoint: ExactUrl = Field(description="The token endpoint that performs the exchange.")
    audience: str = Field(min_length=1, description="Audience of the tokens that Jira accepts.")
    issuer: ExactUrl | None = Field(
        None,
        description="`iss` of the tokens that the exchange answers, exactly, where another authorization server "
        "of the same provider gives them (Okta); default: the provider itself.",
    )
    resource: str | None = Field(None, description="RFC 8707 `resource`, for providers that want it besides.")
    harmless_scopes: tuple[str, ...] = Field(
        (), description="Scopes that the provider adds unasked and that are no right at Jira (`openid`)."
    )
    outlives: float = Field(
        0.0, ge=0, description="Seconds that an answer may outlive the caller's token; it is not used longer."
    )
    vendor: Vendor = Field(
        "", description="Whose errors are understood; default: the vendor of the provider's profile."
    )


class ExchangeSource(OnBehalf):
    """A `CredentialSource` by token exchange. `verify` takes tokens for `settings.audience` of `settings.issuer`,
    or else of `issuer`."""

    name: ClassVar[str] = "exchange"

    def __init__(
        self,
        settings: Settings,
        issuer: str,
        endpoint: TokenEndpoint,
        verify: Verify,
        *,
        vendor: str = "generic",
        subject: Presented = as_they_came,
        cached: int = limits.GRANTS_CACHED,
    ) -> None:
        super().__init__(
            settings, issuer, endpoint, settings.vendor or vendor, subject=subject, cached=cached
        )
        self._settings = settings
        self._verify = verify

    async def _fetch(self, caller: Caller, scopes: frozenset[str]) -> Grant:
        answer = await self._asked(self._endpoint, self._form(caller, scopes), caller.token)
        allowed = scopes | frozenset(self._settings.harmless_scopes)
        token = access_token(answer, allowed, kinds=(ACCESS_TOKEN, JWT))
        proof = await proven(token, self._verify)
        check(proof, caller, Expected(scopes, allowed, self._settings.outlives, self._settings.issuer or ""))
        return Grant(
            issuer=caller.issuer,
            subject=caller.subject,
            audience=self._settings.audience,
            scopes=proof.scopes,
            expires_at=end(answer.body, proof.expires_at),
            secret=Secret(token),
            source=self.name,
            id=proof.token_id,
        )

    def _form(self, caller: Caller, scopes: frozenset[str]) -> Form:
        form = [
            ("grant_type", GRANT_TYPE),
            ("subject_token", caller.token.reveal()),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", ACCESS_TOKEN),
            ("audience", self._settings.audience),
            ("scope", " ".join(sorted(scopes))),
        ]
        if self._settings.resource is not None:
            form.append(("resource", self._settings.resource))
        return form


def build(settings: Settings, parts: Parts) -> ExchangeSource:
    """The source for one provider. Raises `ConfigError`."""
    name = only_issuer(settings, parts)
    issuer = parts.issuers[name]
    by = settings.issuer or ""
    client = OAuthClient(settings, parts.keys, audience=by or issuer)
    vendor = parts.vendors.get(name, "")
    return ExchangeSource(
        settings,
        issuer,
        TokenEndpoint(parts.outward, settings.token_endpoint, client),
        parts.verifier(issuer, settings.audience, by),
        vendor=vendor if vendor in TABLES else "generic",
        subject=parts.subject,
    )
