"""Token exchange (RFC 8693): the gateway trades a person's token for one that Jira accepts as that person."""

import secrets
from typing import Any

from sandbox.idp.clients import Client
from sandbox.idp.faults import lie
from sandbox.idp.keys import BadToken
from sandbox.idp.state import Idp
from sandbox.idp.wire import OAuthError, Params

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

JIRA_SCOPES = {
    "jira:read": ("read:jira-work",),
    "jira:write": ("read:jira-work", "write:jira-work"),
}
"""What each gateway scope is worth at Jira."""


def exchange(idp: Idp, client: Client, params: Params) -> dict[str, Any]:
    """The answer to a token exchange request (RFC 8693 §2.2.1). Raises `OAuthError` (§2.2.2)."""
    if not client.may_exchange:
        raise OAuthError("unauthorized_client", "This client may not exchange tokens.")
    _check_kinds(params)
    subject = _subject(idp, params.need("subject_token"))
    _check_target(idp, params)
    scopes = _scopes(subject, params.get("scope"))
    claims = _claims(idp, client, subject, scopes)
    told = lie(claims, idp.faults.exchange_claims)
    answer = {
        "access_token": idp.sign(told, {"typ": "at+jwt"}),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": claims["exp"] - claims["iat"],
        "scope": claims["scope"],
    }
    return lie(answer, idp.faults.exchange_reply)


def _check_kinds(params: Params) -> None:
    if params.need("subject_token_type") != ACCESS_TOKEN:
        raise OAuthError("invalid_request", "Only an access token can be exchanged.")
    if params.get("requested_token_type") not in (None, ACCESS_TOKEN):
        raise OAuthError("invalid_request", "Only an access token is given.")
    if params.get("actor_token") or params.get("actor_token_type"):
        raise OAuthError("invalid_request", "The actor is the client that asks; send no actor token.")


def _subject(idp: Idp, token: str) -> dict[str, Any]:
    """The claims of the subject token. A bad one is `invalid_request` (RFC 8693 §2.2.2), described the same
    way whatever is wrong with it."""
    try:
        claims = idp.keys.verify(token, issuer=idp.issuer, audience=idp.gateway_resource, now=idp.now())
    except BadToken as bad:
        raise OAuthError("invalid_request", "Invalid token") from bad
    if idp.person(claims["sub"]) is None or "cnf" in claims:  # a bound token is not for others to use
        raise OAuthError("invalid_request", "Invalid token")
    return claims


def _check_target(idp: Idp, params: Params) -> None:
    """Exactly one audience, and it is Jira's."""
    if params.all("audience") != [idp.jira_audience] or params.all("resource"):
        raise OAuthError(
            "invalid_target", f"Ask for the audience {idp.jira_audience}, once, and for no resource."
        )


def _scopes(subject: dict[str, Any], asked: str | None) -> str:
    """The scopes asked for, or all that the subject token is worth. More is refused, never cut silently."""
    held = str(subject.get("scope", "")).split()
    worth = sorted({scope for name in held for scope in JIRA_SCOPES.get(name, ())})
    wanted = worth if asked is None else sorted(set(asked.split()))
    if not wanted or not set(wanted) <= set(worth):
        raise OAuthError("invalid_scope", "The subject token does not carry that much.")
    return " ".join(wanted)


def _claims(idp: Idp, client: Client, subject: dict[str, Any], scopes: str) -> dict[str, Any]:
    """The new token's claims: the same person, the gateway acting for the assistant (§4.1), no more life."""
    now = int(idp.now())
    assistant: dict[str, Any] = {"sub": subject["client_id"]}
    if "act" in subject:
        assistant["act"] = subject["act"]
    return {
        "iss": idp.issuer,
        "sub": subject["sub"],
        "aud": idp.jira_audience,
        "client_id": client.id,
        "scope": scopes,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": min(now + int(idp.lifetimes.jira), subject["exp"]),
        "act": {"sub": client.id, "act": assistant},
    }
