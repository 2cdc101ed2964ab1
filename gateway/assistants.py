"""Our authorization server towards assistants, composed (`gateway/signin/server/`), where the settings want it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from starlette.types import ASGIApp

from gateway import clock, limits
from gateway.background import background
from gateway.config import Settings
from gateway.credential import Events
from gateway.credential.keys import ClientKeys
from gateway.credential.renewal import Refresher
from gateway.errors import ConfigError, GatewayError
from gateway.http import Outward
from gateway.identity import Authenticator
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.revocation import LIFTED, Revocation, Revocations
from gateway.identity.roles import RoleTable
from gateway.leaving import cut_off_family
from gateway.model import Bearer, Caller
from gateway.public import Internet
from gateway.signin.compose import Room
from gateway.signin.connect import Links
from gateway.signin.flows import Flows
from gateway.signin.provider import Provider
from gateway.signin.server.access import KEY_FILE, AccessTokens
from gateway.signin.server.assertion import Assertion
from gateway.signin.server.assistants import Administrators, ConnectPage
from gateway.signin.server.assistants_page import Address
from gateway.signin.server.authorize import Authorize
from gateway.signin.server.chain import Chain
from gateway.signin.server.clients import Registry
from gateway.signin.server.codes import Codes
from gateway.signin.server.consents import Consents
from gateway.signin.server.documents import Documents
from gateway.signin.server.ending import Ending
from gateway.signin.server.families import Families, FamilyHead
from gateway.signin.server.form import endpoint
from gateway.signin.server.idjag import Assertions, assertion_grant
from gateway.signin.server.metadata import JWT_BEARER, REGISTER, REVOKE, TOKEN, server_metadata_routes
from gateway.signin.server.progress import Progress
from gateway.signin.server.registration import Registration
from gateway.signin.server.resources import Resources
from gateway.signin.server.revoke import Revoke
from gateway.signin.server.sessions_page import SignIns
from gateway.signin.server.token import Token
from gateway.signin.web import Shell
from gateway.store import Store
from gateway.store.sql import Database
from gateway.transport.web import Guard

DAY = 86_400.0


def own_keys(settings: Settings) -> ClientKeys | None:
    """The keys of our access tokens; None where assistants do not sign in with us. Raises `ConfigError`."""
    if settings.signin.mode != "signin":
        return None
    path = settings.signin.key_file or settings.audit.dir / KEY_FILE
    try:
        return ClientKeys(path)
    except (OSError, ValueError) as unusable:
        raise ConfigError(
            [f"signin.key_file: {unusable}. Let the gateway write it, or put EC P-256 keys there."]
        ) from None


@dataclass(frozen=True, slots=True)
class Ground:
    """What the server stands on."""

    settings: Settings
    keys: ClientKeys
    providers: Sequence[Provider]
    refresher: Refresher | None
    outward: Outward
    directories: Mapping[str, CachedGroups]
    roles: Mapping[str, RoleTable]
    """By issuer, as `directories` are."""
    database: Database
    store: Store
    guard: Guard
    revocations: Revocations
    events: Events
    sites: Mapping[str, str]
    """Path of each MCP endpoint -> name of its Jira site."""


class Assistants:
    """The server, and what it keeps."""

    def __init__(self, on: Ground) -> None:
        """Raises `ConfigError`."""
        if not on.providers or on.refresher is None:
            raise ConfigError(
                [
                    "signin.mode: people sign in at a provider with a `login` (`identity.issuers.login`), and what "
                    "it grants is kept under the key of `vault`; set both, or the mode `resource`."
                ]
            )
        self._on, order = on, on.settings.signin
        self._issuer = on.settings.server.public_url
        self.internet = Internet(private_hosts=order.private_hosts, private_ca_file=order.private_ca_file)
        self.registry = Registry(on.database, Documents(self.internet), order, events=on.events)
        self.families = Families.of_settings(on.database, order)
        self.chain = Chain(on.providers, on.refresher)
        self.access = AccessTokens(self._issuer, on.keys, self._naming, seconds=order.access_minutes * 60)
        self.ending = Ending(self.families, self.chain, self._cut_off, on.events)
        self.progress = Progress(on.store)
        self._codes = Codes(on.store)
        self._consents = Consents(on.database)
        self._resources = Resources({self._issuer + path: name for path, name in on.sites.items()})
        self._assertions = self._assertion_judge()
        self.authorize = self._authorization_endpoint()
        self.token = self._token_endpoint()

    def _assertion_judge(self) -> Assertions:
        return Assertions(
            self._on.settings.identity.issuers,
            issuer=self._issuer,
            resources=self._resources,
            outward=self._on.outward,
            store=self._on.store,
            directories=self._on.directories,
        )

    def _authorization_endpoint(self) -> Authorize:
        return Authorize(
            self._issuer,
            clients=self.registry,
            resources=self._resources,
            flows=Flows(self._on.store),
            codes=self._codes,
            consents=self._consents,
            chain=self.chain,
            events=self._on.events,
            roles=self._roles,
            check=self._on.revocations.check,
            seconds=self._on.settings.signin.session_hours * 3600.0,
            progress=self.progress,
        )

    def _token_endpoint(self) -> Token:
        events, check = self._on.events, self._on.revocations.check
        grant = assertion_grant(self._assertions, self.access, self.families, check, self._roles, events)
        return Token(
            clients=self.registry,
            assertion=Assertion(self._on.store, [self._issuer, self._issuer + TOKEN]),
            codes=self._codes,
            families=self.families,
            access=self.access,
            resources=self._resources,
            chain=self.chain,
            ending=self.ending,
            events=events,
            check=check,
            roles=self._roles,
            extensions={JWT_BEARER: grant} if self._assertions else {},
        )

    def routes(self, shell: Shell) -> dict[str, ASGIApp]:
        """The app of each path."""
        guard, store = self._on.guard, self._on.store
        revoke = Revoke(self.token, self.families, self.access, self.ending)
        registration = Registration(self.registry, self._on.settings.signin, store, guard)
        metadata = server_metadata_routes(
            self._issuer, self._on.sites, self.access.jwks, id_jag=bool(self._assertions)
        )
        return {
            **metadata,
            **self.authorize.routes(shell),
            TOKEN: endpoint(self.token.answer, guard, store),
            REVOKE: endpoint(revoke.answer, guard, store),
            REGISTER: registration.app,
        }

    def rooms(self, links: Links, linked: Sequence[str]) -> list[Room]:
        """The pages about assistants; `linked` are the names of the sites at which people connect an account."""
        admins = Administrators(self._on.settings.signin.admin_roles, self._roles)
        return [
            ConnectPage(
                [Address(name, self._issuer + path) for path, name in self._on.sites.items()],
                links=links,
                linked=linked,
                progress=self.progress,
                families=self.families,
                registry=self.registry,
                admins=admins,
            ),
            SignIns(
                self.families,
                self.ending,
                self.registry,
                self.progress,
                admins,
                withdraw=self._consents.withdraw,
            ),
        ]

    def seen(self, inner: Authenticator) -> Authenticator:
        """`inner`, and the check list of the Connect page hears of each call."""
        return _Noticed(inner, self.progress)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While people may sign in: fetch, sweep, forget."""
        async with AsyncExitStack() as parts:
            await parts.enter_async_context(self.internet)
            for work in (self.chain.watch(self._living), self._forgetting()):
                await parts.enter_async_context(background(work))
            yield

    async def end_everything(self, issuer: str, subject: str, reason: str) -> None:
        """All sign-ins of a person with assistants are over. Raises `Unavailable`."""
        for head in await self.families.of(issuer, subject):
            await self.ending.end(head, reason)

    async def heard(self, one: Revocation) -> None:
        """Somebody was cut off, whose tokens are refused by now: what is kept of their sign-ins goes too.

        Raises `Unavailable`; then the next refresh, or the sweep, finds it out.
        """
        for head in await self._concerned(one):
            if await self.families.end(head.id, one.reason or "cut_off"):
                await self.ending.gone(head, one.reason or "cut_off")

    async def _concerned(self, one: Revocation) -> list[FamilyHead]:
        if one.reason == LIFTED:
            return []
        if one.kind == "user":
            found = await self.families.of(one.issuer, one.subject)
        elif one.kind == "client":
            found = await self.families.with_client(one.client)
        elif one.kind == "session":
            found = await self.families.at(one.issuer, one.session)
        else:
            return []
        return [head for head in found if head.began_at <= one.not_before]

    def _roles(self, provider: str, groups: frozenset[str]) -> frozenset[str]:
        return self._on.roles[provider].roles(groups)

    def _naming(self, provider: str, groups: frozenset[str]) -> frozenset[str]:
        """Those groups that give a role."""
        return frozenset(group for group in groups if self._roles(provider, frozenset({group})))

    async def _cut_off(self, family: str, reason: str) -> None:
        await cut_off_family(family, reason, self._on.revocations)

    async def _living(self) -> frozenset[str]:
        return frozenset(head.id for head in await self.families.living())

    async def _forgetting(self) -> None:
        """For ever: once a day what is over for a month goes, and clients that nobody uses."""
        while True:
            await asyncio.sleep(limits.FORGET_SECONDS)
            with suppress(GatewayError):
                await self.families.forget(clock.wall() - 30 * DAY)
                await self.registry.forget_unused()


class _Noticed:
    """An `Authenticator` that notes which sign-ins are in use."""

    def __init__(self, inner: Authenticator, progress: Progress) -> None:
        self._inner = inner
        self._progress = progress

    async def authenticate(self, bearer: Bearer) -> Caller:
        """As the authenticator inside."""
        caller = await self._inner.authenticate(bearer)
        await self._progress.called(caller.family)
        return caller

    def state(self) -> tuple[bool, str]:
        """As the authenticator inside."""
        return self._inner.state()
