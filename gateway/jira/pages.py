"""Page tokens of ours around Jira's: sealed, and bound to one person and one narrowed query.

Jira's token may hold the narrowed query, which tells the policy, and is good for whoever shows it.
AES-GCM hides it and fails for another issuer, subject or query (they are the associated data).
"""

import base64
import binascii
import secrets

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import InvalidCall

_NONCE = 12
"""bytes, NIST SP 800-38D §5.2.1.1."""


class PageSeal:
    """Seals with a key of 32 bytes; replicas that serve the same people need the same one."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("the key for page tokens must have 32 bytes")
        self._cipher = AESGCM(key)

    def seal(self, issuer: str, subject: str, query: str, upstream: str) -> str:
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher.encrypt(nonce, upstream.encode(), _bound(issuer, subject, query))
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, issuer: str, subject: str, query: str, token: str) -> str:
        """Jira's token. Raises `InvalidCall`."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _bound(issuer, subject, query)).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise InvalidCall(
                "`next` does not belong to this search; repeat the search with the same query and no `next`."
            ) from None


def _bound(*parts: str) -> bytes:
    return orjson.dumps(parts)
