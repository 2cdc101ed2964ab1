"""Which of a site's sources serves a caller: the first for the caller's provider and kind.

A program's own token (client credentials) is served only by sources for programs, a person only by
the others. When none serves, that is the answer; another source is never tried after one failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.credential import CredentialSource, GrantOrder
from gateway.errors import ConsentRequired
from gateway.model import Caller, Grant


@dataclass(frozen=True, slots=True)
class Offer:
    """A source and whom it serves."""

    source: CredentialSource
    issuers: frozenset[str]
    """Issuer identifiers."""
    programs: bool = False

    def serves(self, caller: Caller) -> bool:
        return caller.issuer in self.issuers and caller.service is self.programs


class ChosenSource:
    """A `CredentialSource` of several."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        self._offers = tuple(offers)

    async def grant(self, order: GrantOrder) -> Grant:
        """As the source that serves the caller. Raises `ConsentRequired` when there is none."""
        for offer in self._offers:
            if offer.serves(order.caller):
                return await offer.source.grant(order)
        kind = "program" if order.caller.service else "person"
        raise ConsentRequired(
            "This Jira site cannot be reached with the account that you signed in with; "
            "ask the operator which account to use.",
            private=f"no credential source serves a {kind} of {order.caller.issuer!r}",
        )

    def forget(
        self, issuer: str, subject: str, *, client: str = "", actor: str = "", session: str = ""
    ) -> None:
        """Drop what any of them keeps of these callers."""
        for offer in self._offers:
            offer.source.forget(issuer, subject, client=client, actor=actor, session=session)

    def state(self) -> tuple[bool, str]:
        """Ready when all are."""
        states = [offer.source.state() for offer in self._offers]
        return all(ready for ready, _ in states), "; ".join(line for _, line in states)
