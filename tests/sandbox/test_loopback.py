"""The sandbox's secrets are public, so it must not be reachable from elsewhere."""

import pytest

from sandbox.loopback import require_loopback
from sandbox.people import PEOPLE


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_is_good(host: str) -> None:
    """Addresses of this machine alone are given back as they are."""
    assert require_loopback(host) == host


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.168.1.4", "10.0.0.1", "", "*", "example.com", "127.0.0.1.example.com", "127.1",
     "::ffff:8.8.8.8"],
)  # fmt: skip
def test_everything_else_is_refused(host: str) -> None:
    """Any other address, and any name, is refused with what to use instead."""
    with pytest.raises(ValueError, match=r"loopback only.*127\.0\.0\.1"):
        require_loopback(host)


def test_people_cannot_be_confused() -> None:
    """Names, e-mail addresses, accounts and passwords are each one person's."""
    people = PEOPLE.values()
    for distinct in ("name", "email", "account_id", "password", "display_name"):
        assert len({getattr(person, distinct) for person in people}) == len(people)
    assert all(name == person.name for name, person in PEOPLE.items())
