"""The official SDK's own OAuth client, through each provider: it finds the provider, signs in and steps up.

At a provider it is registered beforehand, as companies do, and at the gateway it registers itself; what it does
with our challenges is its own doing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp.client.auth import AuthorizationCodeResult
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from sandbox.demo.assistant import Assistant
from sandbox.people import PEOPLE, Person
from tests.providers.browser import Browser
from tests.providers.place import Place
from tests.providers.provider import READ, REDIRECT, Refused
from tests.providers.test_acceptance import BOTH_MODES, Show, show
from tests.providers.tokens import unverified

__all__ = ["show"]

pytestmark = [pytest.mark.asyncio(loop_scope="session"), BOTH_MODES]


class AtTheBrowser:
    """What the SDK calls when a person must do something in the browser."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._landed: dict[str, str] = {}
        self.opened: list[str] = []

    async def heard(self, response: httpx2.Response) -> None:
        """Each response before the SDK acts on it."""

    async def open(self, url: str) -> None:
        """The authorization request, gone through to its end."""
        self.opened.append(url)
        async with Browser(self._person) as browser:
            self._landed = await browser.open(url)
        if "error" in self._landed:
            raise Refused(self._landed["error"], self._landed.get("error_description", ""))

    async def callback(self) -> AuthorizationCodeResult:
        """What the assistant's listener received."""
        landed = self._landed
        return AuthorizationCodeResult(code=landed["code"], state=landed.get("state"), iss=landed.get("iss"))


@asynccontextmanager
async def assistant(
    place: Place, user: str, token: str = "", at: AtTheBrowser | None = None
) -> AsyncIterator[tuple[Assistant, list[str]]]:
    """An assistant of `user`, and the authorization requests that it opens; it starts with `token`, if any."""
    one = Assistant(PEOPLE[user], place.url)
    at = at or AtTheBrowser(PEOPLE[user])
    one.browser = at  # type: ignore[assignment]
    one.hears.append(at.heard)
    if token or place.mode == Place.mode:
        one._memory.client = OAuthClientInformationFull.model_validate(
            {
                "client_id": place.provider.assistant,
                "redirect_uris": [REDIRECT],
                "token_endpoint_auth_method": "none",
            }
        )
    if token:
        one._memory.tokens = OAuthToken(access_token=token, token_type="Bearer", scope=READ)
    async with one:
        yield one, at.opened


async def test_the_sdk_signs_in_and_calls(place: Place, show: Show) -> None:
    """From the gateway's 401 alone it finds the provider, signs the person in, and calls as that person."""
    show("SDK: sign in")
    async with assistant(place, "bo") as (one, opened):
        told = await one.call("jira_whoami")
    assert told.good, told.text
    assert told.data["email"] == PEOPLE["bo"].email
    assert len(opened) == 1
    assert unverified(one.token)["iss"] == place.provider.metadata["issuer"]
    show(shown="finds the provider from our 401, signs in, calls")


async def test_the_sdk_steps_up(place: Place, show: Show) -> None:
    """Its reading token meets a write: from our 403 it asks for the scopes named there, and the write is done."""
    show("SDK: step up")
    reading = await place.provider.token("ana", READ)
    async with assistant(place, "ana", reading.access) as (one, opened):
        assert (await one.call("jira_whoami")).good
        assert opened == []
        told = await one.call("jira_comment", key="OPEN-2", body="Stepped up by the SDK.")
    assert told.good, told.text
    assert len(opened) == 1
    assert "jira%3Awrite" in opened[0]
    assert {"jira:read", "jira:write"} <= set(unverified(one.token)["scope"].split())
    show(shown="from our 403 it asks for the scopes named there; the write is done")
