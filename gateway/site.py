"""One Jira site: its line, its address, its credential sources.

    /mcp          the first site of the settings
    /mcp/NAME     each other one

A token for one address is not good at another, unless the operator gave the provider one audience for
all of them. Everything else about a call is the same at each: one line, one record, one gate.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import cast

from starlette.types import ASGIApp

from gateway.audit.trail import Recorder
from gateway.config import JiraSite, Settings, shipped_policies
from gateway.credential import CredentialSource, Linking, Parts, as_they_came, nobody_signed_in
from gateway.credential.chosen import ChosenSource, Offer
from gateway.credential.keys import ClientKeys
from gateway.credential.renewal import Refresher
from gateway.errors import ConfigError
from gateway.gate import Gate
from gateway.http import Outward
from gateway.identity import Authenticator
from gateway.jira.client import JiraClient
from gateway.jira.datacenter.client import DataCenterClient
from gateway.pipeline import Pipeline
from gateway.policy.engine import CedarPolicy
from gateway.providers import PATH, Providers
from gateway.settings import CredentialSettings
from gateway.settings.jira import SOURCES
from gateway.signin.server.chain import Chain
from gateway.signin.sites import LinkedSite
from gateway.tool import Registry
from gateway.transport.elicit import Address, as_it_is
from gateway.transport.mcp import McpEndpoint
from gateway.transport.metadata import metadata_routes

JIRAS: Mapping[str, type[JiraClient]] = {"cloud": JiraClient, "datacenter": DataCenterClient}
"""How each `kind` of Jira is spoken to."""

State = Callable[[], tuple[bool, str]]


def site_paths(settings: Settings) -> dict[str, JiraSite]:
    """The path of each site, in the order of the settings."""
    first, *others = settings.jira
    return {PATH: first} | {f"{PATH}/{site.name}": site for site in others}


def as_it_comes(authenticator: Authenticator) -> Authenticator:
    """Nobody else hears of a caller."""
    return authenticator


@dataclass(frozen=True, slots=True)
class Common:
    """What all sites share."""

    settings: Settings
    outward: Outward
    tools: Registry
    audit: Recorder
    gate: Gate
    providers: Providers
    keys: ClientKeys
    refresher: Refresher | None = None
    """The vault and who refreshes in it; None without a vault."""
    chain: Chain | None = None
    """What stands for people at their provider who signed in with us; None where nobody does."""
    seen: Callable[[Authenticator], Authenticator] = as_it_comes
    """Who else hears of a caller who was authenticated."""
    address: Address = as_it_is
    """How the address of a page of ours is told to a caller."""


class Site:
    """The composed line of one site, and its endpoint."""

    def __init__(self, common: Common, path: str, site: JiraSite) -> None:
        settings = common.settings
        self.name = site.name
        self.path = path
        self._common = common
        self.policy = CedarPolicy(
            settings.policy.dir or shipped_policies(), common.tools.actions(), site=site.name
        )
        self.jira = JIRAS[site.kind](
            common.outward,
            site.url,
            site=site.browse_url or None,
            page_key=_shared_key(site, b"page token"),
        )
        self.linked: LinkedSite | None = None
        """What the connect pages need of its source, when people link it."""
        self.credentials = self._credentials(site)
        self.line = Pipeline(
            identity=common.seen(common.providers.authenticator(path)),
            tools=common.tools,
            policy=self.policy,
            credentials=self.credentials,
            jira=self.jira,
            audit=common.audit.at(site.name),
            gate=common.gate,
        )
        self.endpoint = McpEndpoint(
            self.line,
            common.tools,
            public_url=settings.server.public_url,
            allowed_hosts=settings.server.allowed_hosts,
            allowed_origins=settings.server.allowed_origins,
            path=path,
            address=common.address,
        )

    def metadata(self) -> dict[str, ASGIApp]:
        """RFC 9728: where to sign in for this endpoint."""
        settings = self._common.settings
        ours = settings.server.public_url
        issuer = ours if settings.signin.mode == "signin" else settings.identity.issuers[0].issuer
        return metadata_routes(ours, issuer, path=self.path)

    def states(self) -> dict[str, State]:
        """Its parts, as `/readyz` names them."""
        suffix = "" if self.path == PATH else f".{self.name}"
        return {f"credential{suffix}": self.credentials.state, f"policy{suffix}": self.policy.state}

    def _credentials(self, site: JiraSite) -> CredentialSource:
        connect_url = f"{self._common.settings.server.public_url}/connect/{site.name}"
        chain = self._common.chain
        parts = Parts(
            outward=self._common.outward,
            site=site.name,
            site_url=site.url,
            issuers=self._common.providers.issuers,
            vendors=self._common.providers.vendors,
            keys=self._common.keys,
            verifier=self._common.providers.verifier,
            whose=self.jira.account,
            connect_url=connect_url,
            callback_url=f"{connect_url}/callback",
            events=partial(self._common.audit.event, site=site.name),
            refresher=self._common.refresher,
            subject=chain.presented if chain is not None else as_they_came,
            subject_token=chain.subject_token if chain is not None else nobody_signed_in,
        )
        if sum(order.linked for order in site.credential) > 1:  # their grants would share a name in the vault
            raise ConfigError(
                [
                    f"jira.credential ({site.name}): at most one source that people link; make another site of it."
                ]
            )
        offers = [_offer(order, parts) for order in site.credential]
        for order, offer in zip(site.credential, offers, strict=True):
            if order.linked:
                where = site.browse_url or getattr(order, "site_url", "") or site.url
                self.linked = LinkedSite(site.name, where, cast(Linking, offer.source), parts.callback_url)
        return ChosenSource(offers)


def _offer(order: CredentialSettings, parts: Parts) -> Offer:
    named: Iterable[str] = order.issuers or parts.issuers
    unknown = [name for name in named if name not in parts.issuers]
    if unknown:
        raise ConfigError(
            [
                f"jira.credential.issuers ({parts.site}): there is no provider named {unknown[0]}; "
                f"choose from {', '.join(parts.issuers)}."
            ]
        )
    source: CredentialSource = import_module(f"{SOURCES}.{order.source}").build(order, parts)
    return Offer(source, frozenset(parts.issuers[name] for name in named), order.programs)


def _shared_key(site: JiraSite, purpose: bytes) -> bytes | None:
    """A key that every replica derives alike, from a secret that they share; None without any."""
    secret = getattr(site.credential[0], "client_secret", None)
    if secret is None or not secret.get_secret_value():
        return None
    return hmac.new(
        secret.get_secret_value().encode(), b"jira-agent-gateway/" + purpose, hashlib.sha256
    ).digest()
