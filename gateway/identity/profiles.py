"""What each provider's access tokens look like, as data. A provider's habits live in `PROFILES`, nowhere else.

rfc9068    RFC 9068 §2.2
keycloak   Keycloak Server Administration Guide, "Protocol mappers" and "Service accounts"
okta       Okta developer documentation, "Build a custom authorization server", "Access token payload"
entra      Microsoft identity platform, "Access token claims reference" (v1.0 and v2.0)
auth0      Auth0 documentation, "Access Token Profiles"
ping       PingOne Platform API, "Token claims"; PingFederate, "JSON web token access token manager"
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlsplit

from gateway import limits
from gateway.errors import ConfigError
from gateway.identity.roles import RoleTable
from gateway.jose import ASYMMETRIC

ABSENT = "absent"
"""In `IssuerProfile.types`: a token without a `typ` header."""


@dataclass(frozen=True, slots=True)
class Program:
    """How a provider marks a token that is a program's own and stands for no person. All of it must hold."""

    fixed: Mapping[str, str] = field(default_factory=dict)
    """Claims with this very value; `{client}` in it is the value of the claim `client`."""
    client: str = "client_id"
    same: tuple[str, ...] = ()
    """Claims that must all be there with the same value."""
    absent: frozenset[str] = frozenset()
    read: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the profile that are otherwise for such a token."""


@dataclass(frozen=True, slots=True)
class IssuerProfile:
    """How the access tokens of one issuer are read. Settings only: nothing here comes from a token.

    A token with `cnf` is refused whatever the profile says: it is bound to a key (RFC 9449, RFC 8705)
    whose possession a bearer does not show.
    """

    issuer: str
    """`iss`, exactly."""
    audience: str
    """`aud`, exactly: us."""
    jwks_uri: str | None = None
    """Where the keys are; None: where the issuer's metadata says."""
    key_origins: frozenset[str] = frozenset()
    """Origins besides the issuer's own that its metadata may name for keys, `https://host[:port]`."""
    algorithms: frozenset[str] = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
    types: frozenset[str] = frozenset({"at+jwt"})
    """Allowed `typ` headers in lower case without `application/`, or `absent`."""
    beside: frozenset[str] = frozenset()
    """Audiences that may stand beside ours in a list; with any other one the token is refused."""
    subject: tuple[str, ...] = ("sub",)
    """Claims whose values, joined by `:`, never change and never pass to somebody else."""
    client: tuple[str, ...] = ("client_id",)
    """Claims that name the OAuth client; the first that is present."""
    scope: str = "scope"
    scope_list: bool = False
    """Whether scopes are a JSON list; otherwise one text, separated by spaces (RFC 8693 §4.2)."""
    groups: tuple[str, ...] = ("groups",)
    """Path to the list of groups; empty: none are read."""
    roles: RoleTable = field(default_factory=RoleTable)
    """What its groups give here; of no other issuer's."""
    token_id: str = "jti"  # noqa: S105 - the name of a claim
    required: frozenset[str] = frozenset({"jti"})
    """Claims that must be there, besides issuer, audience, subject, client, `exp` and `iat`."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Claims that must have this very value."""
    tells: frozenset[str] = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
    """Claims that only other kinds of token have: ID tokens, logout tokens, security events."""
    programs: tuple[Program, ...] = ()
    """The marks of a program's own token; the first that holds counts."""
    program: bool = False
    """Whether this is how a program's own token is read."""
    attested_clients: frozenset[str] = frozenset()
    """Clients that prove themselves to the issuer with a key or secret; of the others the name is a claim."""
    longest: float = limits.TOKEN_LIFE_SECONDS
    """seconds from `iat` to `exp` at most."""

    def __post_init__(self) -> None:
        problems = []
        if not self.issuer or not self.audience or not self.types or not self.subject or not self.client:
            problems.append(
                f"Issuer {self.issuer!r}: issuer, audience, types, subject and client must be given."
            )
        if not self.algorithms or not self.algorithms <= ASYMMETRIC:
            problems.append(
                f"Issuer {self.issuer!r}: choose algorithms from {', '.join(sorted(ASYMMETRIC))}."
            )
        for url in filter(None, (self.issuer, self.jwks_uri)):
            if not trusted(url):
                problems.append(f"Issuer {self.issuer!r}: {url!r} must be https (http on loopback only).")
        if problems:
            raise ConfigError(problems)

    def towards(self, audience: str) -> Self:
        """The same issuer's tokens for another, single audience: what a token exchange must return.

        Their groups are not read: no policy ever sees that caller.
        """
        return replace(self, audience=audience, beside=frozenset(), groups=())

    def reading(self, claims: Mapping[str, Any]) -> Self:
        """How a token with these signed claims is read: as a program's own if it surely is one."""
        for program in self.programs:
            if _holds(program, claims):
                return replace(self, program=True, **program.read)
        return self


OWN_CLIENT = Program(same=("sub", "client_id"))
"""RFC 9068 §2.2: with no resource owner involved, `sub` is the client."""

_ENTRA: Mapping[str, Any] = {
    "types": frozenset({"jwt"}),
    "subject": ("tid", "oid"),  # `sub` differs for each application
    "scope": "scp",
    "token_id": "uti",
    "required": frozenset({"scp"}),  # neither ID tokens nor tokens without a person have it
}
_ENTRA_PROGRAM = {"scope": "roles", "scope_list": True, "required": frozenset({"roles"}), "groups": ()}


_ENTRA_PROGRAMS = (
    Program(fixed={"idtyp": "app"}, absent=frozenset({"scp"}), read=_ENTRA_PROGRAM),
    # Without the optional claim: a person's `sub` is never their `oid`.
    Program(
        same=("sub", "oid"),
        absent=frozenset({"scp", "idtyp", "name", "preferred_username", "upn", "unique_name"}),
        read=_ENTRA_PROGRAM,
    ),
)


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "rfc9068": {"programs": (OWN_CLIENT,)},
    "keycloak": {
        "types": frozenset({"jwt", "at+jwt"}),
        "client": ("azp",),
        "fixed": {"typ": "Bearer"},  # its ID tokens differ from its access tokens in this claim alone
        "programs": (
            Program(fixed={"preferred_username": "service-account-{client}"}, same=("client_id", "azp")),
        ),
    },
    "okta": {
        "types": frozenset({ABSENT}),
        "subject": ("uid",),  # `sub` is the login, which can be renamed and reused
        "client": ("cid",),
        "scope": "scp",
        "scope_list": True,
        "required": frozenset({"jti", "scp"}),
        "programs": (
            Program(same=("sub", "cid"), absent=frozenset({"uid"}), read={"subject": ("sub",), "groups": ()}),
        ),
    },
    "entra": {**_ENTRA, "client": ("azp",), "programs": _ENTRA_PROGRAMS},
    "entra_v1": {
        **_ENTRA,
        "client": ("appid",),
        "programs": _ENTRA_PROGRAMS,
        "key_origins": frozenset({"https://login.microsoftonline.com", "https://login.windows.net"}),
    },
    "auth0": {
        "types": frozenset({"jwt", "at+jwt"}),
        "client": ("azp", "client_id"),
        "required": frozenset({"scope"}),
        "programs": (
            Program(fixed={"gty": "client-credentials", "sub": "{client}@clients"}, client="azp"),
            Program(fixed={"gty": "client-credentials", "sub": "{client}@clients"}),
        ),
    },
    "ping": {
        "types": frozenset({"at+jwt", "jwt", ABSENT}),
        "required": frozenset({"scope"}),  # its ID tokens have neither this nor `client_id`
        "programs": (OWN_CLIENT,),
    },
}
"""Defaults by provider (their own documents, November 2026)."""

SIGN_IN_ONLY: Mapping[str, str] = {
    "google": "Google's access tokens are opaque and its ID token is read only in the gateway's own sign-in: "
    "give it a `login` table, or let a provider that issues access tokens for the gateway sign in by Google.",
    "okta_org": "The access tokens of Okta's org authorization server are for Okta's own interfaces and nobody "
    "else can verify them: use a custom authorization server (`/oauth2/…`, profile `okta`), or give this one a "
    "`login` table to sign in by it only.",
}
"""Providers whose access tokens cannot be accepted at the endpoint, and what to do."""


def profile(kind: str, *, issuer: str, audience: str, **changes: Any) -> IssuerProfile:
    """The profile of a provider of that kind, with `changes` to its fields. Raises `ConfigError`."""
    if kind in SIGN_IN_ONLY:
        raise ConfigError([f"Issuer {issuer!r}: {SIGN_IN_ONLY[kind]}"])
    if kind not in PROFILES:
        known = ", ".join((*PROFILES, *SIGN_IN_ONLY))
        raise ConfigError([f"There is no profile {kind!r}; choose one of {known}."])
    habits = dict(PROFILES[kind])
    if kind in _ENTRA_ISSUERS:
        habits["fixed"] = _entra_tenant(kind, issuer)
    if kind == "okta" and not urlsplit(issuer).path.startswith("/oauth2/"):
        raise ConfigError([f"Issuer {issuer!r}: {SIGN_IN_ONLY['okta_org']}"])
    if kind == "auth0":  # granted together with `openid`; the person's own data only
        habits["beside"] = frozenset({issuer.rstrip("/") + "/userinfo"})
    return IssuerProfile(issuer=issuer, audience=audience, **{**habits, **changes})


_ENTRA_ISSUERS = {
    "entra": ("2.0", "https://login.microsoftonline.com/TENANT/v2.0"),
    "entra_v1": ("1.0", "https://sts.windows.net/TENANT/"),
}


def _entra_tenant(kind: str, issuer: str) -> dict[str, str]:
    """No other tenant's people, and no other version's claims. Raises `ConfigError` unless one tenant is named."""
    version, form = _ENTRA_ISSUERS[kind]
    place = urlsplit(issuer)
    tenant = place.path.strip("/").split("/")[0]
    if place.path != urlsplit(form).path.replace("TENANT", tenant) or not _is_guid(tenant):
        raise ConfigError([f"Issuer {issuer!r}: write {form} with the id of your own tenant (a GUID)."])
    return {"tid": tenant, "ver": version}


def _is_guid(text: str) -> bool:
    parts = text.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and set("".join(parts)) <= set(
        "0123456789abcdef"
    )


def _holds(program: Program, claims: Mapping[str, Any]) -> bool:
    same = [claims.get(name) for name in program.same]
    return (
        all(_has(claims, name, value, claims.get(program.client)) for name, value in program.fixed.items())
        and all(isinstance(value, str) and value and value == same[0] for value in same)
        and not program.absent & claims.keys()
    )


def _has(claims: Mapping[str, Any], name: str, value: str, client: Any) -> bool:
    """Without regard to case: Keycloak writes user names, and so its `service-account-…`, in small letters."""
    found = claims.get(name)
    if not isinstance(found, str) or ("{client}" in value and not (isinstance(client, str) and client)):
        return False
    return found.lower() == value.replace("{client}", str(client)).lower()


def trusted(url: str) -> bool:
    """Whether a URL of the settings may be fetched: https, or http on loopback; no user, no fragment."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    )
