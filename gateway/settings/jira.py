"""The Jira sites, and for each the ways to a credential of the very person who asks.

What a way needs stands in its own file, `gateway/credential/sources/NAME.py`, as its `Settings`; it is
found by its name, so that a new one is one new file.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from gateway.settings.section import Section, Url

SOURCES = "gateway.credential.sources"


class CredentialSettings(Section):
    """As whom at this Jira."""

    programs: ClassVar[bool] = False
    """Whether it serves callers that are programs, and only these."""
    linked: ClassVar[bool] = False
    """Whether people link it in their browser, and its grants are kept in the vault."""

    source: str = Field(description="How a Jira credential is obtained.")
    issuers: tuple[str, ...] = Field(
        (), description="Names of the providers whose people it serves; default: all of them."
    )


def known_sources() -> list[str]:
    """Names of the credential sources that are there."""
    return sorted(found.name for found in iter_modules(import_module(SOURCES).__path__))


def _of_its_source(value: Any) -> Any:
    if isinstance(value, CredentialSettings):
        return value
    if not isinstance(value, dict) or value.get("source", "exchange") not in known_sources():
        raise ValueError(f"`source` must be one of {', '.join(known_sources())}")
    name = value.get("source", "exchange")
    return import_module(f"{SOURCES}.{name}").Settings.model_validate({**value, "source": name})


def _listed(value: Any) -> Any:
    """One table may stand for a list of one."""
    return [value] if isinstance(value, dict) else value


AnyCredential = Annotated[CredentialSettings, BeforeValidator(_of_its_source)]


class JiraSite(Section):
    """A Jira that the gateway stands in front of; the first is served at `/mcp`, each other at `/mcp/NAME`."""

    url: Url = Field(description="Base URL for the REST API.")
    name: str = Field("jira", pattern=r"^[a-z][a-z0-9-]{0,30}$", description="The site's name in policies.")
    kind: Literal["cloud", "datacenter"] = Field("cloud", description="Which Jira it is.")
    browse_url: str = Field("", description="Base URL for links that people open; default: `url`.")
    credential: Annotated[tuple[AnyCredential, ...], BeforeValidator(_listed)] = Field(
        min_length=1, description="As whom at this Jira; the first that serves the caller's provider counts."
    )


Sites = Annotated[tuple[JiraSite, ...], BeforeValidator(_listed)]
