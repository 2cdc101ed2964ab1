"""Atlassian's authorization server, as its documents and announcements say it behaves."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from gateway import clock
from sandbox.atlassian import App, Atlassian, add_site, create_app
from sandbox.jira import Fault, Kind
from sandbox.rotation import DAY

CALLBACK = "http://127.0.0.1:8140/connect/jira/callback"
CLOUD, OTHER = "cloud-acme", "cloud-other"
SCOPES = "read:jira-work read:jira-user offline_access"
CLIENT = {"client_id": "app", "client_secret": "s"}


class World:
    """The server in-process, and a client that follows nothing."""

    def __init__(self, **how: Any) -> None:
        self.app = create_app([App("app", ["s"], CALLBACK), App("second", ["s2"], CALLBACK)], **how)
        self.state: Atlassian = self.app.state.atlassian
        self.jira = add_site(self.state, CLOUD, url="https://acme.atlassian.test", name="acme")
        add_site(self.state, OTHER, url="https://other.atlassian.test", name="other")
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app), base_url="http://auth.atlassian.test"
        )

    async def authorize(self, **changes: str | None) -> httpx2.Response:
        query = {
            "audience": "api.atlassian.com",
            "client_id": "app",
            "scope": SCOPES,
            "redirect_uri": CALLBACK,
            "state": "st",
            "response_type": "code",
            "prompt": "consent",
            "sandbox_approve": "ana",
            **changes,
        }
        return await self.http.get("/authorize", params={k: v for k, v in query.items() if v is not None})

    async def token(self, **form: str) -> httpx2.Response:
        return await self.http.post("/oauth/token", json={**CLIENT, **form})

    async def redeem(self, reply: httpx2.Response, **form: str) -> httpx2.Response:
        code = parse_qs(urlsplit(reply.headers["location"]).query)["code"][0]
        return await self.token(
            grant_type="authorization_code", code=code, **{"redirect_uri": CALLBACK, **form}
        )

    async def connect(self, **changes: str | None) -> dict[str, Any]:
        """The tokens of a consent."""
        given: dict[str, Any] = (await self.redeem(await self.authorize(**changes))).json()
        return given

    async def refresh(self, tokens: dict[str, Any]) -> httpx2.Response:
        return await self.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])

    async def get(self, path: str, tokens: dict[str, Any]) -> httpx2.Response:
        return await self.http.get(path, headers={"Authorization": f"Bearer {tokens['access_token']}"})

    async def myself(self, tokens: dict[str, Any], cloud: str = CLOUD) -> httpx2.Response:
        return await self.get(f"/ex/jira/{cloud}/rest/api/3/myself", tokens)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.http.aclose()


def dead(reply: httpx2.Response) -> bool:
    """The documented answer to a refresh token that is not good."""
    return (reply.status_code, reply.json()) == (
        403,
        {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."},
    )


async def test_a_consent_reaches_the_jira_behind_the_site(world: World) -> None:
    """Code, tokens, sites, and the REST API as the account that agreed."""
    tokens = await world.connect()
    assert (tokens["expires_in"], tokens["token_type"]) == (3600, "Bearer")
    sites = (await world.get("/oauth/token/accessible-resources", tokens)).json()
    assert {site["id"] for site in sites} == {CLOUD, OTHER}
    reply = await world.myself(tokens)
    assert reply.json()["displayName"] == "Ana Alvarez"
    assert reply.headers["x-aaccountid"] == world.state.people["ana"].account_id


@pytest.mark.parametrize(
    "name", ["audience", "prompt", "redirect_uri", "response_type", "scope", "client_id"]
)
async def test_a_request_that_lacks_something_ends_on_a_page(world: World, name: str) -> None:
    """The person is told; the app is not."""
    for value in (None, "wrong"):
        reply = await world.authorize(**{name: value})
        assert reply.status_code == 400 and "location" not in reply.headers


async def test_the_page_signs_in_and_asks(world: World) -> None:
    """A wrong password asks again, a refusal goes back to the app, a yes gives a code for one site."""
    page = (await world.authorize(sandbox_approve=None)).text
    transaction = page.split('name="transaction" value="')[1].split('"')[0]
    form = {"transaction": transaction, "user": "ana", "password": "wrong", "answer": "allow"}
    assert (await world.http.post("/authorize", data=form)).status_code == 400
    reply = await world.http.post("/authorize", data={**form, "password": "ana-sandbox", "site": OTHER})
    assert "state=st" in reply.headers["location"]
    tokens = (await world.redeem(reply)).json()
    assert (await world.myself(tokens)).status_code == 401
    assert (await world.myself(tokens, OTHER)).status_code == 200
    page = (await world.authorize(sandbox_approve=None)).text
    transaction = page.split('name="transaction" value="')[1].split('"')[0]
    reply = await world.http.post("/authorize", data={"transaction": transaction, "answer": "refuse"})
    assert "error=access_denied" in reply.headers["location"]


async def test_a_second_consent_adds_to_the_one_grant(world: World) -> None:
    """Tokens that were there before reach the new site too."""
    first = await world.connect(sandbox_site=CLOUD)
    assert (await world.myself(first, OTHER)).status_code == 401
    await world.connect(sandbox_site=OTHER)
    assert (await world.myself(first, OTHER)).status_code == 200


async def test_a_code_is_good_once_for_its_app_and_callback(world: World) -> None:
    """403 otherwise; forms do as well as JSON."""
    reply = await world.authorize()
    assert (await world.redeem(reply, redirect_uri="http://127.0.0.1/other")).status_code == 403
    reply = await world.authorize()
    assert (await world.redeem(reply, client_id="second", client_secret="s2")).status_code == 403
    reply = await world.authorize()
    code = parse_qs(urlsplit(reply.headers["location"]).query)["code"][0]
    form = {**CLIENT, "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    assert (await world.http.post("/oauth/token", data=form)).status_code == 200
    assert (await world.http.post("/oauth/token", data=form)).status_code == 403


async def test_pkce_is_ignored_unless_it_is_known(world: World) -> None:
    """Nothing is documented; with the internal flag it is held to."""
    challenge = {"code_challenge": "x" * 43, "code_challenge_method": "S256"}
    assert "access_token" in await world.connect(**challenge)
    world.state.pkce = True
    assert (await world.connect(**challenge))["error"] == "invalid_grant"


async def test_without_offline_access_there_is_nothing_to_refresh_with(world: World) -> None:
    """Only an access token comes."""
    assert "refresh_token" not in await world.connect(scope="read:jira-work")


async def test_a_wrong_secret_is_access_denied(world: World) -> None:
    """401, and the grant is as it was; every secret in the list is good."""
    tokens = await world.connect()
    reply = await world.token(
        grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_secret="no"
    )
    assert (reply.status_code, reply.json()["error"]) == (401, "access_denied")
    world.state.apps["app"].secrets[:0] = ["next"]
    assert (await world.refresh(tokens)).status_code == 200


async def test_the_old_pair_lives_on_within_the_leeway(world: World) -> None:
    """Ten minutes for both, and a second refresh gives another pair that is good."""
    first = await world.connect()
    second = (await world.refresh(first)).json()
    assert second["refresh_token"] != first["refresh_token"]
    with clock.shifted(wall=590):
        assert (await world.myself(first)).status_code == 200
        again = (await world.refresh(first)).json()
        assert (await world.myself(second)).status_code == (await world.myself(again)).status_code == 200
        assert (await world.refresh(second)).status_code == (await world.refresh(again)).status_code == 200


async def test_the_old_access_token_dies_with_its_companion(world: World) -> None:
    """Before its own end, ten minutes after the refresh."""
    first = await world.connect()
    second = (await world.refresh(first)).json()
    with clock.shifted(wall=610):
        refused = await world.myself(first)
        assert (refused.status_code, refused.json()["message"]) == (401, "Unauthorized")
        assert (await world.myself(second)).status_code == 200


async def test_reuse_after_the_leeway_ends_everything(world: World) -> None:
    """Also the newest tokens; the person must consent again."""
    first = await world.connect()
    second = (await world.refresh(first)).json()
    with clock.shifted(wall=610):
        assert dead(await world.refresh(first))
        assert dead(await world.refresh(second))
        assert (await world.myself(second)).status_code == 401
        assert world.state.tokens.reuses == 1
        assert (await world.myself(await world.connect())).status_code == 200


async def test_strict_has_no_leeway() -> None:
    """The variant that no client can survive a lost answer at."""
    world = World(strict=True)
    first = await world.connect()
    assert (await world.refresh(first)).status_code == 200
    with clock.shifted(wall=1):
        assert dead(await world.refresh(first))


async def test_ninety_days_idle_end_it(world: World) -> None:
    """A refresh in between begins them anew."""
    tokens = await world.connect()
    with clock.shifted(wall=89 * DAY):
        tokens = (await world.refresh(tokens)).json()
    with clock.shifted(wall=178 * DAY):
        assert (await world.refresh(tokens)).status_code == 200
    with clock.shifted(wall=180 * DAY):
        assert dead(await world.refresh(await world.connect() | {"refresh_token": "unknown"}))
        assert dead(await world.refresh(tokens))


async def test_a_year_ends_it_in_any_case(world: World) -> None:
    """However often it was refreshed."""
    tokens = await world.connect()
    for month in range(1, 13):
        with clock.shifted(wall=month * 30 * DAY):
            tokens = (await world.refresh(tokens)).json()
    with clock.shifted(wall=366 * DAY):
        assert dead(await world.refresh(tokens))


async def test_another_apps_refresh_token_is_unknown(world: World) -> None:
    """And it stays good at its own."""
    tokens = await world.connect()
    other = {"client_id": "second", "client_secret": "s2"}
    assert dead(await world.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"], **other))
    assert (await world.refresh(tokens)).status_code == 200


async def test_a_new_password_ends_the_grant(world: World) -> None:
    """With the same words as any other dead refresh token."""
    tokens = await world.connect()
    world.state.tokens.end("ana", reason="password")
    assert dead(await world.refresh(tokens))


async def test_scopes_hold_at_jira(world: World) -> None:
    """A missing scope is a 401 that says so; an expired token one that does not."""
    tokens = await world.connect()
    auth = {"Authorization": f"Bearer {tokens['access_token']}"}
    path = f"/ex/jira/{CLOUD}/rest/api/3/issue/OPEN-1/comment"
    refused = await world.http.post(path, json={"body": {}}, headers=auth)
    assert (refused.status_code, refused.json()) == (
        401,
        {"code": 401, "message": "Unauthorized; scope does not match"},
    )
    assert (await world.get("/me", tokens)).json()["message"].endswith("scope does not match")
    with clock.shifted(wall=3601):
        late = await world.myself(tokens)
        assert (late.status_code, late.json()) == (401, {"code": 401, "message": "Unauthorized"})
        assert (await world.get("/oauth/token/accessible-resources", tokens)).status_code == 401


async def test_a_factor_shrinks_every_life() -> None:
    """An hour is six seconds, ten minutes one."""
    world = World(factor=600)
    tokens = await world.connect()
    assert tokens["expires_in"] == 6
    assert (await world.refresh(tokens)).status_code == 200
    with clock.shifted(wall=1.1):
        assert (await world.myself(tokens)).status_code == 401


async def test_faults_strike_before_or_after_the_rotation(world: World) -> None:
    """A status instead of the answer leaves the grant alone, unless the rotation happened before."""
    first = await world.connect()
    world.state.faults.once(Fault(Kind.STATUS, status=500))
    assert (await world.refresh(first)).status_code == 500
    assert world.state.tokens.refreshes == 0
    world.state.faults.once(Fault(Kind.STATUS, status=502, effect=True))
    assert (await world.refresh(first)).status_code == 502
    assert world.state.tokens.refreshes == 1
