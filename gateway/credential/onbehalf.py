"""What the sources have in common that obtain a grant with the caller's own token.

One provider's people each; nothing of anybody but the kept grants. A failure is a failure: there is no
other credential to go on with.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from gateway import limits
from gateway.credential import GrantOrder, Parts, Presented, as_they_came
from gateway.credential.endpoint import Answer, Form, TokenEndpoint
from gateway.credential.kept import KeptGrants
from gateway.credential.refusals import refusal, unusable
from gateway.credential.scopes import ScopedSettings
from gateway.errors import ConfigError
from gateway.http import OutwardError
from gateway.model import Caller, Grant, Secret
from gateway.settings import CredentialSettings


class OnBehalf(ABC):
    """A `CredentialSource` for the people of `issuer`."""

    name: ClassVar[str]

    def __init__(
        self,
        settings: ScopedSettings,
        issuer: str,
        endpoint: TokenEndpoint,
        vendor: str,
        *,
        subject: Presented = as_they_came,
        cached: int = limits.GRANTS_CACHED,
    ) -> None:
        self._scoped = settings
        self._issuer = issuer
        self._endpoint = endpoint
        self._vendor = vendor
        self.kept = KeptGrants(self._fetch, subject, cached=cached)

    @abstractmethod
    async def _fetch(self, caller: Caller, scopes: frozenset[str]) -> Grant:
        """A fresh, checked grant for the caller as their provider knows them. Raises what this stage's face says."""

    async def grant(self, order: GrantOrder) -> Grant:
        """The caller's grant, kept or fresh. Raises what the face of this stage says."""
        caller = order.caller
        if caller.issuer != self._issuer:  # its token is none of this provider's business
            raise unusable(f"no {self.name} is configured for the issuer {caller.issuer!r}")
        if caller.service:
            raise unusable(f"{self.name} is for people: the token is a program's own")
        return await self.kept.grant(caller, self._scoped.scopes(order.effect), order.refused)

    def forget(
        self, issuer: str, subject: str, *, client: str = "", actor: str = "", session: str = ""
    ) -> None:
        """Drop what is kept of these callers."""
        self.kept.forget(issuer, subject, client=client, actor=actor, session=session)

    def state(self) -> tuple[bool, str]:
        """Ready: the next call finds out by itself. The line names the last failure of the provider."""
        ready, told = self._endpoint.state()
        last = f"; last attempt failed: {self.kept.problem}" if self.kept.problem else ""
        return ready, f"{self.name} at {told}{last}"

    async def _asked(
        self, endpoint: TokenEndpoint, form: Form, *secrets: Secret, vendor: str | None = None
    ) -> Answer:
        """A good answer. Raises what a refusal means, or `Unavailable`."""
        try:
            answer = await endpoint.ask(form, secrets=secrets)
        except OutwardError as failed:
            raise unusable(str(failed)) from None
        if answer.status != 200:
            raise refusal(vendor or self._vendor, answer)
        return answer


def only_issuer(settings: CredentialSettings, parts: Parts) -> str:
    """Name of the one provider that the source is for: the one it is restricted to, or the only one.

    Raises `ConfigError`.
    """
    named = settings.issuers or tuple(parts.issuers)
    if len(named) != 1 or named[0] not in parts.issuers:
        raise ConfigError(
            [
                f"jira.credential.issuers ({parts.site}): `{settings.source}` serves one provider; name one of "
                f"{', '.join(parts.issuers)}."
            ]
        )
    return named[0]
