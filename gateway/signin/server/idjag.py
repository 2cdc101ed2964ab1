"""Identity assertions (ID-JAG): an assistant brings its company provider's word for the person, and no browser
opens (draft-ietf-oauth-identity-assertion-authz-grant; MCP, "Enterprise-Managed Authorization").

    who asks has proved itself ── typ, key, iss, aud, times, client_id ── resource, scopes ── spent ──> a token

The assertion is for us alone, for that client alone, and good once: its `jti` is remembered until it ends,
and only a good one spends it, so nobody spends another's. A client without a key or secret is refused (the
draft, "Client Authentication"): with it, whoever gets hold of an assertion could use it, for a `client_id`
is no secret. There is no refresh token: the provider is asked for each access token, by the next assertion.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway import clock, limits
from gateway.credential import Events
from gateway.errors import Unauthenticated
from gateway.http import Outward
from gateway.identity.claims import verified_claims
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.jwks import IssuerKeys
from gateway.identity.profiles import IssuerProfile
from gateway.identity.revocation import somebody
from gateway.jose import JoseError, Unverified, parse
from gateway.model import Caller, Person
from gateway.settings import Issuer
from gateway.signin.flows import digest
from gateway.signin.idtoken import SignedIn, groups_of, id_profile, signed_in
from gateway.signin.server import Client, Roles, serves
from gateway.signin.server.access import AccessTokens
from gateway.signin.server.families import ASSERTED, Facts, Families, Family, FamilyHead, new_id
from gateway.signin.server.form import Sent
from gateway.signin.server.refused import OAuthError
from gateway.signin.server.resources import Resources
from gateway.signin.server.scopes import SCOPES, narrowed
from gateway.store import Store

TYPE = "oauth-id-jag+jwt"
NO_BROWSER = "its company's sign-in, without a browser"
"""Stands where the host of a redirect would."""

Grant = Callable[[Sent, Client], Awaitable[Mapping[str, Any]]]
"""The form and the authenticated client in, the answer out (RFC 6749 §5.1)."""


def assertion_profile(issuer: Issuer, audience: str) -> IssuerProfile:
    """How the assertions of that issuer for us are read: they name people as its ID tokens do. Raises `ConfigError`."""
    base = id_profile(issuer, audience)
    return replace(
        base,
        types=frozenset({TYPE}),
        required=frozenset({"jti", "client_id"}),
        tells=frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"}),
        fixed={claim: value for claim, value in base.fixed.items() if claim != "typ"},
        longest=limits.ID_JAG_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class Accepted:
    """An assertion that was good, and is spent."""

    who: SignedIn
    scopes: frozenset[str]
    """Ours, asserted, and asked."""
    resource: str
    """The URL of our endpoint, byte for byte."""
    issued_at: float
    """`iat`, Unix seconds: whoever was cut off since then is not let in by it."""
    expires_at: float
    """Of the assertion, Unix seconds."""

    @property
    def person(self) -> Person:
        """At the company's provider."""
        return self.who.person


@dataclass(frozen=True, slots=True)
class _Authority:
    profile: IssuerProfile
    keys: IssuerKeys


class Assertions:
    """Judges assertions. `issuers` are those whose word is taken (`id_jag`), `issuer` is our own identifier."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        issuer: str,
        resources: Resources,
        outward: Outward,
        store: Store,
        directories: Mapping[str, CachedGroups] | None = None,
    ) -> None:
        """`directories` by issuer, for groups that are left out. Raises `ConfigError`."""
        profiles = [assertion_profile(one, issuer) for one in issuers if one.id_jag]
        self._known = {one.issuer: _Authority(one, IssuerKeys(one, outward)) for one in profiles}
        self._resources = resources
        self._store = store
        self._directories = directories or {}

    def __bool__(self) -> bool:
        """Whether anybody's word is taken."""
        return bool(self._known)

    async def accept(
        self, assertion: str, client: Client, *, resource: str | None = None, scope: str = ""
    ) -> Accepted:
        """What a good assertion gives to `client`, who proved itself; it is good once.

        Raises `OAuthError` (`unauthorized_client`, `invalid_grant`, `invalid_target`, `invalid_scope`), and
        `Unavailable` when the provider's keys or the store cannot be had.
        """
        if client.auth_method == "none":
            raise OAuthError(
                "unauthorized_client", "Only a client with a key or a secret may bring an identity assertion."
            )
        try:
            claims, profile = await self._verified(assertion)
            if claims["client_id"] != client.id:
                raise Unauthenticated("client_id is another client")
            groups = await groups_of(claims, profile, {}, self._directories.get(profile.issuer))
            who = signed_in(claims, profile, {}, groups)
        except (JoseError, Unauthenticated) as wrong:
            raise _refused(wrong) from None
        place = self._place(claims.get("resource"), resource)
        accepted = Accepted(
            who, _scopes(claims.get("scope"), scope), place, float(claims["iat"]), float(claims["exp"])
        )
        await self._spend(profile.issuer, claims["jti"], accepted.expires_at)
        return accepted

    async def _verified(self, assertion: str) -> tuple[Mapping[str, Any], IssuerProfile]:
        if len(assertion) > limits.TOKEN_BYTES or not assertion.isascii():
            raise Unauthenticated("it is too large or not ASCII")
        unverified = parse(assertion)
        known = self._authority(unverified)
        signed, _ = await known.keys.signed(assertion, unverified, known.profile)
        return verified_claims(signed, known.profile, clock.wall()), known.profile

    def _authority(self, unverified: Unverified) -> _Authority:
        """By the unverified `iss`, which is looked up in the settings and nowhere else."""
        issuer = unverified.claims.get("iss")
        known = self._known.get(issuer) if isinstance(issuer, str) else None
        if known is None:
            raise Unauthenticated("iss is no provider whose assertions are accepted here")
        return known

    def _place(self, asserted: Any, asked: str | None) -> str:
        """The one endpoint of ours that is asserted and asked for; either may be silent (RFC 8707)."""
        if asserted is None:
            return self._resources.one(asked)
        named = [asserted] if isinstance(asserted, str) else asserted
        if not isinstance(named, list) or not named or not all(isinstance(one, str) and one for one in named):
            raise OAuthError("invalid_grant", "The assertion is not accepted: resource is malformed.")
        ours = [found for one in named if (found := self._ours(one)) is not None]
        wanted = self._resources.one(asked) if asked else ours[0] if ours else None
        if wanted is None or wanted not in ours:
            raise OAuthError("invalid_target", "The assertion is for another resource.")
        return wanted

    def _ours(self, resource: str) -> str | None:
        try:
            return self._resources.one(resource)
        except OAuthError:
            return None

    async def _spend(self, issuer: str, jti: Any, expires_at: float) -> None:
        if not isinstance(jti, str) or len(jti) > limits.CLAIM_CHARS or not jti.isprintable():
            raise _refused(Unauthenticated("jti is malformed"))
        left = expires_at + limits.LEEWAY_SECONDS - clock.wall()
        if not await self._store.add(f"idjag:{digest(issuer)}:{digest(jti)}", b"1", max(left, 1.0)):
            raise _refused(Unauthenticated("it was used before"))


def _scopes(asserted: Any, asked: str) -> frozenset[str]:
    """What is ours, asserted and asked. An assertion without scopes limits nothing (the draft has them optional),
    and a request that names none of what is left gets what is left, never more."""
    if asserted is not None and not isinstance(asserted, str):
        raise OAuthError("invalid_grant", "The assertion is not accepted: scope is malformed.")
    ours = frozenset(SCOPES)
    allowed = ours if asserted is None else ours & frozenset(asserted.split())
    if not allowed:
        raise OAuthError("invalid_scope", f"The assertion names none of {', '.join(SCOPES)}.")
    return narrowed(asked, allowed)


def _refused(wrong: Exception) -> OAuthError:
    """Says what of its own assertion is wrong, to a client that has proved itself."""
    why = wrong.private if isinstance(wrong, Unauthenticated) else str(wrong)
    return OAuthError("invalid_grant", f"The assertion is not accepted: {why}.")


def assertion_grant(
    assertions: Assertions,
    access: AccessTokens,
    families: Families,
    check: Callable[[Caller], None],
    roles: Roles,
    events: Events,
) -> Grant:
    """The grant type `urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523 §2.1) at the token endpoint.

    `check` raises `Unauthenticated` for who was cut off (`Revocations.check`).
    """

    async def grant(sent: Sent, client: Client) -> Mapping[str, Any]:
        text = sent.form.get("assertion", "")
        if not text:
            raise OAuthError("invalid_request", "assertion is missing.")
        resource, scope = sent.form.get("resource"), sent.form.get("scope", "")
        accepted = await assertions.accept(text, client, resource=resource, scope=scope)
        family = _family(accepted, client, access.seconds)
        head = family.head
        try:
            check(_caller(accepted, head))
        except Unauthenticated:
            raise OAuthError("invalid_grant", "This person or client was cut off.") from None
        if not serves(client, roles(head.issuer, family.facts.groups)):
            raise OAuthError("access_denied", "This client is not for this person.")
        await events("assistant.signed_in", **head.told(), host=head.host, assurance=head.assurance)
        await families.begin(
            head, family.facts
        )  # to be listed and ended; its refresh token is given to nobody
        return {
            "access_token": access.mint(family, accepted.scopes),
            "token_type": "Bearer",
            "expires_in": access.seconds,
            "scope": " ".join(sorted(accepted.scopes)),
        }

    return grant


def _family(accepted: Accepted, client: Client, seconds: float) -> Family:
    """One that is never refreshed, and over with its access token."""
    now, who = clock.wall(), accepted.who
    head = FamilyHead(
        id=ASSERTED + new_id(),
        issuer=who.person.issuer,
        subject=who.person.subject,
        client=client.id,
        host=NO_BROWSER,
        assurance="attested",  # it proved itself to us, and the provider named it
        scopes=accepted.scopes,
        resource=accepted.resource,
        began_at=min(now, accepted.issued_at),
        used_at=now,
        expires_at=now + seconds,
    )
    facts = Facts(who.person.email, who.groups, who.sid, who.acr, who.amr, who.auth_time, now + seconds)
    return Family(head, facts)


def _caller(accepted: Accepted, head: FamilyHead) -> Caller:
    """As revocations know people."""
    return somebody(
        head.issuer,
        head.subject,
        client=head.client,
        session=accepted.who.sid,
        family=head.id,
        issued_at=accepted.issued_at,
    )
