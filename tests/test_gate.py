"""The gate: how many calls may run at once."""

import pytest

from gateway.errors import Unavailable
from gateway.gate import Gate
from gateway.model import Caller, Secret


def caller(subject: str) -> Caller:
    return Caller("https://idp", subject, "assistant", frozenset(), 0.0, Secret("t"))


def test_one_person_cannot_take_every_place() -> None:
    """A person's third call is refused while another person's first is let in."""
    gate = Gate(at_once=10, per_person=2)
    with gate.place(caller("ana")), gate.place(caller("ana")):
        with pytest.raises(Unavailable, match="You have 2 calls running"), gate.place(caller("ana")):
            pass
        with gate.place(caller("bo")):
            pass


def test_a_place_is_given_back_whatever_happens() -> None:
    """An error inside frees the place."""
    gate = Gate(at_once=1, per_person=1)
    for _ in range(3):
        with pytest.raises(KeyError), gate.place(caller("ana")):
            raise KeyError
    with gate.place(caller("bo")):
        pass


def test_a_full_gateway_refuses_at_once() -> None:
    """Beyond the capacity nobody waits; the text says to try again."""
    gate = Gate(at_once=1, per_person=1)
    with gate.place(caller("ana")):
        with pytest.raises(Unavailable, match="try again") as caught, gate.place(caller("bo")):
            pass
        assert caught.value.retryable
