"""`doctor idp`: every check of one provider, in the order in which each needs the one before."""

from dataclasses import dataclass

from gateway.app import Gateway
from gateway.doctor import Line
from gateway.doctor.beside import beside
from gateway.doctor.clicks import page
from gateway.doctor.ear import Overheard
from gateway.doctor.exchange import exchange
from gateway.doctor.groups import groups
from gateway.doctor.login import login
from gateway.doctor.patient import Patient, chosen
from gateway.doctor.provider import provider, watch
from gateway.doctor.token import token
from gateway.jose import JoseError, parse
from gateway.model import Bearer
from gateway.settings import Issuer, Settings


@dataclass(frozen=True, slots=True)
class Report:
    """What was found at one provider."""

    name: str
    issuer: str
    profile: str
    page: str
    lines: tuple[Line, ...]

    @property
    def good(self) -> bool:
        return all(line.state != "wrong" for line in self.lines)


async def look(settings: Settings, name: str | None = None, bearer: Bearer | None = None) -> list[Report]:
    """All providers, or that of this name; `bearer` is an assistant's token of one of them. Raises `ConfigError`."""
    issuers = chosen(settings, name)
    async with Overheard() as ear:
        gateway = Gateway(settings, outward=ear)
        return [await _one(Patient(one, gateway, ear, _its_own(bearer, one, issuers))) for one in issuers]


async def examine(patient: Patient) -> list[Line]:
    """The checks."""
    lines = await provider(patient)
    lines += await token(patient)
    lines += groups(patient)
    lines += await exchange(patient)
    lines += await login(patient)
    lines += await beside(patient)
    return [*lines, watch(patient)]


async def _one(patient: Patient) -> Report:
    lines = await examine(patient)
    profile = patient.settings.profile
    return Report(patient.name, patient.issuer, profile, page(profile), tuple(lines))


def _its_own(bearer: Bearer | None, issuer: Issuer, issuers: list[Issuer]) -> Bearer | None:
    """The token, for the provider that it says it is of; for the only one whatever it says."""
    if bearer is None or len(issuers) == 1:
        return bearer
    try:
        named = parse(bearer).claims.get("iss")
    except JoseError:  # opaque: that of whoever can be asked about it
        return bearer if issuer.introspection is not None else None
    return bearer if named == issuer.issuer else None
