"""The people of the sandbox, as both its Jira and its identity provider know them.

Every password and secret here is public. That is why the sandbox refuses to listen off loopback.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """One account. `name` is the `sub` of the identity provider's tokens and the key of `PEOPLE`."""

    name: str
    display_name: str
    email: str
    account_id: str
    """Jira's accountId."""
    groups: tuple[str, ...]
    password: str
    otp_secret: str | None = None
    """Base32 TOTP secret (RFC 6238); a person who has one signs in with a second factor."""


def _person(number: int, name: str, display_name: str, *groups: str, otp: str | None = None) -> Person:
    return Person(
        name=name,
        display_name=display_name,
        email=f"{name}@sandbox.example.com",
        account_id=f"712020:00000000-0000-4000-8000-{number:012d}",
        groups=groups,
        password=f"{name}-sandbox",
        otp_secret=otp,
    )


PEOPLE: dict[str, Person] = {
    person.name: person
    for person in (
        _person(1, "ana", "Ana Alvarez", "staff", "developers", "leads", "finance"),
        _person(2, "bo", "Bo Berg", "staff", "developers"),
        _person(3, "hana", "Hana Hoshi", "staff", "hr"),
        _person(4, "lee", "Lee Lindgren", "staff", otp="JBSWY3DPEHPK3PXP"),
        _person(5, "mallory", "Mallory Moss"),
    )
}
"""By name. `lee` has a second factor; `mallory` is in no group and may sign in but see nothing."""
