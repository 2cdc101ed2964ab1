"""Why a token names whom it names: which claim gave what, which rule gave which role, and what is refused.

For an operator with a token in hand. It goes the way that every call goes; what is told of a refused
token was not verified and says so.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from types import MappingProxyType
from typing import Any

from gateway import clock
from gateway.errors import Unauthenticated, Unavailable
from gateway.identity import Authenticator
from gateway.identity.introspection import opaque
from gateway.identity.profiles import IssuerProfile
from gateway.identity.revocation import Revocation
from gateway.identity.roles import Sent, sent_groups
from gateway.jose import JoseError, Unverified, parse
from gateway.model import Bearer, Caller


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is known of the caller, and the claims that say it."""

    what: str
    value: str
    claims: str


@dataclass(frozen=True, slots=True)
class GroupSaid:
    """A group as it was sent, and what it gives: (role, the rule that gives it)."""

    name: str
    gives: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of it."""

    accepted: bool
    refused: str = ""
    """Why, if it is."""
    said: tuple[Said, ...] = ()
    groups: tuple[GroupSaid, ...] = ()
    groups_from: str = ""
    """Where the groups come from, or why there are none."""
    roles: tuple[str, ...] = ()
    hints: tuple[str, ...] = field(default=())
    """What may not be as it was meant."""


Against = Callable[[Caller], Awaitable[Revocation | None]]
"""What cuts a caller off, if anything does. Raises `Unavailable`."""

NO_ROLE = (
    "No group of this person gave a role when the token was issued: compare what the provider sends with the "
    "`roles` table of this provider."
)
GIVE_IT = (
    "Give the access token itself, as the assistant sends it after `Authorization: Bearer`: one line, nothing else. "
    "A refresh token, an authorization code or an ID token is none."
)


NONE: Mapping[str, IssuerProfile] = MappingProxyType({})


async def nothing(caller: Caller) -> None:
    """`Against` where nobody was cut off."""


async def explain(
    bearer: Bearer,
    profiles: Sequence[IssuerProfile],
    authenticator: Authenticator,
    against: Against = nothing,
    *,
    own: Mapping[str, IssuerProfile] = NONE,
) -> Explanation:
    """The explanation; nothing is raised for a token that is refused.

    `own`: how tokens that we issued ourselves are read, by the issuer identifier of the person's provider.
    """
    try:
        caller = await authenticator.authenticate(bearer)
    except (Unauthenticated, Unavailable) as no:
        return _refused(bearer, [*own.values(), *profiles], no.private or no.public)
    if caller.family:
        found = _ours(caller, own[caller.issuer], parse(bearer))
    else:
        known = next(one for one in profiles if one.issuer == caller.issuer)
        found = _accepted(caller, known, None if opaque(bearer) else parse(bearer))
    try:
        return _cut_off(found, await against(caller))
    except Unavailable as no:
        unknown = f"Whether they were cut off cannot be read ({no.private or no.public})."
        return replace(found, hints=(*found.hints, unknown))


def _cut_off(found: Explanation, by: Revocation | None) -> Explanation:
    """The token is good, and what it stands for was ended here."""
    if by is None:
        return found
    what = {"session": "the sign-in", "family": "the sign-in"}.get(by.kind, f"the {by.kind}")
    until = " until it is lifted" if by.not_before == inf else ""
    why = f"{what} was cut off on {clock.iso(by.created)}{until}, reason {by.reason or 'not given'}"
    return replace(found, accepted=False, refused=why)


def _accepted(caller: Caller, known: IssuerProfile, token: Unverified | None) -> Explanation:
    """`token` is verified by now; None when the issuer was asked about it instead."""
    reading = known if token is None else known.reading(token.claims)
    sent = None if token is None else sent_groups(token.claims, reading.groups)
    return Explanation(
        accepted=True,
        said=tuple(one for one in _said(caller, reading, token) if one.value),
        groups=tuple(_group(name, known) for name in sorted(caller.claimed_groups)),
        groups_from=_groups_from(sent, caller, reading),
        roles=tuple(sorted(caller.groups)),
        hints=tuple(_hints(caller, known)),
    )


def _ours(caller: Caller, known: IssuerProfile, token: Unverified) -> Explanation:
    """A token that we issued: the person, their groups and their session are the provider's word, kept in it."""
    return Explanation(
        accepted=True,
        said=tuple(one for one in _said_by_us(caller, known, token) if one.value),
        groups=tuple(_group(name, known) for name in sorted(caller.claimed_groups)),
        groups_from="the claim groups, in which the gateway leaves only those that give a role",
        roles=tuple(sorted(caller.groups)),
        hints=() if caller.groups or not known.roles.rules else (NO_ROLE,),
    )


def _said_by_us(caller: Caller, reading: IssuerProfile, token: Unverified) -> Iterable[Said]:
    """As of any token, but for what ours say in claims of their own."""
    issued = token.claims["iat"]
    ours = {
        "issuer": [Said("issuer", reading.issuer, "iss"), Said("provider", caller.issuer, "idp")],
        "client": [Said("client", f"{caller.client} ({caller.assurance})", "client_id, assurance")],
        "issued": [
            Said("sign-in", caller.family, "sid"),
            Said("began", clock.iso(caller.issued_at), "began"),
            Said("issued", clock.iso(float(issued)), "iat"),
        ],
        "session": [Said("session", caller.session, "idp_sid")],
    }
    for one in _said(caller, reading, token):
        yield from ours.get(one.what, [one])


def _said(caller: Caller, reading: IssuerProfile, token: Unverified | None) -> Iterable[Said]:
    claims = {} if token is None else token.claims
    client = "client_id" if token is None else next(n for n in reading.client if n in claims)
    marks = "marks of client credentials" if caller.service else ""
    yield Said("issuer", caller.issuer, "iss")
    yield Said("subject", caller.subject, " + ".join(reading.subject))
    yield Said("kind", "a program" if caller.service else "a person", marks)
    yield Said("client", f"{caller.client} ({caller.assurance})", client)
    if caller.actor is not None:
        yield Said("actor", caller.actor, "act.sub")
    yield Said("scopes", " ".join(sorted(caller.scopes)), "scope" if token is None else reading.scope)
    email = caller.email or ("left out: the issuer does not call it verified" if "email" in claims else "")
    yield Said("e-mail", email, "email, email_verified")
    yield Said("signed in", " ".join(filter(None, (caller.acr, *sorted(caller.amr)))), "acr, amr")
    yield Said("session", caller.session, "sid")
    yield Said("issued", clock.iso(caller.issued_at), "iat")
    yield Said("ends", clock.iso(caller.expires_at), "exp")


def _group(name: str, known: IssuerProfile) -> GroupSaid:
    rules = known.roles.given(name)
    return GroupSaid(name, tuple((rule.role, f"{rule.match} {rule.group!r}") for rule in rules))


def _groups_from(sent: Sent | None, caller: Caller, reading: IssuerProfile) -> str:
    path = ".".join(reading.groups)
    if not path:
        return "none are read for such a token"
    if sent is None:
        return f"{path}, in the issuer's answer"
    if sent.problem:
        return f"none: the claim {path} is malformed ({sent.problem})"
    if sent.left_out or (sent.missing and caller.claimed_groups):
        return f"the directory, because the token leaves them out ({sent.left_out or f'no claim {path}'})"
    return f"none: there is no claim {path}" if sent.missing else f"the claim {path}"


def _hints(caller: Caller, known: IssuerProfile) -> Iterable[str]:
    if not known.roles.rules:
        yield "The issuer has no `roles` table, so its groups give nothing."
    elif caller.claimed_groups and not caller.groups:
        yield "No rule of the issuer's `roles` table fits any of the groups."
    exact = {rule.group for rule in known.roles.rules if rule.match == "exact"}
    for name in sorted(caller.claimed_groups):
        if name.strip("/") in exact and name not in exact:
            yield f"A rule names {name.strip('/')!r}, but the provider sends {name!r}: write it as it is sent."


def _refused(bearer: Bearer, profiles: Sequence[IssuerProfile], why: str) -> Explanation:
    hints = ["What stands here of the token was not verified."]
    try:
        token = parse(bearer)
    except JoseError:
        return Explanation(accepted=False, refused=why if bearer else "it is empty", hints=(GIVE_IT,))
    issuer = token.claims.get("iss")
    known = next((one for one in profiles if one.issuer == issuer), None)
    if known is None:
        accepted = ", ".join(dict.fromkeys(one.issuer for one in profiles))
        hints.append(f"Issuers whose tokens are accepted: {accepted}.")
        names: Iterable[str] = ("iss", "aud", "sub")
    else:
        reading = known.reading(token.claims)
        hints.append(f"Its audience must be {known.audience}.")
        names = (
            "iss",
            "aud",
            *reading.subject,
            *reading.client,
            reading.scope,
            *reading.groups[:1],
            "iat",
            "exp",
            *(name for name in ("idp", "sid", "assurance", "began") if name in token.claims),
        )
    said = [Said("header", _shown(dict(token.header)), "")]
    said += [Said("unverified", _shown(token.claims.get(name)), name) for name in dict.fromkeys(names)]
    return Explanation(accepted=False, refused=why, said=tuple(said), hints=tuple(hints))


def _shown(value: Any) -> str:
    """Whatever it is, short."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
