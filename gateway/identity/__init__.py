"""Who calls: an access token in, a `Caller` out, or `Unauthenticated`.

The stage raises only `Unauthenticated` and `Unavailable` (the provider's keys cannot be had).
"""

from typing import Protocol

from gateway.model import Bearer, Caller


class Authenticator(Protocol):
    """Verifies an access token (RFC 9068, or an issuer profile) for exactly our audience."""

    async def authenticate(self, bearer: Bearer) -> Caller:
        """The caller. Raises `Unauthenticated`, or `Unavailable` with part `identity`."""

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`)."""
