"""What is remembered: durable records in a Merkle log that can be checked without us.

The stage raises only `Sealed`.
"""

from collections.abc import Mapping
from typing import Any, Protocol


class AuditLog(Protocol):
    """An append-only log (RFC 6962 over the stored bytes)."""

    async def append(self, record: Mapping[str, Any]) -> int:
        """Store `record`; its sequence number, once it is durable on disk. Raises `Sealed`.

        The record is taken over before the first suspension: a caller that is cancelled while it waits
        does not take it back, and records are stored in the order of the calls.
        """

    def check(self) -> None:
        """Raises `Sealed` at once while the log is sealed; for whoever is about to begin something."""

    async def start(self) -> None:
        """Open, recover and write a probe. Raises `Sealed` when the log cannot be written."""

    async def stop(self) -> None:
        """Flush and sign the last checkpoint."""

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`: sealed or not, anchored or not, last checkpoint)."""
