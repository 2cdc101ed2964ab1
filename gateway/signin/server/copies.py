"""Copies of client ID metadata documents, in SQL: fresh ones are used, others fetched anew.

fresh                      used
fetched, and good          replaces the copy; what was decided about the client here stays
cannot be had now          the last good copy serves, for some days
there, and not good        the client is unknown; the copy is kept, and not used
"""

import logging
from dataclasses import replace
from functools import partial
from typing import Protocol

from gateway import clock, limits
from gateway.signin.server import Admission, UnknownClient, client_rows
from gateway.signin.server.client_rows import Kept
from gateway.signin.server.documents import Document, DocumentUnavailable
from gateway.store.sql import Database, IntegrityError

log = logging.getLogger("gateway.signin")


class Fetches(Protocol):
    """How documents are had (`documents.py`)."""

    async def fetch(self, client_id: str) -> Document:
        """Raises `UnknownClient` for one that is not good, `DocumentUnavailable` for one that cannot be had."""


class Copies:
    """The rows of the table `clients` that are copies. Raises `Unavailable` when the database does not answer."""

    def __init__(self, database: Database, documents: Fetches) -> None:
        self._database = database
        self._documents = documents

    async def fresh(self, client_id: str, kept: Kept | None, admission: Admission) -> tuple[Kept, bool]:
        """The client, and whether it is new here, with that `admission`. Raises `UnknownClient`."""
        now = clock.wall()
        if kept is not None and kept.fresh_until > now:
            return kept, False
        try:
            document = await self._documents.fetch(client_id)
        except DocumentUnavailable as away:
            if kept is None or not _serves(kept, now):
                raise
            log.warning("the last good copy of %s serves: %s %s", client_id, away, away.private)
            again = now + limits.CLIENT_DOCUMENT_FRESH[0]
            await self._database.run(partial(client_rows.postpone, client_id, again))
            return kept, False
        client = replace(
            document.client, id=client_id, registration="document", admission=admission, created_at=now
        )
        work = partial(client_rows.keep_document, client, now, now + document.fresh_seconds)
        try:
            new = await self._database.run(work)
        except IntegrityError:  # somebody else was quicker
            new = await self._database.run(work)
        found = await self._database.read(partial(client_rows.read, client_id))
        if found is None:
            raise UnknownClient("The client was revoked at this moment; try again.")
        return found, new


def _serves(kept: Kept, now: float) -> bool:
    return kept.fetched_at is not None and now - kept.fetched_at <= limits.CLIENT_DOCUMENT_STALE_SECONDS
