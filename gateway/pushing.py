"""Where the provider pushes people (SCIM 2.0), composed: who has left is refused, and everything they have ends."""

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.types import ASGIApp

from gateway.config import Settings
from gateway.credential.vault import Vault
from gateway.errors import ConfigError
from gateway.identity.revocation import Revocations
from gateway.leaving import DEPROVISIONED, deprovision, reinstate
from gateway.settings import Issuer
from gateway.signin.server.pushed import PushedPeople
from gateway.signin.server.scim import PATH, Scim
from gateway.store import Store
from gateway.store.sql import Database
from gateway.transport.web import Guard

EndAll = Callable[[str, str, str], Awaitable[None]]
"""(issuer, subject, reason) -> all their sign-ins with assistants are over. Raises `Unavailable`."""


def scim_routes(
    settings: Settings,
    *,
    database: Database,
    store: Store,
    guard: Guard,
    revocations: Revocations,
    vault: Vault | None,
    end_all: EndAll | None,
) -> dict[str, ASGIApp]:
    """The routes; none without a token in the settings. `end_all` is None where nobody signs in with us.

    Raises `ConfigError` when it is not known who pushes.
    """
    token = settings.signin.scim_token_secret.get_secret_value()
    if not token:
        return {}
    order = _provider(settings)

    async def left(issuer: str, subject: str) -> None:
        await deprovision(issuer, subject, revocations, vault)
        if end_all is not None:
            await end_all(issuer, subject, DEPROVISIONED)

    scim = Scim(
        PushedPeople(database, order.issuer),
        order,
        left=left,
        back=partial(reinstate, revocations=revocations),
        token=token,
        url=settings.server.public_url,
        store=store,
        guard=guard,
    )
    return {f"{PATH}/*": scim.app}


def _provider(settings: Settings) -> Issuer:
    known, name = settings.identity.issuers, settings.signin.scim_provider
    if not name and len(known) == 1:
        return known[0]
    found = next((one for one in known if one.short == name), None)
    if found is None:
        named = ", ".join(one.short for one in known)
        raise ConfigError([f"signin.scim_provider: name the provider that pushes people: one of {named}."])
    return found
