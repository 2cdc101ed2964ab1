"""A provider that exchanges, and a source on it, put together as the gateway does."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway import limits
from gateway.credential import GrantOrder
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.sources.exchange import ExchangeSource, Settings
from gateway.http import Outward
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import profile
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Bearer, Caller, Effect, Grant
from tests.identity.server import GATEWAY, JIRA, SECRET, Idp, idp

__all__ = ["Bench", "bench"]


@dataclass
class Bench:
    """One provider, one pool, the authenticator and the source."""

    idp: Idp
    outward: Outward
    identity: TokenAuthenticator
    source: ExchangeSource
    make: Callable[..., ExchangeSource]

    def caller(self, **claims: Any) -> Awaitable[Caller]:
        """A caller with a token of these claims."""
        return self.identity.authenticate(Bearer(self.idp.mint(**claims)))

    async def grant(self, caller: Caller | None = None, effect: Effect = Effect.READ) -> Grant:
        """A grant for that caller, or for ana."""
        return await self.source.grant(GrantOrder(caller or await self.caller(), effect))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Everything running."""
    async with idp() as provider, Outward() as outward:
        ours = profile("rfc9068", issuer=provider.issuer, audience=GATEWAY)
        keys = key_ring([ours], outward)
        verify = TokenAuthenticator([ours.towards(JIRA)], keys, cached=0).authenticate

        def make(*, cached: int = limits.GRANTS_CACHED, **changes: Any) -> ExchangeSource:
            settings = Settings.model_validate(
                {
                    "token_endpoint": provider.url("/token"),
                    "client_id": "gate way",
                    "client_secret": SECRET,
                    "audience": JIRA,
                    **changes,
                }
            )
            endpoint = TokenEndpoint(outward, settings.token_endpoint, OAuthClient(settings))
            return ExchangeSource(settings, provider.issuer, endpoint, verify, cached=cached)

        yield Bench(provider, outward, TokenAuthenticator([ours], keys), make(), make)
