"""The gateway as an OAuth client: how it proves itself at a token endpoint."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from gateway.settings.section import ExactUrl, Section, Url

Method = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


class Rotation(Section):
    """Who may change the client's secret at the provider, for `secrets rotate`. Used by that command alone."""

    provider: Literal["keycloak", "okta", "entra"] = Field(description="Whose API it is.")
    api: Url = Field(
        description="Keycloak: `https://HOST/admin/realms/REALM`; Okta: `https://ORG`; "
        "Entra: `https://graph.microsoft.com/v1.0`."
    )
    id: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="The client there. Keycloak: its UUID, not its client id; Okta: the app's id; "
        "Entra: the object id of the application.",
    )
    api_secret: SecretStr = Field(
        min_length=1,
        description="Okta: an API token (sent as SSWS); Keycloak and Entra: an access token of an administrator, "
        "or the secret of `admin_client_id`. Prefer `api_secret_file`, and no copy of it on the gateway's machine.",
    )
    admin_client_id: str = Field(
        "", description="A client that may manage this one; its token is asked for at `token_endpoint`."
    )
    token_endpoint: ExactUrl | None = Field(None, description="Where that client gets its token.")
    scope: str = Field("", description="What it asks for; Entra: `https://graph.microsoft.com/.default`.")


class ClientSettings(Section):
    """The gateway's own client at one provider. Mixed into the settings of whatever asks a token endpoint."""

    client_id: str = Field(min_length=1, description="The gateway's own client at the provider.")
    client_auth: Method = Field(
        "client_secret_basic",
        description="How it proves itself: `private_key_jwt` (preferred, no shared secret; its keys are at "
        "`/.well-known/jwks.json`), `client_secret_basic`, `client_secret_post`, or `none`.",
    )
    client_secret: SecretStr = Field(
        SecretStr(""),
        description="Its secret; prefer `client_secret_file`, which is read again when it changes.",
    )
    next_client_secret: SecretStr = Field(
        SecretStr(""),
        description="The secret that comes next (`next_client_secret_file`): used as soon as the provider "
        "refuses the other with status 401.",
    )
    client_audience: str = Field(
        "", description="private_key_jwt: `aud` of our assertions; default: the provider's issuer."
    )
    client_secret_max_days: float | None = Field(
        None,
        gt=0,
        description="Age of the secret's file at which `/readyz` fails; default: never, only a warning at 23.",
    )

    rotation: Rotation | None = Field(
        None, description="How `secrets rotate` changes the secret, where the provider has an API: a table."
    )

    @model_validator(mode="after")
    def _provable(self) -> Self:
        given = bool(self.client_secret.get_secret_value())
        if self.client_auth in ("client_secret_basic", "client_secret_post") and not given:
            raise ValueError('`client_secret_file` is missing; or choose `client_auth = "private_key_jwt"`')
        return self


class ClientKeys(Section):
    """The keys that the gateway proves itself with at providers (`private_key_jwt`, RFC 7523)."""

    key_file: Path | None = Field(
        None,
        description="PEM file of EC P-256 keys, the signing one first; made when absent; replicas share it. "
        "Default: `client-keys.pem` in `audit.dir`.",
    )
