"""The token endpoint: codes, refresh tokens and exchanges become tokens."""

import base64
import hashlib
import hmac
import re
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.idp import resource
from sandbox.idp.clients import Client
from sandbox.idp.exchange import GRANT_TYPE as EXCHANGE
from sandbox.idp.exchange import exchange
from sandbox.idp.idjag import ID_JAG, assertion
from sandbox.idp.programs import GRANT_TYPE as CLIENT_CREDENTIALS
from sandbox.idp.programs import client_credentials
from sandbox.idp.records import Code, SignIn
from sandbox.idp.refresh import dead_grant
from sandbox.idp.state import Idp
from sandbox.idp.wire import Json, OAuthError, Params, form

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636 §4.1."""


async def answer(request: Request) -> Response:
    """POST /token (RFC 6749 §3.2)."""
    idp: Idp = request.app.state.idp
    params = await form(request)
    grant_type = params.need("grant_type")
    if grant_type == EXCHANGE:
        idp.counts["exchange"] += 1
        if (fault := await idp.faults.strike("exchange", request)) is not None:
            return fault
    client = idp.clients.authenticate(request, params)
    if grant_type == "authorization_code":
        return Json(_redeem(idp, client, params))
    if grant_type == "refresh_token":
        return Json(_refresh(idp, client, params))
    if grant_type == EXCHANGE and params.get("requested_token_type") == ID_JAG:
        return Json(assertion(idp, client, params))
    if grant_type == EXCHANGE:
        return Json(exchange(idp, client, params))
    if grant_type == CLIENT_CREDENTIALS:
        return Json(client_credentials(idp, client, params))
    raise OAuthError("unsupported_grant_type", "Use authorization_code, refresh_token or token exchange.")


def _redeem(idp: Idp, client: Client, params: Params) -> dict[str, Any]:
    """A code for tokens (RFC 6749 §4.1.3). A code that comes twice takes its tokens with it."""
    key, verifier = params.need("code"), params.need("code_verifier")
    resource.check(params, idp.gateway_resource)
    code = idp.codes.get(key)
    if code is not None and code.family is not None:
        code.family.revoked = True
        raise dead_grant()
    if code is None or code.asked.client != client.id or not _proven(code, params, verifier):
        idp.codes.pop(key)  # one try: whoever lacks the verifier shall not guess
        raise dead_grant()
    if idp.person(code.sign_in.subject) is None:
        raise dead_grant()
    token, code.family = idp.refresh.start(code.sign_in)
    return _tokens(idp, code.sign_in, code.sign_in.scopes, token)


def _proven(code: Code, params: Params, verifier: str) -> bool:
    """The same redirect URI as before, and the secret behind the challenge."""
    if params.get("redirect_uri") != code.asked.redirect_uri or not _VERIFIER.fullmatch(verifier):
        return False
    challenge = _base64(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(challenge, code.asked.challenge)


def _refresh(idp: Idp, client: Client, params: Params) -> dict[str, Any]:
    """A refresh token for the next ones (RFC 6749 §6); `scope` may narrow the access token."""
    token = params.need("refresh_token")
    resource.check(params, idp.gateway_resource)
    sign_in = idp.refresh.sign_in(token, client.id)
    if idp.person(sign_in.subject) is None:
        raise dead_grant()
    asked = (params.get("scope") or " ".join(sign_in.scopes)).split()
    scopes = tuple(scope for scope in sign_in.scopes if scope in asked)
    if not scopes:
        raise OAuthError("invalid_scope", "Ask for scopes that were granted at sign-in.")
    return _tokens(idp, sign_in, scopes, idp.refresh.rotate(token, client.id))


def _tokens(idp: Idp, sign_in: SignIn, scopes: tuple[str, ...], refresh_token: str) -> dict[str, Any]:
    access_token = idp.sign(idp.access_claims(replace(sign_in, scopes=scopes)), {"typ": "at+jwt"})
    answer: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(idp.lifetimes.access),
        "refresh_token": refresh_token,
        "scope": " ".join(scopes),
    }
    if idp.session_seconds is not None:
        answer["refresh_expires_in"] = idp.session_seconds
    if "openid" in scopes:
        answer["id_token"] = _id_token(idp, sign_in, scopes, access_token)
    return answer


def _id_token(idp: Idp, sign_in: SignIn, scopes: tuple[str, ...], access_token: str) -> str:
    """OpenID Connect Core §2 and §3.1.3.6; never an access token, and its `typ` says so."""
    person, now = idp.people[sign_in.subject], int(idp.now())
    claims: dict[str, Any] = {
        "iss": idp.issuer,
        "sub": person.name,
        "aud": sign_in.client,
        "iat": now,
        "exp": now + int(idp.lifetimes.access),
        "auth_time": sign_in.auth_time,
        "acr": sign_in.acr,
        "amr": sign_in.amr,
        "at_hash": _base64(hashlib.sha256(access_token.encode()).digest()[:16]),
    }
    if sign_in.nonce is not None:
        claims["nonce"] = sign_in.nonce
    if "profile" in scopes:
        claims |= {"name": person.display_name, "preferred_username": person.name}
        claims |= {"groups": list(person.groups)}
        claims["groups"] = list(person.groups)  # as providers do when an administrator maps them
    if "email" in scopes:
        claims |= {"email": person.email, "email_verified": True}
    return idp.sign(claims, {"typ": "JWT"})


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
