"""`GET https://auth.atlassian.com/authorize`: a person agrees, and chooses a site."""

from html import escape

from starlette.requests import Request
from starlette.responses import Response

from sandbox.atlassian.state import CLASSIC, Atlassian, Code
from sandbox.consent import APPROVE, Asked, answer, ask, person_of, refusal
from sandbox.idp.wire import OAuthError, Params, form
from sandbox.people import Person

AUDIENCE = "api.atlassian.com"
SITE = "sandbox_site"
"""With `sandbox_approve`: the id of the site that is chosen; by default all are."""

_TITLE = "Atlassian (sandbox)"


async def show(request: Request) -> Response:
    """The consent page, or the answer at once for `sandbox_approve`."""
    state: Atlassian = request.app.state.atlassian
    try:
        params = Params.parse(request.scope["query_string"])
        asked = _read(state, params)
    except OAuthError as error:
        return refusal(error.description)
    if (name := params.get(APPROVE)) is not None:
        person = state.people.get(name)
        return (
            refusal(f"There is no {name}.")
            if person is None
            else _yes(state, asked, person, params.get(SITE))
        )
    return _ask(state, state.pending.put(asked), asked)


async def decide(request: Request) -> Response:
    """The form of the page."""
    state: Atlassian = request.app.state.atlassian
    params = await form(request)
    transaction = params.get("transaction") or ""
    asked = state.pending.get(transaction)
    if asked is None:
        return refusal("This page is no longer good. Begin again.")
    if params.get("answer") != "allow":
        state.pending.pop(transaction)
        return answer(asked, error="access_denied", error_description="User did not authorize the request")
    person = person_of(state.people, params.get("user") or "", params.get("password") or "")
    if person is None:
        return _ask(state, transaction, asked, "Incorrect email address and / or password.")
    state.pending.pop(transaction)
    return _yes(state, asked, person, params.get("site"))


def _read(state: Atlassian, params: Params) -> Asked:
    """The request, checked as documented. Raises `OAuthError`."""
    app = state.apps.get(params.need("client_id"))
    if app is None:
        raise OAuthError("invalid_request", "The app is not known.")
    for name, value in (("response_type", "code"), ("audience", AUDIENCE), ("prompt", "consent")):
        if params.need(name) != value:
            raise OAuthError("invalid_request", f"{name} must be {value}.")
    if params.need("redirect_uri") != app.callback:
        raise OAuthError("invalid_request", "redirect_uri is not registered for client.")
    scopes = frozenset(params.need("scope").split())
    if not scopes <= (app.scopes or frozenset(CLASSIC)):
        raise OAuthError("invalid_scope", "The app asks for a scope that is not configured for it.")
    challenge, method = params.get("code_challenge"), params.get("code_challenge_method") or "plain"
    return Asked(app, scopes, params.get("state"), challenge, method)


def _yes(state: Atlassian, asked: Asked, person: Person, site: str | None) -> Response:
    sites = frozenset(state.sites) if site is None else frozenset({site}) & state.sites.keys()
    return answer(asked, code=state.codes.put(Code(asked, person, sites)))


def _ask(state: Atlassian, transaction: str, asked: Asked, wrong: str = "") -> Response:
    options = "".join(
        f'<option value="{escape(site.id)}">{escape(site.url)}</option>' for site in state.sites.values()
    )
    more = f'<label>Use app on <select name="site">{options}</select></label>' if options else ""
    return ask(transaction, asked, _TITLE, action="/authorize", more=more, wrong=wrong)
