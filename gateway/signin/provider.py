"""The OpenID Connect client towards one company provider: code flow, PKCE S256, state, nonce, `iss`.

    begin    the address of the provider's page, and what must be remembered until the browser is back
    finish   the answer in the browser's query -> the person

Authlib writes the protocol's messages. Its sessions are not used, since their state is one user's and
bleeds into the next one's; nor is its browser integration, which keeps the verifier in a cookie, takes
an answer without looking at `iss`, and lets one tab end the other's sign-in. Nothing of a person is
kept here: what is remembered goes to `flows.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway import clock, limits
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.keys import ClientKeys
from gateway.errors import Unauthenticated, Unavailable
from gateway.http import Ask, Outward, OutwardError
from gateway.identity.discovery import Unusable, document
from gateway.identity.profiles import trusted
from gateway.model import Secret
from gateway.settings import Issuer
from gateway.signin.idtoken import IdTokens, SignedIn, id_profile, signed_in

_CODE = re.compile(r"[a-z_]{1,60}")


class Declined(Exception):
    """The provider sent the browser back with an error (RFC 6749 §4.1.2.1): its code, and nothing else of it."""

    def __init__(self, error: str) -> None:
        super().__init__(error if _CODE.fullmatch(error) else "unreadable")
        self.error = str(self)


@dataclass(frozen=True, slots=True)
class Departure:
    """A sign-in that begins: what only we remember, and where the browser goes."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    _place: str
    _asked: Mapping[str, str | None]

    def address(self, state: str) -> str:
        """The provider's page (RFC 6749 §4.1.1, RFC 7636 §4.3)."""
        challenge = create_s256_code_challenge(self.verifier)
        own = {
            "state": state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return str(prepare_grant_uri(self._place, response_type="code", **self._asked, **own))


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we read of a provider's metadata (OpenID Connect Discovery §3)."""

    authorization: str
    token: str
    userinfo: str
    end_session: str
    names_itself: bool
    """Whether it puts `iss` into its answers (RFC 9207 §3)."""


class Provider:
    """One provider at which people may sign in. Holds nothing of any person."""

    def __init__(
        self, settings: Issuer, outward: Outward, *, redirect_uri: str, keys: ClientKeys | None = None
    ) -> None:
        """`settings` has a `login`. Raises `ConfigError`."""
        assert settings.login is not None
        self.issuer = settings.issuer
        self.name = settings.short
        self._redirect_uri = redirect_uri
        self._outward = outward
        self._scopes = settings.login.scopes
        self._client = OAuthClient(settings.login, keys, audience=settings.issuer)
        self._tokens = IdTokens(id_profile(settings, settings.login.client_id), outward)
        self._known: Metadata | None = None
        self._asked = -inf

    async def begin(self, prompt: str | None = None) -> Departure:
        """A new sign-in; with the prompt `login` the provider asks who it is even if it knows. Raises `Unavailable`."""
        asked = {
            "client_id": self._client.id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self._scopes),
            "prompt": prompt,
        }
        metadata = await self._metadata()
        return Departure(generate_token(43), generate_token(64), metadata.authorization, asked)

    async def finish(self, answer: Mapping[str, str], *, nonce: str, verifier: str) -> SignedIn:
        """Who signed in, of an answer whose state was ours.

        Raises `Declined`, `Unauthenticated` (something is not as it must be) or `Unavailable`.
        """
        metadata = await self._metadata()
        named = answer.get("iss")
        if named != self.issuer and (named is not None or metadata.names_itself):
            raise Unauthenticated("the answer is another provider's (RFC 9207)")
        if "error" in answer:
            raise Declined(answer["error"])
        if not answer.get("code"):
            raise Unauthenticated("the answer has no code")
        tokens = await self._redeem(metadata, answer["code"], verifier)
        claims = await self._tokens.claims(
            tokens.get("id_token") or "", nonce=nonce, access_token=tokens.get("access_token") or ""
        )
        more = {} if "email" in claims else await self._userinfo(metadata, tokens, str(claims.get("sub")))
        return signed_in(claims, self._tokens.profile, more)

    async def logout_url(self, back: str) -> str:
        """Where the person ends the provider's own session (RP-Initiated Logout 1.0); empty if it has no such place."""
        try:
            metadata = await self._metadata()
        except Unavailable:
            return ""
        if not metadata.end_session:
            return ""
        asked = {"client_id": self._client.id, "post_logout_redirect_uri": back}
        return f"{metadata.end_session}{'&' if '?' in metadata.end_session else '?'}{urlencode(asked)}"

    async def _redeem(self, metadata: Metadata, code: str, verifier: str) -> dict[str, str]:
        """The tokens for a code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
        form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self._redirect_uri),
            ("code_verifier", verifier),
        ]
        endpoint = TokenEndpoint(self._outward, metadata.token, self._client)
        try:
            answer = await endpoint.ask(form, secrets=(Secret(code), Secret(verifier)))
        except OutwardError as failed:
            raise _unavailable(str(failed)) from None
        if answer.error == "invalid_grant":
            raise Unauthenticated(f"the code was refused: {answer.said}")
        tokens = {name: answer.body.get(name) for name in ("id_token", "access_token")}
        if answer.status != 200 or not all(isinstance(token, str) for token in tokens.values()):
            raise _unavailable(f"{metadata.token}: {answer.said}")
        return {name: str(token) for name, token in tokens.items()}

    async def _userinfo(
        self, metadata: Metadata, tokens: Mapping[str, str], subject: str
    ) -> Mapping[str, Any]:
        """What the userinfo endpoint says of the same person (OpenID Connect Core §5.3.2); nothing if it fails.

        Several providers tell name and e-mail address there alone.
        """
        if not metadata.userinfo:
            return {}
        ask = Ask(
            "GET",
            metadata.userinfo,
            {"Authorization": f"Bearer {tokens['access_token']}", "Accept": "application/json"},
            seconds=limits.JWKS_FETCH_SECONDS,
            max_bytes=limits.JWKS_BYTES,
        )
        try:
            reply = await self._outward.send(ask)
            found = orjson.loads(reply.body) if reply.status == 200 else {}
        except (OutwardError, orjson.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) and found.get("sub") == subject else {}

    async def _metadata(self) -> Metadata:
        """Fetched once an hour; the last good one serves while the provider does not answer."""
        if clock.mono() - self._asked >= limits.METADATA_FRESH_SECONDS:
            place = self.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                self._known = self._believed(await document(place, self._outward))
                self._asked = clock.mono()
            except Unusable as why:
                if self._known is None:
                    raise _unavailable(str(why)) from None
        assert self._known is not None
        return self._known

    def _believed(self, found: Mapping[str, object]) -> Metadata:
        """Discovery §4.3: it is that issuer's; and where our secret goes is at that issuer's own place."""
        if found.get("issuer") != self.issuer:
            raise Unusable(f"the metadata is not of the issuer {self.issuer!r}")
        places = {
            name: self._place(found.get(f"{name}_endpoint"))
            for name in ("authorization", "token", "userinfo", "end_session")
        }
        if not places["authorization"] or not places["token"]:
            raise Unusable(f"{self.issuer}: no usable authorization or token endpoint in its metadata")
        return Metadata(
            **places, names_itself=found.get("authorization_response_iss_parameter_supported") is True
        )

    def _place(self, url: object) -> str:
        """`url`, when it is at an origin of the settings; else empty."""
        allowed = {_origin(self.issuer), *self._tokens.profile.key_origins}
        return url if isinstance(url, str) and trusted(url) and _origin(url) in allowed else ""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _unavailable(private: str) -> Unavailable:
    return Unavailable(
        "Your company's sign-in cannot be reached; try again in a minute.", part="identity", private=private
    )
