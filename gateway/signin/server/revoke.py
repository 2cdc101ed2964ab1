"""The revocation endpoint (RFC 7009): an assistant gives back a token, and the sign-in is over."""

from collections.abc import Mapping
from typing import Any

from gateway.jose import JoseError, parse, signed_claims
from gateway.signin.server.access import AccessTokens
from gateway.signin.server.ending import Ending
from gateway.signin.server.families import Families, Family
from gateway.signin.server.form import Sent
from gateway.signin.server.token import Token


class Revoke:
    """The endpoint. Whatever the token is, the answer is the same, so it tells nothing (§2.2)."""

    def __init__(self, token: Token, families: Families, access: AccessTokens, ending: Ending) -> None:
        self._token = token
        self._families = families
        self._access = access
        self._ending = ending

    async def answer(self, sent: Sent) -> Mapping[str, Any] | None:
        """POST /revoke. Raises `OAuthError` for who asks, or `Unavailable`."""
        client, hearing = await self._token.hearing(sent)
        hearing.authenticated(sent.form, sent.authorization)
        text = sent.form.get("token", "")
        family = await self._families.find(text) or await self._of_access(text)
        if family is not None and family.head.client == client.id:
            await self._ending.end(family.head, "revoked")
        return None

    async def _of_access(self, text: str) -> Family | None:
        try:
            key = self._access.keys().get(str(parse(text).header.get("kid")))
            claims = signed_claims(text, key, ["ES256"]) if key is not None else {}
        except JoseError:
            return None
        return await self._families.by_id(str(claims["sid"])) if "sid" in claims else None
