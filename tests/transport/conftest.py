"""A served gateway face for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.transport import world as worlds
from tests.transport.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A running server over a fake line, and a client."""
    async with worlds.world() as made:
        yield made
