"""Whether the provider gives the gateway a token for Jira: the gateway's own exchange, with what was answered.

With a token of an assistant, the whole of it. Without one, a made-up token is presented: a provider that
knows our client and lets it exchange refuses the token, and one that does not refuses us.
"""

import base64
from typing import Protocol, runtime_checkable

import orjson

from gateway import clock
from gateway.credential import GrantOrder
from gateway.credential.refusals import TABLES, Row, interaction, meaning, second_factor, step_up
from gateway.doctor import Line, good, listed, note, wrong
from gateway.doctor.clicks import click
from gateway.doctor.ear import Heard
from gateway.doctor.patient import Patient
from gateway.doctor.refused import where
from gateway.errors import GatewayError, Unauthenticated
from gateway.model import Caller, Effect, Secret
from gateway.settings import CredentialSettings
from gateway.site import Site

ON_BEHALF = ("exchange", "entra", "idjag")
"""Sources that ask the caller's provider for each credential."""
NOBODY = "jira-agent-gateway-doctor"
"""Whose token is made up: nobody's."""


@runtime_checkable
class Scoped(Protocol):
    """Settings that say what each effect needs."""

    def scopes(self, effect: Effect) -> frozenset[str]: ...


async def exchange(patient: Patient) -> list[Line]:
    """A line for each Jira site and kind of call."""
    lines: list[Line] = []
    for site, order in _orders(patient):
        if order.source not in ON_BEHALF:
            lines.append(_linked(site, order))
        elif patient.caller is None or patient.caller.service:
            lines.append(await _client(patient, site, order))
        else:
            for effect in (Effect.READ, Effect.WRITE):
                lines.append(await _grant(patient, site, order, patient.caller, effect))
    return lines or [note("exchange", "no Jira site takes people of this provider")]


def _orders(patient: Patient) -> list[tuple[Site, CredentialSettings]]:
    """Each site with the source that serves people of this provider: the first counts."""
    found = []
    for site, settings in zip(patient.gateway.sites, patient.gateway.settings.jira, strict=True):
        fitting = [
            order
            for order in settings.credential
            if not order.programs and (not order.issuers or patient.name in order.issuers)
        ]
        found += [(site, order) for order in fitting[:1]]
    return found


def _linked(site: Site, order: CredentialSettings) -> Line:
    do = "Each person connects it in their browser; `doctor user` shows what it is worth."
    return note(f"exchange ({site.name})", f"none: the source is `{order.source}`", do)


async def _client(patient: Patient, site: Site, order: CredentialSettings) -> Line:
    """Without a token of a person."""
    what = f"exchange ({site.name})"
    stranger = Caller(
        issuer=patient.issuer,
        subject=NOBODY,
        client=NOBODY,
        scopes=frozenset(),
        expires_at=clock.wall() + 60,
        token=Secret(_made_up(patient, order)),
    )
    since = len(patient.ear.heard)
    try:
        await site.credentials.grant(GrantOrder(stranger, Effect.READ))
    except Unauthenticated:
        more = "With --token the whole exchange is tried."
        return Line(what, "good", "the provider takes our client, and refused a token that is none", more)
    except GatewayError as refused:
        return _refused(patient, what, order, refused, patient.ear.last_post(since))
    return wrong(
        what, "the provider took a token that is none", "Ask its vendor: nothing here can be trusted."
    )


def _made_up(patient: Patient, order: CredentialSettings) -> str:
    """A token whose signature is none. It has a token's form, because Keycloak's enforcer reads its scopes first."""
    scopes = order.scopes(Effect.READ) if isinstance(order, Scoped) else frozenset()
    claims = {"iss": patient.issuer, "sub": NOBODY, "jti": NOBODY, "scope": " ".join(sorted(scopes))}
    parts = (
        orjson.dumps({"alg": "RS256", "typ": "at+jwt", "kid": NOBODY}),
        orjson.dumps(claims),
        NOBODY.encode(),
    )
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


async def _grant(
    patient: Patient, site: Site, order: CredentialSettings, caller: Caller, effect: Effect
) -> Line:
    what = f"exchange ({site.name}, {effect.name.lower()})"
    since = len(patient.ear.heard)
    try:
        grant = await site.credentials.grant(GrantOrder(caller, effect))
    except GatewayError as refused:
        return _refused(patient, what, order, refused, patient.ear.last_post(since))
    broad = "; it may do more than that (`broad`)" if grant.broad else ""
    life = f"{grant.expires_at - clock.wall():.0f} s"
    return good(what, f"for {grant.audience}, scopes {listed(grant.scopes)}, good for {life}{broad}")


def _refused(
    patient: Patient, what: str, order: CredentialSettings, refused: GatewayError, heard: Heard | None
) -> Line:
    """By the answer behind it: the row of `refusals.py` that decided, and where to click."""
    vendor = _vendor(patient, order)
    found = refused.private or refused.public
    if heard is None:
        return wrong(what, found, click(patient.settings.profile, "endpoint"))
    if heard.reply.status == 200:
        return wrong(what, found, click(patient.settings.profile, "answer"))
    row = _row(vendor, heard)
    if row is None:
        return wrong(what, found, click(patient.settings.profile, "endpoint"))
    if row[2] in (step_up, interaction, second_factor):
        return note(what, found, click(patient.settings.profile, "step_up"))
    return wrong(what, found, where(vendor, patient.settings.profile, row, heard.answer))


def _row(vendor: str, heard: Heard) -> Row | None:
    """None when the endpoint did not answer as one."""
    answer = heard.answer
    if answer.status >= 500 or answer.status == 429 or not answer.error:
        return None
    return meaning(vendor, answer)


def _vendor(patient: Patient, order: CredentialSettings) -> str:
    """Whose words are understood, as the source chose it."""
    named = "entra" if order.source == "entra" else getattr(order, "vendor", "") or patient.settings.profile
    return named if named in TABLES else "generic"
