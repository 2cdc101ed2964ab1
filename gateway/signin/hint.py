"""For whom an address was made: a sealed note in it that nobody else can read or make.

An assistant is told `/connect/SITE?for=NOTE`. A browser that is signed in as somebody else is refused
there (MCP, client/elicitation, "Phishing"), so a link that was passed on links nobody else's Jira. The
note is no ticket: it lets nobody in, and without it a signed-in person connects for himself.
"""

import base64
import hashlib
import hmac
import re
import secrets
from contextlib import suppress

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
"""bytes (NIST SP 800-38D §8.2.2): drawn anew for each note."""

FORM = re.compile(r"[A-Za-z0-9_-]{40,4000}")
"""What a note looks like: two identifiers of 256 characters, sealed, and of any alphabet."""


class BadHint(Exception):
    """Not a note of ours, or sealed with a key that is no longer in use, or for another site."""


class Hints:
    """Seals and opens notes. `shared` are secrets known to all replicas: the first seals, each opens."""

    def __init__(self, *shared: bytes) -> None:
        self._ciphers = [AESGCM(_key(secret)) for secret in shared]

    def seal(self, site: str, issuer: str, subject: str) -> str:
        """The note for that person at that site."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._ciphers[0].encrypt(nonce, orjson.dumps([issuer, subject]), site.encode())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, site: str, note: str) -> tuple[str, str]:
        """(issuer, subject). Raises `BadHint`."""
        if not FORM.fullmatch(note):
            raise BadHint
        try:
            raw = base64.urlsafe_b64decode(note + "=" * (-len(note) % 4))
        except ValueError:
            raise BadHint from None
        for cipher in self._ciphers:
            with suppress(InvalidTag):
                issuer, subject = orjson.loads(cipher.decrypt(raw[:_NONCE], raw[_NONCE:], site.encode()))
                return str(issuer), str(subject)
        raise BadHint


def _key(secret: bytes) -> bytes:
    return hmac.new(secret, b"jira-agent-gateway/connect hint", hashlib.sha256).digest()
