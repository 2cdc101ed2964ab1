"""One served gateway face for all tests here, with a line that forgets between them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.transport import world as worlds
from tests.transport.world import FakeLine, World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this room in one event loop, since they share one server."""
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served() -> AsyncIterator[World]:
    """A running server over a fake line, and a client."""
    async with worlds.world() as made:
        yield made


@pytest.fixture
def world(served: World) -> World:
    """The server, its line as new."""
    vars(served.line).update(vars(FakeLine()))
    return served
