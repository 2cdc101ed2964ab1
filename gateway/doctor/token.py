"""A token that an assistant brought: every reason at once for which the gateway would refuse it.

The gateway stops at the first reason and tells nobody. Here each is a line, and the last line is the
gateway's own verdict, which is the one that counts.
"""

from collections.abc import Mapping
from typing import Any

from gateway import clock, limits
from gateway.doctor import Line, good, listed, note, seconds, wrong
from gateway.doctor.patient import Patient
from gateway.errors import Unauthenticated, Unavailable
from gateway.identity.introspection import opaque
from gateway.identity.profiles import ABSENT, IssuerProfile
from gateway.jose import BadSignature, JoseError, Unverified, parse, signed_claims
from gateway.model import Bearer
from gateway.settings import Settings

HOW_TO_GIVE_ONE = (
    "Sign in with an assistant and give its access token: --token FILE (`-`: standard input). "
    "Never on the command line: others can read it there."
)


async def token(patient: Patient) -> list[Line]:
    """The lines of `patient.bearer`; who it stands for is `patient.caller` from then on."""
    if patient.profile is None:
        return [
            note("token", "people are only signed in by this provider; its tokens are taken at no endpoint")
        ]
    if patient.bearer is None:
        return [
            note(
                "token", "none was given, so audience, claims and groups were not looked at", HOW_TO_GIVE_ONE
            )
        ]
    if is_ours(patient.gateway.settings, patient.bearer):
        do = "`explain user FILE` tells what stands in it, `doctor user NAME --token FILE` what its person may do."
        return [note("token", "the gateway issued it, not this provider", do)]
    lines: list[Line] = []
    if not opaque(patient.bearer):
        try:
            lines += await _read(patient, parse(patient.bearer), patient.profile)
        except JoseError as broken:
            lines.append(wrong("token", f"it is no signed token: {broken}", patient.click("opaque")))
    elif patient.settings.introspection is None:
        lines.append(
            wrong("token", "it is opaque: nobody but its provider can read it", patient.click("opaque"))
        )
    return [*lines, await _verdict(patient, patient.bearer, lines)]


def is_ours(settings: Settings, bearer: Bearer) -> bool:
    """Whether it says that we issued it; nothing is verified."""
    try:
        named = parse(bearer).claims.get("iss")
    except JoseError:
        return False
    return settings.signin.mode == "signin" and named == settings.server.public_url


async def _read(patient: Patient, found: Unverified, profile: IssuerProfile) -> list[Line]:
    """Line by line, of what anybody could have written: only `_verdict` believes it."""
    reading = profile.reading(found.claims)
    return [
        _issuer(patient, found.claims),
        _kind(patient, found.header, reading),
        await _signature(patient, found, reading),
        _audience(patient, found.claims, reading),
        _life(found.claims, reading),
        _claims(patient, found.claims, reading),
        _scopes(patient, found.claims, reading),
    ]


def _issuer(patient: Patient, claims: Mapping[str, Any]) -> Line:
    named = claims.get("iss")
    if named == patient.issuer:
        return good("token: issuer", named)
    found = f"the token says {named!r}, the settings say {patient.issuer!r}"
    return wrong("token: issuer", found, patient.click("issuer"))


def _kind(patient: Patient, header: Mapping[str, Any], reading: IssuerProfile) -> Line:
    kind, algorithm = header.get("typ", ABSENT), header.get("alg")
    found = f"typ {kind}, alg {algorithm}"
    known = isinstance(kind, str) and kind.lower().removeprefix("application/") in reading.types
    if not known:
        return wrong("token: kind", f"{found}; expected typ: {listed(reading.types)}", patient.click("kind"))
    if algorithm not in reading.algorithms:
        return wrong(
            "token: kind", f"{found}; expected alg: {listed(reading.algorithms)}", patient.click("keys")
        )
    return good("token: kind", found)


async def _signature(patient: Patient, found: Unverified, reading: IssuerProfile) -> Line:
    kid = found.header.get("kid")
    if not isinstance(kid, str):
        return wrong("token: signature", "its header has no `kid`", patient.click("keys"))
    try:
        key = await patient.keys.key(kid)
    except Unavailable as down:
        return wrong("token: signature", down.private, patient.click("metadata"))
    if key is None:
        told = "Take a fresh token; if it is one, it is of another provider."
        return wrong("token: signature", f"the provider publishes no key {kid!r}", told)
    try:
        signed_claims(str(patient.bearer), key, reading.algorithms)
    except BadSignature:
        return wrong(
            "token: signature", f"not made by the key {kid!r}", "The token was changed or cut: copy it whole."
        )
    except JoseError as broken:
        return wrong("token: signature", broken, patient.click("keys"))
    return good("token: signature", f"by the key {kid!r}")


def _audience(patient: Patient, claims: Mapping[str, Any], reading: IssuerProfile) -> Line:
    named = claims.get("aud")
    members = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    expected = f"; the settings say {reading.audience!r}"
    if reading.audience not in members:
        return wrong("token: audience", f"{listed(named)}{expected}", patient.click("audience"))
    others = [one for one in members if one not in (reading.audience, *reading.beside)]
    if others:
        found = f"{listed(named)}: it is also for {listed(others)}, and whoever that is could use it here"
        return wrong("token: audience", found, patient.click("audience"))
    return good("token: audience", listed(named))


def _life(claims: Mapping[str, Any], reading: IssuerProfile) -> Line:
    issued, ends = seconds(claims.get("iat")), seconds(claims.get("exp"))
    if issued is None or ends is None:
        return wrong("token: life", "`iat` or `exp` is missing or no number", "Let the provider write both.")
    left, life = ends - clock.wall(), ends - issued
    if left <= -limits.LEEWAY_SECONDS:
        return wrong(
            "token: life", f"it ended {-left:.0f} s ago", "Take a fresh one: refresh it or sign in again."
        )
    if issued > clock.wall() + limits.LEEWAY_SECONDS:
        return wrong(
            "token: life", f"it begins in {issued - clock.wall():.0f} s", "Compare the clocks (see `clock`)."
        )
    if not 0 < life <= reading.longest:
        do = f"At most {reading.longest / 3600:.0f} h are taken; five minutes are well chosen."
        return wrong("token: life", f"{life:.0f} s", do)
    return good("token: life", f"{life:.0f} s, of which {max(left, 0):.0f} are left")


def _claims(patient: Patient, claims: Mapping[str, Any], reading: IssuerProfile) -> Line:
    """What the gateway must know of the bearer, and what shows that this is no access token."""
    problems = [
        f"no {name}" for name in sorted({*reading.subject, *reading.required}) if not claims.get(name)
    ]
    if not any(claims.get(name) for name in reading.client):
        problems.append(f"no {' or '.join(reading.client)} (the client)")
    problems += [
        f"{name} is {listed(claims.get(name))} instead of {value}"
        for name, value in reading.fixed.items()
        if claims.get(name) != value
    ]
    told = sorted(reading.tells & claims.keys())
    if told:
        return wrong("token: claims", f"{listed(told)} shows another kind of token", patient.click("kind"))
    if "cnf" in claims:
        do = "Let the assistant ask for tokens that are not bound to a key (no DPoP, no mTLS)."
        return wrong("token: claims", "cnf binds it to a key that a bearer does not show", do)
    if problems:
        return wrong("token: claims", "; ".join(problems), patient.click("claims"))
    who = "a program" if reading.program else "a person"
    subject = ":".join(str(claims[name]) for name in reading.subject)
    client = next(claims[name] for name in reading.client if claims.get(name))
    return good("token: claims", f"{who}, subject {subject}, client {client}")


def _scopes(patient: Patient, claims: Mapping[str, Any], reading: IssuerProfile) -> Line:
    found = claims.get(reading.scope)
    if isinstance(found, list) is not reading.scope_list and found is not None:
        form = "a list" if reading.scope_list else "one text"
        return wrong("token: scopes", f"{reading.scope} is not {form}: {listed(found)}", "Correct `profile`.")
    if not found:
        return note("token: scopes", f"none in `{reading.scope}`", patient.click("scopes"))
    return good("token: scopes", f"{reading.scope}: {listed(found)}")


async def _verdict(patient: Patient, bearer: Bearer, before: list[Line]) -> Line:
    """The gateway's own."""
    try:
        patient.caller = await patient.authenticator().authenticate(bearer)
    except Unauthenticated as no:
        known = any(line.state == "wrong" for line in before)
        overage = "overage" in no.private
        do = "Correct the lines above." if known else patient.click("overage" if overage else "claims")
        return wrong("token: verdict", f"the gateway refuses it: {no.private}", do)
    except Unavailable as down:
        topic = (
            "introspection" if opaque(bearer) else "directory" if patient.settings.directory else "metadata"
        )
        return wrong("token: verdict", f"the gateway cannot decide: {down.private}", patient.click(topic))
    return good("token: verdict", "the gateway lets it in")
