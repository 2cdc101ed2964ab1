"""Connecting a person's Jira account, and showing what is connected.

    GET  /connect                the person's connections
    GET  /connect/SITE           what will be allowed, and the way to Jira; begins the flow
    GET  /connect/SITE/callback  Jira sends the browser back: the account is matched and kept
    POST /connect/SITE/callback  the person says whether that account is theirs, where the rule wants it
    GET  /connect/SITE/done      it is connected
    POST /connect/SITE           disconnects
    GET  /connect/SITE/ended     it is disconnected

Three things must name one person: the note in the address that the assistant was given (if it has
one), the browser's session, and the session that began the flow. A link, not a form, leads to Jira:
browsers hold `form-action` against every redirect that follows, also those of Jira's own sign-in.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NoReturn
from urllib.parse import urlencode

from authlib.common.security import generate_token
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.credential import Events
from gateway.credential.vault import LinkHead
from gateway.errors import ConfirmationNeeded, LinkRefused
from gateway.model import Account, Person
from gateway.signin import connect_pages, pages
from gateway.signin.cookies import Cookies
from gateway.signin.flows import Facts, Flows
from gateway.signin.hint import BadHint, Hints
from gateway.signin.login import HOME, KEPT, login_address, require_own_form
from gateway.signin.sessions import Session
from gateway.signin.sites import LinkedSite
from gateway.signin.web import Refusal, Shell, Visit

log = logging.getLogger("gateway.signin")

Links = Callable[[str, str], Awaitable[Sequence[LinkHead]]]
"""(issuer, subject) -> all links of that person, as `Vault.of` gives them."""

_CODE = re.compile(r"[a-z_]{1,60}")


class Connect:
    """The connect routes. `issuers` are those at which a browser can sign in."""

    def __init__(
        self,
        sites: Sequence[LinkedSite],
        *,
        issuers: Iterable[str],
        flows: Flows,
        cookies: Cookies,
        hints: Hints,
        links: Links,
        events: Events,
    ) -> None:
        self._sites = {site.name: site for site in sites}
        self._issuers = frozenset(issuers)
        self._flows = flows
        self._cookies = cookies
        self._hints = hints
        self._links = links
        self._events = events

    def pages_of_ours(self) -> list[str]:
        """Pages to which a sign-in may lead."""
        return [f"{HOME}/{name}" for name in self._sites]

    def routes(self, shell: Shell) -> dict[str, ASGIApp]:
        """The app of each path."""
        found = {HOME: shell.page(self.all)}
        for site in self._sites.values():
            here = OneSite(self, site)
            found[here.path] = shell.page(here.show, here.disconnect)
            found[here.callback] = shell.page(here.back, here.confirm)
            found[f"{here.path}/done"] = shell.page(here.done)
            found[f"{here.path}/ended"] = shell.page(here.ended)
        return found

    async def all(self, visit: Visit) -> Response:
        """GET /connect."""
        if visit.session is None:
            return pages.elsewhere(login_address(HOME, {}))
        person = visit.session.person
        heads = await self._links(person.issuer, person.subject)
        return connect_pages.overview(visit.session, list(self._sites.values()), heads)

    def _for_whom(self, site: LinkedSite, visit: Visit) -> tuple[str, str] | None:
        """(issuer, subject) of the note in the address; None without one. Raises `Refusal`."""
        if "for" not in visit.query:
            return None
        try:
            issuer, subject = self._hints.open(site.name, visit.query["for"])
        except BadHint:
            raise Refusal(
                400,
                "This address is no longer good",
                "Ask your assistant once more: it gets a new one. Nothing was connected.",
                again=HOME,
            ) from None
        if issuer not in self._issuers:
            raise Refusal(
                400,
                "You cannot sign in here",
                f"Your assistant is signed in at {issuer}, where this gateway cannot sign in your browser. "
                "Ask the operator of the gateway to set up its `login`.",
            )
        return issuer, subject


class OneSite:
    """The pages of one site."""

    def __init__(self, connect: Connect, site: LinkedSite) -> None:
        self._all = connect
        self._site = site
        self.path = f"{HOME}/{site.name}"
        self.callback = f"{self.path}/callback"

    async def show(self, visit: Visit) -> Response:
        """GET: for whom, as whom, and the way to Jira."""
        meant = self._all._for_whom(self._site, visit)
        if visit.session is None:
            wish = {name: visit.query[name] for name in KEPT if name in visit.query}
            return pages.elsewhere(login_address(self.path, wish, meant[0] if meant else ""))
        session, person = visit.session, visit.session.person
        if meant is not None and meant != (person.issuer, person.subject):
            await self._refused(person, "the address was made for another person")
            return connect_pages.another_person(session)
        write = visit.query.get("scope") == "write"
        browser = visit.browser or self._all._cookies.new()
        verifier = generate_token(64)
        facts = {"verifier": verifier, "write": write, **_whose(person)}
        state = await self._all._flows.begin(self._purpose("connect"), browser, facts)
        way = self._site.linking.authorize_url(
            state=state,
            challenge=create_s256_code_challenge(verifier),
            redirect_uri=self._site.callback_url,
            write=write,
        )
        heads = await self._all._links(person.issuer, person.subject)
        response = connect_pages.start(session, self._site, way, heads, write=write)
        self._all._cookies.keep_browser(response, browser)
        return response

    async def back(self, visit: Visit) -> Response:
        """GET callback: the state first, then whose it is, and only then is the code sent anywhere."""
        session, flow = await self._flow("connect", visit.query.get("state", ""), visit)
        if "error" in visit.query or not visit.query.get("code"):
            raise self._declined(visit.query.get("error", ""))
        try:
            account = await self._complete(session.person, flow, code=visit.query["code"])
        except ConfirmationNeeded as asked:
            return await self._ask(visit, session, flow, asked)
        return await self._done(visit, account.name or account.id)

    async def confirm(self, visit: Visit) -> Response:
        """POST callback: yes or no. A no is told to the source as well, which then forgets what it holds."""
        require_own_form(visit)
        session, flow = await self._flow("confirm", visit.form.get("flow", ""), visit)
        if visit.form.get("answer") != "mine":
            await self._not_mine(session.person, flow)
        account = await self._complete(session.person, flow, confirmed=str(flow["account"]))
        return await self._done(visit, account.name or account.id)

    async def done(self, visit: Visit) -> Response:
        """GET done."""
        if visit.session is None:
            return pages.elsewhere(login_address(HOME, {}))
        told = await self._all._flows.end(self._purpose("done"), visit.query.get("told", ""), visit.browser)
        return connect_pages.done(visit.session, self._site, str(told["account"]) if told else "")

    async def disconnect(self, visit: Visit) -> Response:
        """POST: the grant is destroyed here."""
        require_own_form(visit)
        assert visit.session is not None
        await self._site.linking.unlink(visit.session.person)
        return pages.elsewhere(f"{self.path}/ended")

    async def ended(self, visit: Visit) -> Response:
        """GET ended."""
        if visit.session is None:
            return pages.elsewhere(login_address(HOME, {}))
        return connect_pages.disconnected(visit.session, self._site)

    async def _complete(
        self, person: Person, flow: Facts, *, code: str = "", confirmed: str | None = None
    ) -> Account:
        return await self._site.linking.complete(
            person,
            code=code,
            verifier=str(flow.get("verifier", "")),
            redirect_uri=self._site.callback_url,
            write=bool(flow["write"]),
            confirmed=confirmed,
        )

    async def _not_mine(self, person: Person, flow: Facts) -> NoReturn:
        """The person says no: the source is told that no account was confirmed, and forgets what waits."""
        try:
            await self._complete(person, flow, confirmed="")
            await self._site.linking.unlink(person)  # connected before, as an account that is not theirs
        except LinkRefused:
            pass
        raise Refusal(
            400,
            "Nothing was connected",
            "Sign out of Jira in this browser, sign in there with your own account, and connect again.",
            again=self.path,
        )

    async def _ask(self, visit: Visit, session: Session, flow: Facts, asked: ConfirmationNeeded) -> Response:
        """The page that asks whether the account is the person's. Nothing is used before the answer."""
        assert visit.browser is not None
        facts = {"account": asked.account, "write": flow["write"], **_whose(session.person)}
        state = await self._all._flows.begin(self._purpose("confirm"), visit.browser, facts)
        return connect_pages.confirmation(session, self.callback, state, asked)

    async def _done(self, visit: Visit, account: str) -> Response:
        """On to another page, so that the code does not stay in the address bar."""
        assert visit.browser is not None
        told = await self._all._flows.begin(self._purpose("done"), visit.browser, {"account": account})
        return pages.elsewhere(f"{self.path}/done?{urlencode({'told': told})}")

    async def _flow(self, purpose: str, state: str, visit: Visit) -> tuple[Session, Facts]:
        """What this browser began, as the person whom it is signed in as now. Raises `Refusal`."""
        flow = await self._all._flows.end(self._purpose(purpose), state, visit.browser)
        if flow is None or visit.session is None:
            raise Refusal(
                400,
                "This connection cannot be finished",
                "It took longer than ten minutes, was finished before, or was begun in another browser. "
                "Nothing was connected.",
                again=self.path,
            )
        person = visit.session.person
        if _whose(person) != {name: flow[name] for name in ("issuer", "subject")}:
            await self._refused(person, "begun by another person")
            raise Refusal(
                403,
                "Somebody else began this",
                "This browser was signed in as another person when it began. Nothing was connected; "
                "begin again as yourself.",
                again=self.path,
            )
        return visit.session, flow

    def _declined(self, error: str) -> Refusal:
        """What Jira's error means (RFC 6749 §4.1.2.1); its own description is anybody's text and is not shown."""
        known = error if _CODE.fullmatch(error) else "no code"
        text = connect_pages.DECLINED.get(known, connect_pages.MISCONFIGURED.format(error=known))
        return Refusal(400, "Jira was not connected", text, private=f"error {known}", again=self.path)

    async def _refused(self, person: Person, why: str) -> None:
        await self._all._events(
            "link.refused", site=self._site.name, issuer=person.issuer, subject=person.subject, reason=why
        )

    def _purpose(self, step: str) -> str:
        return f"{step}:{self._site.name}"


def _whose(person: Person) -> Mapping[str, str]:
    return {"issuer": person.issuer, "subject": person.subject}
