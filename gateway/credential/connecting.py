"""How a person comes to a linked grant: the half of `linked.py` that happens in the browser.

    authorize_url ──> the person agrees at Jira ──> complete:
        the code becomes tokens at once                     (Data Center's lives ten seconds)
        they reach the site of the settings                 (Cloud: one grant may reach several)
        `/myself` names the account, which is the person's  (match.py)
        and nobody else's                                   (unless the operator allows it)
        the grant is kept, and that is on record

A rule may want the person's word first. Until it is given the tokens lie sealed in the vault under a
name of their own that nothing uses, because a code cannot be redeemed twice and the answer may reach
another replica.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from gateway import clock, limits
from gateway.credential import Parts
from gateway.credential.codegrant import App
from gateway.credential.match import Matching
from gateway.credential.renewal import Refresher
from gateway.credential.vault import WAITING, LinkKey, TokenSet
from gateway.errors import ConfirmationNeeded, LinkRefused
from gateway.model import Account, Person


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agrees to: at which app, for which scopes, kept under which name in the vault."""

    upstream: str
    app: App
    scopes: frozenset[str]
    """What the call needs."""
    extra: frozenset[str] = frozenset()
    """What is asked besides: the right to refresh."""

    @property
    def worth(self) -> frozenset[str]:
        """What a token of exactly this consent may do."""
        return self.app.whole(self.scopes | self.extra)

    def key(self, person: Person) -> LinkKey:
        """Where the person's grant is kept."""
        return LinkKey(person.issuer, person.subject, self.upstream)


@dataclass(frozen=True, slots=True)
class Terms:
    """How one site is linked. With one app both consents have the same app and name."""

    source: str
    reading: Consent
    writing: Consent
    matching: Matching
    shared: bool = False
    """Whether two people may link one account."""
    lasts_days: int | None = None
    """After so many days the person must consent again, however often the grant was refreshed."""
    apps_url: str = ""
    """Where people remove the app at Jira."""
    reaches: Callable[[TokenSet], Awaitable[None]] | None = None
    """Raises `LinkRefused` when fresh tokens do not reach the site."""

    def consents(self) -> tuple[Consent, ...]:
        """Each name in the vault once."""
        return (self.reading,) if self._one_app else (self.reading, self.writing)

    @property
    def _one_app(self) -> bool:
        return self.reading.upstream == self.writing.upstream


class Connecting(ABC):
    """A `Linking`."""

    def __init__(self, terms: Terms, parts: Parts, refresher: Refresher) -> None:
        self._terms = terms
        self._parts = parts
        self._refresher = refresher
        self._vault = refresher.vault

    @abstractmethod
    def forget(self, issuer: str, subject: str, **_: str) -> None:
        """Drop what is kept of that person in this process."""

    @property
    def lasts_days(self) -> int | None:
        """See `Linking`."""
        return self._terms.lasts_days

    @property
    def apps_url(self) -> str:
        """See `Linking`."""
        return self._terms.apps_url

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str, write: bool = False) -> str:
        """Where the browser goes; for reads only, unless `write`."""
        consent = self._consent(write)
        return consent.app.authorization(
            consent.scopes | consent.extra, state=state, challenge=challenge, redirect_uri=redirect_uri
        )

    async def complete(
        self,
        person: Person,
        *,
        code: str,
        verifier: str,
        redirect_uri: str,
        write: bool = False,
        confirmed: str | None = None,
    ) -> Account:
        """See `Linking`."""
        consent = self._consent(write)
        waiting = _waiting(consent.key(person))
        try:
            if confirmed is None:
                asked = consent.scopes | consent.extra
                tokens = await consent.app.redeem(
                    code, verifier=verifier, redirect_uri=redirect_uri, asked=asked
                )
            else:
                tokens = await self._taken(waiting)
            account = await self._accepted(person, consent, tokens, confirmed)
            await self._keep(person, consent, tokens, account)
        except LinkRefused as refused:
            await self._event("link.refused", consent.key(person), reason=refused.private)
            raise
        return account

    async def unlink(self, person: Person) -> None:
        """All links of the person at this site are destroyed here; what the authorization server keeps is its own."""
        for consent in self._terms.consents():
            key = consent.key(person)
            await self._vault.unlink(_waiting(key))
            head = await self._vault.head(key)
            await self._vault.unlink(key)
            self.forget(person.issuer, person.subject)
            await self._refresher.changed(key)
            if head is not None:
                await self._event("link.ended", key, account=head.account, reason="disconnected")

    def _consent(self, write: bool) -> Consent:
        return self._terms.writing if write else self._terms.reading

    async def _taken(self, waiting: LinkKey) -> TokenSet:
        """The tokens that wait for the person's word, once."""
        link = await self._vault.read(waiting)
        await self._vault.unlink(waiting)
        if link is None or link.linked_at + limits.LINK_CONFIRM_SECONDS < clock.wall():
            raise LinkRefused(
                "There is no Jira account left to confirm, perhaps because it took too long: connect once more.",
                private="nothing waits for a confirmation",
            )
        return link.tokens

    async def _accepted(
        self, person: Person, consent: Consent, tokens: TokenSet, confirmed: str | None
    ) -> Account:
        """The account of the tokens, when it may be linked. Raises `LinkRefused` or `ConfirmationNeeded`."""
        if not consent.scopes <= tokens.scopes:
            raise LinkRefused(
                "Jira was allowed less than this gateway needs, so nothing was connected: "
                "connect once more and agree to everything that is listed.",
                private=f"granted: {' '.join(sorted(tokens.scopes))}",
            )
        if tokens.refresh is None:
            raise LinkRefused(
                "Jira gave no lasting access, so nothing was connected: tell the operator of this gateway.",
                private="no refresh token came",
            )
        if self._terms.reaches is not None:
            await self._terms.reaches(tokens)
        account = await self._parts.whose(tokens.access.reveal())
        before = await self._before(person, consent, account)
        try:
            self._terms.matching.linking(person, account, before=before, confirmed=confirmed)
        except ConfirmationNeeded:
            await self._vault.link(_waiting(consent.key(person)), account.id, tokens)
            raise
        await self._alone(person, account)
        return account

    async def _before(self, person: Person, consent: Consent, account: Account) -> str:
        """The account of the person's earlier link here, or empty. A live one beside this must be the same."""
        before = ""
        for one in self._terms.consents():
            head = await self._vault.head(one.key(person))
            if head is None:
                continue
            if one is not consent and not head.ended and head.account != account.id:
                raise LinkRefused(
                    "You connected another Jira account here: disconnect that one first.",
                    private="reading and writing would be two accounts",
                )
            before = before or head.account
        return before

    async def _alone(self, person: Person, account: Account) -> None:
        """Raises `LinkRefused` when somebody else has linked that account."""
        if not self._terms.shared and await self._others(person, account):
            raise LinkRefused(
                "This Jira account is connected by somebody else already: "
                "connect your own, or ask the operator of this gateway.",
                private=f"account {account.id} is linked by another person",
            )

    async def _others(self, person: Person, account: Account) -> bool:
        upstreams: Iterable[str] = (consent.upstream for consent in self._terms.consents())
        held = [key for name in upstreams for key in await self._vault.holders(name, account.id)]
        return any((key.issuer, key.subject) != (person.issuer, person.subject) for key in held)

    async def _keep(self, person: Person, consent: Consent, tokens: TokenSet, account: Account) -> None:
        """In the vault and on record, or neither; then what was there before is there again."""
        key = consent.key(person)
        old = await self._vault.read(key)
        await self._vault.link(key, account.id, tokens)
        self.forget(person.issuer, person.subject)
        try:
            await self._alone(person, account)  # once more: two may have come at the same moment
            scopes = " ".join(sorted(tokens.scopes))
            await self._event("link.made", key, account=account.id, scopes=scopes)
            await self._refresher.changed(key)
        except BaseException:
            if old is None:
                await self._vault.unlink(key)
            else:
                await self._vault.link(key, old.account, old.tokens)
            self.forget(person.issuer, person.subject)
            raise

    async def _event(self, kind: str, key: LinkKey, **fields: str) -> None:
        await self._parts.events(
            kind,
            issuer=key.issuer,
            subject=key.subject,
            upstream=key.upstream,
            source=self._terms.source,
            **fields,
        )


def _waiting(key: LinkKey) -> LinkKey:
    return replace(key, upstream=key.upstream + WAITING)
