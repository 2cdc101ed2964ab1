"""The identity providers of the settings: whose tokens are verified, how, and where."""

from collections.abc import Callable, Mapping

from gateway.config import Settings
from gateway.credential import Verify
from gateway.credential.client import OAuthClient
from gateway.credential.keys import ClientKeys
from gateway.errors import ConfigError
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
from gateway.jose import Key
from gateway.settings import Issuer

PATH = "/mcp"
"""The endpoint of the first site."""


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
        self.roles = {one.issuer: RoleTable(one.roles) for one in settings.identity.issuers}
        self._verified: dict[str, Authenticator] = {}
        self.directories = {
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
        others = self._others(path) if self.profiles(path) else None
        only = self._settings.signin.provider_tokens == "programs"
        return OwnTokens(address, address + path, self._own, self.roles, others, programs_only=only)

    def _others(self, path: str) -> Authenticator:
        """Of the tokens that the providers issue."""
        signed = TokenAuthenticator(self.profiles(path), self.keys, directories=self.directories)
        endpoints = self._endpoints(path)
        if not endpoints:
            return signed
        asked = IntrospectionAuthenticator(endpoints, self._outward, directories=self.directories)
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
