"""What this Jira knows of a provider: its published keys, and how to read a token that they signed."""

from typing import Any

import jwt

from tests.providers.browser import fetched

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


class Keys:
    """The key set (RFC 7517) published at `uri`; asked for again when a token names a key that is not in it."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._keys: dict[str, jwt.PyJWK] = {}

    async def claims(self, token: str, *, issuer: str, audience: str) -> dict[str, Any] | None:
        """The claims of a good token for exactly `audience`, else None."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                await self._key(jwt.get_unverified_header(token)["kid"]),
                algorithms=ALGORITHMS,
                issuer=issuer,
                audience=audience,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
            )
        except (KeyError, jwt.PyJWTError):
            return None
        return claims if claims["aud"] in (audience, [audience]) else None

    async def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys:
            found = (await fetched(self._uri))["keys"]
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in found if key.get("use") == "sig"}
        return self._keys[kid]


def unverified(token: str) -> dict[str, Any]:
    """The claims of a token, for tests to look at."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
