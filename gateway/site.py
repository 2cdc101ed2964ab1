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
from gateway.credential import CredentialSource, Linking, Parts, Verify, as_they_came, nobody_signed_in
from gateway.credential.chosen import ChosenSource, Offer
from gateway.credential.client import OAuthClient
from gateway.credential.keys import ClientKeys
from gateway.credential.renewal import Refresher
from gateway.errors import ConfigError
from gateway.gate import Gate
from gateway.http import Outward
from gateway.identity import Authenticator
from gateway.identity.composite import EveryToken
from gateway.identity.groups import group_source
from gateway.identity.groups.cached import CachedGroups
from gateway.identity.introspection import Endpoint, IntrospectionAuthenticator
from gateway.identity.jwks import key_ring
from gateway.identity.own import OwnTokens
from gateway.identity.profiles import SIGN_IN_ONLY, IssuerProfile, profile
from gateway.identity.revocation import Revocations, UnlessRevoked
from gateway.identity.roles import RoleTable
from gateway.identity.tokens import TokenAuthenticator
from gateway.jira.client import JiraClient
from gateway.jira.datacenter.client import DataCenterClient
from gateway.jose import Key
from gateway.pipeline import Pipeline
from gateway.policy.engine import CedarPolicy
from gateway.settings import CredentialSettings, Issuer
from gateway.settings.jira import SOURCES
from gateway.signin.server.chain import Chain
from gateway.signin.sites import LinkedSite
from gateway.tool import Registry
from gateway.transport.elicit import Address, as_it_is
from gateway.transport.mcp import McpEndpoint
from gateway.transport.metadata import metadata_routes

PATH = "/mcp"

JIRAS: Mapping[str, type[JiraClient]] = {"cloud": JiraClient, "datacenter": DataCenterClient}
"""How each `kind` of Jira is spoken to."""

State = Callable[[], tuple[bool, str]]


def site_paths(settings: Settings) -> dict[str, JiraSite]:
    """The path of each site, in the order of the settings."""
    first, *others = settings.jira
    return {PATH: first} | {f"{PATH}/{site.name}": site for site in others}


class Providers:
    """The identity providers of the settings, whose keys all sites share."""

    def __init__(
        self,
        settings: Settings,
        outward: Outward,
        revocations: Revocations,
        own: Callable[[], Mapping[str, Key]] | None = None,
        *,
        client_keys: ClientKeys | None = None,
    ) -> None:
        """`own` are the keys of the tokens that we issue ourselves; None where we issue none. `client_keys` are
        those with which we prove ourselves where opaque tokens are asked about."""
        self._client_keys = client_keys
        self._own = own
        self._settings = settings
        self._revocations = revocations
        self._outward = outward
        self.issuers = issuer_names(settings)
        self.vendors = {one.short: one.profile for one in settings.identity.issuers}
        self.keys = key_ring(self.profiles(PATH), outward)
        self._verified: dict[str, Authenticator] = {}
        self._directories = {
            one.issuer: CachedGroups(
                group_source(one.directory, one.issuer, outward, OAuthClient(one.directory))
            )
            for one in settings.identity.issuers
            if one.directory is not None
        }

    def authenticator(self, path: str) -> Authenticator:
        """Who calls at the endpoint of that path, unless they were cut off."""
        return UnlessRevoked(self.verified(path), self._revocations)

    def verified(self, path: str) -> Authenticator:
        """Whom a token names at that endpoint, cut off or not. One for each path: it knows its own failures."""
        if path not in self._verified:
            self._verified[path] = self._composed(path)
        return self._verified[path]

    def _composed(self, path: str) -> Authenticator:
        if self._own is None:
            return self._others(path)
        address = self._settings.server.public_url
        roles = {one.issuer: RoleTable(one.roles) for one in self._settings.identity.issuers}
        others = self._others(path) if self.profiles(path) else None
        return OwnTokens(address, address + path, self._own, roles, others)

    def _others(self, path: str) -> Authenticator:
        """Of the tokens that the providers issue."""
        signed = TokenAuthenticator(self.profiles(path), self.keys, directories=self._directories)
        endpoints = self._endpoints(path)
        if not endpoints:
            return signed
        asked = IntrospectionAuthenticator(endpoints, self._outward, directories=self._directories)
        return EveryToken(signed, asked)

    def verifier(self, issuer: str, audience: str, by: str = "") -> Verify:
        """How a token of `issuer` for another audience than ours is verified: by the same keys.

        With `by`, of that issuer in its place, by the keys of that one.
        """
        if all(one.issuer != issuer for one in self.profiles(PATH)):
            raise ConfigError([f"jira.credential: people are only signed in by {issuer}; leave it out."])
        order = next(one for one in self._settings.identity.issuers if one.issuer == issuer)
        if by and by != issuer:
            order = order.model_copy(update={"issuer": by, "jwks_uri": ""})
        known = _profile(order, audience).towards(audience)
        keys = self.keys if known.issuer in self.keys else key_ring([known], self._outward)
        return TokenAuthenticator([known], keys).authenticate

    def state(self) -> tuple[bool, str]:
        """(whether anybody's tokens can be verified, one line that names each issuer)."""
        return self.verified(PATH).state()

    def profiles(self, path: str) -> list[IssuerProfile]:
        """How the access tokens of each issuer are read at that path; those only signed in by have none."""
        address = f"{self._settings.server.public_url}{path}"
        return [
            _profile(one, address)
            for one in self._settings.identity.issuers
            if one.login is None or one.profile not in SIGN_IN_ONLY
        ]

    def pushing(self) -> list[IssuerProfile]:
        """Those that may push security events."""
        may = {one.issuer for one in self._settings.identity.issuers if one.events}
        return [known for known in self.profiles(PATH) if known.issuer in may]

    def _endpoints(self, path: str) -> list[Endpoint]:
        orders = {one.issuer: one.introspection for one in self._settings.identity.issuers}
        found = []
        for known in self.profiles(path):
            order = orders[known.issuer]
            if order is not None:
                client = OAuthClient(order, self._client_keys, audience=known.issuer)
                found.append(Endpoint(known, order.endpoint, client))
        return found


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
            identity=common.providers.authenticator(path),
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


def issuer_names(settings: Settings) -> dict[str, str]:
    """The short name of each provider -> its issuer identifier."""
    return {one.short: one.issuer for one in settings.identity.issuers}


def _profile(issuer: Issuer, address: str) -> IssuerProfile:
    changes = {
        "key_origins": frozenset(issuer.key_origins),
        "beside": frozenset(issuer.beside),
        "attested_clients": frozenset(issuer.attested_clients),
        "groups": issuer.groups,
        "jwks_uri": issuer.jwks_uri,
        "roles": RoleTable(issuer.roles) if issuer.roles else None,
    }
    return profile(
        issuer.profile,
        issuer=issuer.issuer,
        audience=issuer.audience or address,
        **{name: value for name, value in changes.items() if value},
    )
