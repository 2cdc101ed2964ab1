"""The Connect page: what a person sees who types our address into a browser.

    GET  /              leads there
    GET  /assistants    one address, what to type into each assistant, how far the person's own ones are
    POST /assistants    an administrator issues a client id

A tick says what was seen here: that a client sent this person to us, that they signed in with it, that a
call came. Which assistant a client is, is guessed by `guide.which` and for the ticks alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from starlette.responses import Response
from starlette.types import ASGIApp

from gateway import limits
from gateway.model import Person
from gateway.signin import pages
from gateway.signin.connect import Links
from gateway.signin.login import login_address, require_own_form
from gateway.signin.server import Roles
from gateway.signin.server.assistants_page import Address, Come, Shown, connect, issued
from gateway.signin.server.clients import Registry, Terms, Unacceptable
from gateway.signin.server.families import FamilyHead
from gateway.signin.server.guide import Guide, guides, which
from gateway.signin.server.progress import Progress
from gateway.signin.server.shown import plain
from gateway.signin.sessions import Session
from gateway.signin.web import Refusal, Shell, Visit

HERE = pages.ASSISTANTS
_NUMBER = re.compile(r"[0-9]{1,3}")


class Administrators:
    """Who may do more on the pages: people with one of the roles of `signin.admin_roles`."""

    def __init__(self, admin_roles: Iterable[str] = (), roles: Roles = lambda issuer, groups: groups) -> None:
        self._admin_roles = frozenset(admin_roles)
        self._roles = roles

    def has(self, session: Session) -> bool:
        """Whether that person is one; where no roles are set, nobody is."""
        if not self._admin_roles:
            return False
        return bool(self._admin_roles & self._roles(session.person.issuer, session.groups))


class Living(Protocol):
    """What the pages need of `Families`. Raises `Unavailable`."""

    async def of(self, issuer: str, subject: str) -> Sequence[FamilyHead]:
        """The living ones of a person, newest first."""

    async def living(self) -> Sequence[FamilyHead]:
        """All that are not over."""


class ConnectPage:
    """The routes. Without `families` (people sign in at the provider directly) there are no ticks for sign-ins."""

    def __init__(
        self,
        addresses: Sequence[Address],
        *,
        links: Links,
        linked: Sequence[str],
        progress: Progress,
        families: Living | None = None,
        registry: Registry | None = None,
        admins: Administrators | None = None,
    ) -> None:
        """`linked` are the names of the sites at which people connect a Jira account."""
        self._addresses = tuple(addresses)
        self._links = links
        self._linked = frozenset(linked)
        self._progress = progress
        self._families = families
        self._registry = registry
        self._admins = admins or Administrators()
        self._guides = guides()

    def pages_of_ours(self) -> list[str]:
        """Pages to which a sign-in may lead."""
        return [HERE]

    def routes(self, shell: Shell) -> dict[str, ASGIApp]:
        """The app of each path."""
        return {"/": shell.page(_to_us), HERE: shell.page(self.show, self.issue)}

    async def show(self, visit: Visit) -> Response:
        """GET."""
        session = visit.session
        if session is None:
            return pages.elsewhere(login_address(HERE, {}))
        come = await self._come(session.person)
        site = next((a for a in self._addresses if a.site == visit.query.get("site")), self._addresses[0])
        chosen = self._chosen(visit.query.get("client", ""), come)
        shown = Shown(
            self._guides,
            self._addresses,
            site,
            chosen,
            come,
            await self._connected(session.person, site.site),
            0 if come.get(chosen, Come()).whole else _watches(visit.query.get("watch", "")),
            self._may_issue(session),
            self._families is not None,
        )
        return connect(session, shown)

    async def issue(self, visit: Visit) -> Response:
        """POST: a client id, for administrators alone."""
        require_own_form(visit)
        session = visit.session
        assert session is not None
        if self._registry is None or not self._may_issue(session):
            raise Refusal(403, "Only administrators may do this", "Ask them for a client id.")
        form, by = visit.form, session.person
        if not (form.get("name", "").strip() and form.get("owner", "").strip()):
            raise Refusal(400, "Something is missing", "Say its name, and who answers for it.", again=HERE)
        try:
            made = await self._registry.add_static(
                form.get("name", ""),
                form.get("redirects", "").split(),
                auth_method="client_secret_basic" if form.get("secret") else "none",
                terms=Terms(owner=form.get("owner", "")),
                by=f"{by.issuer} {by.subject}",
            )
        except Unacceptable as no:
            raise Refusal(400, "No client id was issued", plain(str(no)), again=HERE) from None
        return issued(session, made.client, made.secret.reveal() if made.secret else "")

    def _may_issue(self, session: Session) -> bool:
        return self._registry is not None and self._admins.has(session)

    def _chosen(self, slug: str, come: Mapping[str, Come]) -> str:
        """The tab that is asked for; else that of the assistant that came last; else the first."""
        known = [guide.slug for guide in self._guides]
        if slug in known:
            return slug
        return max(come, key=lambda one: come[one].found or 0.0, default=known[0])

    async def _connected(self, person: Person, site: str) -> bool | None:
        if site not in self._linked:
            return None
        heads = await self._links(person.issuer, person.subject)
        return any(not head.ended and head.key.upstream in (site, f"{site}/write") for head in heads)

    async def _come(self, person: Person) -> dict[str, Come]:
        """How far the person's assistants of each kind are; of several the one that is furthest."""
        found: dict[str, Come] = {}
        for client_id, at in (await self._progress.asking(person.issuer, person.subject)).items():
            await self._add(found, client_id, "", Come(found=at))
        for head in await self._families.of(person.issuer, person.subject) if self._families else ():
            calls = await self._progress.calls(head.id)
            await self._add(found, head.client, head.host, Come(head.began_at, head.began_at, calls.first))
        return found

    async def _add(self, found: dict[str, Come], client_id: str, host: str, come: Come) -> None:
        guide = await self._which(client_id, host)
        if guide is not None:
            before = found.get(guide.slug)
            if before is None or _far(come) > _far(before):
                found[guide.slug] = come

    async def _which(self, client_id: str, host: str) -> Guide | None:
        """The registry is asked for the name only where nothing better tells."""
        found = which(self._guides, client_id, host)
        if found is not None or self._registry is None:
            return found
        client = await self._registry.peek(client_id)
        return which(self._guides, client_id, host, client.name) if client is not None else None


def _far(come: Come) -> tuple[int, float]:
    steps = (come.found, come.signed, come.called)
    return sum(step is not None for step in steps), come.found or 0.0


def _watches(wished: str) -> int:
    return min(int(wished), limits.WATCHES) if _NUMBER.fullmatch(wished) else 0


async def _to_us(visit: Visit) -> Response:
    return pages.elsewhere(HERE)
