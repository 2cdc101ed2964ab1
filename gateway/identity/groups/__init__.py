"""The groups that a provider leaves out of its tokens, asked of its directory. Read-only, and off by default.

One file for each directory (`entra.py`, `google.py`); `cached.py` keeps what they answer for a while.
They raise `Unavailable` with part `identity` when the directory cannot be asked, and `Unauthenticated` when it
does not know the person. They never answer with fewer groups than there are.
"""

from importlib import import_module
from typing import Protocol

from gateway import limits
from gateway.errors import Unauthenticated
from gateway.http import Outward
from gateway.identity.wire import Client
from gateway.model import Person
from gateway.settings.identity import Directory


class GroupSource(Protocol):
    """One provider's directory."""

    async def groups(self, person: Person) -> frozenset[str]:
        """Names of all groups of that person, as a token would have them."""


def group_source(order: Directory, issuer: str, outward: Outward, client: Client) -> GroupSource:
    """The directory of the settings, read as `client`. Raises `ConfigError`."""
    source: GroupSource = import_module(f"{__name__}.{order.source}").build(order, issuer, outward, client)
    return source


def too_many() -> Unauthenticated:
    """The answer for somebody whose groups cannot all be read: some of them would be fewer than there are."""
    return Unauthenticated(
        f"more than {limits.GROUPS_READ} groups, or too many pages of them, in the directory"
    )
