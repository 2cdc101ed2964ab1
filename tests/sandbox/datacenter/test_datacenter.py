"""A Data Center's OAuth 2.0 provider: what it does differently from Atlassian's."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from gateway import clock
from sandbox.datacenter import App, DataCenter, create_app
from sandbox.rotation import DAY

CALLBACK = "http://127.0.0.1:8140/connect/jira/callback"
OAUTH = "/rest/oauth2/latest"
VERIFIER = "v" * 43


class World:
    """The server in-process."""

    def __init__(self) -> None:
        apps = [App("link", ["s"], CALLBACK), App("robot", ["r"], CALLBACK, service="lee")]
        self.app = create_app(apps, base_url="http://jira.test")
        self.state: DataCenter = self.app.state.datacenter
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="http://jira.test")

    async def code(self, **changes: str) -> str:
        query = {
            "client_id": "link",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "WRITE",
            "state": "st",
            "sandbox_approve": "ana",
            **changes,
        }
        reply = await self.http.get(f"{OAUTH}/authorize", params=query)
        return parse_qs(urlsplit(reply.headers["location"]).query)["code"][0]

    async def token(self, **form: str) -> httpx2.Response:
        data = {"client_id": "link", "client_secret": "s", "redirect_uri": CALLBACK, **form}
        return await self.http.post(f"{OAUTH}/token", data={k: v for k, v in data.items() if v})

    async def redeem(self, code: str, **form: str) -> httpx2.Response:
        return await self.token(grant_type="authorization_code", code=code, **form)

    async def refresh(self, tokens: dict[str, Any], **form: str) -> httpx2.Response:
        return await self.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"], **form)

    async def get(self, path: str, tokens: dict[str, Any]) -> httpx2.Response:
        return await self.http.get(path, headers={"Authorization": f"Bearer {tokens['access_token']}"})


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.http.aclose()


def dead(reply: httpx2.Response) -> bool:
    return (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


async def test_a_link_reaches_jira_as_its_person(world: World) -> None:
    """`/myself` has a key and no accountId, and the header names the user."""
    tokens = (await world.redeem(await world.code())).json()
    assert tokens["expires_in"] == 3600
    reply = await world.get("/rest/api/2/myself", tokens)
    assert reply.json()["key"].startswith("JIRAUSER") and "accountId" not in reply.json()
    assert reply.headers["x-ausername"] == "ana"
    reply = await world.get("/rest/api/2/issue/OPEN-1", tokens)
    assert (reply.status_code, reply.headers["x-ausername"]) == (200, "ana")


async def test_a_real_one_has_no_version_three(world: World) -> None:
    """And no `X-AAccountId`."""
    tokens = (await world.redeem(await world.code())).json()
    assert (await world.get("/rest/api/3/issue/OPEN-1", tokens)).status_code == 404
    reply = await world.get("/rest/api/2/issue/OPEN-1", tokens)
    assert "x-aaccountid" not in reply.headers


async def test_a_code_lives_ten_seconds(world: World) -> None:
    """And it is good once."""
    code = await world.code()
    with clock.shifted(wall=9):
        assert (await world.redeem(code)).status_code == 200
        assert dead(await world.redeem(code))
    code = await world.code()
    with clock.shifted(wall=11):
        assert dead(await world.redeem(code))


async def test_pkce_is_held_to(world: World) -> None:
    """Both methods, where a challenge came."""
    assert dead(await world.redeem(await world.code(code_challenge=VERIFIER)))
    code = await world.code(code_challenge=VERIFIER, code_challenge_method="plain")
    assert (await world.redeem(code, code_verifier=VERIFIER)).status_code == 200
    code = await world.code(code_challenge=VERIFIER, code_challenge_method="S256")
    assert dead(await world.redeem(code, code_verifier=VERIFIER))


async def test_a_refresh_repeats_the_redirect_uri(world: World) -> None:
    """Without it the answer is a bare `invalid_grant`, and the token is as it was."""
    tokens = (await world.redeem(await world.code())).json()
    assert dead(await world.refresh(tokens, redirect_uri=""))
    assert dead(await world.refresh(tokens, redirect_uri="http://127.0.0.1/other"))
    assert (await world.refresh(tokens)).status_code == 200


async def test_a_refresh_token_is_good_once(world: World) -> None:
    """Its reuse ends the link; the access token of before is not concerned until then."""
    first = (await world.redeem(await world.code())).json()
    second = (await world.refresh(first)).json()
    assert (await world.get("/rest/api/2/myself", first)).status_code == 200
    with clock.shifted(wall=1):
        assert dead(await world.refresh(first))
        assert dead(await world.refresh(second))


async def test_ninety_days_and_no_year(world: World) -> None:
    """There is no absolute end."""
    tokens = (await world.redeem(await world.code())).json()
    for quarter in range(1, 8):
        with clock.shifted(wall=quarter * 80 * DAY):
            tokens = (await world.refresh(tokens)).json()
    with clock.shifted(wall=651 * DAY):
        assert dead(await world.refresh(tokens))


async def test_read_does_not_write(world: World) -> None:
    """READ tokens are refused where WRITE is needed."""
    tokens = (await world.redeem(await world.code(scope="READ"))).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    reply = await world.http.post("/rest/api/2/issue/OPEN-1/comment", json={"body": "x"}, headers=headers)
    assert reply.status_code == 401


async def test_a_service_account_has_client_credentials(world: World) -> None:
    """Only a link of a service account, and with nothing to refresh."""
    refused = await world.token(grant_type="client_credentials")
    assert refused.json()["error"] == "unauthorized_client"
    reply = await world.token(
        grant_type="client_credentials", client_id="robot", client_secret="r", scope="READ"
    )
    tokens = reply.json()
    assert "refresh_token" not in tokens
    assert (await world.get("/rest/api/2/myself", tokens)).json()["name"] == "lee"


async def test_a_wrong_secret_is_invalid_client(world: World) -> None:
    """401, and the link is as it was."""
    tokens = (await world.redeem(await world.code())).json()
    reply = await world.refresh(tokens, client_secret="no")
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    assert (await world.refresh(tokens)).status_code == 200
