"""The token endpoint (RFC 6749 §3.2): codes, refresh tokens and assertions become access tokens.

    who asks -> what they hold (Authlib judges) -> is the person still there (the provider is asked) -> issue

A refresh token is only replaced after the provider said that the person is still there. A provider that
does not answer leaves everything as it is; a provider that says no ends the sign-in.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway import clock
from gateway.credential import Events
from gateway.errors import Unauthenticated
from gateway.identity.revocation import somebody
from gateway.model import Caller, Secret
from gateway.signin.idtoken import SignedIn
from gateway.signin.server import Client, Clients, Roles, UnknownClient, serves
from gateway.signin.server.access import AccessTokens
from gateway.signin.server.adapter import Hearing
from gateway.signin.server.assertion import Assertion, client_of
from gateway.signin.server.chain import Chain, ChainBroken
from gateway.signin.server.codes import Codes
from gateway.signin.server.ending import Ending
from gateway.signin.server.families import REUSED, Facts, Families, Family, FamilyHead, Reused, facts_of
from gateway.signin.server.form import Sent
from gateway.signin.server.metadata import JWT_BEARER
from gateway.signin.server.refused import OAuthError
from gateway.signin.server.resources import Resources
from gateway.signin.server.scopes import narrowed

Extension = Callable[[Sent, Client], Awaitable[Mapping[str, Any]]]
"""A further grant type: the form and the authenticated client in, the answer out."""


class Token:
    """The endpoint. `check` raises `Unauthenticated` for who was cut off (`Revocations.check`)."""

    def __init__(
        self,
        *,
        clients: Clients,
        assertion: Assertion,
        codes: Codes,
        families: Families,
        access: AccessTokens,
        resources: Resources,
        chain: Chain,
        ending: Ending,
        events: Events,
        check: Callable[[Caller], None],
        roles: Roles,
        extensions: Mapping[str, Extension] | None = None,
    ) -> None:
        self._clients = clients
        self._assertion = assertion
        self._codes = codes
        self._families = families
        self._access = access
        self._resources = resources
        self._chain = chain
        self._ending = ending
        self._events = events
        self._check = check
        self._roles = roles
        self._extensions = dict(extensions or {})

    async def answer(self, sent: Sent) -> Mapping[str, Any]:
        """POST /token. Raises `OAuthError` or `Unavailable`."""
        grant_type = sent.form.get("grant_type", "")
        if not grant_type:
            raise OAuthError("invalid_request", "grant_type is missing.")
        client, hearing = await self.hearing(sent)
        if client.admission != "admitted":
            raise OAuthError("unauthorized_client", "This client is not admitted here.")
        await self._clients.used(client.id)
        if grant_type == "refresh_token":
            return await self._refreshed(sent, client, hearing)
        if grant_type in self._extensions:
            hearing.authenticated(sent.form, sent.authorization)
            return await self._extensions[grant_type](sent, client)
        if grant_type == JWT_BEARER:
            raise OAuthError("unsupported_grant_type", "Assertions are not accepted here.")
        return await self._redeemed(sent, hearing)

    async def hearing(self, sent: Sent) -> tuple[Client, Hearing]:
        """The client that asks, and Authlib with it. Raises `OAuthError`."""
        try:
            client = await self._clients.find(client_of(sent), sent.source)
        except UnknownClient as unknown:
            raise OAuthError("invalid_client", str(unknown), 401) from None
        return client, Hearing(client, proved=await self._assertion.proves(sent, client))

    async def _redeemed(self, sent: Sent, hearing: Hearing) -> Mapping[str, Any]:
        text = sent.form.get("code", "")
        code = await self._codes.look(text) if text else None
        if code is None and text:
            await self._punished(text)
        hearing.code_grant(sent.form, sent.authorization, code)
        assert code is not None
        told = dict(code.family)
        self._resources.same(sent.form.get("resource"), told["resource"])
        if not await self._codes.use(text, told["id"]):
            await self._punished(text)
            raise OAuthError("invalid_grant", "The code was used before.")
        facts = facts_of(told.pop("facts"))
        scopes = frozenset(told.pop("scopes"))
        head = FamilyHead(**told, scopes=scopes, used_at=clock.wall())
        self._standing(head, facts)
        if not await self._chain.kept(head.id, head.issuer, head.subject):
            raise OAuthError("invalid_grant", "This sign-in is over; sign in again.")
        await self._events("assistant.signed_in", **head.told(), host=head.host, assurance=head.assurance)
        family, refresh = await self._families.begin(head, facts)
        if await self._codes.came_again(text):
            await self._punished(text)
            raise OAuthError("invalid_grant", "The code was used before.")
        return self._issued(family, scopes, refresh)

    async def _refreshed(self, sent: Sent, client: Client, hearing: Hearing) -> Mapping[str, Any]:
        text = sent.form.get("refresh_token", "")
        family = await self._families.find(text)
        had = family.head.scopes if family else frozenset()
        scopes = narrowed(sent.form.get("scope", ""), had)
        form = {**sent.form, **({"scope": " ".join(sorted(scopes))} if "scope" in sent.form else {})}
        owner = family.head.client if family else ""
        hearing.refresh_grant(form, sent.authorization, owner, had)
        assert family is not None
        self._resources.same(sent.form.get("resource"), family.head.resource)
        try:
            standing = await self._families.standing(text, family)
        except Reused:
            await self._ending.end(family.head, REUSED)
            raise OAuthError("invalid_grant", "This refresh token was used before; sign in again.") from None
        if not standing:
            raise OAuthError("invalid_grant", "This refresh token was replaced; use the newest.")
        return await self._renewed(text, family, scopes, client)

    async def _renewed(
        self, text: str, family: Family, scopes: frozenset[str], client: Client
    ) -> Mapping[str, Any]:
        head = family.head
        try:
            self._standing(head, family.facts)
            now = await self._chain.renewed(head.id, head.issuer, head.subject)
        except (ChainBroken, OAuthError) as over:
            reason = over.reason if isinstance(over, ChainBroken) else "cut_off"
            await self._ending.end(head, reason)
            raise OAuthError("invalid_grant", "This sign-in is over; sign in again.") from None
        facts = family.facts if now.who is None else _of(now.who, family.facts)
        if not serves(client, self._roles(head.issuer, facts.groups)):
            await self._ending.end(head, "not_for_them")
            raise OAuthError("invalid_grant", "This client is not for this person any more.")
        expires_at = min(facts.until, now.ends_at or facts.until)
        refresh = await self._families.rotate(text, family, facts, expires_at)
        if refresh is None:
            raise OAuthError("invalid_grant", "This refresh token was replaced; use the newest.")
        fresh = replace(family, head=replace(head, expires_at=expires_at), facts=facts)
        return self._issued(fresh, scopes, refresh)

    def _issued(self, family: Family, scopes: frozenset[str], refresh: Secret) -> Mapping[str, Any]:
        """RFC 6749 §5.1."""
        left = int(family.head.expires_at - clock.wall())
        return {
            "access_token": self._access.mint(family, scopes),
            "token_type": "Bearer",
            "expires_in": max(1, min(self._access.seconds, left)),
            "refresh_token": refresh.reveal(),
            "scope": " ".join(sorted(scopes)),
        }

    async def _punished(self, code: str) -> None:
        """RFC 6749 §4.1.2: what a code gave is over when the code comes again."""
        id = await self._codes.again(code)
        family = await self._families.by_id(id) if id else None
        if family is not None and not family.head.ended:
            await self._ending.end(family.head, "code_reused")

    def _standing(self, head: FamilyHead, facts: Facts) -> None:
        """Raises `OAuthError` for a person, sign-in or client that was cut off."""
        caller = somebody(
            head.issuer,
            head.subject,
            client=head.client,
            session=facts.sid,
            family=head.id,
            issued_at=head.began_at,  # refreshing makes nobody newer than a cut-off
        )
        try:
            self._check(caller)
        except Unauthenticated:
            raise OAuthError("invalid_grant", "This sign-in is over; sign in again.") from None


def _of(who: SignedIn, before: Facts) -> Facts:
    """What the provider said just now; how they signed in stays as it was where it does not say."""
    return replace(
        before,
        email=who.person.email or before.email,
        groups=who.groups,
        sid=who.sid or before.sid,
        acr=who.acr or before.acr,
        amr=who.amr or before.amr,
        auth_time=who.auth_time or before.auth_time,
    )
