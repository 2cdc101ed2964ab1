"""The pages, served anew for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.signin import world as worlds
from tests.signin.world import World


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """One provider, one Jira site."""
    async with worlds.world() as made:
        yield made
