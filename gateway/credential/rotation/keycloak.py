"""Keycloak's admin REST API: `clients/{uuid}/client-secret`.

The old secret stays good for a while only where a client policy with the executor `secret-rotation`
says so; without one it ends at once, and a call in that second may fail.
"""

from gateway.credential.rotation import Api, told
from gateway.model import Secret


class KeycloakRotation:
    """A `Rotation` of one client."""

    def __init__(self, api: Api, client: str) -> None:
        self._api = api
        self._path = f"/clients/{client}/client-secret"

    async def make(self) -> Secret:
        return told(await self._api.call("POST", self._path, {}), "value")

    async def retire(self) -> int:
        if await self._api.call("GET", f"{self._path}/rotated", absent=True) is None:
            return 0
        await self._api.call("DELETE", f"{self._path}/rotated", absent=True)
        return 1


def build(api: Api, client: str) -> KeycloakRotation:
    """The rotation of the client with that UUID."""
    return KeycloakRotation(api, client)
