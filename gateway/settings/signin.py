"""How assistants get their tokens: from us (`signin`), or from the identity providers themselves (`resource`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from gateway import limits
from gateway.settings.section import Section


class SignIn(Section):
    """Our own authorization server towards assistants."""

    mode: Literal["signin", "resource"] = Field(
        "resource",
        description="`signin`: assistants register, sign in and refresh here, and people sign in at their "
        "company's provider behind it. `resource`: the provider does all that, and its tokens are accepted.",
    )
    admission: Literal["open", "pending"] = Field(
        "pending",
        description="What becomes of an assistant that nobody has admitted: `pending` lets it wait until an "
        "administrator admits it (`client admit`), `open` lets it ask people for consent.",
    )
    provider_tokens: Literal["programs", "all"] = Field(
        "programs",
        description="Whose tokens of the provider itself are taken besides ours: those of programs alone, or also "
        "those of people, whose assistants then need neither admission nor consent here.",
    )
    access_minutes: int = Field(30, ge=15, le=60, description="Life of an access token.")
    refresh_days: int = Field(30, ge=1, le=90, description="A sign-in that is not refreshed so long is over.")
    session_hours: int = Field(
        720,
        ge=1,
        le=8760,
        description="A sign-in is over after so long however often it is refreshed; never later than the "
        "provider's own session.",
    )
    grace_seconds: int = Field(
        60,
        ge=0,
        le=300,
        description="How long a refresh token that was just used still gives the same successor: assistants "
        "refresh from two addresses, or from several sessions at once.",
    )
    key_file: Path | None = Field(
        None, description="Keys of the access tokens; default: `access-keys.pem` in the folder of the record."
    )
    admin_roles: tuple[str, ...] = Field(
        (),
        description="Roles (`identity.issuers.roles`) whose people issue client ids and end others' sign-ins on "
        "the pages; empty: nobody does, and the commands are the only way.",
    )
    private_schemes: tuple[str, ...] = Field(
        ("cursor", "claude", "vscode", "vscode-insiders", "windsurf"),
        description="Private-use URI schemes that a redirect may have besides https and loopback.",
    )
    private_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts with private addresses from which client documents are fetched all the same, by exact "
        "name: `host` for port 443, or `host:port`; for closed networks and tests, and warned of.",
    )
    private_ca_file: Path | None = Field(
        None, description="Authorities (PEM) trusted for those hosts besides the system's."
    )
    registrations_per_hour: int = Field(
        limits.REGISTRATIONS_PER_HOUR, ge=1, description="Registrations from one address in an hour."
    )
    scim_token_secret: SecretStr = Field(
        SecretStr(""),
        description="Bearer token with which the provider pushes users (SCIM 2.0); none: no SCIM.",
    )
    scim_provider: str = Field(
        "", description="Name of the provider that pushes them; default: the only one of `identity.issuers`."
    )

    def notes(self) -> list[str]:
        """Private hosts, and open admission."""
        notes = []
        if self.private_hosts:
            named = ", ".join(self.private_hosts)
            notes.append(f"signin.private_hosts: documents are fetched from private addresses of {named}.")
        if self.mode == "signin" and self.admission == "open":
            notes.append(
                "signin.admission: any assistant may ask people for consent; `pending` waits for you."
            )
        return notes
