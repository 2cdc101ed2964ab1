"""`/rest/oauth2/latest/…`: the incoming link's authorization page and its token endpoint.

Its errors name little: a refresh without the link's `redirect_uri` is a bare `invalid_grant`.
"""

from starlette.requests import Request
from starlette.responses import Response

from sandbox.consent import APPROVE, App, Asked, answer, ask, person_of, refusal
from sandbox.datacenter.state import SCOPES, Code, DataCenter
from sandbox.idp.wire import Json, OAuthError, Params, form
from sandbox.people import Person
from sandbox.pkce import proven
from sandbox.rotation import Ended, Pair

AUTHORIZE = "/rest/oauth2/latest/authorize"
TOKEN = "/rest/oauth2/latest/token"

_TITLE = "Jira Data Center (sandbox)"


async def show(request: Request) -> Response:
    """The page that asks, or the answer at once for `sandbox_approve`."""
    state: DataCenter = request.app.state.datacenter
    try:
        params = Params.parse(request.scope["query_string"])
        asked = _read(state, params)
    except OAuthError as error:
        return refusal(error.description)
    if (name := params.get(APPROVE)) is not None:
        person = state.people.get(name)
        return refusal(f"There is no {name}.") if person is None else _yes(state, asked, person)
    return ask(state.pending.put(asked), asked, _TITLE, action=AUTHORIZE)


async def decide(request: Request) -> Response:
    """The form of the page."""
    state: DataCenter = request.app.state.datacenter
    params = await form(request)
    transaction = params.get("transaction") or ""
    asked = state.pending.get(transaction)
    if asked is None:
        return refusal("This page is no longer good. Begin again.")
    if params.get("answer") != "allow":
        state.pending.pop(transaction)
        return answer(asked, error="access_denied")
    person = person_of(state.people, params.get("user") or "", params.get("password") or "")
    if person is None:
        wrong = "Sorry, your username and password are incorrect - please try again."
        return ask(transaction, asked, _TITLE, action=AUTHORIZE, wrong=wrong)
    state.pending.pop(transaction)
    return _yes(state, asked, person)


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


def _read(state: DataCenter, params: Params) -> Asked:
    """The request, checked. Raises `OAuthError`."""
    app = state.apps.get(params.need("client_id"))
    if app is None:
        raise OAuthError("invalid_request", "There is no incoming link with this client id.")
    if params.need("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code.")
    if params.need("redirect_uri") != app.callback:
        raise OAuthError("invalid_request", "The redirect URL is not that of the link.")
    scopes = frozenset(params.need("scope").split())
    if not scopes <= (app.scopes or frozenset(SCOPES)):
        raise OAuthError("invalid_scope", "The scope is not that of the link.")
    method = params.get("code_challenge_method") or "plain"
    if method not in ("plain", "S256"):
        raise OAuthError("invalid_request", "code_challenge_method must be plain or S256.")
    return Asked(app, scopes, params.get("state"), params.get("code_challenge"), method)


def _yes(state: DataCenter, asked: Asked, person: Person) -> Response:
    return answer(asked, code=state.codes.put(Code(asked, person)))


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
