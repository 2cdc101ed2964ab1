"""`POST https://auth.atlassian.com/oauth/token`: codes and refresh tokens become tokens.

Its errors are its own: a dead grant of either kind is HTTP 403, a wrong secret 401 `access_denied`.
"""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.atlassian.state import Atlassian
from sandbox.consent import App
from sandbox.idp.wire import Json, OAuthError, Params, body
from sandbox.pkce import proven
from sandbox.rotation import Ended, Pair


async def token(request: Request) -> Response:
    """JSON as documented, or a form."""
    state: Atlassian = request.app.state.atlassian
    params = await _params(request)
    grant_type = params.need("grant_type")
    state.counts[grant_type] += 1
    app = _app(state, params)
    if grant_type == "authorization_code":
        return _given(state, _redeemed(state, app, params))
    if grant_type == "refresh_token":
        try:
            return _given(state, state.tokens.refresh(params.need("refresh_token"), app.id))
        except Ended:
            raise OAuthError("invalid_grant", "Unknown or invalid refresh token.", status=403) from None
    raise OAuthError("unsupported_grant_type", "Unsupported grant type", status=403)


def _app(state: Atlassian, params: Params) -> App:
    app = state.apps.get(params.need("client_id"))
    if app is None or not app.proves(params.get("client_secret")):
        raise OAuthError("access_denied", "Unauthorized", status=401)
    return app


def _redeemed(state: Atlassian, app: App, params: Params) -> Pair:
    code = state.codes.pop(params.need("code"))
    good = code is not None and code.asked.app.id == app.id and params.need("redirect_uri") == app.callback
    if code is None or not good or (state.pkce and not proven(code.asked, params.get("code_verifier"))):
        raise OAuthError("invalid_grant", "Invalid authorization code", status=403)
    scopes = code.asked.scopes
    return state.tokens.consent(
        code.person.name, app.id, scopes, sites=code.sites, offline="offline_access" in scopes
    )


def _given(state: Atlassian, pair: Pair) -> Response:
    seconds = state.rules.access
    answer = {
        "access_token": pair.access,
        "expires_in": int(seconds) if seconds >= 10 else round(seconds, 3),
        "token_type": "Bearer",
        "scope": " ".join(sorted(pair.scopes)),
    }
    if pair.refresh:
        answer["refresh_token"] = pair.refresh
    return Json(answer)


async def _params(request: Request) -> Params:
    raw = await body(request)
    if not request.headers.get("content-type", "").startswith("application/json"):
        return Params.parse(raw)
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise OAuthError("invalid_request", "The body is not a JSON object.")
    return Params([(name, value) for name, value in found.items() if isinstance(value, str)])
