"""Sign-ins with assistants: a person sees and ends their own, an administrator everybody's.

    GET  /assistants/sign-ins         one's own; for administrators `?of=all`, and `?find=…` among them
    POST /assistants/sign-ins         ends one (`family`), or all of one's own (`all`)
    GET  /assistants/sign-ins/ended   it is over

The protocol has no sessions that last. A sign-in here is a family: one consent of one person to one
assistant, with all the tokens that came of it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol

from starlette.responses import Response
from starlette.types import ASGIApp

from gateway import clock, limits
from gateway.signin import pages
from gateway.signin.login import login_address, require_own_form
from gateway.signin.server import Client
from gateway.signin.server.assistants import Administrators
from gateway.signin.server.families import FamilyHead
from gateway.signin.server.progress import Progress
from gateway.signin.server.shown import SCOPES, plain
from gateway.signin.sessions import Session
from gateway.signin.web import Refusal, Shell, Visit

HERE = pages.SIGN_INS
ENDED = f"{HERE}/ended"


class Families(Protocol):
    """What is needed of `families.py`. Raises `Unavailable`."""

    async def of(self, issuer: str, subject: str) -> Sequence[FamilyHead]:
        """The living ones of a person."""

    async def living(self) -> Sequence[FamilyHead]:
        """All that are not over."""


class Ends(Protocol):
    """What is needed of `ending.py`. Raises `Unavailable`."""

    async def end(self, head: FamilyHead, reason: str) -> bool:
        """It is over, on every replica and on record."""


Withdraw = Callable[[str, str, str], Awaitable[None]]
"""(issuer, subject, client) -> once that assistant has to ask this person again."""


class Names(Protocol):
    """What is needed of the registry."""

    async def peek(self, client_id: str) -> Client | None:
        """The client as it is known here; nothing is fetched."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sign-in, as it is shown."""

    head: FamilyHead
    name: str
    """As the assistant calls itself."""
    used_at: float
    """The last call or refresh that we know of."""


class SignIns:
    """The routes."""

    def __init__(
        self,
        families: Families,
        ending: Ends,
        names: Names,
        progress: Progress,
        admins: Administrators,
        *,
        withdraw: Withdraw | None = None,
    ) -> None:
        """`withdraw` takes back what a person allowed an assistant whose sign-in they end."""
        self._withdraw = withdraw
        self._families = families
        self._ending = ending
        self._names = names
        self._progress = progress
        self._admins = admins

    def pages_of_ours(self) -> list[str]:
        """Pages to which a sign-in may lead."""
        return [HERE]

    def routes(self, shell: Shell) -> dict[str, ASGIApp]:
        """The app of each path."""
        return {HERE: shell.page(self.show, self.end), ENDED: shell.page(self.ended)}

    async def show(self, visit: Visit) -> Response:
        """GET."""
        session = visit.session
        if session is None:
            return pages.elsewhere(login_address(HERE, {}))
        admin = self._admins.has(session)
        if visit.query.get("of") == "all":
            if not admin:
                raise Refusal(403, "Only administrators see others' sign-ins", "See your own.", again=HERE)
            sought = visit.query.get("find", "").strip()
            found = [head for head in await self._families.living() if not sought or _has(head, sought)]
            rows = [await self._row(head) for head in found[: limits.SIGN_INS_SHOWN]]
            return everybodys(session, rows, len(found), sought)
        own = await self._families.of(session.person.issuer, session.person.subject)
        return ones_own(session, [await self._row(head) for head in own], admin=admin)

    async def end(self, visit: Visit) -> Response:
        """POST."""
        require_own_form(visit)
        session = visit.session
        assert session is not None
        person, id = session.person, visit.form.get("family", "")
        own = await self._families.of(person.issuer, person.subject)
        if visit.form.get("all") == "yes":
            for head in own:
                await self._end_own(head)
            return pages.elsewhere(ENDED)
        mine = next((head for head in own if head.id == id), None)
        if mine is not None:
            await self._end_own(mine)
        elif self._admins.has(session):
            await self._end_anothers(session, id)
        return pages.elsewhere(ENDED)  # the same for what is not there: nobody learns whose an id is

    async def ended(self, visit: Visit) -> Response:
        """GET ended."""
        if visit.session is None:
            return pages.elsewhere(login_address(HERE, {}))
        told = "What you ended is over. Access ends within a second, on every server of the gateway."
        body = (
            pages.notice(told, "good")
            + "<p>The assistant notices at its next call, and then asks to sign in again. "
            "What it already read stays with it: remove the connection there as well, if you no longer want it.</p>"
            f'<p class="row">{pages.link(HERE, "See your sign-ins")}</p>'
        )
        return pages.page("Ended", body, visit.session)

    async def _end_own(self, head: FamilyHead) -> None:
        await self._ending.end(head, "person")
        if self._withdraw is not None:
            await self._withdraw(head.issuer, head.subject, head.client)

    async def _end_anothers(self, session: Session, id: str) -> None:
        found = next((head for head in await self._families.living() if head.id == id), None)
        if found is not None:
            await self._ending.end(found, f"administrator {session.person.subject}")

    async def _row(self, head: FamilyHead) -> Row:
        client = await self._names.peek(head.client)
        last = (await self._progress.calls(head.id)).last
        return Row(head, client.name if client else "", max(head.used_at, last or 0.0))


def ones_own(session: Session, rows: Sequence[Row], *, admin: bool = False) -> Response:
    """The person's own."""
    body = '<p class="lead">Each is an assistant that acts in Jira as you until you end it, or it ends by itself.</p>'
    way = f'<p class="row">{pages.link(pages.ASSISTANTS, "Connect one", main=True)}</p>'
    none = f"<p>No assistant is signed in as you.</p>{way}"
    body += "".join(_panel(session, row) for row in rows) or none
    if len(rows) > 1:
        button = '<button class="end" type="submit">End all of them</button>'
        body += f'<div class="row">{pages.form(session, HERE, button, [("all", "yes")])}</div>'
    if admin:
        body += f'<p><a href="{HERE}?of=all">Everybody\'s sign-ins</a></p>'
    return pages.page("Your sign-ins with assistants", body, session)


def everybodys(session: Session, rows: Sequence[Row], count: int, sought: str) -> Response:
    """For an administrator."""
    search = (
        f'<form method="get" action="{HERE}" role="search"><input type="hidden" name="of" value="all">'
        '<label for="find">Person, assistant or host</label>'
        f'<p class="row"><input id="find" name="find" value="{escape(sought)}" maxlength="200">'
        '<button type="submit">Find</button></p></form>'
    )
    shown = f"{count} found" + (f", the newest {len(rows)} shown" if count > len(rows) else "")
    body = search + f'<p class="lead" role="status">{shown}.</p>'
    body += "".join(_panel(session, row, whose=True) for row in rows)
    return pages.page("Everybody's sign-ins with assistants", body, session)


def idle(seconds: float) -> str:
    """How long nothing happened, in one unit."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            many = int(seconds // size)
            return f"{many} {unit}{'' if many == 1 else 's'}"
    return "less than a minute"


def _panel(session: Session, row: Row, *, whose: bool = False) -> str:
    head = row.head
    name = plain(row.name, limits.SHOWN_NAME_CHARS)
    called = f"calls itself <q><bdi>{escape(name)}</bdi></q>" if name else "gave no name"
    mark = escape(head.id)
    label = escape(f"End the sign-in with {name or 'the assistant'} on {plain(head.host)}")
    button = f'<button class="end" type="submit" aria-label="{label}">End</button>'
    return (
        f'<section class="panel" aria-labelledby="f-{mark}"><div class="head">'
        f'<h2 id="f-{mark}"><bdi>{escape(plain(head.host))}</bdi></h2>'
        f'<span class="self">{called}</span></div>'
        f'<div class="body">{pages.facts(_facts(row, whose=whose))}'
        f"{pages.form(session, HERE, button, [('family', head.id)])}</div></section>"
    )


def _facts(row: Row, *, whose: bool) -> list[tuple[str, str]]:
    head = row.head
    may = "; ".join(text for scope, text in SCOPES.items() if scope in head.scopes) or "Nothing"
    may = ", ".join(sorted(head.scopes)) if whose else may  # the words speak to the person themselves
    proof = {"attested": "proved", "asserted": "not proved: it only says so"}
    person = [("Person", f"<code>{escape(head.subject)}</code> at {escape(head.issuer)}")] if whose else []
    return [
        *person,
        ("May", escape(may)),
        ("Signed in", pages.moment(head.began_at)),
        ("Last used", f"{pages.moment(row.used_at)}, {idle(max(0.0, clock.wall() - row.used_at))} ago"),
        ("Ends at the latest", pages.moment(head.expires_at)),
        ("Which assistant", escape(proof.get(head.assurance, head.assurance))),
        ("Client id", f"<code>{escape(plain(head.client))}</code>"),
    ]


def _has(head: FamilyHead, sought: str) -> bool:
    return any(sought.lower() in text.lower() for text in (head.subject, head.client, head.host))
