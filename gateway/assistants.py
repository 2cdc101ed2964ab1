"""Our authorization server towards assistants, composed (`gateway/signin/server/`), where the settings want it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from starlette.types import ASGIApp

from gateway import clock, limits
from gateway.config import Settings
from gateway.credential import Events
from gateway.credential.keys import ClientKeys
from gateway.credential.renewal import Refresher
from gateway.errors import ConfigError, GatewayError
from gateway.identity.revocation import Revocation, Revocations
from gateway.identity.roles import RoleTable
from gateway.public import Internet
from gateway.signin.flows import Flows
from gateway.signin.provider import Provider
from gateway.signin.server.access import KEY_FILE, AccessTokens
from gateway.signin.server.assertion import Assertion
from gateway.signin.server.authorize import Authorize
from gateway.signin.server.chain import Chain
from gateway.signin.server.clients import Registry
from gateway.signin.server.codes import Codes
from gateway.signin.server.consents import Consents
from gateway.signin.server.documents import Documents
from gateway.signin.server.ending import Ending
from gateway.signin.server.families import Families
from gateway.signin.server.form import endpoint
from gateway.signin.server.metadata import REGISTER, REVOKE, TOKEN, server_metadata_routes
from gateway.signin.server.registration import Registration
from gateway.signin.server.resources import Resources
from gateway.signin.server.revoke import Revoke
from gateway.signin.server.token import Token
from gateway.signin.web import Shell
from gateway.store import Store
from gateway.store.sql import Database
from gateway.transport.web import Guard

log = logging.getLogger("gateway.signin")

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


class Assistants:
    """The server, and what it keeps. `sites`: path of each MCP endpoint -> name of its Jira site."""

    def __init__(
        self,
        settings: Settings,
        keys: ClientKeys,
        *,
        providers: Sequence[Provider],
        refresher: Refresher | None,
        database: Database,
        store: Store,
        guard: Guard,
        revocations: Revocations,
        events: Events,
        sites: Mapping[str, str],
    ) -> None:
        """Raises `ConfigError`."""
        if not providers or refresher is None:
            raise ConfigError(
                [
                    "signin.mode: people sign in at a provider with a `login` (`identity.issuers.login`), and what "
                    "it grants is kept under the key of `vault`; set both, or the mode `resource`."
                ]
            )
        order, issuer = settings.signin, settings.server.public_url
        tables = {one.issuer: RoleTable(one.roles) for one in settings.identity.issuers}
        self._paths = list(sites)
        self._issuer, self._store = issuer, store
        self.internet = Internet(private_hosts=order.private_hosts, private_ca_file=order.private_ca_file)
        self.registry = Registry(database, Documents(self.internet), order, events=events)
        self.families = Families(database, grace=order.grace_seconds, idle=order.refresh_days * DAY)
        self.consents = Consents(database)
        self.chain = Chain(providers, refresher)
        self.access = AccessTokens(issuer, keys, partial(_naming, tables), seconds=order.access_minutes * 60)
        cut_off = partial(_cut_off, revocations)
        self.ending = Ending(self.families, self.chain, cut_off, events)
        codes, resources = Codes(store), Resources(issuer, {issuer + path: sites[path] for path in sites})
        self.authorize = Authorize(
            issuer,
            clients=self.registry,
            resources=resources,
            flows=Flows(store),
            codes=codes,
            consents=self.consents,
            chain=self.chain,
            events=events,
            roles=lambda provider, groups: tables[provider].roles(groups),
            seconds=order.session_hours * 3600.0,
        )
        self.token = Token(
            clients=self.registry,
            assertion=Assertion(store, [issuer, issuer + TOKEN]),
            codes=codes,
            families=self.families,
            access=self.access,
            resources=resources,
            chain=self.chain,
            ending=self.ending,
            events=events,
            check=revocations.check,
        )
        self._revoke = Revoke(self.token, self.families, self.access, self.ending)
        self._registration = Registration(self.registry, order, store, guard)
        self._guard = guard

    def routes(self, shell: Shell) -> dict[str, ASGIApp]:
        """The app of each path."""
        return {
            **server_metadata_routes(self._issuer, self._paths, self.access.jwks),
            **self.authorize.routes(shell),
            TOKEN: endpoint(self.token.answer, self._guard, self._store),
            REVOKE: endpoint(self._revoke.answer, self._guard, self._store),
            REGISTER: self._registration.app,
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While people may sign in: fetch, sweep, forget."""
        async with AsyncExitStack() as parts:
            await parts.enter_async_context(self.internet)
            for work in (self.chain.watch(self._living), self._forgetting()):
                task = asyncio.create_task(work)
                parts.push_async_callback(_stopped, task)
            yield

    async def end_everything(self, issuer: str, subject: str, reason: str) -> None:
        """All sign-ins of a person with assistants are over. Raises `Unavailable`."""
        for head in await self.families.of(issuer, subject):
            await self.ending.end(head, reason)

    async def _living(self) -> frozenset[str]:
        return frozenset(head.id for head in await self.families.living())

    async def _forgetting(self) -> None:
        """For ever: once a day what is over for a month goes, and clients that nobody uses."""
        while True:
            await asyncio.sleep(limits.FORGET_SECONDS)
            with suppress(GatewayError):
                await self.families.forget(clock.wall() - 30 * DAY)
                await self.registry.forget_unused()


async def _stopped(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def _cut_off(revocations: Revocations, family: str, reason: str) -> None:
    await revocations.add(Revocation("family", clock.wall(), session=family, reason=reason))


def _naming(tables: Mapping[str, RoleTable], issuer: str, groups: frozenset[str]) -> frozenset[str]:
    """Those groups that give a role."""
    table = tables.get(issuer)
    return frozenset(group for group in groups if table is not None and table.roles(frozenset({group})))
