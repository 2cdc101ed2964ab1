"""One assistant's whole sign-in against a live gateway, step by step, as its profile says.

Without somebody who signs in it ends before the sign-in. What a step finds wrong ends the replay where the
assistant would end too; the lines until then are told. At its end the replay revokes what it was given; where it
registered, the last line says what stays in the registry.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.doctor import Line, good, note, wrong
from gateway.doctor.clients import COLUMNS, Profile
from gateway.doctor.clients.calls import STEP_UP, Session, call, needs_more
from gateway.doctor.clients.discover import Found, discover
from gateway.doctor.clients.refreshing import Refreshing
from gateway.doctor.clients.signing import (
    Opener,
    Registered,
    Tokens,
    asked,
    nobody,
    register,
    request,
    sign_in,
    stays,
)
from gateway.doctor.clients.speech import Stopped
from gateway.http import Outward

READ = "jira:read"


@dataclass(frozen=True, slots=True)
class Replay:
    """`async for line in Replay(profile, url, doors).lines(): …`"""

    profile: Profile
    url: str
    """What people type into their assistant."""
    doors: tuple[Outward, Outward]
    opener: Opener | None = None
    """How a person signs in; None: nobody does."""
    document: str = ""
    """Where its document is for this run; default: where its maker publishes it."""
    by_itself: bool = False
    """Register by itself even where documents are taken."""

    async def lines(self) -> AsyncIterator[Line]:
        """Each check as it comes."""
        left = list[Line]()
        try:
            async for line in self._steps(left):
                yield line
        except Stopped as stopped:
            yield stopped.line
        for line in left:
            yield line

    async def _steps(self, left: list[Line]) -> AsyncIterator[Line]:
        """`left` gets what stays after it, however it ends."""
        http = self.doors[0]
        found = await discover(http, self.profile, self.url)
        for line in found.lines:
            yield line
        document, by_document = self.document or self.profile.document, self._by_document(found)
        client, line = await register(http, self.profile, found, document=document, by_document=by_document)
        if not by_document:
            left.append(stays(self.profile, found, client))
        yield line
        if line.state == "wrong":
            return
        made = request(self.profile, found, client, found.scopes(self.profile))
        yield await asked(http, client, made)
        if self.opener is None:
            yield nobody()
            return
        # The first request was opened by nobody; a browser gets its own.
        made = request(self.profile, found, client, found.scopes(self.profile))
        held, lines = await sign_in(http, self.profile, found, client, made, self.opener)
        async for line in self._signed_in(found, client, held, lines):
            yield line

    async def _signed_in(
        self, found: Found, client: Registered, held: Tokens, lines: list[Line]
    ) -> AsyncIterator[Line]:
        session = Session(self.doors[0], self.profile, self.url)
        refreshing = Refreshing(self.doors, self.profile, found, client)
        for line in [*lines, *await call(session, held.access)]:
            yield line
        held, lines = await refreshing.run(held, session)
        for line in [*lines, await refreshing.unknown()]:
            yield line
        if self.profile.steps_up:
            async for line in self._steps_up(found, client, session):
                yield line
        else:
            yield note(STEP_UP, "this assistant is not known to")
        for line in await refreshing.revoke(held):
            yield line

    async def _steps_up(self, found: Found, client: Registered, session: Session) -> AsyncIterator[Line]:
        """Reading only, then a write, then the scopes that the 403 names."""
        assert self.opener is not None
        http, profile = self.doors[0], self.profile
        narrow = request(profile, found, client, READ)
        reading, _ = await sign_in(http, profile, found, client, narrow, self.opener)
        wanted, line = await needs_more(session, reading.access)
        yield line
        if wanted:
            wide = request(profile, found, client, wanted)
            more, _ = await sign_in(http, profile, found, client, wide, self.opener)
            what = f"{STEP_UP}: more"
            if set(wanted.split()) <= more.scopes:
                yield good(what, f"signed in again for {wanted}")
            else:
                yield wrong(
                    what, f"granted {' '.join(sorted(more.scopes))} only", "The person's grant is less."
                )
            await Refreshing(self.doors, profile, found, client).revoke(more)
        await Refreshing(self.doors, profile, found, client).revoke(reading)

    def _by_document(self, found: Found) -> bool:
        taken = found.server.get("client_id_metadata_document_supported") is True
        return bool(self.profile.document) and taken and not self.by_itself


@asynccontextmanager
async def two_doors() -> AsyncIterator[tuple[Outward, Outward]]:
    """Two pools: nothing of one connection is seen in the other."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(Outward()), await stack.enter_async_context(Outward())


def column(line: Line) -> str:
    """Of the table: the first words of what was looked at."""
    return next(name for name in COLUMNS if line.what == name or line.what.startswith(f"{name}:"))
