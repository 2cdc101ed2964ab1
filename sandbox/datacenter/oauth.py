"""`/rest/oauth2/latest/token`: the incoming link's token endpoint.

Its errors name little: a refresh without the link's `redirect_uri` is a bare `invalid_grant`.
"""

from starlette.requests import Request
from starlette.responses import Response

from sandbox.consent import App
from sandbox.datacenter.state import SCOPES, DataCenter
from sandbox.idp.wire import Json, OAuthError, Params, form
from sandbox.pkce import proven
from sandbox.rotation import Ended, Pair

TOKEN = "/rest/oauth2/latest/token"


async def token(request: Request) -> Response:
    """POST, as a form."""
    state: DataCenter = request.app.state.datacenter
    params = await form(request)
    grant_type = params.need("grant_type")
    state.counts[grant_type] += 1
    app = state.apps.get(params.get("client_id") or "")
    if app is None or not app.proves(params.get("client_secret")):
        raise OAuthError("invalid_client", "Client authentication failed", status=401)
    if grant_type == "authorization_code":
        return _given(state, _redeemed(state, app, params))
    if grant_type == "refresh_token":
        return _given(state, _refreshed(state, app, params))
    if grant_type == "client_credentials":
        return _given(state, _service(state, app, params))
    raise OAuthError("unsupported_grant_type", "Unsupported grant type")


def _redeemed(state: DataCenter, app: App, params: Params) -> Pair:
    code = state.codes.pop(params.need("code"))
    if code is None or code.asked.app.id != app.id or params.get("redirect_uri") != app.callback:
        raise _dead()
    if not proven(code.asked, params.get("code_verifier")):
        raise _dead()
    return state.tokens.consent(code.person.name, app.id, code.asked.scopes)


def _refreshed(state: DataCenter, app: App, params: Params) -> Pair:
    """The `redirect_uri` is validated here too."""
    if params.get("redirect_uri") != app.callback:
        raise _dead()
    try:
        return state.tokens.refresh(params.need("refresh_token"), app.id)
    except Ended:
        raise _dead() from None


def _service(state: DataCenter, app: App, params: Params) -> Pair:
    """A service account's own token; there is nothing to refresh it with."""
    if app.service not in state.people:
        raise OAuthError("unauthorized_client", "The link is not one of a service account")
    scopes = frozenset((params.get("scope") or "READ").split())
    if not scopes <= (app.scopes or frozenset(SCOPES)):
        raise OAuthError("invalid_scope", "The scope is not that of the link")
    return state.tokens.consent(app.service, app.id, scopes, offline=False)


def _dead() -> OAuthError:
    return OAuthError("invalid_grant", "Grant is invalid")


def _given(state: DataCenter, pair: Pair) -> Response:
    seconds = state.rules.access
    answer = {
        "access_token": pair.access,
        "token_type": "bearer",
        "expires_in": int(seconds) if seconds >= 10 else round(seconds, 3),
        "scope": " ".join(sorted(pair.scopes)),
        "created_at": int(state.now()),
    }
    return Json(answer | ({"refresh_token": pair.refresh} if pair.refresh else {}))
