"""A registry on SQLite, documents that answer as a test says, and the record as a list."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.settings.signin import SignIn
from gateway.signin.server import Client, UnknownClient
from gateway.signin.server.clients import Registry
from gateway.signin.server.documents import Document
from gateway.store.sql import Database

CODE = "https://claude.ai/oauth/claude-code-client-metadata"


def document(id: str = CODE, *redirects: str, name: str = "Claude Code", seconds: float = 600.0) -> Document:
    """A good one."""
    uris = redirects or ("http://localhost/callback", "http://127.0.0.1/callback")
    return Document(Client(id, "document", name, uris), seconds)


class Published:
    """Documents, by address: a good one, or what fetching it raises. `asked` is every fetch."""

    def __init__(self) -> None:
        self.known: dict[str, Document | UnknownClient] = {CODE: document()}
        self.asked: list[str] = []

    async def fetch(self, client_id: str) -> Document:
        self.asked.append(client_id)
        found = self.known.get(client_id, UnknownClient("no such document"))
        if isinstance(found, UnknownClient):
            raise found
        return found


class Book:
    """The record."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


class Desk:
    """A registry and what it stands on; `another` is the same database seen by another replica."""

    def __init__(self, database: Database, settings: SignIn) -> None:
        self.database = database
        self.published = Published()
        self.book = Book()
        self.registry = Registry(database, self.published, settings, events=self.book)

    def another(self, **settings: Any) -> Registry:
        return Registry(
            self.database, self.published, SignIn(**{"admission": "open", **settings}), events=self.book
        )


@asynccontextmanager
async def desk(folder: Path, url: str = "", **settings: Any) -> AsyncIterator[Desk]:
    """With those settings of `signin`; on SQLite in that folder, unless a `url` names another database."""
    async with Database(url or f"sqlite:///{folder}/gateway.db") as database:
        yield Desk(database, SignIn(**{"admission": "open", **settings}))
