"""The authorization endpoint: code flow with PKCE, a page, and an answer that names its issuer.

There is no session and no cookie: each request is signed in to anew, so there is none to fix or to forge.
"""

import hmac
import re
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.idp import otp, pages, resource
from sandbox.idp.records import AuthRequest, Code
from sandbox.idp.state import OFFERED, Idp
from sandbox.idp.wire import OAuthError, Params, form
from sandbox.people import Person

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""A SHA-256 digest in base64url (RFC 7636 §4.2)."""

_LOST = "This page is no longer good. Go back to your assistant and connect again."


async def show(request: Request) -> Response:
    """GET /authorize: the sign-in page, or an error sent to the client or told to the person."""
    idp: Idp = request.app.state.idp
    try:
        params = Params.parse(request.scope["query_string"])
    except OAuthError as error:
        return pages.refusal(error.description, error.status)
    client = idp.clients.get(params.get("client_id") or "")
    if client is None:
        return pages.refusal(
            "The assistant is not registered here. Remove the connection in it and connect again."
        )
    redirect_uri = params.get("redirect_uri") or ""
    if not client.allows(redirect_uri):
        return pages.refusal("The assistant wants the answer at an address that it did not register.")
    try:
        asked = _read(idp, params, client.id, redirect_uri)
    except OAuthError as error:
        return _answer(
            idp, redirect_uri, params.get("state"), error=error.error, error_description=error.description
        )
    return pages.sign_in(
        idp.pending.put(asked), asked, client.name, user=(params.get("login_hint") or "")[:100]
    )


def _read(idp: Idp, params: Params, client: str, redirect_uri: str) -> AuthRequest:
    """The request, checked (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Core §3.1.2.1). Raises `OAuthError`."""
    for unsupported in ("request", "request_uri"):
        if params.get(unsupported):
            raise OAuthError(f"{unsupported}_not_supported", "Send the parameters themselves.")
    if params.need("response_type") != "code":
        raise OAuthError("unsupported_response_type", "Only the response type code is offered.")
    if params.get("response_mode") not in (None, "query"):
        raise OAuthError("invalid_request", "Only the response mode query is offered.")
    challenge = params.need("code_challenge")
    if params.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "Send a PKCE challenge with the method S256.")
    if params.get("prompt") == "none":
        raise OAuthError("login_required", "Nobody is signed in; ask without prompt=none.")
    resource.check(params, idp.gateway_resource)
    return AuthRequest(
        client=client,
        redirect_uri=redirect_uri,
        scopes=_scopes(params.get("scope")),
        challenge=challenge,
        state=params.get("state"),
        nonce=params.get("nonce"),
    )


def _scopes(asked: str | None) -> tuple[str, ...]:
    """What of `asked` we offer; assistants ask for whole catalogues. Without a wish, everything offered."""
    if asked is None:
        return OFFERED
    granted = tuple(scope for scope in OFFERED if scope in asked.split())
    if not granted:
        raise OAuthError("invalid_scope", f"Ask for some of: {' '.join(OFFERED)}.")
    return granted


async def decide(request: Request) -> Response:
    """POST /authorize: the form of the sign-in page."""
    idp: Idp = request.app.state.idp
    try:
        params = await form(request)
    except OAuthError as error:
        return pages.refusal(error.description, error.status)
    transaction = params.get("transaction") or ""
    asked = idp.pending.get(transaction)
    client = idp.clients.get(asked.client) if asked else None
    if asked is None or client is None:
        return pages.refusal(_LOST)
    if params.get("answer") == "refuse":
        idp.pending.pop(transaction)
        return _answer(idp, asked.redirect_uri, asked.state, error="access_denied")
    user, password, code = (params.get(name) or "" for name in ("user", "password", "code"))
    person, problem = _check(idp, user, password, code)
    if person is None:
        return pages.sign_in(transaction, asked, client.name, user=user[:100], error=problem)
    idp.pending.pop(transaction)
    signed_in = idp.sign_in(person, asked.client, asked.scopes, asked.nonce)
    return _answer(idp, asked.redirect_uri, asked.state, code=idp.codes.put(Code(asked, signed_in)))


def _check(idp: Idp, user: str, password: str, code: str) -> tuple[Person | None, str]:
    """The person whose credentials these are, or None and what to tell."""
    person = idp.people.get(user)
    if person is None or not hmac.compare_digest(person.password.encode(), password.encode()):
        return None, "The user name or the password is not right. Check both and try again."
    if user in idp.disabled:
        return None, "This account is disabled. Ask your administrator."
    if person.otp_secret is not None and not code:
        return (
            None,
            "This account has a second factor. Type your password again and the code of your authenticator.",
        )
    if person.otp_secret is not None and not otp.right(person.otp_secret, code, idp.now()):
        return None, "The one-time code is not right. Wait for the next one and try again."
    return person, ""


def _answer(idp: Idp, redirect_uri: str, state: str | None, **members: str) -> Response:
    """The authorization response (RFC 6749 §4.1.2) with `iss` (RFC 9207 §2). 303, so that no browser
    posts the password on (RFC 9700 §4.12)."""
    query = {**members, **({"state": state} if state is not None else {}), "iss": idp.issuer}
    joint = "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{joint}{urlencode(query)}", 303, {"Cache-Control": "no-store"})
