"""The provider itself: its metadata, its name, its keys, its clock."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from gateway import clock, limits
from gateway.doctor import Line, good, listed, note, seconds, wrong
from gateway.doctor.ear import Heard
from gateway.doctor.patient import Patient
from gateway.identity.discovery import Unusable, document, places
from gateway.identity.profiles import trusted
from gateway.jose import JoseError, parse, public_key

DATE_SECONDS = 1.0
"""A `Date` header has whole seconds."""


async def provider(patient: Patient) -> list[Line]:
    """Metadata, issuer and keys. What the metadata says is `patient.metadata` from then on."""
    lines = await _metadata(patient)
    if patient.metadata:
        lines.append(_issuer(patient))
    lines.append(await _keys(patient))
    return lines


def watch(patient: Patient) -> Line:
    """The provider's clock: by the `Date` of its answers, or else by the `iat` of a token that it just made."""
    of_it = [heard for heard in reversed(patient.ear.heard) if _origin(heard.url) in _origins(patient)]
    for heard in of_it:
        ahead = _by_date(heard)
        if ahead is None:
            ahead = _by_token(heard)
        if ahead is not None:
            return _clock(patient, ahead)
    born = _issued(patient.bearer or "")
    if born is not None and born > clock.wall() + DATE_SECONDS:  # nothing is issued in the future
        return _clock(patient, born - clock.wall())
    return note(
        "clock", "its answers carry no `Date`", "Compare the clocks, or give --token: an exchange shows it."
    )


async def _metadata(patient: Patient) -> list[Line]:
    problems = []
    for url in places(patient.issuer):
        try:
            patient.metadata = await document(url, patient.ear)
        except Unusable as why:
            problems.append(str(why))
            continue
        return [good("metadata", url)]
    found = "; ".join(problems)
    if patient.profile is not None and patient.profile.jwks_uri is not None:
        return [note("metadata", found, "Not needed for tokens, because `jwks_uri` is set.")]
    return [wrong("metadata", found, patient.click("metadata"))]


def _issuer(patient: Patient) -> Line:
    named = str(patient.metadata.get("issuer"))
    if named == patient.issuer:
        return good("issuer", named)
    found = f"the settings say {patient.issuer!r}, its metadata says {named!r}: {_difference(patient.issuer, named)}"
    return wrong("issuer", found, patient.click("issuer"))


def _difference(ours: str, theirs: str) -> str:
    one, other = urlsplit(ours), urlsplit(theirs)
    if ours.rstrip("/") == theirs.rstrip("/"):
        return "the last slash"
    if ours.lower() == theirs.lower():
        return "capital letters"
    if one.scheme != other.scheme:
        return f"{one.scheme} instead of {other.scheme}"
    if one.netloc != other.netloc:
        return "another host or port"
    return "another path (a realm, tenant or server)"


async def _keys(patient: Patient) -> Line:
    """As the gateway takes them; what it passes over is told with the reason."""
    uri = patient.reading.jwks_uri or patient.metadata.get("jwks_uri")
    if not isinstance(uri, str) or not trusted(uri):
        return wrong("keys", f"no usable jwks_uri: {listed(uri)}", patient.click("metadata"))
    if patient.reading.jwks_uri is None and _origin(uri) not in _origins(patient):
        allow = f'Add key_origins = ["{_origin(uri)}"] to this provider, if that is its own host.'
        return wrong("keys", f"they are at {uri}, on another origin than the issuer", allow)
    try:
        found = await document(uri, patient.ear)
    except Unusable as why:
        return wrong("keys", str(why), "Let the gateway's machine reach that address.")
    usable, passed_over = _sorted_out(found, patient)
    beside = f"; passed over: {'; '.join(passed_over)}" if passed_over else ""
    if not usable:
        return wrong("keys", f"none at {uri} is usable{beside}", patient.click("keys"))
    return good("keys", f"{len(usable)} at {uri}: {listed(set().union(*usable))}{beside}")


def _sorted_out(key_set: Mapping[str, Any], patient: Patient) -> tuple[list[frozenset[str]], list[str]]:
    """(the algorithms of each usable key, why others are not)."""
    members = key_set.get("keys")
    usable, passed_over = [], []
    for member in members if isinstance(members, list) else []:
        name = str(member.get("kid", "a key without kid")) if isinstance(member, dict) else "no object"
        try:
            algorithms = public_key(member).algorithms & patient.reading.algorithms
        except JoseError as why:
            passed_over.append(f"{name} ({why})")
            continue
        if algorithms:
            usable.append(algorithms)
        else:
            passed_over.append(f"{name} (not for {listed(patient.reading.algorithms)})")
    return usable, passed_over


def _clock(patient: Patient, ahead: float) -> Line:
    """`ahead`: seconds by which the provider is before us."""
    found = f"the provider's is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) <= DATE_SECONDS + 1:
        return good("clock", "the same as ours")
    if abs(ahead) < limits.LEEWAY_SECONDS / 2:
        return note("clock", found, patient.click("clock"))
    return wrong("clock", found, patient.click("clock"))


def _by_date(heard: Heard) -> float | None:
    try:
        said = parsedate_to_datetime(heard.reply.said("Date")).timestamp()
    except ValueError:
        return None
    return said + DATE_SECONDS / 2 - heard.at


def _by_token(heard: Heard) -> float | None:
    issued = _issued(heard.body.get("access_token"))
    return None if issued is None else issued + DATE_SECONDS / 2 - heard.at


def _issued(token: Any) -> float | None:
    """`iat` of what may be a token."""
    try:
        return seconds(parse(token).claims.get("iat")) if isinstance(token, str) else None
    except JoseError:
        return None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _origins(patient: Patient) -> set[str]:
    return {_origin(patient.issuer), *patient.reading.key_origins}
