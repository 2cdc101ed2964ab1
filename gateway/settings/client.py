"""The gateway as an OAuth client: how it proves itself at a token endpoint."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from gateway.settings.section import Section

Method = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


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
        "refuses the other with `invalid_client`.",
    )
    client_audience: str = Field(
        "", description="private_key_jwt: `aud` of our assertions; default: the provider's issuer."
    )
    client_secret_max_days: float | None = Field(
        None,
        gt=0,
        description="Age of the secret's file at which `/readyz` fails; default: never, only a warning at 23.",
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
