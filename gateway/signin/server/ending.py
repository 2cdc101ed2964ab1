"""A sign-in with an assistant ends: its tokens on every replica, the provider's grant behind it, on record."""

from collections.abc import Awaitable, Callable

from gateway.credential import Events
from gateway.signin.server.chain import Chain
from gateway.signin.server.families import Families, FamilyHead

CutOff = Callable[[str, str], Awaitable[None]]
"""(family id, reason) -> once its access tokens are refused on every replica. Raises `Unavailable`."""


class Ending:
    """Ends families."""

    def __init__(self, families: Families, chain: Chain, cut_off: CutOff, events: Events) -> None:
        self._families = families
        self._chain = chain
        self._cut_off = cut_off
        self._events = events

    async def end(self, head: FamilyHead, reason: str) -> bool:
        """It is over; False when it was before. Raises `Unavailable` or `Sealed`.

        Its tokens are refused first, and its row says so after that: if this fails or is interrupted, whoever tries
        again, a refresh too, does the rest. The other way round nobody would.
        """
        if head.ended:
            return False
        await self._cut_off(head.id, reason)
        if not await self._families.end(head.id, reason):
            return False
        await self.gone(head, reason)
        return True

    async def gone(self, head: FamilyHead, reason: str) -> None:
        """What follows when its access tokens are refused already."""
        try:
            await self._chain.end(head.id, head.issuer, head.subject)
        finally:  # a grant that is left is swept away; nobody comes back for the record
            await self._events("assistant.signed_out", **head.told(), reason=reason)
