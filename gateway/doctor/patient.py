"""Who is looked at: one provider of the settings, with what the gateway would make of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gateway.app import Gateway
from gateway.credential.client import OAuthClient
from gateway.doctor.clicks import click
from gateway.doctor.ear import Overheard
from gateway.errors import ConfigError
from gateway.identity import Authenticator
from gateway.identity.groups import GroupSource, group_source
from gateway.identity.jwks import IssuerKeys
from gateway.identity.profiles import IssuerProfile
from gateway.model import Bearer, Caller
from gateway.providers import PATH
from gateway.settings import ClientSettings, Issuer, Settings


@dataclass
class Patient:
    """One provider, and what was learnt of it so far."""

    settings: Issuer
    gateway: Gateway
    ear: Overheard
    bearer: Bearer | None = None
    """A token of it that an assistant would bring."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    caller: Caller | None = None
    """Who the token stands for, once the gateway would let it in."""

    @property
    def name(self) -> str:
        return self.settings.short

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    @property
    def public_url(self) -> str:
        return self.gateway.settings.server.public_url

    @cached_property
    def profile(self) -> IssuerProfile | None:
        """How its access tokens are read; None where people are only signed in by it."""
        profiles = self.gateway.providers.profiles(PATH)
        return next((one for one in profiles if one.issuer == self.issuer), None)

    @cached_property
    def keys(self) -> IssuerKeys:
        """Its keys, as the gateway fetches them."""
        return self.gateway.providers.keys.get(self.issuer) or IssuerKeys(self.reading, self.ear)

    @property
    def reading(self) -> IssuerProfile:
        """The profile, or what of one is needed to find the keys."""
        origins = frozenset(self.settings.key_origins)
        return self.profile or IssuerProfile(issuer=self.issuer, audience="-", key_origins=origins)

    @cached_property
    def directory(self) -> GroupSource | None:
        """Where groups are looked up."""
        order = self.settings.directory
        return None if order is None else group_source(order, self.issuer, self.ear, self.client(order))

    def client(self, order: ClientSettings) -> OAuthClient:
        """The gateway as a client there."""
        return OAuthClient(order, self.gateway.keys, audience=self.issuer)

    def authenticator(self) -> Authenticator:
        """The gateway's. It does not ask who was cut off: that is not the provider's doing."""
        return self.gateway.providers.verified(PATH)

    def click(self, topic: str) -> str:
        """Where to click at such a provider."""
        return click(self.settings.profile, topic)


def chosen(settings: Settings, name: str | None) -> list[Issuer]:
    """The provider of that name or issuer, or all. Raises `ConfigError`."""
    issuers = list(settings.identity.issuers)
    if name is None:
        return issuers
    names = {one.short: one for one in issuers}
    found = names.get(name) or next((one for one in issuers if one.issuer == name), None)
    if found is None:
        raise ConfigError(
            [f"There is no provider {name!r} in `identity.issuers`; choose from {', '.join(names)}."]
        )
    return [found]
