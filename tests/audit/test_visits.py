"""What the record calls a session."""

from dataclasses import replace

import pytest

from gateway import limits
from gateway.audit.visits import Visits
from gateway.model import Caller, Secret


def caller(**changes: str) -> Caller:
    """Ana with an assistant."""
    ana = Caller("https://idp.test", "ana", "a", frozenset(), 0.0, Secret(""), family="f")
    return replace(ana, **changes)


def test_a_pause_begins_a_new_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls within half an hour of each other are one; the gap is told."""
    now = 1_000.0
    monkeypatch.setattr("gateway.clock.mono", lambda: now)
    visits = Visits()
    first, idle = visits.seen(caller())
    assert idle is None
    now += limits.IDLE_GAP_SECONDS - 1
    assert visits.seen(caller()) == (first, limits.IDLE_GAP_SECONDS - 1)
    now += limits.IDLE_GAP_SECONDS
    second, idle = visits.seen(caller())
    assert second != first and idle is None


@pytest.mark.parametrize("other", [{"subject": "bo"}, {"client": "b"}, {"family": "g"}])
def test_another_person_assistant_or_sign_in_is_another_session(other: dict[str, str]) -> None:
    """None is mixed with another."""
    visits = Visits()
    mine = visits.seen(caller())[0]
    assert visits.seen(caller(**other))[0] != mine
    assert visits.seen(caller())[0] == mine


def test_what_is_followed_is_bounded() -> None:
    """The one that was idle longest goes first."""
    visits = Visits(size=2)
    first = visits.seen(caller(subject="1"))[0]
    visits.seen(caller(subject="2"))
    visits.seen(caller(subject="3"))
    assert visits.seen(caller(subject="1"))[0] != first
