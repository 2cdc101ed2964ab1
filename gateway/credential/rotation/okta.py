"""Okta's Apps API: `/api/v1/apps/{id}/credentials/secrets`, two secrets at most.

A secret must be inactive before it can be deleted.
"""

from collections.abc import Mapping
from typing import Any

from gateway.credential.refusals import unusable
from gateway.credential.rotation import Api, members, told
from gateway.model import Secret

MOST = 2


class OktaRotation:
    """A `Rotation` of one app."""

    def __init__(self, api: Api, app: str) -> None:
        self._api = api
        self._path = f"/api/v1/apps/{app}/credentials/secrets"

    async def make(self) -> Secret:
        if len(await self._secrets()) >= MOST:
            raise unusable("the app has two secrets already: end the older one first (`--finish`)")
        return told(await self._api.call("POST", self._path, {}), "client_secret")

    async def retire(self) -> int:
        older = (await self._secrets())[:-1]
        for secret in older:
            path = f"{self._path}/{secret['id']}"
            if secret.get("status") == "ACTIVE":
                await self._api.call("POST", f"{path}/lifecycle/deactivate")
            await self._api.call("DELETE", path)
        return len(older)

    async def _secrets(self) -> list[Mapping[str, Any]]:
        """The oldest first."""
        found = members(await self._api.call("GET", self._path))
        return sorted(found, key=lambda secret: str(secret.get("created", "")))


def build(api: Api, app: str) -> OktaRotation:
    """The rotation of the app with that id."""
    return OktaRotation(api, app)
