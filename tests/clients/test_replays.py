"""The replays once more, for the table: the assistants that cannot be run here."""

import pytest

from gateway.doctor.clients import names, profile
from gateway.doctor.clients.replay import Replay, column, two_doors
from gateway.doctor.clients.signing import published
from sandbox.visitor import opener
from tests.clients.conftest import Show
from tests.clients.place import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("name", [name for name in names() if name != "mcp-remote"])
async def test_a_replay_for_the_table(place: Place, show: Show, name: str) -> None:
    """As its document has it, where it has one."""
    known = profile(name)
    document = place.document(f"/{name}.json", published(known)) if known.document else ""
    async with two_doors() as doors:
        replay = Replay(known, place.url, doors, opener(doors[1], "bo"), document=document)
        lines = [line async for line in replay.lines()]
    assert [line for line in lines if line.state == "wrong"] == []
    shown = {column(line) for line in lines} - {
        column(line) for line in lines if line.what == column(line) and line.state == "note"
    }
    show(known.title, "", "replay", *sorted(shown))
