"""What the provider remembers between one request and the next."""

from dataclasses import dataclass

ACR_PASSWORD = "urn:sandbox:password"
"""Authentication context (RFC 9470) of a sign-in with a password alone."""

ACR_MFA = "urn:sandbox:mfa"
"""The same with a second factor."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody signed in and let a client act: what every token of that grant says."""

    subject: str
    client: str
    scopes: tuple[str, ...]
    auth_time: int
    mfa: bool = False
    nonce: str | None = None

    @property
    def acr(self) -> str:
        return ACR_MFA if self.mfa else ACR_PASSWORD

    @property
    def amr(self) -> list[str]:
        """RFC 8176 names."""
        return ["pwd", "otp"] if self.mfa else ["pwd"]


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """A valid authorization request, while its person looks at the sign-in page."""

    client: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    state: str | None
    nonce: str | None


@dataclass(slots=True)
class Family:
    """All refresh tokens that descend from one sign-in."""

    sign_in: SignIn
    revoked: bool = False


@dataclass(slots=True)
class Code:
    """What an authorization code stands for; `family` once it was redeemed."""

    asked: AuthRequest
    sign_in: SignIn
    family: Family | None = None
