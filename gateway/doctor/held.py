"""The credential with which Jira is looked at as the person; nothing is refreshed, changed or put on record.

Where the source asks the provider, it is the gateway's own exchange. Where the person linked Jira, or signed in
at the gateway, the grant is read from the vault as it lies there: a refresh is the running gateway's to make.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway import clock
from gateway.app import Gateway
from gateway.credential import GrantOrder
from gateway.credential.refresh import VaultRefresher
from gateway.credential.vault import Link, LinkHead, LinkKey, Vault
from gateway.errors import ConsentRequired, Unavailable
from gateway.model import Caller, Effect, Grant
from gateway.settings import CredentialSettings
from gateway.site import Site


class Looking(Gateway):
    """A gateway that refreshes nobody's grant, whichever way it is asked."""

    def _refresher(self) -> VaultRefresher | None:
        return None if self.vault is None else _AsItLies(self.vault, self.store)


class _AsItLies(VaultRefresher):
    """Gives grants as they are, while they are good."""

    async def fresh(self, key: LinkKey) -> Link:
        link = await self.vault.read(key)
        if link is None:
            head = await self.vault.head(key)
            raise ConsentRequired("The sign-in is over.", private="gone" if head is None else head.ended)
        _good(link)
        return link

    async def renew(self, key: LinkKey, generation: int) -> Link:
        return await self.fresh(key)


@asynccontextmanager
async def opened(gateway: Gateway, order: CredentialSettings, caller: Caller) -> AsyncIterator[None]:
    """The database and the vault, where the source, or the caller's sign-in with us, needs them.

    Raises `ConfigError`.
    """
    async with AsyncExitStack() as parts:
        if (order.linked or caller.family) and gateway.vault is not None:
            await parts.enter_async_context(gateway.database)
            await gateway.vault.start()
        yield


async def held(gateway: Gateway, site: Site, order: CredentialSettings, caller: Caller) -> Grant:
    """The caller's grant for a read. Raises a `GatewayError`."""
    if not order.linked:
        return await site.credentials.grant(GrantOrder(caller, Effect.READ))
    if gateway.vault is None:
        raise Unavailable("The vault has no key, so nobody can connect Jira.", part="vault")
    key = LinkKey(caller.issuer, caller.subject, site.name)
    link = await gateway.vault.read(key)
    if link is None:
        raise ConsentRequired(await _ended(gateway.vault, key, gateway.settings.server.public_url))
    return _grant(link, caller, order.source)


async def _ended(vault: Vault, key: LinkKey, public_url: str) -> str:
    head: LinkHead | None = await vault.head(key)
    why = "has not connected Jira" if head is None else f"is no longer connected to Jira ({head.ended})"
    return f"The person {why}; they connect it at {public_url}/connect/{key.upstream}."


def _grant(link: Link, caller: Caller, source: str) -> Grant:
    _good(link)
    return Grant(
        issuer=caller.issuer,
        subject=caller.subject,
        audience="",
        scopes=link.tokens.scopes,
        expires_at=min(link.tokens.expires_at, caller.expires_at),
        secret=link.tokens.access,
        source=source,
        account=link.account,
    )


def _good(link: Link) -> None:
    """Its access token can be used as it is. Raises `Unavailable`."""
    if link.tokens.expires_at <= clock.wall():
        raise Unavailable(
            "The access token in the vault has ended, and looking refreshes nothing: let the person make one call "
            "through the gateway, then look again.",
            part="credential",
        )
