"""Where linked grants are kept: the face, and the nouns. `sealed.py` implements it in SQL.

A grant's life is a row whose generation only grows. Whoever refreshes writes down first that it is
about to (the intent), asks the provider once, and replaces the tokens only if the generation is still
the one it read. So a late or a second writer changes nothing, and an end that nobody saw is known.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.model import Secret

WAITING = "/confirm"
"""Ends the upstream's name of tokens that wait for the person's word."""

SIGN_IN = "signin/"
"""Begins the upstream's name of the company provider's own grants: one for each sign-in with an assistant
(the tenant of its key), which is no connection of the person's, and is neither shown nor kept alive as one."""


@dataclass(frozen=True, slots=True)
class LinkKey:
    """Whose grant at which upstream. All of it is additional data of the seal."""

    issuer: str
    subject: str
    upstream: str
    """The site's name, and for a second app at the same site `NAME/write`."""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What a token endpoint gave (RFC 6749 §5.1)."""

    access: Secret
    refresh: Secret | None
    expires_at: float
    """Unix seconds at which the access token ends."""
    scopes: frozenset[str]
    id_token: Secret | None = None
    """The ID token of that very answer, where the grant is a person's sign-in and the answer had one."""
    ends_at: float | None = None
    """Unix seconds at which the provider's session ends unless it is refreshed before, where its answer told."""


@dataclass(frozen=True, slots=True)
class Link:
    """A grant as it is kept. Times are Unix seconds."""

    key: LinkKey
    generation: int
    """1 at the first link; grows with every change of the tokens."""
    account: str
    """The Jira account, as `/myself` named it when it was linked."""
    tokens: TokenSet
    linked_at: float
    refreshed_at: float
    used_at: float
    intent_at: float | None = None
    """A refresh was begun then, and nobody has yet written how it ended."""


@dataclass(frozen=True, slots=True)
class LinkHead:
    """What may be shown of a link: no secret. `ended` is why it no longer works, if it does not."""

    key: LinkKey
    generation: int
    account: str
    scopes: frozenset[str]
    linked_at: float
    refreshed_at: float
    used_at: float
    ended: str = ""

    def ends_at(self, lasts_days: float | None) -> float | None:
        """When it must be connected anew however often it is refreshed, Unix seconds; None: it need not."""
        return None if lasts_days is None else self.linked_at + lasts_days * 86_400.0


class Vault(Protocol):
    """Raises `Unavailable` (part `vault`) when it cannot be asked, or what it holds cannot be unsealed."""

    async def read(self, key: LinkKey) -> Link | None:
        """The live grant; None when there is none or it ended (see `head`)."""

    async def head(self, key: LinkKey) -> LinkHead | None:
        """The same without secrets, and also after it ended."""

    async def link(self, key: LinkKey, account: str, tokens: TokenSet) -> Link:
        """A new grant, or one in the place of an older: the generation grows, intent and end are cleared."""

    async def intend(self, key: LinkKey, generation: int, *, after: float | None = None) -> bool:
        """Durably: a refresh of this generation begins now; `after` is the intent that was open when it was
        read. False when the generation has moved, or another refresh was begun since: of many, one begins."""

    async def settle(self, key: LinkKey, generation: int) -> bool:
        """The begun refresh certainly changed nothing at the provider: clear its intent."""

    async def replace(self, key: LinkKey, generation: int, tokens: TokenSet) -> Link | None:
        """Compare-and-set: the new tokens, the next generation, the intent cleared, in one transaction."""

    async def end(self, key: LinkKey, generation: int, reason: str) -> bool:
        """The grant is dead (`revoked`, `rotation_lost`, `expired`, `mismatch`, `cut_off`): its tokens are
        destroyed, a tombstone stays."""

    async def unlink(self, key: LinkKey) -> None:
        """The person disconnected: the row goes."""

    async def touch(self, key: LinkKey) -> None:
        """It was used now; written at most once an hour."""

    async def of(self, issuer: str, subject: str) -> Sequence[LinkHead]:
        """All links of one person."""

    async def holders(self, upstream: str, account: str) -> Sequence[LinkKey]:
        """Whose live grants at that upstream are of that Jira account: at most one person's, as a rule."""

    async def intents(self, before: float) -> Sequence[LinkKey]:
        """Refreshes begun before that time whose end nobody wrote."""

    async def idle(
        self,
        refreshed_before: float,
        limit: int,
        upstreams: Collection[str] | None = None,
        after: LinkHead | None = None,
    ) -> Sequence[LinkHead]:
        """Live grants that were not refreshed since, oldest first; those that come after `after`."""
