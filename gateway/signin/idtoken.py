"""The ID token of a sign-in (OpenID Connect Core §2), read with the same strictness as an access token.

It is checked by the very functions that check access tokens, with another audience (our client) and
other tells. Whom it names must be whom that issuer's access tokens name, or a browser and an assistant
of one person would be two people: `_HABITS` is where the two kinds of token of a vendor differ.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from authlib.oidc.core.util import create_half_hash

from gateway import clock, limits
from gateway.credential.vault import TokenSet
from gateway.errors import Unauthenticated
from gateway.http import Outward
from gateway.identity.claims import subject_of, verified_claims, verified_email
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.jwks import IssuerKeys
from gateway.identity.profiles import ABSENT, SIGN_IN_ONLY, IssuerProfile, profile
from gateway.identity.roles import is_name, sent_groups
from gateway.jose import JoseError, parse
from gateway.model import Person
from gateway.settings import Issuer

_HABITS: Mapping[str, Mapping[str, Any]] = {
    "keycloak": {"fixed": {"typ": "ID"}},
    "okta": {"subject": ("sub",)},  # the user's id, which its access tokens call `uid`
    "google": {"key_origins": frozenset({"https://www.googleapis.com", "https://oauth2.googleapis.com"})},
}
"""How a vendor's ID tokens differ from its access tokens (their own documents, November 2026)."""


def id_profile(issuer: Issuer, client_id: str) -> IssuerProfile:
    """How the ID tokens of that issuer for our client are read. Raises `ConfigError`."""
    if issuer.profile in SIGN_IN_ONLY:
        access = IssuerProfile(issuer.issuer, client_id)
    else:
        access = profile(issuer.profile, issuer=issuer.issuer, audience=client_id)
    habits = dict(_HABITS.get(issuer.profile, {}))
    own = {"key_origins": frozenset(issuer.key_origins), "jwks_uri": issuer.jwks_uri}
    return replace(
        access,
        audience=client_id,
        beside=frozenset(),  # one more audience could hand the token on
        types=frozenset({"jwt", ABSENT}),
        required=frozenset({"nonce"}),
        tells=frozenset({"events"}),  # of logout tokens and security events
        groups=issuer.groups or access.groups,
        programs=(),
        **{**habits, **{name: value for name, value in own.items() if value}},
    )


class IdTokens:
    """Verifies the ID tokens of one issuer for our client."""

    def __init__(self, profile: IssuerProfile, outward: Outward) -> None:
        self.profile = profile
        self._keys = IssuerKeys(profile, outward)

    async def claims(self, token: str, *, nonce: str | None, access_token: str) -> Mapping[str, Any]:
        """The verified claims (OpenID Connect Core §3.1.3.7). `nonce` is None for the ID token of a refresh,
        which need not have one (§12.2). Raises `Unauthenticated`, whose private text says why, or `Unavailable`
        when the issuer's keys cannot be had."""
        profile = self.profile if nonce is not None else replace(self.profile, required=frozenset())
        if len(token) > limits.TOKEN_BYTES or not token.isascii():
            raise Unauthenticated("the ID token is too large or not ASCII")
        try:
            unverified = parse(token)
            signed, _ = await self._keys.signed(token, unverified, profile)
            claims = verified_claims(signed, profile, clock.wall())
        except JoseError as wrong:
            raise Unauthenticated(f"the ID token: {wrong}") from None
        if nonce is not None and not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise Unauthenticated("the ID token's nonce is of another sign-in")
        if claims.get("azp", self.profile.audience) != self.profile.audience:
            raise Unauthenticated("the ID token was issued to another client")
        half = create_half_hash(access_token, str(unverified.header["alg"]))
        if half is not None and "at_hash" in claims and half.decode() != claims["at_hash"]:
            raise Unauthenticated("the access token is not the ID token's")
        return claims


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, how, and what the provider gave us for it."""

    person: Person
    sid: str
    """The provider's name for that session, where it has one."""
    groups: frozenset[str] = frozenset()
    """As the provider sent them, or its directory; what they mean here is for the `roles` table."""
    acr: str | None = None
    amr: frozenset[str] = frozenset()
    auth_time: float | None = None
    """Unix seconds."""
    tokens: TokenSet | None = None
    """The provider's grant of this very sign-in."""

    @property
    def ends_at(self) -> float | None:
        """Unix seconds at which the provider's session ends unless it is refreshed before; None: it does not
        tell. Every refresh tells it anew."""
        return None if self.tokens is None else self.tokens.ends_at


def signed_in(
    claims: Mapping[str, Any],
    profile: IssuerProfile,
    more: Mapping[str, Any],
    groups: frozenset[str] = frozenset(),
    tokens: TokenSet | None = None,
) -> SignedIn:
    """What verified claims say; `more` is what the userinfo endpoint adds, if it was asked.

    Raises `Unauthenticated`.
    """
    sid, acr, amr = claims.get("sid", ""), claims.get("acr"), claims.get("amr")
    if not isinstance(sid, str) or len(sid) > limits.CLAIM_CHARS:
        raise Unauthenticated("the ID token's sid is malformed")
    return SignedIn(
        _person(claims, profile, more),
        sid,
        groups,
        acr=acr if isinstance(acr, str) and is_name(acr) else None,
        amr=frozenset(one for one in amr if is_name(one)) if isinstance(amr, list) else frozenset(),
        auth_time=float(claims["auth_time"]) if "auth_time" in claims else None,
        tokens=tokens,
    )


def lacks_groups(claims: Mapping[str, Any], profile: IssuerProfile) -> bool:
    """Whether nothing is said of groups, so that they may stand somewhere else."""
    return bool(profile.groups) and sent_groups(claims, profile.groups).missing


async def groups_of(
    claims: Mapping[str, Any],
    profile: IssuerProfile,
    more: Mapping[str, Any],
    directory: CachedGroups | None,
) -> frozenset[str]:
    """The groups of verified claims, else of userinfo; those that are left out there, of the directory.

    Raises `Unauthenticated` when they are left out and there is no directory: fewer groups than somebody has
    would be a way around a rule that forbids by group. Raises `Unavailable`.
    """
    sent = sent_groups(more if lacks_groups(claims, profile) else claims, profile.groups)
    if directory is not None and (sent.left_out or sent.missing):
        return (await directory.of(_person(claims, profile, more)))[0]
    if sent.left_out:
        raise Unauthenticated(
            f"groups are left out of the sign-in (overage: {sent.left_out}): let the provider send assigned "
            "groups only, or set `identity.issuers.directory`"
        )
    return sent.names


def _person(claims: Mapping[str, Any], profile: IssuerProfile, more: Mapping[str, Any]) -> Person:
    names = ("name", "preferred_username")
    name = next((known[n] for known in (claims, more) for n in names if n in known), "")
    printable = "".join(c for c in name if c.isprintable()) if isinstance(name, str) else ""
    return Person(
        issuer=profile.issuer,
        subject=subject_of(claims, profile),
        email=verified_email(claims) or verified_email(more),
        name=printable[: limits.CLAIM_CHARS],
    )
