"""Whether a verifier fits the challenge of the request (RFC 7636 §4.6)."""

import base64
import hashlib
import hmac

from sandbox.consent import Asked


def proven(asked: Asked, verifier: str | None) -> bool:
    """True where no challenge was sent: then there is nothing to prove."""
    if asked.challenge is None:
        return True
    text = verifier or ""
    if asked.method == "S256":
        text = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(asked.challenge.encode(), text.encode())
