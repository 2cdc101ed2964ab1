"""The chain from an assistant's sign-in with us to the person's sign-in at the company's provider.

    keep        a sign-in: the provider's grant goes into the vault, under the family's own id
    renewed     a refresh of ours: the provider is asked for the person again, and may say no
    presented   a call: what stands for the person at the provider is the provider's token, never ours
    end         a sign-in is over: the grant is destroyed, and the provider told
    sweep       grants whose sign-in came to nothing, or ended where nobody looked

Each family has a grant of its own, so one that ends takes no other with it. The refresher of the vault asks
the provider: of many replicas and many refreshes at once, one does.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway import clock, limits
from gateway.credential import SubjectToken
from gateway.credential.renewal import Refresher
from gateway.credential.vault import SIGN_IN, Link, LinkKey
from gateway.errors import ConsentRequired, GatewayError, Unauthenticated, Unavailable
from gateway.jose import JoseError, parse
from gateway.model import Caller
from gateway.signin.endpoints import unreachable
from gateway.signin.idtoken import SignedIn
from gateway.signin.provider import Provider
from gateway.signin.server.families import ASSERTED

Live = Callable[[], Awaitable[Collection[str]]]
"""The ids of all families that have not ended. Raises `Unavailable`."""

MISMATCH, EXPIRED = "mismatch", "expired"

log = logging.getLogger(__name__)


class ChainBroken(Exception):
    """The provider does not stand behind this sign-in any more: the family ends, and the person signs in anew.

    `reason` is why: `revoked` or `rotation_lost` (it refused the grant), `expired` (there was nothing to refresh
    with), `mismatch` (it named somebody else), `cut_off`, `gone`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Standing:
    """What the provider said of the person just now."""

    who: SignedIn | None
    """Fresh facts; None when its answer told none, and those of the sign-in stay."""
    ends_at: float | None
    """Unix seconds at which its session, and so the family, ends unless it is refreshed before; each refresh
    tells it anew. None: it does not tell."""


class Chain:
    """See above. Every method raises `Unavailable` when the vault or the provider cannot be asked."""

    def __init__(self, providers: Iterable[Provider], refresher: Refresher) -> None:
        """The grants lie in the vault of `refresher`."""
        self._providers = {one.issuer: one for one in providers}
        self._refresher = refresher
        self._vault = refresher.vault
        for one in self._providers.values():
            refresher.serve(f"{SIGN_IN}{one.name}", one)

    async def keep(self, family: str, who: SignedIn) -> None:
        """The grant of a fresh sign-in. Without a refresh token in it, it lasts as long as its access token."""
        if who.tokens is None:
            raise unreachable("the sign-in came without tokens")
        await self._vault.link(self._key(family, who.person.issuer, who.person.subject), "", who.tokens)

    async def kept(self, family: str, issuer: str, subject: str) -> bool:
        """Whether the grant of that sign-in is still there."""
        try:
            head = await self._vault.head(self._key(family, issuer, subject))
        except ChainBroken:
            return False
        return head is not None and not head.ended

    async def renewed(self, family: str, issuer: str, subject: str) -> Standing:
        """The person, validated anew at the provider. Raises `ChainBroken`; after `Unavailable` nothing has
        changed, and no token may be given."""
        key = self._key(family, issuer, subject)
        provider = self._providers[issuer]
        link = await self._vault.read(key)
        if link is None:
            raise await self._broken(key)
        try:
            link = await self._again(provider, link)
        except ConsentRequired:
            raise await self._broken(key) from None
        except Unavailable as away:
            raise unreachable(away.private) from None
        await self._same(provider, link)
        try:
            who = await provider.who(link.tokens)
        except Unauthenticated as unreadable:  # the provider's mistake, or a key of its that is not there yet
            raise unreachable(f"the refreshed ID token: {unreadable.private}") from None
        ends = link.tokens.ends_at if link.tokens.refresh is not None else link.tokens.expires_at
        return Standing(who, ends)

    async def end(self, family: str, issuer: str, subject: str) -> None:
        """The grant is destroyed; then the provider is told, if it listens."""
        if issuer not in self._providers:
            return
        key = self._key(family, issuer, subject)
        link = None
        with suppress(Unavailable):  # what cannot be opened is destroyed all the same
            link = await self._vault.read(key)
        await self._vault.unlink(key)
        if link is not None:
            try:
                async with asyncio.timeout(limits.JWKS_FETCH_SECONDS):
                    await self._providers[issuer].revoke(link.tokens)
            except (Unavailable, TimeoutError) as away:
                log.warning("%s: the provider was not told of the end: %s", key.upstream, away)

    async def presented(self, caller: Caller) -> Caller:
        """The caller as the provider knows them: with its own access token of this very sign-in, no longer than
        that lives. A caller who did not sign in with us is returned as they came.

        Raises `Unauthenticated` when the chain is broken, and `ConsentRequired` for who came with an identity
        assertion: it carries nothing that the provider would exchange.
        """
        if not caller.family:
            return caller
        tokens = (await self._fresh(caller)).tokens
        return replace(caller, token=tokens.access, expires_at=min(caller.expires_at, tokens.expires_at))

    async def subject_token(self, caller: Caller) -> SubjectToken | None:
        """What proves the sign-in to the provider itself: its ID token while it is good, else its refresh token;
        None for a caller who did not sign in with us. Raises as `presented` does."""
        if not caller.family:
            return None
        tokens = (await self._fresh(caller)).tokens
        if (
            tokens.id_token is not None
            and _ends(tokens.id_token.reveal()) > clock.wall() + limits.LEEWAY_SECONDS
        ):
            return SubjectToken(tokens.id_token)
        return None if tokens.refresh is None else SubjectToken(tokens.refresh, "refresh_token")

    async def sweep(self, live: Live) -> int:
        """Destroy the grants that belong to no live family and are older than any sign-in that is under way; how
        many."""
        names = [f"{SIGN_IN}{one.name}" for one in self._providers.values()]
        before = clock.wall() - limits.SIGN_IN_UNFINISHED_SECONDS
        heads = await self._vault.idle(before, limits.SIGN_IN_GRANTS, names)
        alive = frozenset(await live()) if heads else frozenset()
        left = [head.key for head in heads if head.key.tenant not in alive]
        for key in left:
            await self._vault.unlink(key)
        return len(left)

    async def watch(self, live: Live) -> None:
        """For ever: sweep now and then."""
        while True:
            await asyncio.sleep(limits.SIGN_IN_SWEEP_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            try:
                await self.sweep(live)
            except GatewayError as away:
                log.warning("grants of ended sign-ins: %s", away.private)
            except (
                Exception
            ):  # one look that fails must not be the last; what is left is refused all the same
                log.exception("grants of ended sign-ins")

    def _key(self, family: str, issuer: str, subject: str) -> LinkKey:
        """Raises `ChainBroken` when that provider is none of ours any more."""
        provider = self._providers.get(issuer)
        if provider is None or not family:
            raise ChainBroken("gone")
        return LinkKey(issuer, subject, f"{SIGN_IN}{provider.name}", tenant=family)

    async def _again(self, provider: Provider, link: Link) -> Link:
        """Refreshed at the provider, unless that was just now: each use of its refresh token spends it."""
        if clock.wall() - link.refreshed_at < limits.RENEWAL_COUNTS_SECONDS:
            return link
        if link.tokens.refresh is not None:
            return await self._refresher.renew(link.key, link.generation)
        if clock.wall() >= link.tokens.expires_at or not await provider.admits(link.tokens.access):
            await self._vault.end(link.key, link.generation, EXPIRED)
            raise ChainBroken(EXPIRED)
        return link

    async def _fresh(self, caller: Caller) -> Link:
        """The grant of the caller's sign-in, good for a while."""
        if caller.family.startswith(ASSERTED):
            raise ConsentRequired(
                "Sign in through the browser instead: what this Jira needs of your sign-in does not come with "
                "your company's assertion.",
                private=f"{caller.client} came with an identity assertion, behind which there is no grant",
            )
        try:
            key = self._key(caller.family, caller.issuer, caller.subject)
            link = await self._vault.read(key)
            if link is None:
                raise await self._broken(key)
            if link.tokens.refresh is not None:
                link = await self._refresher.fresh(key)
            elif clock.wall() >= link.tokens.expires_at:
                raise ChainBroken(EXPIRED)
            await self._same(self._providers[caller.issuer], link)
        except ConsentRequired as gone:
            raise Unauthenticated(f"the provider's grant: {gone.private}") from None
        except ChainBroken as broken:
            raise Unauthenticated(f"the provider's grant: {broken.reason}") from None
        return link

    async def _same(self, provider: Provider, link: Link) -> None:
        """The grant is still that person's. Raises `ChainBroken`."""
        if provider.names(link.tokens) not in (None, link.key.subject):
            log.error(
                "%s: the provider's refresh named somebody else than %s", link.key.upstream, link.key.subject
            )
            await self._vault.end(link.key, link.generation, MISMATCH)
            raise ChainBroken(MISMATCH)

    async def _broken(self, key: LinkKey) -> ChainBroken:
        head = await self._vault.head(key)
        return ChainBroken("gone" if head is None else head.ended or "gone")


def _ends(token: str) -> float:
    """Unix seconds; 0 for what cannot be read."""
    try:
        found = parse(token).claims.get("exp")
    except JoseError:
        return 0.0
    return float(found) if isinstance(found, int | float) else 0.0
