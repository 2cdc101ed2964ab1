"""Refresh tokens: each is used once, its successor is one, and a thief's use ends the whole family.

Assistants refresh from two addresses or two windows at once. Within the grace time the old token
therefore answers again, with the *same* successor; a second successor would fork the family.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.idp.records import Family, SignIn
from sandbox.idp.shelf import Shelf
from sandbox.idp.wire import OAuthError


@dataclass(slots=True)
class _Link:
    family: Family
    used_at: float = 0.0
    successor: str | None = None


class RefreshTokens:
    """The refresh tokens of one provider (RFC 9700 §4.14.2). `life` and `grace` are in seconds."""

    def __init__(
        self, *, life: Callable[[], float], grace: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._links: Shelf[_Link] = Shelf(life, now)
        self._grace = grace
        self._now = now
        self.reuses = 0
        """Families that ended because an old token came back too late."""

    def start(self, sign_in: SignIn) -> tuple[str, Family]:
        """The first token of a new family."""
        family = Family(sign_in)
        return self._links.put(_Link(family)), family

    def sign_in(self, token: str, client: str) -> SignIn:
        """Whose token it is, before it is used up. Raises `OAuthError` invalid_grant."""
        return self._find(token, client).family.sign_in

    def rotate(self, token: str, client: str) -> str:
        """The successor of `token`. Raises `OAuthError` invalid_grant; late reuse revokes the family."""
        link = self._find(token, client)
        if link.successor is None:
            link.used_at, link.successor = self._now(), self._links.put(_Link(link.family))
        elif self._now() - link.used_at > self._grace():
            link.family.revoked = True
            self.reuses += 1
            raise dead_grant()
        return link.successor

    def end(self, token: str, client: str) -> None:
        """Revoke the family of `token`, if it is that client's."""
        link = self._links.get(token)
        if link is not None and link.family.sign_in.client == client:
            link.family.revoked = True

    def _find(self, token: str, client: str) -> _Link:
        link = self._links.get(token)
        if link is None or link.family.revoked or link.family.sign_in.client != client:
            raise dead_grant()
        return link


def dead_grant() -> OAuthError:
    """One answer for every grant that is unknown, expired, used, revoked or another client's."""
    return OAuthError("invalid_grant", "This code or refresh token is not good any more; sign in again.")
