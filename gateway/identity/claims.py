"""What of a token we believe.

`verified_claims` checks type, issuer, audience, times and the tells of other kinds of token;
`caller_from` turns what is left into a `Caller`. Both raise only `Unauthenticated`, whose private
text says why. How each provider writes its tokens is in `profiles.py`.
"""

from collections.abc import Mapping
from typing import Any

from gateway import limits
from gateway.errors import Unauthenticated
from gateway.identity.profiles import ABSENT, IssuerProfile
from gateway.identity.roles import is_name, sent_groups
from gateway.model import Bearer, Caller, Secret, VerifiedClaims

FURTHEST = 1e12
"""Unix seconds beyond which a time is nonsense (the year 33,658)."""


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


def caller_from(
    claims: VerifiedClaims, profile: IssuerProfile, token: Bearer, groups: frozenset[str] | None = None
) -> Caller:
    """The caller that verified claims name; `groups` are those of a directory, if it was asked.

    Raises `Unauthenticated` when they name nobody properly, or groups are left out and were not asked
    for: fewer groups than somebody has would be a way around a rule that forbids by group.
    """
    claimed = _sent(claims, profile) if groups is None else groups
    client = _client(claims, profile)
    return Caller(
        issuer=profile.issuer,
        subject=subject_of(claims, profile),
        client=client,
        scopes=_scopes(claims, profile),
        expires_at=float(claims["exp"]),
        token=Secret(token),
        token_id=_name(claims[profile.token_id], profile.token_id) if profile.token_id in claims else "",
        actor=_actor(claims),
        assurance="attested" if client in profile.attested_clients else "asserted",
        groups=profile.roles.roles(claimed),
        claimed_groups=claimed,
        service=profile.program,
        session=_name(claims["sid"], "sid") if "sid" in claims else "",
        issued_at=_time(claims["iat"], "iat"),
        email=verified_email(claims),
        acr=claims.get("acr") if is_name(claims.get("acr")) else None,
        amr=frozenset(_names(claims.get("amr")) or ()),
        auth_time=_time(claims["auth_time"], "auth_time") if "auth_time" in claims else None,
    )


def verified_email(claims: Mapping[str, Any]) -> str | None:
    """The address, only where the issuer itself calls it verified."""
    email = claims.get("email")
    return str(email) if is_name(email) and claims.get("email_verified") is True else None


def subject_of(claims: Mapping[str, Any], profile: IssuerProfile) -> str:
    """The stable subject. Raises `Unauthenticated`."""
    parts = [_name(claims.get(name), name) for name in profile.subject]
    if len(parts) > 1 and any(":" in part for part in parts):
        raise Unauthenticated("subject is ambiguous")
    return ":".join(parts)


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


def _client(claims: VerifiedClaims, profile: IssuerProfile) -> str:
    return _name(next((claims[name] for name in profile.client if name in claims), None), "client")


def _scopes(claims: VerifiedClaims, profile: IssuerProfile) -> frozenset[str]:
    raw = claims.get(profile.scope, [] if profile.scope_list else "")
    split = [part for part in raw.split(" ") if part] if isinstance(raw, str) else raw
    names = _names(split)
    if names is None or isinstance(raw, str) is profile.scope_list:
        raise Unauthenticated(f"{profile.scope} is malformed")
    return frozenset(names)


def _sent(claims: VerifiedClaims, profile: IssuerProfile) -> frozenset[str]:
    sent = sent_groups(claims, profile.groups)
    if sent.left_out:
        raise Unauthenticated(
            f"groups are left out of the token (overage: {sent.left_out}): let the provider send assigned groups "
            "only, or set `identity.issuers.directory`"
        )
    return sent.names


def _actor(claims: VerifiedClaims) -> str | None:
    """RFC 8693 §4.1: only the outermost `act` counts."""
    if "act" not in claims:
        return None
    act = claims["act"]
    return _name(act.get("sub") if isinstance(act, dict) else None, "act.sub")


def _name(value: Any, what: str) -> str:
    if not is_name(value):
        raise Unauthenticated(f"{what} is missing or malformed")
    return str(value)


def _names(value: Any) -> list[str] | None:
    return value if isinstance(value, list) and all(is_name(one) for one in value) else None


def _time(value: Any, what: str) -> float:
    """RFC 7519 §2 NumericDate: a number, not a text, not a truth value, not beyond sense."""
    if type(value) not in (int, float) or not -FURTHEST < value < FURTHEST:
        raise Unauthenticated(f"{what} is missing or malformed")
    return float(value)
