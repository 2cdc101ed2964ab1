"""Somebody leaves the company: how they are out, at a composed gateway at which assistants sign in."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.config import Settings
from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.identity.revocation import Revocations
from gateway.providers import Providers
from gateway.pushing import scim_routes
from gateway.store.memory import MemoryStore
from gateway.store.sql import Database
from gateway.transport.web import Guard
from tests.signin.assistant import SigningWorld, code_of, signed_in

SCIM = {"GATEWAY__SIGNIN__SCIM_TOKEN_SECRET": "scim-token"}


async def pushed(world: SigningWorld, method: str, path: str, body: Any) -> httpx2.Response:
    """The provider pushes."""
    return await world.http.request(
        method,
        f"{world.sandbox.gateway_url}/scim/v2{path}",
        json=body,
        headers={"authorization": "Bearer scim-token"},
    )


async def test_a_deprovisioned_person_is_out_everywhere_at_once(tmp_path: Path) -> None:
    """The access token, the refresh token, the browser and a new sign-in are refused; no grant is left. Somebody
    else works on."""
    async with SigningWorld(tmp_path, settings=SCIM) as world:
        assistant, person, other = await world.assistant(), await world.person(), await world.person()
        ana = (await assistant.redeem(await code_of(person, assistant))).json()
        bo = (await assistant.redeem(await code_of(other, assistant, user="bo"))).json()
        assert await world.status(ana["access_token"]) == 200
        made = await pushed(world, "POST", "/Users", {"userName": "ana@corp", "externalId": "ana"})
        assert made.status_code == 201
        assert await world.status(ana["access_token"]) == 200

        gone = {"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}
        assert (await pushed(world, "PATCH", f"/Users/{made.json()['id']}", gone)).status_code == 200

        assert await world.status(ana["access_token"]) == 401
        refused = await assistant.refresh(ana["refresh_token"])
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert (await person.get("/connect")).status_code == 303
        assert world.gateway.vault is not None
        assert all(head.ended for head in await world.gateway.vault.of(world.sandbox.issuer, "ana"))
        again = await signed_in(await world.person(), assistant.address())
        assert (
            not again.is_redirect
            or "code=" not in again.headers["location"]
            or (
                (
                    await assistant.redeem(again.headers["location"].split("code=")[1].split("&")[0])
                ).status_code
                >= 400
            )
        )
        assert await world.status(bo["access_token"]) == 200
        assert (await assistant.refresh(bo["refresh_token"])).status_code == 200
        assert world.checked().ok


async def test_who_is_disabled_at_the_provider_is_out_at_the_next_refresh(tmp_path: Path) -> None:
    """Without any push: the refresh asks the provider, which says no; and at the next exchange already no token for
    Jira is given."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        world.sandbox.idp.disabled.add("ana")
        answer = await world.posted(tokens["access_token"], "jira_whoami")
        assert answer.status_code == 401 or answer.json()["result"]["isError"]
        await world.later()

        refused = await assistant.refresh(tokens["refresh_token"])
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        world.sandbox.idp.disabled.clear()
        again = await assistant.refresh(tokens["refresh_token"])
        assert again.status_code == 400


def settings(folder: Path, **changes: Any) -> Settings:
    """Two providers, one of which only signs people in."""
    google = {
        "issuer": "https://accounts.google.com",
        "name": "google",
        "profile": "google",
        "login": {"client_id": "c", "client_secret": "s"},
    }
    corp = {"issuer": "https://corp.test", "name": "corp"}
    return Settings.model_validate(
        {
            "audit": {"dir": folder, "second": folder / "second.log"},
            "server": {"public_url": "https://gateway.test"},
            "identity": {"issuers": [google, corp]},
            "jira": [
                {
                    "url": "https://jira.test",
                    "credential": [
                        {
                            "source": "exchange",
                            "token_endpoint": "https://corp.test/token",
                            "client_id": "c",
                            "client_secret": "s",
                            "audience": "jira",
                            "issuers": ["corp"],
                        }
                    ],
                }
            ],
            **changes,
        }
    )


@pytest.mark.parametrize(("name", "found"), [("google", True), ("corp", True), ("", False), ("none", False)])
async def test_with_several_providers_it_is_named_who_pushes(tmp_path: Path, name: str, found: bool) -> None:
    """A subject is known at one of them."""
    order = settings(tmp_path, signin={"scim_token_secret": "t", "scim_provider": name})
    database = Database(f"sqlite:///{tmp_path}/g.db")
    parts: dict[str, Any] = {
        "database": database,
        "store": MemoryStore(),
        "guard": Guard("https://gateway.test", (), ()),
        "revocations": Revocations(database),
        "vault": None,
        "end_all": None,
    }
    if found:
        assert list(scim_routes(order, **parts)) == ["/scim/v2/*"]
    else:
        with pytest.raises(ConfigError, match="google, corp"):
            scim_routes(order, **parts)
    assert scim_routes(settings(tmp_path), **parts) == {}


async def test_a_provider_that_only_signs_in_is_enough(tmp_path: Path) -> None:
    """Google's own access tokens are for nobody but Google; behind our authorization server it is a provider like
    any other. Where assistants bring the provider's tokens, it is refused."""
    google = settings(tmp_path).identity.issuers[0]
    alone = settings(tmp_path, identity={"issuers": [google.model_dump()]}, signin={"mode": "signin"})
    database = Database(f"sqlite:///{tmp_path}/g.db")
    async with Outward() as outward:
        ours = Providers(alone, outward, Revocations(database), dict)
        assert ours.verified("/mcp") is not None
        theirs = Providers(alone, outward, Revocations(database))
        with pytest.raises(ConfigError):
            theirs.verified("/mcp")
