"""Seeds of the trial that must lose nothing; `make trial-refresh SEEDS=20` runs more, and the other ways too."""

from collections.abc import Iterator

import pytest

from tests.trial.__main__ import COLUMNS, may_lose, servers, table
from tests.trial.cell import PEOPLE, Cell, Outcome, Servers, run
from tests.trial.strategies import NAMES

pytestmark = pytest.mark.needs_servers


@pytest.fixture(scope="module")
def shared() -> Iterator[Servers]:
    """A PostgreSQL and a Redis for the module."""
    with servers() as running:
        yield running


@pytest.mark.parametrize(("leeway", "faults"), [(True, True), (False, False)])
async def test_four_replicas_lose_no_grant(shared: Servers, leeway: bool, faults: bool) -> None:
    """With kills, pauses and lost answers at Atlassian's rules; and at a strict server without faults."""
    cell = Cell("full", leeway, faults)
    assert not may_lose(cell)
    outcome = await run(cell, 1, shared)
    assert (outcome.lost, outcome.ended) == (0, 0)
    assert outcome.rotated >= PEOPLE and outcome.served > 0
    assert outcome.kills > 0 or not faults


async def test_the_trial_can_see_a_loss(shared: Servers) -> None:
    """Replicas that know nothing of each other lose grants at a strict server, without any fault."""
    outcome = await run(Cell("none", leeway=False, faults=False), 1, shared)
    assert outcome.lost > 0


def test_only_one_cell_of_ours_may_lose() -> None:
    """Faults at a server that forgets at once."""
    ours = [Cell("full", *column) for column in COLUMNS]
    assert [cell for cell in ours if may_lose(cell)] == [Cell("full", leeway=False, faults=True)]


def test_the_table_names_every_way() -> None:
    """One row each, with what was lost in each column."""
    found = {Cell(name, *column): Outcome(lost=7) for name in NAMES for column in COLUMNS}
    assert table(found, dict.fromkeys(NAMES, 2)).row_count == len(NAMES)
