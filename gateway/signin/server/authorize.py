"""The authorization endpoint: from an assistant's request to a code in its hands (RFC 6749 §4.1, OAuth 2.1).

    GET /authorize         client -> redirect -> PKCE, resource, scope -> the company's provider
    GET /login/callback    who signed in -> may they use this assistant -> did they consent before
    POST /consent          their answer -> a code, to the checked redirect

Until the redirect is known to be one that the client registered, nothing is sent anywhere: a page says
what is wrong. Everybody goes to the provider each time, so each sign-in with an assistant has a grant of
the provider of its own, and nobody is signed in here after they are there no more.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp

from gateway import clock
from gateway.credential import Events
from gateway.errors import Unauthenticated
from gateway.identity.revocation import somebody
from gateway.model import Caller, Person
from gateway.signin.flows import Facts, Flows
from gateway.signin.idtoken import SignedIn
from gateway.signin.login import ASKED, Login, require_own_form
from gateway.signin.provider import Provider
from gateway.signin.server import (
    Client,
    Clients,
    Roles,
    UnknownClient,
    consent_page,
    host_of,
    serves,
)
from gateway.signin.server.adapter import Hearing
from gateway.signin.server.asking import again, begun
from gateway.signin.server.back import Back, refusal, returns, shown
from gateway.signin.server.chain import Chain
from gateway.signin.server.codes import Code, Codes
from gateway.signin.server.consents import Consents
from gateway.signin.server.metadata import AUTHORIZE
from gateway.signin.server.progress import Progress
from gateway.signin.server.refused import OAuthError
from gateway.signin.server.resources import Resources
from gateway.signin.server.scopes import granted
from gateway.signin.sessions import Session
from gateway.signin.web import Refusal, Shell, Visit

CONSENT = "/consent"

_SAME = ("access_denied", "temporarily_unavailable", "unmet_authentication_requirements")
"""Errors of the provider that mean the same to the assistant."""

log = logging.getLogger("gateway.signin")

Choose = Callable[[Visit, str], Provider | Response]
"""(visit, resource) -> the provider to go to, or a page on which to choose one."""


class Authorize:
    """The endpoint. `roles` says which roles groups give at a provider; `seconds` is how long a sign-in lasts."""

    def __init__(
        self,
        issuer: str,
        *,
        clients: Clients,
        resources: Resources,
        flows: Flows,
        codes: Codes,
        consents: Consents,
        chain: Chain,
        events: Events,
        roles: Roles,
        check: Callable[[Caller], None],
        seconds: float,
        progress: Progress,
    ) -> None:
        self._back = Back(issuer)
        self._clients = clients
        self._resources = resources
        self._flows = flows
        self._codes = codes
        self._consents = consents
        self._chain = chain
        self._events = events
        self._roles = roles
        self._check = check
        self._seconds = seconds
        self._progress = progress
        self._login: Login | None = None
        self._choose: Choose | None = None

    def joined(self, login: Login, choose: Choose) -> None:
        """The two know each other: a sign-in begins here, goes through `login`, and comes back here."""
        self._login, self._choose = login, choose

    def routes(self, shell: Shell) -> dict[str, ASGIApp]:
        """The app of each path."""
        return {AUTHORIZE: shell.page(self.start), CONSENT: shell.page(None, self.answer)}

    async def start(self, visit: Visit) -> Response:
        """GET /authorize."""
        query, back, client = visit.query, "", None
        try:
            client = await self._clients.find(query.get("client_id", ""), visit.source)
            if client.admission == "refused":
                return shown(consent_page.refused(visit.session, client, query.get("redirect_uri", "")))
            back = Hearing(client).authorization(query)
            asked = self._asked(client, back, query)
        except UnknownClient as unknown:
            return _unknown(unknown)
        except OAuthError as no:
            back = back or getattr(no, "redirect_uri", "")
            if back and client is not None and returns(client, back):
                return self._back.by_redirect(back, query.get("state", ""), refusal(no))
            return shown(consent_page.oauth_error(no.error, no.description, status=no.status))
        return await self._leave(visit, asked)

    async def arrived(self, visit: Visit, session: Session, who: SignedIn, asked: Facts) -> Response:
        """Somebody signed in at the provider because of `asked` (`Arrivals`)."""
        try:
            client = await self._clients.find(asked["client_id"])
        except UnknownClient as unknown:
            return _unknown(unknown)
        back = asked["redirect_uri"]
        await self._progress.asked(who.person.issuer, who.person.subject, client.id)
        if client.admission == "pending":
            return shown(consent_page.pending(session, client, back))
        roles = self._roles(who.person.issuer, who.groups)
        if client.admission == "refused" or not serves(client, roles):
            await self._events(
                "assistant.refused",
                issuer=who.person.issuer,
                subject=who.person.subject,
                client=client.id,
                host=host_of(back),
            )
            groups = client.groups if client.admission == "admitted" else ()
            return shown(consent_page.refused(session, client, back, groups=groups))
        family = begun(client, who, asked, clock.wall() + self._seconds)
        self._standing(family, who)
        await self._chain.keep(family["id"], who)
        if await self._agreed(who.person, family) and asked["prompt"] != "consent":
            answer = {"code": await self._code(asked, family)}
            return self._back.by_redirect(asked["redirect_uri"], asked["state"], answer, session)
        return await self._ask(visit, session, client, asked, family)

    def _standing(self, family: Facts, who: SignedIn) -> None:
        """Raises `Refusal` for a person, provider's session or client that was cut off."""
        person, client = who.person, family["client"]
        try:
            self._check(
                somebody(
                    person.issuer, person.subject, client=client, session=who.sid, issued_at=clock.wall()
                )
            )
        except Unauthenticated:
            text = "Your access, or this assistant's, was ended. Ask whoever runs this gateway."
            raise Refusal(403, "You were not signed in", text) from None

    async def declined(self, asked: Facts, error: str) -> Response:
        """The provider sent an error instead of somebody (`Arrivals`). Most of its codes are about our request to
        it, and would mean another thing as an answer to the assistant's."""
        no = OAuthError("server_error", f"The company's sign-in answered {error}; tell whoever runs it.")
        if error in _SAME:
            no = OAuthError(error, "Nobody was signed in.")
        return self._back.by_redirect(asked["redirect_uri"], asked["state"], refusal(no))

    async def answer(self, visit: Visit) -> Response:
        """POST /consent."""
        require_own_form(visit)
        flow = await self._flows.end("consent", visit.form.get("flow", ""), visit.browser)
        session = visit.session
        if flow is None or session is None:
            raise Refusal(400, "This question is over", "Start again in your assistant.")
        asked, family = flow["asked"], flow["family"]
        if (family["issuer"], family["subject"]) != (session.person.issuer, session.person.subject):
            raise Refusal(403, "Somebody else was asked", "Start again in your assistant.")
        told = {name: family[name] for name in ("issuer", "subject", "client", "host")}
        if visit.form.get("answer") != "allow":
            await self._chain.end(family["id"], family["issuer"], family["subject"])
            await self._events("consent.refused", **told)
            no = OAuthError("access_denied", "The person refused.")
            return self._back.after_form(session, asked, refusal(no))
        scopes = frozenset(family["scopes"])
        try:
            client = await self._clients.find(family["client"])
        except UnknownClient as unknown:  # deleted while the person read
            return _unknown(unknown)
        if client.admission != "admitted":  # refused meanwhile
            raise Refusal(403, "This assistant may not be used here", "Ask your administrators.")
        await self._events("consent.given", **told, scopes=sorted(scopes))
        place = family["resource"]
        given = await self._consents.given(**told, resource=place)
        await self._consents.give(**told, resource=place, scopes=scopes | given)
        return self._back.after_form(session, asked, {"code": await self._code(asked, family)})

    def _asked(self, client: Client, back: str, query: Mapping[str, str]) -> dict[str, Any]:
        """What is kept of a good request. Raises `OAuthError`."""
        if query.get("prompt") == "none":
            raise OAuthError("interaction_required", "People sign in at their company each time.")
        return {
            "client_id": client.id,
            "redirect_uri": back,
            "redirect_given": "redirect_uri" in query,
            "state": query.get("state", ""),
            "scopes": sorted(granted(query.get("scope", ""))),
            "resource": self._resources.one(query.get("resource")),
            "challenge": query["code_challenge"],
            "prompt": query.get("prompt", ""),
        }

    async def _leave(self, visit: Visit, asked: Facts) -> Response:
        assert self._login is not None and self._choose is not None
        provider = self._choose(visit, asked["resource"])
        if isinstance(provider, Response):
            return shown(provider)
        query = visit.query
        age = query.get("max_age", "")
        wish = {
            "prompt": "login" if query.get("prompt") in ("login", "select_account") else None,
            "acr_values": query.get("acr_values", "")[:200],
            "max_age": int(age) if age.isdecimal() and len(age) < 9 else None,
            "login_hint": query.get("login_hint", "")[:200],
            "lasting": True,
        }
        return shown(await self._login.leave(visit, provider, {ASKED: asked}, **wish))

    async def _agreed(self, person: Person, family: Facts) -> bool:
        """Whether the person said yes before: to the same for this Jira. What any program on this computer could
        ask, or anybody who registered, is asked each time (RFC 8252 §8.6)."""
        if family["assurance"] != "attested":
            return False
        given = await self._consents.given(
            person.issuer, person.subject, family["client"], family["host"], family["resource"]
        )
        return given >= frozenset(family["scopes"])

    async def _ask(
        self, visit: Visit, session: Session, client: Client, asked: Facts, family: Facts
    ) -> Response:
        flow = await self._flows.begin("consent", visit.browser or "", {"asked": asked, "family": family})
        ask = consent_page.Ask(
            client=client,
            redirect_uri=asked["redirect_uri"],
            scopes=family["scopes"],
            sites=self._resources.names(asked["resource"]),
            ends_at=family["expires_at"],
            flow=flow,
            action=CONSENT,
            again=again(asked),
        )
        return shown(consent_page.consent(session, ask))

    async def _code(self, asked: Facts, family: Facts) -> str:
        return await self._codes.issue(
            Code(
                client=asked["client_id"],
                redirect_uri=asked["redirect_uri"] if asked["redirect_given"] else "",
                challenge=asked["challenge"],
                family=family,
            )
        )


def _unknown(client: UnknownClient) -> Response:
    private = getattr(client, "private", "")
    if private:  # why a document could not be had: for the operator
        log.warning("%s %s", client, private)
    return shown(consent_page.oauth_error("invalid_client", str(client)))
