"""One place for all assistants, and what was shown of each, written for the table.

.work/clients/acceptance.json      client -> version, column -> "real" or "replay", with what differs
"""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.place import Place
from tests.clients.programs import INTO, node

HERE = Path(__file__).parent
WRITTEN = INTO / "acceptance.json"
SHOWN: dict[str, dict[str, str]] = {}

Show = Callable[..., None]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A whole gateway, with every program installed."""
    node()
    async with Place(tmp_path_factory.mktemp("clients")) as place:
        yield place


@pytest.fixture
def show() -> Show:
    """`show(client, version, how, *columns)`: these were seen to work; said as the test goes, told at its end."""

    def shown(client: str, version: str, how: str, *columns: str) -> None:
        SHOWN.setdefault(client, {"version": version}).update(dict.fromkeys(columns, how))

    return shown


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is in this folder needs the clients' programs."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.needs_clients)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was shown: all of it only when the whole suite ran."""
    if SHOWN:
        before = json.loads(WRITTEN.read_text()) if WRITTEN.is_file() else {}
        WRITTEN.write_text(json.dumps({**before, **SHOWN}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
