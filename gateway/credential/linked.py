"""A grant that the person linked once in their browser, and that is refreshed without them.

    no live link          `ConsentRequired` with the address of the connect page, and why it ended
    a new generation      `/myself` is asked once whose it is; another account than the linked one, or
                          one that is not the person's by the site's rule, ends the link
    refused by Jira       `Refresher.renew`, once; the same token is not given again; nor is one that
                          Jira refuses when it is asked whose it is, as at the start of a process

A grant is kept in this process under (issuer, subject, upstream) and the generation of the link, never
beyond the access token's end, and every minute the vault is asked which generation is the one: another
replica may have refreshed, and the person may have disconnected there.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from gateway import clock, limits
from gateway.credential import GrantOrder, Parts
from gateway.credential.codegrant import App
from gateway.credential.connecting import Connecting, Consent, Terms
from gateway.credential.match import MatchSettings
from gateway.credential.refusals import unusable
from gateway.credential.renewal import Refresher
from gateway.credential.vault import Link, LinkKey
from gateway.errors import ConfigError, ConsentRequired, LinkRefused, TokenRefused, Unavailable
from gateway.model import Account, Caller, Effect, Grant, Person
from gateway.settings import ClientSettings, CredentialSettings, Field
from gateway.settings.client import Method
from gateway.store.flight import SingleFlight
from gateway.store.memory import ExpiringCache

DAY = 86_400.0

ENDS = {
    "": "You have not connected your Jira account here yet: connect it",
    "revoked": "Jira no longer accepts the connection to your account (it was removed there, or your password "
    "was changed): connect it again",
    "rotation_lost": "The connection to your Jira account was lost while it was being renewed: connect it again",
    "expired": "The connection to your Jira account has reached its greatest age: connect it again",
    "mismatch": "The Jira account that was connected here is not yours by this gateway's rules: connect your own",
    "write": "Your Jira account is connected for reading only: connect it for writing",
}
"""Why there is no live grant for the call -> what the person is told."""

MISMATCH = "mismatch"

Version = tuple[int, float]
"""Generation, and when it was linked: generations begin anew after the person disconnected."""


class AppSettings(ClientSettings):
    """An app that is registered at Jira's authorization server."""

    client_auth: Method = Field(
        "client_secret_post",
        description="How it proves itself; Jira's documents name `client_secret_post` only.",
    )


class LinkedSettings(MatchSettings, AppSettings, CredentialSettings):
    """People connect their own Jira account in the browser."""

    linked: ClassVar[bool] = True

    write: AppSettings | None = Field(
        None,
        description="A second app that is used for writes only, so that no read carries a token that can write; "
        "without it the one app's grant is widened when a person first writes.",
    )

    def notes(self) -> list[str]:
        if self.write is not None:
            return []
        return [
            f"jira.credential ({self.source}): once a person has connected for writing, also their reads carry a "
            "token that can write (`broad` in the record); a second app, `[jira.credential.write]`, avoids it."
        ]


@dataclass(frozen=True, slots=True)
class _Known:
    """A grant of one generation, and whose account Jira says it is."""

    link: Link
    account: Account


class LinkedSource(Connecting):
    """A `CredentialSource` and a `Linking`."""

    def __init__(self, terms: Terms, parts: Parts, refresher: Refresher) -> None:
        super().__init__(terms, parts, refresher)
        self._current: ExpiringCache[LinkKey, Version] = ExpiringCache(limits.GRANTS_CACHED)
        self._known: ExpiringCache[tuple[LinkKey, Version], _Known] = ExpiringCache(limits.GRANTS_CACHED)
        self._flight: SingleFlight[tuple[LinkKey, Version], _Known] = SingleFlight()
        self._forgotten = 0
        refresher.heed(self._drop)
        for consent in terms.consents():
            refresher.serve(consent.upstream, consent.app, lasts_days=terms.lasts_days)

    async def grant(self, order: GrantOrder) -> Grant:
        """The caller's own. Raises `ConsentRequired` with the connect page, `LinkRefused` or `Unavailable`."""
        consent = self._terms.reading if order.effect is Effect.READ else self._terms.writing
        person = Person(order.caller.issuer, order.caller.subject, order.caller.email)
        key = consent.key(person)
        refused = None if order.refused is None else _generation(order.refused)
        known = self._kept(key) if refused is None else None
        if known is None:
            known = await self._looked_up(key, order.effect, refused)
        await self._still_theirs(person, known)
        if not consent.scopes <= known.link.tokens.scopes:
            raise self._consent_required("write", order.effect)
        return self._made(known, consent, order.caller)

    def forget(self, issuer: str, subject: str, **_: str) -> None:
        """Drop every grant of that person that is kept here, and what is being looked up at the moment."""
        self._forgotten += 1
        self._current.drop_if(lambda key: (key.issuer, key.subject) == (issuer, subject))
        self._known.drop_if(lambda known: (known[0].issuer, known[0].subject) == (issuer, subject))

    def _drop(self, fits: Callable[[LinkKey], bool]) -> None:
        """The vault is looked at again for these."""
        self._forgotten += 1
        self._current.drop_if(fits)

    def state(self) -> tuple[bool, str]:
        """Ready unless a client secret is too old: links are found out about one by one."""
        states = [consent.app.state() for consent in self._terms.consents()]
        told = "; ".join(line for _, line in states)
        return all(ready for ready, _ in states), f"{self._terms.source} at {told}"

    def _kept(self, key: LinkKey) -> _Known | None:
        version = self._current.get(key)
        return None if version is None else self._known.get((key, version))

    async def _looked_up(self, key: LinkKey, effect: Effect, refused: int | None) -> _Known:
        """The live grant as the vault has it, with whose it is; asked of Jira once a generation.

        `refused` is the generation that Jira has refused.
        """
        before = self._forgotten
        link = await self._live(key, effect, refused)
        version = (link.generation, link.linked_at)
        found = self._known.get((key, version))
        if found is None:
            try:
                found = await self._flight.run((key, version), partial(self._asked, link))
            except TokenRefused:
                if refused is not None:
                    raise
                return await self._looked_up(key, effect, link.generation)
        if before == self._forgotten:
            ends = link.tokens.expires_at - limits.GRANT_SKEW_SECONDS
            self._known.put((key, version), found, until=ends)
            self._current.put(key, version, until=min(ends, clock.wall() + limits.LINK_LOOK_SECONDS))
        return found

    async def _asked(self, link: Link) -> _Known:
        return _Known(link, await self._parts.whose(link.tokens.access.reveal()))

    async def _live(self, key: LinkKey, effect: Effect, refused: int | None) -> Link:
        try:
            if refused is None:
                link = await self._refresher.fresh(key)
            else:
                link = await self._refresher.renew(key, refused)
        except ConsentRequired as none:
            raise await self._ended(key, effect, none.private) from None
        if link.key != key:
            raise unusable("the vault gave another person's link")
        if link.tokens.expires_at <= clock.wall():
            raise unusable("the refreshed access token has ended already")
        if link.generation == refused:
            raise unusable("the access token that Jira refused was not renewed")
        with suppress(Unavailable):  # only for show
            await self._vault.touch(key)
        return link

    async def _ended(self, key: LinkKey, effect: Effect, private: str) -> ConsentRequired:
        """Why there is no live grant."""
        head = await self._vault.head(key)
        if head is None:
            return self._consent_required("", effect, private)
        days = self._terms.lasts_days
        aged = days is not None and clock.wall() - head.linked_at >= days * DAY
        reason = "expired" if aged and head.ended == "revoked" else head.ended
        return self._consent_required(reason, effect, f"{head.ended}: {private}")

    def _consent_required(self, reason: str, effect: Effect, private: str = "") -> ConsentRequired:
        query = "" if effect is Effect.READ else "?scope=write"
        return ConsentRequired(
            f"{ENDS.get(reason, ENDS['revoked'])} in your browser, then repeat this call.",
            url=self._parts.connect_url + query,
            private=private,
        )

    async def _still_theirs(self, person: Person, known: _Known) -> None:
        """Raises `LinkRefused`, and the link is ended, when it is not the person's account (any more)."""
        link, account = known.link, known.account
        try:
            if account.id != link.account:
                raise LinkRefused(
                    "Jira answers as another account than the one that you connected: connect your own again.",
                    private=f"linked {link.account}, /myself says {account.id}",
                )
            self._terms.matching.using(person, account)
        except LinkRefused as refused:
            await self._vault.end(link.key, link.generation, MISMATCH)
            self.forget(person.issuer, person.subject)
            told = {"account": account.id, "reason": refused.private}
            await self._event("link.refused", link.key, **told)
            await self._event("link.ended", link.key, account=link.account, reason=MISMATCH)
            raise

    def _made(self, known: _Known, consent: Consent, caller: Caller) -> Grant:
        """Never good for longer than the caller's own token."""
        link = known.link
        return Grant(
            issuer=caller.issuer,
            subject=caller.subject,
            audience=self._parts.site_url,
            scopes=link.tokens.scopes,
            expires_at=min(link.tokens.expires_at, caller.expires_at),
            secret=link.tokens.access,
            source=self._terms.source,
            id=f"{link.key.upstream}#{link.generation}",
            account=link.account,
            broad=not link.tokens.scopes <= consent.worth,
        )


def _generation(grant: Grant) -> int:
    """Which generation of the link a grant is of; its id says it, so that it is known on any replica."""
    return int(grant.id.rpartition("#")[2])


def refresher_of(parts: Parts) -> Refresher:
    """Who refreshes. Raises `ConfigError` without a vault."""
    if parts.refresher is None:
        raise ConfigError(
            [f"jira.credential ({parts.site}): linked grants are kept sealed; set `vault.key_file`."]
        )
    return parts.refresher


def consents(
    settings: LinkedSettings,
    site: str,
    app: Callable[[AppSettings], App],
    *,
    reading: frozenset[str],
    writing: frozenset[str],
    extra: frozenset[str] = frozenset(),
) -> tuple[Consent, Consent]:
    """For reads and for writes; with one app under one name, so that the later widens the earlier."""
    reader = Consent(site, app(settings), reading, extra)
    if settings.write is None:
        return reader, replace(reader, scopes=writing)
    return reader, Consent(f"{site}/write", app(settings.write), writing, extra)
