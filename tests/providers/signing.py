"""The same gateway where assistants register and sign in at the gateway itself, the provider behind it.

assistant ──registers, signs in, refreshes──> gateway ──its own client──> provider
    └──token of the gateway──> gateway ──exchange of the provider's token──> provider
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx2

from gateway import limits
from gateway.store.sql import update
from gateway.store.tables import links
from sandbox.people import PEOPLE
from sandbox.serve import free_port
from tests.providers.browser import code_flow, fetched, refreshed
from tests.providers.place import SIGNIN, Front, Place, signs_in, toml
from tests.providers.provider import REDIRECT, WRITE, GatewaySettings, Provider, Tokens


class AtGateway:
    """A `Provider` (see `provider.py`) of assistants that sign in at the gateway in front of `inner`."""

    def __init__(self, inner: Provider, public_url: str, resource: str) -> None:
        self.inner = inner
        self.name, self.issuer = inner.name, inner.issuer
        self.mfa, self.jira_audience = inner.mfa, inner.jira_audience
        self.assistant = ""
        self.metadata: dict[str, Any] = {}
        self._base, self._resource = public_url, resource

    async def register(self) -> None:
        """An assistant that nobody has heard of makes itself known (RFC 7591)."""
        self.metadata = await fetched(f"{self._base}/.well-known/oauth-authorization-server")
        wish = {"client_name": "An assistant", "redirect_uris": [REDIRECT]}
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            reply = await http.post(self.metadata["registration_endpoint"], json=wish)
        self.assistant = reply.raise_for_status().json()["client_id"]

    async def token(
        self, user: str, scope: str = WRITE, *, acr: str | None = None, client: str = ""
    ) -> Tokens:
        """Through our pages and the provider's; each sign-in is in a browser of its own."""
        return await code_flow(
            PEOPLE[user],
            self.metadata,
            client=client or self.assistant,
            scope=scope,
            acr=acr,
            resource=self._resource,
        )

    async def refresh(self, tokens: Tokens) -> Tokens:
        return await refreshed(self.metadata, tokens, resource=self._resource)

    def settings(self) -> GatewaySettings:
        return self.inner.settings()

    async def login(self, public_url: str, *, chain: bool = False) -> Mapping[str, Any]:
        return await self.inner.login(public_url, chain=chain)

    async def sign_out(self, user: str) -> None:
        await self.inner.sign_out(user)

    async def disable(self, user: str) -> None:
        await self.inner.disable(user)

    async def enable(self, user: str) -> None:
        await self.inner.enable(user)

    def subject(self, user: str) -> str:
        return self.inner.subject(user)

    async def jira_claims(self, token: str) -> dict[str, Any] | None:
        return await self.inner.jira_claims(token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """The provider goes on: it is another's."""


class SigningPlace(Place):
    """A `Place` beside another one, with the same provider, Jira and policies; assistants sign in at the gateway."""

    mode = "signin"
    unasked = limits.RENEWAL_COUNTS_SECONDS
    provider: AtGateway

    def __init__(self, beside: Place, folder: Path) -> None:
        public_url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
        Front.__init__(self, folder, public_url, "")
        self.policies, self.jira, self.jira_url = beside.policies, beside.jira, beside.jira_url
        self.provider = AtGateway(beside.provider, public_url, self.url)

    async def __aenter__(self) -> Self:
        provider = self.provider
        login = await provider.inner.login(self.public_url, chain=True)
        settings = replace(provider.settings(), id_jag=True)
        text = toml(settings, self.public_url, self.jira_url, self.policies)
        self._text = text + signs_in(login) + SIGNIN
        await Front.__aenter__(self)
        await provider.register()
        return self

    async def later(self) -> None:
        """The last word of the provider is so old that the next refresh asks for another."""
        past = update(links).values(refreshed_at=links.c.refreshed_at - limits.RENEWAL_COUNTS_SECONDS)
        await self.gateway.database.run(lambda connection: connection.execute(past))

    async def restart(self) -> None:
        """It ends, and another one begins at the same address with the same files and no memory."""
        await self._stack.aclose()
        await Front.__aenter__(self)
