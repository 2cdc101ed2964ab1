"""The OpenID Connect client towards one company provider: code flow, PKCE S256, state, nonce, `iss`.

    begin    the address of the provider's page, and what must be remembered until the browser is back
    finish   the answer in the browser's query -> the person, and the provider's grant
    refresh  the grant anew: the provider says whether the person may still come in
    who      what a kept grant says of the person

Authlib writes the protocol's messages. Its sessions are not used, since their state is one user's and
bleeds into the next one's; nor is its browser integration, which keeps the verifier in a cookie, takes
an answer without looking at `iss`, and lets one tab end the other's sign-in. Nothing of a person is
kept here: what is remembered goes to `flows.py`, and a grant to the vault.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway import clock, limits
from gateway.credential.client import OAuthClient
from gateway.credential.codegrant import bearer_tokens, told_token, unrefreshed
from gateway.credential.endpoint import Answer, TokenEndpoint
from gateway.credential.keys import ClientKeys
from gateway.credential.renewal import Ambiguous, TryLater
from gateway.credential.vault import TokenSet
from gateway.errors import Unauthenticated, Unavailable
from gateway.http import Outward, OutwardError
from gateway.identity.claims import subject_of
from gateway.identity.groups.cached import CachedGroups
from gateway.jose import JoseError, parse
from gateway.model import Secret
from gateway.settings import Issuer
from gateway.signin.endpoints import Endpoints, unreachable
from gateway.signin.idtoken import IdTokens, SignedIn, groups_of, id_profile, lacks_groups, signed_in

_CODE = re.compile(r"[a-z_]{1,60}")

_LASTING: Mapping[str, Mapping[str, str]] = {
    "google": {"access_type": "offline", "prompt": "consent"},
    **{one: {"scope": "offline_access"} for one in ("okta", "okta_org", "entra", "entra_v1", "auth0")},
}
"""What a provider wants asked for a grant that can be refreshed (their own documents, November 2026). Keycloak
gives a refresh token of its session unasked; its `offline_access` would outlive that session."""


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


class Provider:
    """One provider at which people may sign in; an `AuthorizationServer`. Holds nothing of any person."""

    def __init__(
        self,
        settings: Issuer,
        outward: Outward,
        *,
        redirect_uri: str,
        keys: ClientKeys | None = None,
        directory: CachedGroups | None = None,
    ) -> None:
        """`settings` has a `login`; `directory` is asked for groups that are left out. Raises `ConfigError`."""
        assert settings.login is not None
        self.issuer = settings.issuer
        self.name = settings.short
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._outward = outward
        self._scopes = settings.login.scopes
        self._client = OAuthClient(settings.login, keys, audience=settings.issuer)
        self._tokens = IdTokens(id_profile(settings, settings.login.client_id), outward)
        self._endpoints = Endpoints(settings.issuer, self._tokens.profile.key_origins, outward)
        self._directory = directory

    async def begin(
        self,
        prompt: str | None = None,
        *,
        acr_values: str = "",
        max_age: int | None = None,
        login_hint: str = "",
        lasting: bool = False,
    ) -> Departure:
        """A new sign-in (OpenID Connect Core §3.1.2.1). Raises `Unavailable`.

        With the prompt `login` the provider asks who it is even if it knows; `acr_values`, separated by spaces,
        and `max_age`, in seconds, are what a policy wants of the sign-in; `lasting` asks for a grant that can
        be refreshed.
        """
        lasts = _LASTING.get(self._settings.profile, {}) if lasting else {}
        asked = {
            "client_id": self._client.id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(dict.fromkeys((*self._scopes, *lasts.get("scope", "").split()))),
            "access_type": lasts.get("access_type"),
            "prompt": " ".join(filter(None, (prompt, lasts.get("prompt")))) or None,
            "acr_values": acr_values or None,
            "max_age": None if max_age is None else str(max_age),
            "login_hint": login_hint or None,
        }
        metadata = await self._endpoints.metadata()
        return Departure(generate_token(43), generate_token(64), metadata.authorization, asked)

    async def finish(self, answer: Mapping[str, str], *, nonce: str, verifier: str) -> SignedIn:
        """Who signed in, of an answer whose state was ours.

        Raises `Declined`, `Unauthenticated` (something is not as it must be) or `Unavailable`.
        """
        metadata = await self._endpoints.metadata()
        named = answer.get("iss")
        if named != self.issuer and (named is not None or metadata.names_itself):
            raise Unauthenticated("the answer is another provider's (RFC 9207)")
        if "error" in answer:
            raise Declined(answer["error"])
        if not answer.get("code"):
            raise Unauthenticated("the answer has no code")
        return await self._read(await self._redeem(metadata.token, answer["code"], verifier), nonce)

    async def refresh(self, refresh: Secret) -> TokenSet:
        """See `AuthorizationServer`: the provider's word, by new tokens, that the person may still come in."""
        try:
            metadata = await self._endpoints.metadata()
        except Unavailable as away:
            raise TryLater(away.private) from None
        endpoint = TokenEndpoint(self._outward, metadata.token, self._client)
        form = [("grant_type", "refresh_token"), ("refresh_token", refresh.reveal())]
        try:
            answer = await endpoint.ask(form, secrets=(refresh,))
        except OutwardError as failed:
            raise (Ambiguous if failed.sent else TryLater)(str(failed)) from None
        if answer.status != 200:
            raise unrefreshed(answer)
        try:
            return _granted(answer, metadata.token, refresh)
        except ValueError as unreadable:
            raise Ambiguous(str(unreadable)) from None

    async def who(self, tokens: TokenSet) -> SignedIn | None:
        """What a refreshed grant says of its person; None when its answer had no ID token.

        Raises `Unauthenticated` when the ID token is not as it must be, or `Unavailable`.
        """
        return None if tokens.id_token is None else await self._read(tokens, None)

    def names(self, tokens: TokenSet) -> str | None:
        """Whom the kept ID token names, unverified: it came from the provider's own endpoint into the vault."""
        if tokens.id_token is None:
            return None
        try:
            return subject_of(parse(tokens.id_token.reveal()).claims, self._tokens.profile)
        except (JoseError, Unauthenticated):
            return ""

    async def admits(self, access: Secret) -> bool:
        """Whether the provider still takes that access token at its userinfo endpoint; True where it has none.
        Raises `Unavailable`."""
        status, _ = await self._endpoints.userinfo(access, "")
        if status in (200, 404):
            return True
        if status in (400, 401, 403):
            return False
        raise unreachable(f"userinfo: status {status}")

    async def revoke(self, tokens: TokenSet) -> None:
        """Tell the provider that the grant is over (RFC 7009), where it can be told. Raises `Unavailable`."""
        metadata = await self._endpoints.metadata()
        if not metadata.revocation:
            return
        token, kind = (
            (tokens.refresh, "refresh_token")
            if tokens.refresh is not None
            else (tokens.access, "access_token")
        )
        endpoint = TokenEndpoint(self._outward, metadata.revocation, self._client)
        try:
            await endpoint.ask([("token", token.reveal()), ("token_type_hint", kind)], secrets=(token,))
        except OutwardError as failed:
            raise unreachable(str(failed)) from None

    async def logout_url(self, back: str) -> str:
        """Where the person ends the provider's own session (RP-Initiated Logout 1.0); empty if it has no such place."""
        try:
            metadata = await self._endpoints.metadata()
        except Unavailable:
            return ""
        if not metadata.end_session:
            return ""
        asked = {"client_id": self._client.id, "post_logout_redirect_uri": back}
        return f"{metadata.end_session}{'&' if '?' in metadata.end_session else '?'}{urlencode(asked)}"

    async def _redeem(self, place: str, code: str, verifier: str) -> TokenSet:
        """The tokens for a code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
        form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self._redirect_uri),
            ("code_verifier", verifier),
        ]
        endpoint = TokenEndpoint(self._outward, place, self._client)
        try:
            answer = await endpoint.ask(form, secrets=(Secret(code), Secret(verifier)))
            if answer.status == 200:
                return _granted(answer, place, None)
        except (OutwardError, ValueError) as failed:
            raise unreachable(str(failed)) from None
        if answer.error == "invalid_grant":
            raise Unauthenticated(f"the code was refused: {answer.said}")
        raise unreachable(f"{place}: {answer.said}")

    async def _read(self, tokens: TokenSet, nonce: str | None) -> SignedIn:
        """Whom the tokens name. Userinfo is asked where it may know more: several providers tell name and e-mail
        address, and some the groups, there alone. Without groups nobody gets a role, so if they are wanted and
        cannot be had, nobody gets in."""
        id_token, profile = tokens.id_token, self._tokens.profile
        if id_token is None:
            raise unreachable("the answer has no ID token")
        claims = await self._tokens.claims(
            id_token.reveal(), nonce=nonce, access_token=tokens.access.reveal()
        )
        wanted = bool(self._settings.roles) and lacks_groups(claims, profile) and self._directory is None
        more: Mapping[str, Any] = {}
        if wanted or "email" not in claims:
            status, more = await self._endpoints.userinfo(tokens.access, str(claims.get("sub")))
            if wanted and status not in (200, 404):
                raise unreachable(f"groups are not in the ID token, and userinfo has status {status}")
        groups = await groups_of(claims, profile, more, self._directory)
        return signed_in(claims, profile, more, groups, tokens)


def _granted(answer: Answer, place: str, refresh: Secret | None) -> TokenSet:
    """RFC 6749 §5.1 and OpenID Connect Core §3.1.3.3. Raises ValueError.

    Keycloak tells besides how long the refresh token is good, which is the rest of its session; 0 is no end.
    Without a refresh token nobody can ask for the person again, and it ends with the access token.
    """
    given = bearer_tokens(answer, place, frozenset(), refresh)
    rest = answer.body.get("refresh_expires_in")
    told = isinstance(rest, int | float) and 0 < rest <= limits.SIGN_IN_MOST_SECONDS
    ends_at = clock.wall() + float(rest or 0) if told else None
    return replace(
        given,
        id_token=told_token(answer, "id_token"),
        ends_at=given.expires_at if given.refresh is None else ends_at,
    )
