"""Microsoft Graph: `addPassword` and `removePassword` of an application. Several are good at the same time.

Only those that carry our name are ended: others may be somebody else's.
"""

from collections.abc import Mapping
from typing import Any

from gateway.credential.rotation import Api, members, told
from gateway.model import Secret

NAME = "jira-agent-gateway"


class EntraRotation:
    """A `Rotation` of one application."""

    def __init__(self, api: Api, application: str) -> None:
        self._api = api
        self._path = f"/applications/{application}"

    async def make(self) -> Secret:
        asked = {"passwordCredential": {"displayName": NAME}}
        return told(await self._api.call("POST", f"{self._path}/addPassword", asked), "secretText")

    async def retire(self) -> int:
        older = (await self._ours())[:-1]
        for password in older:
            await self._api.call("POST", f"{self._path}/removePassword", {"keyId": password["keyId"]})
        return len(older)

    async def _ours(self) -> list[Mapping[str, Any]]:
        """The oldest first."""
        found = members(
            await self._api.call("GET", f"{self._path}?$select=passwordCredentials"), "passwordCredentials"
        )
        ours = [password for password in found if password.get("displayName") == NAME]
        return sorted(ours, key=lambda password: str(password.get("startDateTime", "")))


def build(api: Api, application: str) -> EntraRotation:
    """The rotation of the application with that object id."""
    return EntraRotation(api, application)
