"""What refreshing a linked grant takes: the face of the provider's token endpoint, and of who refreshes.

`refresh.py` implements `Refresher` on a `Vault` and a `Store`; each linked source brings its own
`AuthorizationServer`.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.credential.vault import Link, LinkKey, TokenSet, Vault
from gateway.model import Secret


class GrantDead(Exception):
    """The provider says that the refresh token is not, or no longer, good (`invalid_grant`)."""


class ClientRefused(Exception):
    """The provider does not accept our client (`invalid_client`): the grant is not concerned."""


class TryLater(Exception):
    """The provider answered that it did nothing (429, 5xx with an answer); the grant is as it was."""


class Ambiguous(Exception):
    """No usable answer came: the refresh token may have been used up."""


class AuthorizationServer(Protocol):
    """One upstream's token endpoint. Holds no state of any person."""

    async def refresh(self, refresh: Secret) -> TokenSet:
        """Asked once. What the answer leaves out stays as it was (RFC 6749 §6): empty scopes mean the old
        ones, and `refresh` is the old one when there is no new. Raises `GrantDead`, `ClientRefused`,
        `TryLater` or `Ambiguous`."""


class Refresher(Protocol):
    """Keeps linked grants alive, and never loses one that can be kept."""

    @property
    def vault(self) -> Vault: ...

    def serve(self, upstream: str, server: AuthorizationServer, *, lasts_days: int | None = None) -> None:
        """Grants of that upstream are refreshed there, also with nobody present (sweeper, idle people).

        `lasts_days`: after so many days they end however often they are refreshed; that is noted before."""

    def heed(self, drop: Callable[[Callable[[LinkKey], bool]], None]) -> None:
        """`drop` is called with what tells the links of which nothing kept is good any more."""

    async def changed(self, key: LinkKey) -> None:
        """The person disconnected, or connected anew: every replica looks at the vault again."""

    async def fresh(self, key: LinkKey) -> Link:
        """The live grant with an access token that is good for a while. Raises `ConsentRequired` when there is
        no live grant, and `Unavailable` when it cannot be refreshed now."""

    async def renew(self, key: LinkKey, generation: int) -> Link:
        """The same, after the access token of `generation` was refused: refreshed unless somebody did so."""
