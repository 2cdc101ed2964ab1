"""The pages about assistants, served beside the sign-in; sign-ins with assistants in SQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway import clock
from gateway.model import Person
from gateway.signin.server import Client
from gateway.signin.server.assistants import Administrators, ConnectPage
from gateway.signin.server.assistants_page import Address
from gateway.signin.server.consent_page import Ask
from gateway.signin.server.families import Facts, Families, FamilyHead, new_id
from gateway.signin.server.progress import Progress
from gateway.signin.server.sessions_page import SignIns
from gateway.signin.sessions import Session
from gateway.store.memory import MemoryStore
from tests.signin import world as worlds
from tests.signin.registries import Desk, desk
from tests.signin.world import SITE, World

CLAUDE_CODE = "https://claude.ai/oauth/claude-code-client-metadata"
FUTURE = 4_000_000_000.0


class Ended:
    """Ends families, and remembers why."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self.told: list[tuple[str, str]] = []

    async def end(self, head: FamilyHead, reason: str) -> bool:
        self.told.append((head.id, reason))
        return await self._families.end(head.id, reason)


@dataclass
class House:
    """The world, and what its rooms stand on."""

    world: World
    desk: Desk
    families: Families
    ended: Ended
    progress: Progress

    async def signed_in(self, user: str, client: str = "dyn-1", host: str = "claude.ai", **more: Any) -> str:
        """A sign-in of that person with that assistant; its id."""
        now = clock.wall()
        facts: dict[str, Any] = {"began_at": now, "used_at": now, "expires_at": now + 86_400.0, **more}
        scopes = frozenset({"jira:read", "offline_access"})
        resource = f"{self.world.url}/mcp"
        head = FamilyHead(
            new_id(), self.world.issuer, user, client, host, "asserted", scopes, resource, **facts
        )
        await self.families.begin(head, Facts())
        return head.id

    async def living(self) -> set[str]:
        """Ids of all that are not over."""
        return {head.id for head in await self.families.living()}


@asynccontextmanager
async def house(
    folder: Path,
    *,
    admin_roles: tuple[str, ...] = (),
    sites: tuple[str, ...] = (SITE,),
    linked: tuple[str, ...] = (SITE,),
    signin: bool = True,
) -> AsyncIterator[House]:
    """All of it, running; without `signin` as where assistants sign in at the provider."""
    async with desk(folder) as made:
        families = Families(made.database, grace=60.0, idle=86_400.0)
        ended, progress = Ended(families), Progress(MemoryStore())
        admins = Administrators(admin_roles)

        def rooms(url: str, links: Any, store: Any) -> list[Any]:
            paths = {site: "/mcp" if site == sites[0] else f"/mcp/{site}" for site in sites}
            addresses = [Address(site, url + path) for site, path in paths.items()]
            if not signin:
                return [ConnectPage(addresses, links=links, linked=linked, progress=progress)]
            return [
                ConnectPage(
                    addresses,
                    links=links,
                    linked=linked,
                    progress=progress,
                    families=families,
                    registry=made.registry,
                    admins=admins,
                ),
                SignIns(families, ended, made.registry, progress, admins),
            ]

        async with worlds.world(rooms=rooms, settings={"groups": ("groups",)}) as running:
            yield House(running, made, families, ended, progress)


def session(name: str = "Ana Alvarez") -> Session:
    """A browser's session, for pages that are only rendered."""
    return Session("s" * 43, Person("https://login.corp.test", "ana", "ana@corp.test", name), 0.0)


def client(**facts: Any) -> Client:
    """An assistant that registered itself."""
    return Client(**{"id": "dyn-1", "registration": "dynamic", "name": "Helper", **facts})


@dataclass(frozen=True)
class Asked:
    """What a test changes of `ask`."""

    client: Client = field(default_factory=client)
    redirect_uri: str = "https://helper.example/callback"


def ask(asked: Asked | None = None, **more: Any) -> Ask:
    """A question."""
    asked = asked or Asked()
    facts: dict[str, Any] = {
        "scopes": ["jira:read", "jira:write", "offline_access"],
        "sites": ["acme"],
        "ends_at": FUTURE,
        "flow": "flow-1",
        "action": "/consent",
    }
    return Ask(client=asked.client, redirect_uri=asked.redirect_uri, **{**facts, **more})
