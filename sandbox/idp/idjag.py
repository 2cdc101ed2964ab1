"""Identity assertions (ID-JAG): the provider's word for a person, for another authorization server.

Step 1 of IDENTITY ASSERTION AUTHORIZATION GRANT: the ID token of a sign-in at the asking client becomes an
assertion for one server and one client there. `resource_server.py` is that server.
"""

import secrets
from typing import Any

import jwt

from sandbox.idp.clients import Client
from sandbox.idp.faults import lie
from sandbox.idp.state import Idp
from sandbox.idp.wire import OAuthError, Params

ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
TYP = "oauth-id-jag+jwt"
LIFE = 300


def assertion(idp: Idp, client: Client, params: Params) -> dict[str, Any]:
    """The answer to a token exchange that asks for an assertion. Raises `OAuthError`."""
    if not client.may_exchange:
        raise OAuthError("unauthorized_client", "This client may not ask for assertions.")
    if params.need("subject_token_type") != ID_TOKEN:
        raise OAuthError("invalid_request", "Only an ID token can be exchanged for an assertion.")
    audience = params.need("audience")
    known = idp.partners.get(audience)
    if known is None:
        raise OAuthError("invalid_target", "No assertion is given for that authorization server.")
    subject = _subject(idp, client, params.need("subject_token"))
    now = int(idp.now())
    claims = {
        "iss": idp.issuer,
        "sub": subject,
        "aud": audience,
        "client_id": known,
        "resource": params.get("resource"),
        "scope": params.get("scope") or "",
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + LIFE,
        "email": idp.people[subject].email,
        "groups": list(idp.people[subject].groups),
    }
    told = lie(claims, idp.faults.exchange_claims)
    answer = {
        "access_token": idp.sign(told, {"typ": TYP}),
        "issued_token_type": ID_JAG,
        "token_type": "N_A",
        "expires_in": LIFE,
    }
    return lie(answer, idp.faults.exchange_reply)


def id_token(idp: Idp, user: str, client: str) -> str:
    """An ID token without any sign-in, as the code flow of `client` would have given it."""
    now = int(idp.now())
    claims = {"iss": idp.issuer, "sub": user, "aud": client, "iat": now, "exp": now + 900}
    return idp.sign(claims, {"typ": "JWT"})


def _subject(idp: Idp, client: Client, token: str) -> str:
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = next(key for key in idp.keys.keys if key.kid == kid)
        claims = jwt.decode(
            token,
            key.public,
            algorithms=[key.alg],
            issuer=idp.issuer,
            audience=client.id,
            options={"verify_exp": False, "verify_iat": False},  # by `now`: PyJWT reads a clock of its own
        )
    except (jwt.PyJWTError, StopIteration) as bad:
        raise OAuthError("invalid_request", "subject_token is invalid") from bad
    if claims["exp"] <= idp.now() or idp.person(claims["sub"]) is None:
        raise OAuthError("invalid_request", "subject_token is invalid")
    return str(claims["sub"])
