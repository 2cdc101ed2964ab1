"""What each provider's access tokens look like, as data, and what of them we believe.

`verified_claims` checks type, issuer, audience, times and the tells of other kinds of token;
`caller_from` turns what is left into a `Caller`. Both raise only `Unauthenticated`, whose private
text says why. A provider's habits live in `PROFILES` and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlsplit

from gateway import limits
from gateway.errors import ConfigError, Unauthenticated
from gateway.jose import ASYMMETRIC
from gateway.model import Bearer, Caller, Secret, VerifiedClaims

ABSENT = "absent"
"""In `IssuerProfile.types`: a token without a `typ` header."""

FURTHEST = 1e12
"""Unix seconds beyond which a time is nonsense (the year 33,658)."""


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
    token_id: str = "jti"  # noqa: S105 - the name of a claim
    required: frozenset[str] = frozenset({"jti"})
    """Claims that must be there, besides issuer, audience, subject, client, `exp` and `iat`."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Claims that must have this very value."""
    tells: frozenset[str] = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
    """Claims that only other kinds of token have: ID tokens, logout tokens, security events."""
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
        """The same issuer's tokens for another, single audience: what a token exchange must return."""
        return replace(self, audience=audience, beside=frozenset())


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "rfc9068": {},
    "keycloak": {
        "types": frozenset({"jwt", "at+jwt"}),
        "client": ("azp",),
        "fixed": {"typ": "Bearer"},  # its ID tokens differ from its access tokens in this claim alone
    },
    "okta": {
        "types": frozenset({ABSENT}),
        "subject": ("uid",),  # `sub` is the login, which can be renamed and reused
        "client": ("cid",),
        "scope": "scp",
        "scope_list": True,
        "required": frozenset({"jti", "scp"}),
    },
    "entra": {
        "types": frozenset({"jwt"}),
        "subject": ("tid", "oid"),  # `sub` differs for each application
        "client": ("azp", "appid"),
        "scope": "scp",
        "token_id": "uti",
        "required": frozenset({"scp"}),  # neither ID tokens nor tokens without a person have it
    },
    "auth0": {
        "types": frozenset({"jwt", "at+jwt"}),
        "client": ("azp", "client_id"),
        "required": frozenset({"scope"}),
    },
}
"""Defaults by provider (their own documents, November 2026)."""


def profile(kind: str, *, issuer: str, audience: str, **changes: Any) -> IssuerProfile:
    """The profile of a provider of that kind, with `changes` to its fields. Raises `ConfigError`."""
    if kind not in PROFILES:
        raise ConfigError([f"There is no profile {kind!r}; choose one of {', '.join(PROFILES)}."])
    habits = dict(PROFILES[kind])
    if kind == "entra":  # issuer https://login.microsoftonline.com/{tid}/v2.0: no other tenant's people
        habits["fixed"] = {"tid": urlsplit(issuer).path.strip("/").split("/")[0]}
    if kind == "auth0":  # granted together with `openid`; the person's own data only
        habits["beside"] = frozenset({issuer.rstrip("/") + "/userinfo"})
    return IssuerProfile(issuer=issuer, audience=audience, **{**habits, **changes})


def trusted(url: str) -> bool:
    """Whether a URL of the settings may be fetched: https, or http on loopback; no user, no fragment."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    )


def check_header(header: Mapping[str, Any], profile: IssuerProfile) -> str:
    """The key id. Raises `Unauthenticated` for any header that we do not read on purpose."""
    tricks = header.keys() & {"jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "enc", "cty"}
    if tricks:
        raise Unauthenticated(f"header has {min(tricks)}")
    if header.get("alg") not in list(profile.algorithms):
        raise Unauthenticated("header alg is not allowed")
    kind = header.get("typ", ABSENT)
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in profile.types:
        raise Unauthenticated("header typ is of another kind of token")
    return _name(header.get("kid"), "header kid")


def verified_claims(signed: Mapping[str, Any], profile: IssuerProfile, now: float) -> VerifiedClaims:
    """The signed claims, once issuer, audience, times and kind of token hold at `now` (Unix seconds).

    RFC 9068 §4 and RFC 8725 §3. Raises `Unauthenticated`.
    """
    if signed.get("iss") != profile.issuer:
        raise Unauthenticated("iss is another")
    _check_audience(signed.get("aud"), profile)
    _check_times(signed, profile, now)
    for claim in profile.required:
        if signed.get(claim) in (None, "", [], {}):
            raise Unauthenticated(f"{claim} is missing")
    for claim, value in profile.fixed.items():
        if signed.get(claim) != value:
            raise Unauthenticated(f"{claim} is not {value}")
    told = profile.tells & signed.keys()
    if told:
        raise Unauthenticated(f"{min(told)} shows that this is another kind of token")
    if "cnf" in signed:
        raise Unauthenticated("cnf binds the token to a key that a bearer does not show")
    return VerifiedClaims(dict(signed))


def caller_from(claims: VerifiedClaims, profile: IssuerProfile, token: Bearer) -> Caller:
    """The caller that verified claims name. Raises `Unauthenticated` when they name nobody properly."""
    client = next((claims[name] for name in profile.client if name in claims), None)
    named = _name(client, "client")
    return Caller(
        issuer=profile.issuer,
        subject=_subject(claims, profile),
        client=named,
        scopes=_scopes(claims, profile),
        expires_at=float(claims["exp"]),
        token=Secret(token),
        token_id=_name(claims[profile.token_id], profile.token_id) if profile.token_id in claims else "",
        actor=_actor(claims),
        assurance="attested" if named in profile.attested_clients else "asserted",
        groups=_groups(claims, profile),
        email=claims.get("email")
        if _is_name(claims.get("email")) and claims.get("email_verified") is True
        else None,
        acr=claims.get("acr") if _is_name(claims.get("acr")) else None,
        amr=frozenset(_names(claims.get("amr")) or ()),
        auth_time=_time(claims["auth_time"], "auth_time") if "auth_time" in claims else None,
    )


def _check_audience(audience: Any, profile: IssuerProfile) -> None:
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise Unauthenticated("aud is malformed")
    if profile.audience not in named:
        raise Unauthenticated("aud is somebody else")
    if not set(named) <= {profile.audience, *profile.beside}:
        raise Unauthenticated("aud is somebody else as well")


def _check_times(claims: Mapping[str, Any], profile: IssuerProfile, now: float) -> None:
    ends, issued = _time(claims.get("exp"), "exp"), _time(claims.get("iat"), "iat")
    if now >= ends + limits.LEEWAY_SECONDS:
        raise Unauthenticated("exp has passed")
    for claim in ("iat", "nbf", "auth_time"):
        if claim in claims and _time(claims[claim], claim) > now + limits.LEEWAY_SECONDS:
            raise Unauthenticated(f"{claim} is in the future")
    if not 0 < ends - issued <= profile.longest:
        raise Unauthenticated("it lives too long")


def _subject(claims: VerifiedClaims, profile: IssuerProfile) -> str:
    parts = [_name(claims.get(name), name) for name in profile.subject]
    if len(parts) > 1 and any(":" in part for part in parts):
        raise Unauthenticated("subject is ambiguous")
    return ":".join(parts)


def _scopes(claims: VerifiedClaims, profile: IssuerProfile) -> frozenset[str]:
    raw = claims.get(profile.scope, [] if profile.scope_list else "")
    split = [part for part in raw.split(" ") if part] if isinstance(raw, str) else raw
    names = _names(split)
    if names is None or isinstance(raw, str) is profile.scope_list:
        raise Unauthenticated(f"{profile.scope} is malformed")
    return frozenset(names)


def _groups(claims: VerifiedClaims, profile: IssuerProfile) -> frozenset[str]:
    """None when the form is unknown: a role is never guessed. Refused when the token says that groups
    were left out (Entra's overage), because a rule may forbid by group."""
    if not profile.groups:
        return frozenset()
    elsewhere = claims.get("_claim_names", {})
    if not isinstance(elsewhere, dict) or profile.groups[0] in elsewhere or "hasgroups" in claims:
        raise Unauthenticated(
            "groups are left out of the token (overage): let the provider send assigned groups only"
        )
    found: Any = claims
    for name in profile.groups:
        found = found.get(name) if isinstance(found, dict) else None
    return frozenset(_names(found) or ())


def _actor(claims: VerifiedClaims) -> str | None:
    """RFC 8693 §4.1: only the outermost `act` counts."""
    if "act" not in claims:
        return None
    act = claims["act"]
    return _name(act.get("sub") if isinstance(act, dict) else None, "act.sub")


def _is_name(value: Any) -> bool:
    """Printable, so that no control character, direction mark or lone surrogate gets into a decision."""
    return isinstance(value, str) and 0 < len(value) <= limits.CLAIM_CHARS and value.isprintable()


def _name(value: Any, what: str) -> str:
    if not _is_name(value):
        raise Unauthenticated(f"{what} is missing or malformed")
    return str(value)


def _names(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(_is_name(one) for one in value) else None


def _time(value: Any, what: str) -> float:
    """RFC 7519 §2 NumericDate: a number, not a text, not a truth value, not beyond sense."""
    if type(value) not in (int, float) or not -FURTHEST < value < FURTHEST:
        raise Unauthenticated(f"{what} is missing or malformed")
    return float(value)
