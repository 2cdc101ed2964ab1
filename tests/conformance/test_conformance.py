"""The official conformance suite, for both protocol eras. A missing Node.js fails with what to do."""

import copy

import pytest

from tests.conformance.run import REVISIONS, Scenario, compare, expected, run_suite


@pytest.mark.needs_node
@pytest.mark.parametrize("revision", REVISIONS)
async def test_scenarios_that_apply_pass(revision: str) -> None:
    """Each server scenario passes or is listed with its reason, check by check."""
    found = await run_suite(revision)
    assert compare(found, expected(revision)) == []
    assert len(found) > 25


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_listed_scenario_has_a_reason(revision: str) -> None:
    """A list without reasons would be a list of excuses."""
    listed = expected(revision)
    assert listed and all(len(entry["reason"]) > 20 for entry in listed.values())


def test_the_comparison_finds_what_it_must() -> None:
    """Failing and unlisted, listed and passing, listed and gone, another check than listed."""
    listed = {"b": {"reason": "r", "checks": ["x"]}, "c": {"reason": "r", "checks": []}}
    good = [Scenario("a", ("1",), ()), Scenario("b", ("1",), ("x",)), Scenario("c", (), ())]
    assert compare(good, listed) == []
    assert compare([*good, Scenario("d", ("1",), ("y",))], listed) == ["d: y failed, not listed"]
    assert compare([*good, Scenario("d", (), ())], listed) == ["d: no check failed, not listed"]
    for n, changed in (
        (1, Scenario("b", ("1", "x"), ())),
        (1, Scenario("b", (), ("x", "y"))),
        (2, Scenario("c", ("z",), ())),
    ):
        other = copy.copy(good)
        other[n] = changed
        assert compare(other, listed)
    assert compare(good[:2], listed) == ["c: listed, but the suite has no such scenario"]
