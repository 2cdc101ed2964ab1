"""The composition root; with `site.py`, which composes one Jira site's line, it alone names implementations.

    settings ──> parts ──> the line ──> one ASGI application

Parts are built without side effects and started in `Gateway.running`: the outward pool, the policy
bundle, the record, the transport. They stop in reverse, so the record outlives what writes to it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from starlette.types import ASGIApp

from gateway import __version__
from gateway.assistants import Assistants, Ground, own_keys
from gateway.audit.keys import digest_key, signing_key
from gateway.audit.log import SqliteAuditLog
from gateway.audit.trail import Recorder
from gateway.background import background
from gateway.config import Settings
from gateway.credential.keys import KEY_FILE, ClientKeys
from gateway.credential.refresh import VaultRefresher
from gateway.credential.sealed import vault_from
from gateway.entrance import Entrance
from gateway.errors import ConfigError, GatewayError, Sealed
from gateway.gate import Gate
from gateway.http import Outward
from gateway.identity.events import SecurityEvents
from gateway.identity.revocation import Revocation, Revocations
from gateway.leaving import cut_off
from gateway.pipeline import Pipeline
from gateway.providers import Providers
from gateway.pushing import scim_routes
from gateway.signin.compose import SignIn
from gateway.site import Common, Site, as_it_comes, site_paths
from gateway.store.memory import MemoryStore
from gateway.store.redis import RedisStore
from gateway.store.sql import Database
from gateway.telling import Telling
from gateway.tool import Registry
from gateway.transport.events import PATH as EVENTS
from gateway.transport.events import event_routes
from gateway.transport.health import health_routes
from gateway.transport.metadata import jwks_routes
from gateway.transport.web import Guard, create_web


class Gateway:
    """One gateway, composed from its settings. `app` is the ASGI application."""

    def __init__(self, settings: Settings, *, outward: Outward | None = None) -> None:
        """Raises `ConfigError`."""
        self.settings = settings
        self.stopped_by: Exception | None = None
        """Why it could not start, if it could not."""
        self._ending: set[asyncio.Task[None]] = set()
        self.outward = outward or Outward()
        self.tools = _tools(settings)
        self.log, self.audit = self._audit()
        self.telling = Telling(self.audit.event, settings.audit.dir)
        self.gate = Gate(at_once=settings.limits.calls_at_once, per_person=settings.limits.calls_per_person)
        self.keys = self._keys()
        self.database = Database(settings.database.url.get_secret_value())
        self.revocations = Revocations(self.database, self._cut_off)
        access = own_keys(settings)
        own = access.public if access else None
        self.providers = Providers(settings, self.outward, self.revocations, own, client_keys=self.keys)
        self.vault = vault_from(settings, self.outward, self.database)
        shared = settings.store.url.get_secret_value()
        self.store = RedisStore(shared) if shared else MemoryStore()
        self.refresher = self._refresher()
        entrance = Entrance(settings, self.keys, self.outward, self.providers.directories)
        self.assistants = self._assistants(access, entrance)
        common = Common(
            settings,
            self.outward,
            self.tools,
            self.audit,
            self.gate,
            self.providers,
            self.keys,
            address=entrance.address,
            refresher=self.refresher,
            chain=self.assistants.chain if self.assistants is not None else None,
            seen=self.assistants.seen if self.assistants is not None else as_it_comes,
        )
        self.sites = [Site(common, path, site) for path, site in site_paths(settings).items()]
        self.signin = self._signin(entrance)
        self.app = self._web(self._pushed(entrance.guard))

    @property
    def line(self) -> Pipeline:
        """The line of the first site."""
        return self.sites[0].line

    def _cut_off(self, one: Revocation) -> None:
        """What is kept in memory of somebody who was cut off goes at once; and the record is told."""
        for site in self.sites:
            site.credentials.forget(
                one.issuer,
                one.subject,
                client=one.client if one.kind == "client" else "",
                actor=one.client if one.kind == "agent" else "",
                session=one.session,
            )
        self.telling.hear(one)
        if self.assistants is not None:
            self._ending.add(task := asyncio.create_task(self._ended(one)))
            task.add_done_callback(self._ending.discard)

    async def _ended(self, one: Revocation) -> None:
        assert self.assistants is not None
        with suppress(GatewayError):  # the next refresh, or the sweep, finds it out
            await self.assistants.heard(one)

    def _refresher(self) -> VaultRefresher | None:
        if self.vault is None:
            return None
        return VaultRefresher(self.vault, self.store, events=self.audit.event)

    def _events(self) -> dict[str, ASGIApp]:
        """Where providers push security events, for those that may."""
        profiles = self.providers.pushing()
        if not profiles:
            return {}
        act = partial(cut_off, revocations=self.revocations, vault=self.vault)
        audience = f"{self.settings.server.public_url}{EVENTS}"
        events = SecurityEvents(profiles, self.providers.keys, act, self.store, audience=audience)
        return event_routes(events.take)

    def _pushed(self, guard: Guard) -> dict[str, ASGIApp]:
        """Where a provider pushes people."""
        return scim_routes(
            self.settings,
            database=self.database,
            store=self.store,
            guard=guard,
            revocations=self.revocations,
            vault=self.vault,
            end_all=self.assistants.end_everything if self.assistants is not None else None,
        )

    def _signin(self, entrance: Entrance) -> SignIn | None:
        """The pages for people."""
        pages = entrance.pages(
            store=self.store,
            vault=self.vault,
            sites=[site.linked for site in self.sites if site.linked is not None],
            events=self.audit.event,
            check=self.revocations.check,
            assistants=self.assistants,
        )
        if self.assistants is not None and pages is not None:
            self.assistants.authorize.joined(pages.login, pages.login.choice.for_assistant)
        return pages

    def _assistants(self, access: ClientKeys | None, entrance: Entrance) -> Assistants | None:
        """Our authorization server; None where assistants sign in at the provider itself."""
        if access is None:
            return None
        ground = Ground(
            self.settings,
            access,
            providers=entrance.providers,
            refresher=self.refresher,
            outward=self.outward,
            directories=self.providers.directories,
            roles=self.providers.roles,
            database=self.database,
            store=self.store,
            guard=entrance.guard,
            revocations=self.revocations,
            events=self.audit.event,
            sites={path: site.name for path, site in site_paths(self.settings).items()},
        )
        return Assistants(ground)

    def _audit(self) -> tuple[SqliteAuditLog, Recorder]:
        place = self.settings.audit
        key_file = place.key_file or place.dir / "checkpoint.key"
        log = SqliteAuditLog(place.dir, key_file, place.second, checkpoint_seconds=place.checkpoint_seconds)
        try:
            key = digest_key(place.dir / "digest.key")
            signing_key(key_file)
        except (OSError, ValueError) as unusable:
            raise ConfigError(
                [f"audit: {unusable}. Make `audit.dir` writable for the gateway, and its keys whole."]
            ) from None
        return log, Recorder(log, version=__version__, key=key)

    def _keys(self) -> ClientKeys:
        try:
            return ClientKeys(self.settings.client.key_file or self.settings.audit.dir / KEY_FILE)
        except (OSError, ValueError) as unusable:
            raise ConfigError(
                [f"client.key_file: {unusable}. Let the gateway write it, or put EC P-256 keys there."]
            ) from None

    def _web(self, pushed: dict[str, ASGIApp]) -> ASGIApp:
        endpoints: dict[str, ASGIApp] = {site.path: site.endpoint for site in self.sites}
        routes = jwks_routes(self.keys.jwks) | self._events() | pushed
        if self.signin is not None:
            routes |= self.signin.routes()
            if self.assistants is not None:
                routes |= self.assistants.routes(self.signin.shell)
        for site in reversed(self.sites):  # the first one's metadata also stands at the root
            routes |= site.metadata()
        parts = {
            "identity": self.providers.state,
            "audit": self.audit.state,
            "database": self.database.state,
            "store": self.store.state,
            "revocations": self.revocations.state,
        }
        if self.vault is not None:
            parts["vault"] = self.vault.state
        if self.refresher is not None:
            parts["refresh"] = self.refresher.state
        for site in self.sites:
            parts |= site.states()
        return create_web(
            endpoints | routes | health_routes(parts, reported=("jira", "store", "refresh")),
            lifespans=[self.running, *(site.endpoint.running for site in self.sites)],
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the parts; stop them in reverse. Raises `ConfigError` or `Sealed` when one cannot start."""
        async with AsyncExitStack() as parts:
            await parts.enter_async_context(self.outward)
            try:
                await self.audit.start()
            except Sealed as stopped:
                self.stopped_by = stopped
                raise
            parts.push_async_callback(self.audit.stop)
            await self._keep(parts)
            for site in self.sites:
                await parts.enter_async_context(background(self._watch_policy(site)))
            yield

    async def _keep(self, parts: AsyncExitStack) -> None:
        """What replicas share, the database, and the vault in it."""
        await parts.enter_async_context(self.store)
        await parts.enter_async_context(background(self.store.watch()))
        try:
            await parts.enter_async_context(self.database)
            await parts.enter_async_context(background(self.database.watch()))
            await self.revocations.load()
            await self.telling.catch_up(await self.revocations.all())
            await parts.enter_async_context(background(self.telling.run()))
            await parts.enter_async_context(background(self.revocations.watch()))
            if self.vault is not None:
                await self.vault.start()
                await parts.enter_async_context(background(self.vault.watch()))
            if self.refresher is not None:  # stops first, while all that it needs is there
                await parts.enter_async_context(self.refresher)
            if self.assistants is not None:
                await parts.enter_async_context(self.assistants.running())
        except ConfigError as wrong:
            self.stopped_by = wrong
            raise

    async def _watch_policy(self, site: Site) -> None:
        """Record each bundle that comes into force, and look for the next one."""
        recorded = ""
        while True:
            digest = site.policy.digest
            if digest != recorded:
                with suppress(Sealed):  # told again when the record works again
                    await self.audit.event("policy.loaded", policy=digest, site=site.name)
                    recorded = digest
            await asyncio.sleep(self.settings.policy.reload_seconds)
            await asyncio.to_thread(site.policy.look)


def _tools(settings: Settings) -> Registry:
    try:
        return Registry.load(settings.tools.modules)
    except ImportError as absent:
        raise ConfigError(
            [f"tools.modules: {absent.name} cannot be imported. Correct its name or install it."]
        ) from None
