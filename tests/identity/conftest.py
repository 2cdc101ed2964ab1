"""A provider, a pool and an authenticator for each test."""

from collections.abc import AsyncIterator

import pytest

from gateway.http import Outward
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import profile
from gateway.identity.tokens import TokenAuthenticator
from tests.identity.server import GATEWAY, Idp
from tests.identity.server import idp as running


@pytest.fixture
async def idp() -> AsyncIterator[Idp]:
    """A running identity provider."""
    async with running() as provider:
        yield provider


@pytest.fixture
async def outward() -> AsyncIterator[Outward]:
    """An open pool."""
    async with Outward() as pool:
        yield pool


@pytest.fixture
def gate(idp: Idp, outward: Outward) -> TokenAuthenticator:
    """An authenticator for the gateway's audience."""
    profiles = [profile("rfc9068", issuer=idp.issuer, audience=GATEWAY)]
    return TokenAuthenticator(profiles, key_ring(profiles, outward))
