"""The pages for people, composed: which providers sign in, which sites are connected, who is told where.

They stand where at least one provider has a `login`. Notes in addresses are sealed with that client's
secret, which all replicas share; so a changed secret ends the addresses that were told before, and the
next one is known beforehand (`next_client_secret`) for replicas that are not restarted at once.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from gateway.assistants import Assistants
from gateway.config import Settings
from gateway.credential import Events
from gateway.credential.keys import ClientKeys
from gateway.credential.vault import SIGN_IN, LinkHead, Vault
from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.revocation import somebody
from gateway.model import Caller
from gateway.settings import Issuer
from gateway.signin.choice import Choice, choice_from
from gateway.signin.compose import Room, SignIn, address_for
from gateway.signin.connect import Links
from gateway.signin.hint import Hints
from gateway.signin.login import CALLBACK
from gateway.signin.provider import Provider
from gateway.signin.server import assistants_page
from gateway.signin.server.assistants import ConnectPage
from gateway.signin.server.progress import Progress
from gateway.signin.sessions import Session
from gateway.signin.sites import LinkedSite
from gateway.site import site_paths
from gateway.store import Store
from gateway.transport.elicit import Address, as_it_is
from gateway.transport.web import Guard


class Entrance:
    """What is needed of the settings to make the pages; `address` is for the endpoints of all sites."""

    def __init__(
        self,
        settings: Settings,
        keys: ClientKeys,
        outward: Outward,
        directories: Mapping[str, CachedGroups],
    ) -> None:
        """`directories` by issuer."""
        self._settings = settings
        logins = [one for one in settings.identity.issuers if one.login is not None]
        back = settings.server.public_url + CALLBACK
        self.providers = [
            Provider(one, outward, redirect_uri=back, keys=keys, directory=directories.get(one.issuer))
            for one in logins
        ]
        """Where people sign in through their browser."""
        server = settings.server
        self.guard = Guard(server.public_url, server.allowed_hosts, server.allowed_origins)
        self._hints = Hints(*_secrets(logins, keys)) if logins else None

    @property
    def address(self) -> Address:
        """How the address of a page is told to a caller."""
        return partial(address_for, self._hints) if self._hints is not None else as_it_is

    def _choice(self) -> Choice:
        url, issuers = self._settings.server.public_url, self._settings.identity.issuers
        sites = {f"{url}{path}": site for path, site in site_paths(self._settings).items()}
        return choice_from(issuers, self.providers, sites)

    def pages(
        self,
        *,
        store: Store,
        vault: Vault | None,
        sites: Sequence[LinkedSite],
        events: Events,
        check: Callable[[Caller], None],
        assistants: Assistants | None = None,
    ) -> SignIn | None:
        """The pages; None when nobody can sign in by a browser. Raises `ConfigError` when somebody must.

        `check` raises for whom was cut off (`Revocations.check`).
        """
        if self._hints is None or vault is None:
            if sites:
                named = ", ".join(site.name for site in sites)
                raise ConfigError(
                    [
                        f"jira.credential ({named}): people connect it in their browser; "
                        "give one of `identity.issuers` a `login`, and set the key of `vault`."
                    ]
                )
            if self._hints is None:
                return None
        links = partial(_connections, vault)
        return SignIn(
            public_url=self._settings.server.public_url,
            guard=self.guard,
            providers=self.providers,
            store=store,
            sites=sites,
            hints=self._hints,
            links=links,
            choice=self._choice(),
            events=events,
            check=lambda session: check(_as_caller(session)),
            arrivals=assistants.authorize if assistants is not None else None,
            rooms=self._rooms(assistants, links, [site.name for site in sites], store),
        )

    def _rooms(
        self, assistants: Assistants | None, links: Links, linked: Sequence[str], store: Store
    ) -> Sequence[Room]:
        """The Connect page; where assistants sign in with us, also what they signed in."""
        if assistants is not None:
            return assistants.rooms(links, linked)
        url, sites = self._settings.server.public_url, site_paths(self._settings)
        addresses = [assistants_page.Address(site.name, url + path) for path, site in sites.items()]
        return [ConnectPage(addresses, links=links, linked=linked, progress=Progress(store))]


def _as_caller(session: Session) -> Caller:
    """A browser's person as revocations know people: a sign-in in the browser is cut off like a token."""
    person = session.person
    return somebody(person.issuer, person.subject, session=session.sid, issued_at=session.begun)


async def _connections(vault: Vault | None, issuer: str, subject: str) -> Sequence[LinkHead]:
    """What a person connected; none where the gateway keeps none. The provider's grants of their sign-ins with
    assistants belong to those."""
    heads = await vault.of(issuer, subject) if vault is not None else ()
    return [head for head in heads if not head.key.upstream.startswith(SIGN_IN)]


def _secrets(logins: Sequence[Issuer], keys: ClientKeys) -> list[bytes]:
    """The secrets of our clients at the providers; with `private_key_jwt`, our keys."""
    found = [
        secret.get_secret_value().encode()
        for one in logins
        if one.login is not None
        for secret in (one.login.client_secret, one.login.next_client_secret)
        if secret.get_secret_value()
    ]
    return found or [keys.signing.pem]
