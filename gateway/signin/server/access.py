"""Access tokens: signed by us (RFC 9068), so that every replica verifies one without a look-up.

The key file holds three keys. The first signs. The second is published before it is used, so whoever
keeps our key set knows it in time. The third signed before the last roll: its tokens live on for an
hour at most.
"""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway import clock
from gateway.credential.keys import ClientKeys, pem_text
from gateway.files import kept, write_atomically
from gateway.jose import Key, SigningKey, new_signing_key, signing_keys
from gateway.signin.server.families import Family

KEY_FILE = "access-keys.pem"
"""Its name in the folder of the record, unless set otherwise."""


class AccessTokens:
    """Makes them. `issuer` is our public URL, byte for byte; `naming` leaves of a provider's groups those that
    mean something here: an assistant can read its token, and need not read the others."""

    def __init__(
        self,
        issuer: str,
        keys: ClientKeys,
        naming: Callable[[str, frozenset[str]], frozenset[str]],
        *,
        seconds: int,
    ) -> None:
        self.issuer = issuer
        self._naming = naming
        self.seconds = seconds
        self._keys = keys

    def mint(self, family: Family, scopes: frozenset[str]) -> str:
        """A token for the person and the assistant of `family`, for its resource, with `scopes` (RFC 9068 §2.2)."""
        now = int(clock.wall())
        head, facts = family.head, family.facts
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": head.subject,
            "aud": head.resource,
            "client_id": head.client,
            "scope": " ".join(sorted(scopes)),
            "iat": now,
            "exp": min(now + self.seconds, int(head.expires_at)),
            "jti": secrets.token_urlsafe(16),
            "began": head.began_at,
            "idp": head.issuer,
            "sid": head.id,
            "assurance": head.assurance,
            "groups": sorted(self._naming(head.issuer, facts.groups)),
        }
        more = {
            "idp_sid": facts.sid,
            "email": facts.email,
            "acr": facts.acr,
            "amr": sorted(facts.amr),
            "auth_time": facts.auth_time,
        }
        claims |= {name: value for name, value in more.items() if value}
        if facts.email:
            claims["email_verified"] = True
        return self._keys.signing.sign(claims, typ="at+jwt")

    def keys(self) -> Mapping[str, Key]:
        """Our public keys by id."""
        return self._keys.public()

    def jwks(self) -> dict[str, Any]:
        """The same as a key set (RFC 7517 §5)."""
        return self._keys.jwks()


def roll(path: Path) -> tuple[SigningKey, ...]:
    """The next key signs, a new one comes after it, the old one still verifies. Raises ValueError, OSError."""
    made = pem_text(new_signing_key(), new_signing_key())
    signing, following, *_ = signing_keys(kept(path, lambda: made))
    rolled = (following, new_signing_key(), signing)
    write_atomically(path, pem_text(*rolled))
    return rolled
