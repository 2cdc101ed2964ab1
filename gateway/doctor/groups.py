"""What the person's groups are worth here."""

from collections.abc import Mapping
from typing import Any

from gateway.doctor import Line, good, listed, note, wrong
from gateway.doctor.patient import Patient
from gateway.identity.introspection import opaque
from gateway.identity.profiles import IssuerProfile
from gateway.identity.roles import sent_groups
from gateway.jose import JoseError, parse
from gateway.model import Bearer, Caller


def groups(patient: Patient) -> list[Line]:
    """Whether groups come with the token, and which roles they give."""
    if patient.profile is None or patient.bearer is None:
        return []
    claims = _claims(patient.bearer)
    lines = [_sent(patient, claims, patient.profile)] if claims else []
    return [*lines, _roles(patient, patient.caller)] if patient.caller is not None else lines


def _claims(bearer: Bearer) -> Mapping[str, Any]:
    """None of an opaque or broken token."""
    try:
        return {} if opaque(bearer) else parse(bearer).claims
    except JoseError:
        return {}


def _sent(patient: Patient, claims: Mapping[str, Any], profile: IssuerProfile) -> Line:
    reading = profile.reading(claims)
    path = ".".join(reading.groups)
    sent = sent_groups(claims, reading.groups)
    if not path:
        return note("groups", "none are read for such a token")
    if sent.problem:
        return wrong("groups", f"`{path}` is not used: {sent.problem}", patient.click("groups"))
    if sent.left_out:
        return _asked_elsewhere(patient, f"left out of the token ({sent.left_out})", patient.click("overage"))
    if sent.missing:
        return _asked_elsewhere(patient, f"the token has no `{path}`", patient.click("groups"))
    return good("groups", f"`{path}`: {listed(sent.names)}")


def _asked_elsewhere(patient: Patient, found: str, do: str) -> Line:
    if patient.settings.directory is None:
        return wrong("groups", found, do)
    if patient.caller is None:
        return wrong("groups", f"{found}, and the directory told none", patient.click("directory"))
    return good("groups", f"{found}; the directory says: {listed(patient.caller.claimed_groups)}")


def _roles(patient: Patient, caller: Caller) -> Line:
    rules = patient.settings.roles
    if not rules:
        do = f"Without a `roles` table this provider's groups give nobody a role. {patient.click('roles')}"
        return note("roles", "there is no table", do)
    unmapped = sorted(name for name in caller.claimed_groups if not any(rule.gives(name) for rule in rules))
    beside = f"; without a rule: {listed(unmapped)}" if unmapped else ""
    if caller.groups:
        return good("roles", f"{listed(caller.groups)}{beside}")
    if not caller.claimed_groups:
        return note("roles", "none: the person is in no group that is told")
    similar = _similar(unmapped, [rule.group for rule in rules])
    if similar:
        told = f"{listed(caller.claimed_groups)}: no rule fits"
        return wrong(
            "roles", told, f"Write {similar[1]!r} instead of {similar[0]!r} in `roles`, as it is sent."
        )
    return note("roles", f"no rule fits {listed(caller.claimed_groups)}", patient.click("roles"))


def _similar(sent: list[str], named: list[str]) -> tuple[str, str] | None:
    """(a rule's group, a sent one) that differ in slashes or capital letters only."""
    for name in named:
        for group in sent:
            if name.strip("/").lower() == group.strip("/").lower():
                return name, group
    return None
