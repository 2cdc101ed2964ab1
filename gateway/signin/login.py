"""Signing a browser in and out.

    GET /login            to the provider; with several providers, first a page to choose one
    GET /login/callback   the provider sends the browser back: a new session, and on to where it wanted to go
    POST /login/out       the session is over
    GET /login/out        says so, and how to end the provider's own session

`to` names the page afterwards. It must be a page of ours, letter for letter: an address that is only
checked for its looks ends as an open redirect.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.credential import Events
from gateway.errors import Unauthenticated
from gateway.signin import pages
from gateway.signin.choice import HINT, Choice
from gateway.signin.cookies import Cookies
from gateway.signin.flows import Facts, Flows
from gateway.signin.idtoken import SignedIn
from gateway.signin.provider import Declined, Provider
from gateway.signin.sessions import Session, Sessions
from gateway.signin.web import Refusal, Shell, Visit

log = logging.getLogger("gateway.signin")

PATH = "/login"
CALLBACK = "/login/callback"
HOME = "/connect"

KEPT = ("for", "scope")
"""Parameters of a page of ours that travel along through a sign-in; each page judges them anew."""

_DECLINED = {
    "access_denied": "You, or your company's sign-in, refused. Start again, or ask whoever runs the sign-in.",
    "temporarily_unavailable": "Your company's sign-in is busy. Try again in a minute.",
    "server_error": "Your company's sign-in failed. Try again in a minute.",
}


def login_address(to: str, query: Mapping[str, str], issuer: str = "") -> str:
    """Where a browser signs in that wants to go to the page `to` of ours; at `issuer`, if that is known."""
    asked = {"to": to, **query, **({"issuer": issuer} if issuer else {})}
    return f"{PATH}?{urlencode(asked)}"


ASKED = "authorize"
"""Under this name a flow keeps the authorization request of an assistant."""


class Arrivals(Protocol):
    """Who goes on when somebody comes back from the provider because an assistant asked (`server/authorize.py`)."""

    async def arrived(self, visit: Visit, session: Session, who: SignedIn, asked: Facts) -> Response:
        """They signed in; `session` is new."""

    async def declined(self, asked: Facts, error: str) -> Response:
        """They, or the provider, refused, with that code (RFC 6749 §4.1.2.1)."""


class Login:
    """The sign-in routes."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        public_url: str,
        flows: Flows,
        sessions: Sessions,
        cookies: Cookies,
        events: Events,
        pages_of_ours: Iterable[str],
        arrivals: Arrivals | None = None,
        choice: Choice | None = None,
    ) -> None:
        """`arrivals` goes on for those who sign in because an assistant asked."""
        self.choice = choice or Choice(providers)
        self._arrivals = arrivals
        self._providers = {provider.issuer: provider for provider in providers}
        self._public_url = public_url
        self._flows = flows
        self._sessions = sessions
        self._cookies = cookies
        self._events = events
        self._pages = frozenset({HOME, *pages_of_ours})

    def routes(self, shell: Shell) -> dict[str, ASGIApp]:
        """The app of each path."""
        return {
            PATH: shell.page(self.start),
            CALLBACK: shell.page(self.back),
            pages.SIGN_OUT: shell.page(self.signed_out, self.sign_out),
        }

    async def start(self, visit: Visit) -> Response:
        """GET /login."""
        to = visit.query.get("to", HOME)
        if to not in self._pages:
            raise Refusal(400, "This address leads nowhere", "Open the address that your assistant gave you.")
        wish = {name: value for name, value in visit.query.items() if name in KEPT}
        provider = self.choice.of(visit)
        if isinstance(provider, Response):
            return provider
        facts = {"to": f"{to}?{urlencode(wish)}" if wish else to}
        asked = {"prompt": "login" if visit.query.get("again") else None, HINT: visit.query.get(HINT, "")}
        return await self.leave(visit, provider, facts, **asked)

    async def leave(self, visit: Visit, provider: Provider, facts: Facts, **asked: Any) -> Response:
        """To the provider's page; `facts` are kept until the browser is back, `asked` is for `Provider.begin`."""
        browser = visit.browser or self._cookies.new()
        # The provider's page is asked for first, so that what we keep is complete before the browser leaves.
        departure = await provider.begin(**asked)
        own = {"issuer": provider.issuer, "nonce": departure.nonce, "verifier": departure.verifier}
        state = await self._flows.begin("login", browser, {**facts, **own})
        response = pages.elsewhere(departure.address(state))
        self._cookies.keep_browser(response, browser)
        return response

    async def back(self, visit: Visit) -> Response:
        """GET /login/callback: the state first, then who answers, and only then is the code sent anywhere."""
        flow = await self._flows.end("login", visit.query.get("state", ""), visit.browser)
        if flow is None:
            raise Refusal(
                400,
                "This sign-in cannot be finished",
                "It took longer than ten minutes, was finished before, was begun in another browser, or the gateway "
                "restarted meanwhile. If an assistant opened it, start again in that assistant.",
                again=PATH,
            )
        provider = self._providers[str(flow["issuer"])]
        try:
            who = await provider.finish(visit.query, nonce=str(flow["nonce"]), verifier=str(flow["verifier"]))
        except Declined as declined:
            log.warning("%s sent the browser back with the error %s", provider.name, declined.error)
            if ASKED in flow and self._arrivals is not None:
                return await self._arrivals.declined(flow[ASKED], declined.error)
            text = _DECLINED.get(declined.error, "Tell whoever runs this gateway what this page says.")
            raise Refusal(400, "You were not signed in", f"{text} ({declined.error})", again=PATH) from None
        except Unauthenticated as refused:
            raise Refusal(
                400,
                "You were not signed in",
                "The answer of your company's sign-in was not as it must be. Start again; "
                "if it stays so, tell whoever runs this gateway.",
                private=refused.private,
                again=PATH,
            ) from None
        session = await self._sessions.begin(
            who.person, who.sid, groups=who.groups, instead_of=visit.session_id
        )
        await self._events("signin.made", issuer=who.person.issuer, subject=who.person.subject)
        if ASKED in flow and self._arrivals is not None:
            response = await self._arrivals.arrived(visit, session, who, flow[ASKED])
        else:
            response = pages.elsewhere(str(flow["to"]))
        self._cookies.keep_session(response, session.id)
        return response

    async def sign_out(self, visit: Visit) -> Response:
        """POST /login/out."""
        if visit.session is None:  # nothing to end; and no other site's form makes us take a cookie away
            return pages.elsewhere(pages.SIGN_OUT)
        require_own_form(visit)
        person = visit.session.person
        await self._sessions.end(visit.session.id)
        await self._events("signin.ended", issuer=person.issuer, subject=person.subject)
        response = pages.elsewhere(f"{pages.SIGN_OUT}?{urlencode({'issuer': person.issuer})}")
        self._cookies.drop_session(response)
        return response

    async def signed_out(self, visit: Visit) -> Response:
        """GET /login/out. The provider's own session is another matter: a link ends it where it can be ended."""
        provider = self._providers.get(visit.query.get("issuer", ""))
        address = await provider.logout_url(self._public_url + pages.SIGN_OUT) if provider else ""
        company = ""
        if provider is not None and address:
            told = "On a computer that others use, end your company's session too."
            company = (
                f"<p>{told}</p>" + f'<p class="row">{pages.link(address, f"Sign out of {provider.name}")}</p>'
            )
        body = pages.notice("You are signed out of this gateway.", "good") + company
        way = pages.link(f"{PATH}?again=1", "Sign in again")
        return pages.page("Signed out", f'{body}<p class="row">{way}</p>', None)


def require_own_form(visit: Visit) -> None:
    """Raises `Refusal` unless a page of ours, shown in this very session, sent the form."""
    if visit.session is None or not visit.session.sent(visit.path, visit.form.get("token", "")):
        raise Refusal(
            403, "This form is no longer good", "Open the page again, and try once more.", again=HOME
        )
