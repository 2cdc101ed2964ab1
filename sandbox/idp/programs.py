"""Programs with a token of their own: client credentials (RFC 6749 §4.4).

A program's client gets tokens for the gateway, whose `sub` is the client itself (RFC 9068 §2.2). A
client that belongs to a service account of Jira gets tokens for Jira as that account.
"""

import secrets
from typing import Any

from sandbox.idp.clients import Client
from sandbox.idp.exchange import JIRA_SCOPES
from sandbox.idp.faults import lie
from sandbox.idp.state import OFFERED, Idp
from sandbox.idp.wire import OAuthError, Params

GRANT_TYPE = "client_credentials"


def client_credentials(idp: Idp, client: Client, params: Params) -> dict[str, Any]:
    """The answer to a client credentials request. Raises `OAuthError`."""
    if not client.program:
        raise OAuthError("unauthorized_client", "This client stands for people; let them sign in.")
    for_jira = client.jira_account is not None
    offered = sorted({s for worth in JIRA_SCOPES.values() for s in worth}) if for_jira else list(OFFERED)
    scopes = sorted(set((params.get("scope") or " ".join(offered)).split()))
    if not scopes or not set(scopes) <= set(offered):
        raise OAuthError("invalid_scope", f"Ask for some of: {' '.join(offered)}.")
    now = int(idp.now())
    life = int(idp.lifetimes.jira if for_jira else idp.lifetimes.access)
    claims = {
        "iss": idp.issuer,
        "sub": client.jira_account or client.id,
        "aud": idp.jira_audience if for_jira else idp.gateway_resource,
        "client_id": client.id,
        "scope": " ".join(scopes),
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + life,
    }
    told = lie(claims, idp.faults.exchange_claims)
    answer = {
        "access_token": idp.sign(told, {"typ": "at+jwt"}),
        "token_type": "Bearer",
        "expires_in": life,
        "scope": claims["scope"],
    }
    return lie(answer, idp.faults.exchange_reply)
