"""The sign-in and connect pages of one gateway, put together; and the addresses that assistants are told."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.credential import Events
from gateway.model import Caller
from gateway.signin import pages
from gateway.signin.choice import Choice
from gateway.signin.connect import Connect, Links
from gateway.signin.cookies import Cookies
from gateway.signin.flows import Flows
from gateway.signin.hint import Hints
from gateway.signin.login import HOME, Arrivals, Login
from gateway.signin.provider import Provider
from gateway.signin.sessions import Session, Sessions
from gateway.signin.sites import LinkedSite
from gateway.signin.web import Shell, Visit
from gateway.store import Store
from gateway.transport.web import Guard


def address_for(hints: Hints, url: str, caller: Caller) -> str:
    """The connect page `url` (`…/connect/SITE`, perhaps with a query) with a note for whom it is.

    Any other address is left alone. Nothing of the person can be read in it.
    """
    parts = urlsplit(url)
    before, _, site = parts.path.rpartition("/")
    if not before.endswith(HOME):
        return url
    query = [*parse_qsl(parts.query), ("for", hints.seal(site, caller.issuer, caller.subject))]
    return parts._replace(query=urlencode(query)).geturl()


class Room(Protocol):
    """Pages of their own beside the sign-in and the connections."""

    def pages_of_ours(self) -> Iterable[str]:
        """Those to which a sign-in may lead."""

    def routes(self, shell: Shell) -> dict[str, ASGIApp]:
        """The app of each path."""


class SignIn:
    """All pages. `check` raises `Unauthenticated` for a session that was cut off."""

    def __init__(
        self,
        *,
        public_url: str,
        guard: Guard,
        providers: Sequence[Provider],
        store: Store,
        sites: Sequence[LinkedSite],
        hints: Hints,
        links: Links,
        events: Events,
        check: Callable[[Session], None] = lambda session: None,
        arrivals: Arrivals | None = None,
        rooms: Sequence[Room] = (),
        choice: Choice | None = None,
    ) -> None:
        """`arrivals` goes on for those who sign in because an assistant asked."""
        self._rooms = rooms
        cookies, flows = Cookies(public_url), Flows(store)
        self.sessions = Sessions(store, check)
        self.shell = Shell(guard, cookies, self.sessions, store)
        issuers = [provider.issuer for provider in providers]
        self._connect = Connect(
            sites, issuers=issuers, flows=flows, cookies=cookies, hints=hints, links=links, events=events
        )
        self.login = Login(
            providers,
            public_url=public_url,
            flows=flows,
            sessions=self.sessions,
            cookies=cookies,
            events=events,
            pages_of_ours=[
                *self._connect.pages_of_ours(),
                *(page for room in rooms for page in room.pages_of_ours()),
            ],
            arrivals=arrivals,
            choice=choice,
        )

    def routes(self) -> dict[str, ASGIApp]:
        """The app of each path."""
        style = {pages.STYLE: self.shell.page(_style)}
        found = style | self.login.routes(self.shell) | self._connect.routes(self.shell)
        for room in self._rooms:
            found |= room.routes(self.shell)
        return found


async def _style(visit: Visit) -> Response:
    return pages.stylesheet()
