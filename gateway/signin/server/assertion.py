"""Which client asks, and whether it proves itself with a key (RFC 7523 §3: `private_key_jwt`)."""

import base64
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_plus

from gateway import clock, limits
from gateway.jose import BadSignature, JoseError, parse, public_key, signed_claims
from gateway.signin.flows import digest
from gateway.signin.server import Client
from gateway.signin.server.form import Sent
from gateway.signin.server.metadata import ALGORITHMS
from gateway.signin.server.refused import OAuthError
from gateway.store import Store

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST = 600.0
"""seconds that an assertion may be good; as long its id is remembered."""


def client_of(sent: Sent) -> str:
    """The id of the client that asks, not yet proved; the same wherever it stands. Raises `OAuthError`, also
    for one that proves itself in two ways (RFC 6749 §2.3)."""
    ways = (_basic(sent.authorization), sent.form.get("client_secret"), sent.form.get("client_assertion"))
    if sum(bool(way) for way in ways) > 1:
        raise OAuthError("invalid_request", "The client proves itself in two ways; one is enough.")
    named = [_basic(sent.authorization), sent.form.get("client_id", ""), _asserted(sent)]
    ids = {name for name in named if name}
    if len(ids) != 1:
        text = "Say which client asks: client_id is missing." if not ids else "Two clients are named."
        raise OAuthError("invalid_client", text, 401)
    return ids.pop()


class Assertion:
    """Checks them. `audiences` are the names under which clients may address us."""

    def __init__(self, store: Store, audiences: Iterable[str]) -> None:
        self._store = store
        self._audiences = frozenset(audiences)

    async def proves(self, sent: Sent, client: Client) -> bool:
        """Whether the client shows its key. Raises `OAuthError` for an assertion that is not good."""
        text = sent.form.get("client_assertion")
        if text is None:
            return False
        if sent.form.get("client_assertion_type") != TYPE or client.auth_method != "private_key_jwt":
            raise _bad("client_assertion is of another type, or not what this client registered")
        if len(text) > limits.TOKEN_BYTES:
            raise _bad("client_assertion is too large")
        try:
            claims = self._signed(text, client)
        except JoseError as wrong:
            raise _bad(f"client_assertion: {wrong}") from None
        now = clock.wall()
        self._check(claims, client, now)
        left = float(claims["exp"]) - now + limits.LEEWAY_SECONDS
        used = f"assertion:{digest(client.id)}:{digest(claims['jti'])}"
        if not await self._store.add(used, b"1", max(left, 1.0)):
            raise _bad("client_assertion was used before")
        return True

    def _signed(self, text: str, client: Client) -> dict[str, Any]:
        kid = parse(text).header.get("kid")
        members = (client.jwks or {}).get("keys", [])
        keys = [public_key(member) for member in members]
        fitting = [key for key in keys if kid in (None, key.kid)]
        for key in fitting[:-1]:  # without an id, whichever of them signed
            with suppress(BadSignature):
                return signed_claims(text, key, ALGORITHMS)
        if not fitting:
            raise JoseError("no key of the client has that id")
        return signed_claims(text, fitting[-1], ALGORITHMS)

    def _check(self, claims: dict[str, Any], client: Client, now: float) -> None:
        """RFC 7523 §3."""
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        exp, jti = claims.get("exp"), claims.get("jti")
        if claims.get("iss") != client.id or claims.get("sub") != client.id:
            raise _bad("client_assertion: iss and sub must be the client")
        if not named or not all(isinstance(one, str) and one in self._audiences for one in named):
            raise _bad("client_assertion: aud must be the issuer, and nobody besides")
        if not isinstance(exp, int | float) or not now - limits.LEEWAY_SECONDS < exp <= now + LONGEST:
            raise _bad(f"client_assertion: exp must be within {LONGEST:g} s")
        before = claims.get("nbf", 0)
        if not isinstance(before, int | float) or before > now + limits.LEEWAY_SECONDS:
            raise _bad("client_assertion: nbf is in the future")
        if not isinstance(jti, str) or not 0 < len(jti) <= limits.CLAIM_CHARS or not jti.isprintable():
            raise _bad("client_assertion: jti is missing")


def _basic(header: str) -> str:
    """The user name of HTTP Basic (RFC 6749 §2.3.1)."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        name, _, _ = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        raise OAuthError("invalid_client", "The Authorization header cannot be read.", 401) from None
    return unquote_plus(name)


def _asserted(sent: Sent) -> str:
    text = sent.form.get("client_assertion", "")
    if not text or len(text) > limits.TOKEN_BYTES:
        return ""
    try:
        return str(parse(text).claims.get("sub", ""))
    except JoseError:
        return ""


def _bad(why: str) -> OAuthError:
    return OAuthError("invalid_client", f"{why}.", 401)
