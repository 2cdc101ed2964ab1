"""As whom at Jira: a credential of that very person, or an error. There is no fallback.

The stage raises only `ConsentRequired`, `StepUpRequired`, `Unauthenticated` (the provider says the
subject token is dead) and `Unavailable` with part `credential`.
"""

from dataclasses import dataclass
from typing import Protocol

from gateway.model import Caller, Effect, Grant


@dataclass(frozen=True, slots=True)
class GrantOrder:
    """What the line needs a credential for: this caller, a read or a write."""

    caller: Caller
    effect: Effect


class CredentialSource(Protocol):
    """Turns a caller into a `Grant` at one Jira."""

    async def grant(self, order: GrantOrder) -> Grant:
        """A grant whose subject is the caller and whose life is within the caller's token."""

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`)."""
