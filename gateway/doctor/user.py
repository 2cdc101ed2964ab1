"""`doctor user`: one known person, at the provider, here and in Jira, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.app import Gateway
from gateway.doctor import Line, good, listed, note, wrong
from gateway.doctor.ear import Overheard
from gateway.doctor.held import Looking, held, opened
from gateway.doctor.sides import GroupRow, JiraSide, ask_jira, side_by_side
from gateway.doctor.token import is_ours
from gateway.errors import ConfigError, GatewayError, Unauthenticated
from gateway.identity.introspection import opaque
from gateway.identity.roles import RoleTable
from gateway.jose import JoseError, parse
from gateway.model import Bearer, Caller
from gateway.settings import CredentialSettings, Settings
from gateway.site import Site

NAMES = ("sub", "preferred_username", "username", "upn", "unique_name", "email", "name", "oid", "uid")
"""Claims by which an administrator may know somebody."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """What was found. Without `jira` a line says why."""

    name: str
    site: str
    lines: tuple[Line, ...]
    groups: tuple[GroupRow, ...] = ()
    jira: JiraSide | None = None

    @property
    def good(self) -> bool:
        return all(line.state != "wrong" for line in self.lines)


@dataclass
class _Sitting:
    """The portrait while it is made."""

    gateway: Gateway
    site: Site
    name: str
    lines: list[Line] = field(default_factory=list)
    groups: tuple[GroupRow, ...] = ()
    jira: JiraSide | None = None

    def portrait(self) -> Portrait:
        return Portrait(self.name, self.site.name, tuple(self.lines), self.groups, self.jira)


async def draw(settings: Settings, name: str, bearer: Bearer, site: str = "") -> Portrait:
    """The person `name`, whose token `bearer` must be. Raises `ConfigError` when there is no such site."""
    async with Overheard() as ear:
        gateway = Looking(settings, outward=ear)
        sitting = _Sitting(gateway, _site(gateway, site), name)
        caller = await _known(sitting, bearer)
        if caller is not None:
            await _compare(sitting, caller)
        return sitting.portrait()


def _site(gateway: Gateway, name: str) -> Site:
    found = {site.name: site for site in reversed(gateway.sites)}
    if name and name not in found:
        raise ConfigError([f"There is no site {name!r}; choose one of {', '.join(sorted(found))}."])
    return found[name] if name else gateway.sites[0]


async def _known(sitting: _Sitting, bearer: Bearer) -> Caller | None:
    """Whom the gateway would see, if it is the person who is meant."""
    try:
        caller = await sitting.gateway.providers.verified(sitting.site.path).authenticate(bearer)
    except GatewayError as refused:
        ours = is_ours(sitting.gateway.settings, bearer)
        do = (
            "`explain user FILE` tells what stands in it; let them sign in with the assistant again."
            if ours
            else "`doctor idp --token FILE` tells every reason, and where to click."
        )
        sitting.lines.append(
            wrong("token", f"the gateway refuses it: {refused.private or refused.public}", do)
        )
        return None
    claims: Mapping[str, Any] = {} if opaque(bearer) else _claims(bearer)
    names = {caller.subject, *caller.subject.split(":"), caller.email, *(claims.get(name) for name in NAMES)}
    if sitting.name.lower() not in {str(name).lower() for name in names if name}:
        whose = claims.get("preferred_username") or caller.email or caller.subject
        found = f"it is not of {sitting.name}, but of {whose}"
        sitting.lines.append(
            wrong("token", found, f"Take a token of {sitting.name}, or look at the one who it is of.")
        )
        return None
    kind = "a program" if caller.service else "a person"
    sitting.lines.append(good("token", f"{kind}, subject {caller.subject} of {caller.issuer}"))
    return caller


def _claims(bearer: Bearer) -> Mapping[str, Any]:
    try:
        return parse(bearer).claims
    except JoseError:
        return {}


async def _compare(sitting: _Sitting, caller: Caller) -> None:
    order = _order(sitting, caller)
    issuer = next(one for one in sitting.gateway.settings.identity.issuers if one.issuer == caller.issuer)
    roles = RoleTable(issuer.roles)
    sitting.groups = tuple(side_by_side(caller.claimed_groups, roles, ()))
    if order is None:
        do = (
            f"Let a source of `jira.credential` ({sitting.site.name}) serve this provider and kind of caller."
        )
        sitting.lines.append(wrong("credential", "no source serves them", do))
        return
    async with opened(sitting.gateway, order, caller):
        try:
            grant = await held(sitting.gateway, sitting.site, order, caller)
            sitting.lines.append(good("credential", f"by `{order.source}`, scopes {listed(grant.scopes)}"))
            sitting.jira = await ask_jira(sitting.site.jira.session(grant))
        except GatewayError as refused:
            what = "jira" if any(line.what == "credential" for line in sitting.lines) else "credential"
            found = f"{refused.public} {refused.private}".strip()
            sitting.lines.append(wrong(what, found, _advice(what, refused, caller)))
            return
    sitting.groups = tuple(side_by_side(caller.claimed_groups, roles, sitting.jira.groups))
    sitting.lines += _accounts(sitting.jira, caller)


def _advice(what: str, refused: GatewayError, caller: Caller) -> str:
    if what == "jira":
        return "Look at Jira and its address."
    if not caller.family:
        return "`doctor idp --token FILE` tells more."
    if isinstance(refused, Unauthenticated):
        return "Their sign-in with the assistant is over: let them sign in again, and take the new token."
    return "`doctor idp` tells more of the provider."


def _order(sitting: _Sitting, caller: Caller) -> CredentialSettings | None:
    """The source that serves them: the first counts, as for every call."""
    settings = next(one for one in sitting.gateway.settings.jira if one.name == sitting.site.name)
    names = {issuer: name for name, issuer in sitting.gateway.providers.issuers.items()}
    for order in settings.credential:
        if order.programs is caller.service and (not order.issuers or names[caller.issuer] in order.issuers):
            return order
    return None


def _accounts(jira: JiraSide, caller: Caller) -> list[Line]:
    lines = [good("account", f"{jira.name}, {jira.account}")]
    if jira.email and caller.email and jira.email.lower() != caller.email.lower():
        found = f"{caller.email} at the provider, {jira.email} in Jira"
        lines.append(note("e-mail", found, 'With `match = "email"` this account could not be linked.'))
    if not jira.projects:
        do = (
            "The person has no right to browse any project: look at their groups in Jira, and at its licence."
        )
        lines.append(wrong("projects", "Jira shows them none", do))
    return lines
