"""What a provider means when it refuses an exchange. RFC 8693 §2.2.2 names two errors and vendors use
others, so this is a table, and the first row that fits decides.

A row that is about the person tells the person; everything else is the operator's, told in private.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.errors import ConsentRequired, GatewayError, Unauthenticated, Unavailable
from gateway.model import Secret

Outcome = Callable[[str], GatewayError]


def unusable(private: str) -> Unavailable:
    """No credential can be had; the person can only wait or tell the operator."""
    return Unavailable(
        "No Jira credential could be obtained for you, and nothing was changed; "
        "try again in a minute, then tell the operator.",
        part="credential",
        private=private,
    )


def _ours(private: str) -> GatewayError:
    return unusable(f"check the gateway's client at the identity provider: {private}")


def _consent(private: str) -> GatewayError:
    return ConsentRequired(
        "Sign in to your identity provider in a browser and agree to Jira access, then try again.",
        private=private,
    )


def _no_role(private: str) -> GatewayError:
    return ConsentRequired(
        "Your identity provider gives you no access to Jira; ask its administrator for it.", private=private
    )


ANY = ""
TABLE: tuple[tuple[str, str, Outcome], ...] = (
    # error, part of error_description in lower case, what it means
    ("invalid_grant", ANY, Unauthenticated),
    ("invalid_token", ANY, Unauthenticated),
    ("invalid_request", "invalid token", Unauthenticated),  # Keycloak: expired or revoked
    ("invalid_request", "subject_token is", Unauthenticated),  # RFC 8693 §2.2.2
    ("invalid_request", "subject token", Unauthenticated),
    ("invalid_request", "audience not available", _no_role),  # Keycloak: no role or scope for Jira
    ("invalid_scope", "missing consents", _consent),  # Keycloak
    ("consent_required", ANY, _consent),
    ("interaction_required", ANY, _consent),
    ("login_required", ANY, _consent),
    ("access_denied", "token audience", _ours),  # Keycloak: the assistant's client lacks an audience mapper
    ("access_denied", ANY, _no_role),
    ("server_error", ANY, unusable),
    ("temporarily_unavailable", ANY, unusable),
    (ANY, ANY, _ours),  # invalid_client, unauthorized_client, invalid_target, invalid_scope, …
)


def refusal(status: int, answer: Mapping[str, Any], secrets: Iterable[Secret]) -> GatewayError:
    """The error for a refused exchange; the provider's words go to the private text, without `secrets`."""
    error = answer.get("error") if isinstance(answer.get("error"), str) else ""
    described = str(answer.get("error_description", ""))
    private = _without(f"status {status}, error {error!r}, {described!r}", secrets)[:400]
    if status >= 500 or status == 429 or not error:
        return unusable(private)
    outcome = next(
        outcome for name, part, outcome in TABLE if name in (ANY, error) and part in described.lower()
    )
    return outcome(private)


def _without(text: str, secrets: Iterable[Secret]) -> str:
    for secret in secrets:
        text = text.replace(secret.reveal(), "…")
    return text
