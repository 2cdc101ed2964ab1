"""One-time codes: TOTP (RFC 6238) with SHA-1, six digits and steps of 30 seconds."""

import base64
import hashlib
import hmac


def totp(secret: str, at: float) -> str:
    """The code of the base32 `secret` at the Unix time `at`."""
    digest = hmac.digest(base64.b32decode(secret), (int(at) // 30).to_bytes(8, "big"), hashlib.sha1)
    start = digest[-1] & 0xF
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"


def right(secret: str, code: str, at: float) -> bool:
    """Whether `code` is the code of now, of the step before or of the step after."""
    sent = code.replace(" ", "").encode()
    return any(hmac.compare_digest(totp(secret, at + step).encode(), sent) for step in (-30, 0, 30))
