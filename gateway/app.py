"""The composition root: the only file that names implementations.

    settings ──> parts ──> the line ──> one ASGI application

Parts are built without side effects and started in `Gateway.running`: the outward pool, the policy
bundle, the record, the transport. They stop in reverse, so the record outlives what writes to it.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from starlette.types import ASGIApp

from gateway import __version__
from gateway.audit.keys import digest_key, signing_key
from gateway.audit.log import SqliteAuditLog
from gateway.audit.trail import Recorder
from gateway.config import Settings, shipped_policies
from gateway.credential.exchange import ExchangeSettings, ExchangeSource
from gateway.errors import ConfigError, Sealed
from gateway.gate import Gate
from gateway.http import Outward
from gateway.identity.claims import IssuerProfile, profile
from gateway.identity.jwks import key_ring
from gateway.identity.tokens import TokenAuthenticator
from gateway.jira.client import JiraClient
from gateway.model import Secret
from gateway.pipeline import Pipeline
from gateway.policy.engine import CedarPolicy
from gateway.tool import Registry
from gateway.transport.health import health_routes
from gateway.transport.mcp import McpEndpoint
from gateway.transport.metadata import metadata_routes
from gateway.transport.web import create_web


class Gateway:
    """One gateway, composed from its settings. `app` is the ASGI application."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopped_by: Exception | None = None
        """Why it could not start, if it could not."""
        self.outward = Outward()
        try:
            self.tools = Registry.load(settings.tools.modules)
        except ImportError as absent:
            raise ConfigError(
                [f"tools.modules: {absent.name} cannot be imported. Correct its name or install it."]
            ) from None
        self.identity, self.credentials = self._identity()
        self.policy = CedarPolicy(
            settings.policy.dir or shipped_policies(), self.tools.actions(), site=settings.jira.name
        )
        self.log, self.audit = self._audit()
        self.jira = JiraClient(
            self.outward,
            settings.jira.url,
            site=settings.jira.browse_url or None,
            page_key=self._shared_key(b"page token"),
        )
        self.line = Pipeline(
            identity=self.identity,
            tools=self.tools,
            policy=self.policy,
            credentials=self.credentials,
            jira=self.jira,
            audit=self.audit,
            gate=Gate(at_once=settings.limits.calls_at_once, per_person=settings.limits.calls_per_person),
        )
        self.app = self._web()

    def _identity(self) -> tuple[TokenAuthenticator, ExchangeSource]:
        profiles = [_profile(self.settings, n) for n in range(len(self.settings.identity.issuers))]
        keys = key_ring(profiles, self.outward)
        order = self.settings.credential
        # The exchanged token is verified like any other, by the same keys, for Jira's audience.
        issuer = profiles[0]
        proof = TokenAuthenticator([issuer.towards(order.audience)], keys)
        exchange = ExchangeSettings(
            issuer=issuer.issuer,
            token_endpoint=order.token_endpoint,
            client_id=order.client_id,
            client_secret=Secret(order.client_secret.get_secret_value()),
            audience=order.audience,
            read_scope=order.read_scope,
            write_scope=order.write_scope,
        )
        return TokenAuthenticator(profiles, keys), ExchangeSource(exchange, self.outward, proof.authenticate)

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

    def _shared_key(self, purpose: bytes) -> bytes:
        """A key that every replica derives alike, from the one secret that they share."""
        secret = self.settings.credential.client_secret.get_secret_value().encode()
        return hmac.new(secret, b"jira-agent-gateway/" + purpose, hashlib.sha256).digest()

    def _web(self) -> ASGIApp:
        server = self.settings.server
        endpoint = McpEndpoint(
            self.line,
            self.tools,
            public_url=server.public_url,
            allowed_hosts=server.allowed_hosts,
            allowed_origins=server.allowed_origins,
        )
        routes = metadata_routes(server.public_url, self.settings.identity.issuers[0].issuer)
        parts = {
            "identity": self.identity.state,
            "credential": self.credentials.state,
            "policy": self.policy.state,
            "audit": self.audit.state,
        }
        return create_web(endpoint, routes | health_routes(parts), lifespans=[self.running, endpoint.running])

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
            await parts.enter_async_context(_background(self._watch_policy()))
            yield

    async def _watch_policy(self) -> None:
        """Record each bundle that comes into force, and look for the next one."""
        recorded = ""
        while True:
            digest = self.policy.digest
            if digest != recorded:
                with suppress(Sealed):  # told again when the record works again
                    await self.audit.event("policy.loaded", policy=digest)
                    recorded = digest
            await asyncio.sleep(self.settings.policy.reload_seconds)
            await asyncio.to_thread(self.policy.look)


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _profile(settings: Settings, index: int) -> IssuerProfile:
    issuer = settings.identity.issuers[index]
    return profile(
        issuer.profile,
        issuer=issuer.issuer,
        audience=issuer.audience or f"{settings.server.public_url}/mcp",
        jwks_uri=issuer.jwks_uri or None,
    )
