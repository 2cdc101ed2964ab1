"""What makes assistants connect at the first try, one test a point (A1-A18), at a composed gateway."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.jose import parse
from tests.clients.place import Place
from tests.signin.assistant import Assistant, SigningWorld, answered, code_of, leads_to, signed_in
from tests.signin.world import said

WELL_KNOWN = "/.well-known/oauth-protected-resource"
SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


async def test_a01_a_call_without_a_token_is_told_where_to_sign_in(tmp_path: Path) -> None:
    """401 with the metadata's address and the scopes, by GET and POST, before the body is looked at."""
    async with SigningWorld(tmp_path) as world:
        for method, body in (("POST", b""), ("POST", b"not json"), ("GET", b""), ("POST", b'{"a": 1}')):
            reply = await world.http.request(method, world.url, content=body)
            told = reply.headers["www-authenticate"]
            assert reply.status_code == 401 and told.startswith("Bearer ")
            assert f'resource_metadata="{world.sandbox.gateway_url}{WELL_KNOWN}/mcp"' in told
            assert 'scope="jira:read jira:write"' in told and "error=" not in told


async def test_a02_the_resource_is_what_people_type(tmp_path: Path) -> None:
    """At its own place and at the root; one authorization server, which is us."""
    async with SigningWorld(tmp_path) as world:
        for path in (f"{WELL_KNOWN}/mcp", WELL_KNOWN):
            found = (await world.http.get(world.sandbox.gateway_url + path)).json()
            assert found["resource"] == world.url
            assert found["authorization_servers"] == [world.sandbox.gateway_url]


async def test_a03_the_metadata_is_wherever_clients_look_and_one_issuer_everywhere(tmp_path: Path) -> None:
    """Both names, inserted and appended; the issuer byte for byte in metadata, redirect and token."""
    async with SigningWorld(tmp_path) as world:
        base = world.sandbox.gateway_url
        places = (SERVER, OPENID, f"{SERVER}/mcp", f"{OPENID}/mcp", f"/mcp{SERVER}", f"/mcp{OPENID}")
        found = [(await world.http.get(base + place)).json() for place in places]
        assert all(one == found[0] for one in found) and found[0]["issuer"] == base
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        assert parse(tokens["access_token"]).claims["iss"] == base


async def test_a04_a05_the_metadata_says_what_clients_insist_on(tmp_path: Path) -> None:
    """Public clients, S256, refresh, documents, `iss`; few scopes, `offline_access` only with the server's."""
    async with SigningWorld(tmp_path) as world:
        base = world.sandbox.gateway_url
        found = (await world.http.get(base + SERVER)).json()
        assert found["client_id_metadata_document_supported"] is True
        assert found["registration_endpoint"] == f"{base}/register"
        assert "none" in found["token_endpoint_auth_methods_supported"]
        assert found["code_challenge_methods_supported"] == ["S256"]
        assert "refresh_token" in found["grant_types_supported"]
        assert found["authorization_response_iss_parameter_supported"] is True
        assert found["scopes_supported"] == ["jira:read", "jira:write", "offline_access"]
        resource = (await world.http.get(f"{base}{WELL_KNOWN}/mcp")).json()
        assert resource["scopes_supported"] == ["jira:read", "jira:write"]
        urls = [value for name, value in found.items() if name.endswith(("_endpoint", "_uri"))]
        assert len(urls) == 5 and all(url.startswith(f"{base}/") for url in urls)


async def test_a05_no_scope_ends_in_invalid_scope(tmp_path: Path) -> None:
    """The whole list, none, or scopes of some other server: each gets what we have, and the answer says what."""
    async with SigningWorld(tmp_path) as world:
        for asked, given in (
            ("jira:read jira:write offline_access", "jira:read jira:write"),
            ("", "jira:read jira:write"),
            ("read:all openid mcp:tools", "jira:read jira:write"),
            ("jira:read something", "jira:read"),
        ):
            assistant, person = await world.assistant(), await world.person()
            tokens = (await assistant.redeem(await code_of(person, assistant, scope=asked))).json()
            assert tokens["scope"] == given
            renewed = (await assistant.refresh(tokens["refresh_token"], scope="everything else")).json()
            assert renewed["scope"] == given, renewed


async def test_a06_pages_of_other_origins_may_read_and_ask(tmp_path: Path) -> None:
    """CORS at the well-known places, registration and token; with an allowed origin at the endpoint too."""
    origin = "https://inspector.example"
    settings = {"GATEWAY__SERVER__ALLOWED_ORIGINS": f'["{origin}"]'}
    async with SigningWorld(tmp_path, settings=settings) as world:
        base = world.sandbox.gateway_url
        ask = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for place in ("/token", "/register", "/revoke", "/mcp"):
            reply = await world.http.options(base + place, headers=ask)
            assert reply.headers["access-control-allow-origin"] in ("*", origin) and reply.is_success
        for place in (SERVER, OPENID, WELL_KNOWN, "/.well-known/oauth-jwks.json"):
            reply = await world.http.get(base + place, headers={"Origin": origin})
            assert reply.headers["access-control-allow-origin"] == "*"
        refused = await world.http.post(world.url, headers={"Origin": origin})
        exposed = refused.headers["access-control-expose-headers"]
        assert "WWW-Authenticate" in exposed and "Mcp-" in exposed
        reply = await world.http.post(f"{base}/token", data={"grant_type": "x"}, headers={"Origin": origin})
        assert reply.headers["access-control-allow-origin"] == "*"


async def test_a10_one_consent_for_a_person_an_assistant_and_a_host(tmp_path: Path) -> None:
    """One that is attested is asked for once, with the host; again for another host, for another person, for more
    scopes, where it asks to be, and when the person ended it. One that is only asserted is asked for each time."""
    async with Place(tmp_path) as world:
        own = world.document("/client.json", {"client_name": "Hosted", "redirect_uris": []})
        backs = [own.replace("/client.json", "/back"), "http://127.0.0.1:8123/callback"]
        own = world.document("/hosted.json", {"client_name": "Hosted", "redirect_uris": backs})
        assistant = Assistant(world.http, world.sandbox.gateway_url, own, backs[0])

        async def asked(user: str, **more: str) -> bool:
            person = await world.person()
            await signed_in(person, assistant.address(**more), user=user)
            return person.asked

        assert await asked("ana", scope="jira:read")
        assert not await asked("ana", scope="jira:read")
        assert await asked("ana", scope="jira:read jira:write")
        assert not await asked("ana", scope="jira:read")
        assert await asked("ana", scope="jira:read", prompt="consent")
        assert await asked("bo", scope="jira:read")
        assistant.redirect_uri = backs[1]
        for _ in range(2):
            assert await asked("ana", scope="jira:read")
        assistant.redirect_uri = backs[0]
        await assistant.redeem(await code_of(await world.person(), assistant, scope="jira:read"))
        person = await world.person()
        page = await person.open("/assistants/sign-ins", user="ana")
        await person.fill(page, "/assistants/sign-ins")
        assert await asked("ana", scope="jira:read")


async def test_a12_there_is_always_a_refresh_token_and_an_end(tmp_path: Path) -> None:
    """Without `offline_access`, without `prompt`; and the answer is never kept by anybody on the way."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        reply = await assistant.redeem(await code_of(person, assistant))
        tokens = reply.json()
        assert tokens["refresh_token"] and 15 * 60 <= tokens["expires_in"] <= 60 * 60
        assert reply.headers["cache-control"] == "no-store" and tokens["token_type"] == "Bearer"
        claims = parse(tokens["access_token"]).claims
        assert claims["exp"] - claims["iat"] == tokens["expires_in"]


async def test_a13_two_sessions_refresh_with_one_token(tmp_path: Path) -> None:
    """Ten at once: one successor, and every access token works; the provider was asked once."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        replies = await asyncio.gather(*(assistant.refresh(tokens["refresh_token"]) for _ in range(10)))
        answers = [reply.json() for reply in replies]
        assert {reply.status_code for reply in replies} == {200}, answers
        assert len({answer["refresh_token"] for answer in answers}) == 1
        for answer in answers[:3]:
            assert "result" in await world.call(answer["access_token"], "jira_whoami")


@pytest.mark.parametrize("sent", ["", "{url}", "{url}/", "{url}?x=1"])
async def test_a14_the_resource_may_be_there_or_not(tmp_path: Path, sent: str) -> None:
    """On authorize, token and refresh; whatever the slash or query behind it."""
    async with SigningWorld(tmp_path) as world:
        resource = sent.format(url=world.url)
        assistant, person = await world.assistant(), await world.person()
        code = await code_of(person, assistant, resource=resource)
        tokens = (await assistant.redeem(code, resource=resource)).json()
        assert parse(tokens["access_token"]).claims["aud"] == world.url
        more = {"resource": resource} if resource else {}
        assert (await assistant.refresh(tokens["refresh_token"], **more)).status_code == 200


async def test_a14_a_resource_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    """`invalid_target` at each of the three."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        strange = "https://jira.example/mcp"
        for place in (strange, world.sandbox.gateway_url, f"{world.url}/other"):
            reply = await signed_in(person, assistant.address(resource=place))
            assert answered(leads_to(reply))["error"] == "invalid_target"
        code = await code_of(person, assistant)
        assert (await assistant.redeem(code, resource=strange)).json()["error"] == "invalid_target"
        tokens = (await assistant.redeem(code)).json()
        refused = await assistant.refresh(tokens["refresh_token"], resource=strange)
        assert refused.json()["error"] == "invalid_target"
        assert (await assistant.refresh(tokens["refresh_token"])).status_code == 200


async def test_a15_an_expired_token_is_401_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never 403, never 200: assistants refresh at a 401 alone."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        assert "result" in await world.call(tokens["access_token"], "jira_whoami")
        now = parse(tokens["access_token"]).claims["exp"] + 60
        monkeypatch.setattr("gateway.clock.wall", lambda: float(now))
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        reply = await world.http.post(world.url, headers=headers, json={})
        told = reply.headers["www-authenticate"]
        assert reply.status_code == 401 and 'error="invalid_token"' in told and "resource_metadata=" in told


async def test_a16_a_call_that_needs_more_names_all_that_it_needs(tmp_path: Path) -> None:
    """403 `insufficient_scope` with every scope; signing in again with those is enough."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant, scope="jira:read"))).json()
        wish: dict[str, Any] = {"key": "OPEN-1", "body": "From an assistant."}
        refused = await world.posted(tokens["access_token"], "jira_comment", **wish)
        told = refused.headers["www-authenticate"]
        assert refused.status_code == 403 and 'error="insufficient_scope"' in told
        assert 'scope="jira:read jira:write"' in told
        again = await code_of(await world.person(), assistant, scope="jira:read jira:write")
        tokens = (await assistant.redeem(again)).json()
        answer = await world.call(tokens["access_token"], "jira_comment", **wish)
        assert not answer["result"].get("isError"), answer


async def test_a17_a_client_that_is_no_longer_known_registers_again(tmp_path: Path) -> None:
    """401 `invalid_client` at the token endpoint, and a page for the person at the other."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        assert world.gateway.assistants is not None
        await world.gateway.assistants.registry.revoke(assistant.client_id)
        reply = await assistant.refresh(tokens["refresh_token"])
        assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
        page = await signed_in(await world.person(), assistant.address())
        assert page.status_code == 400 and "does not know the assistant" in said(page)
        await assistant.register()
        assert (await assistant.redeem(await code_of(person, assistant))).status_code == 200


async def test_a18_a_token_works_at_any_replica_and_after_a_restart(tmp_path: Path) -> None:
    """Nothing is looked up for a call; a restart signs nobody out."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        async with world.restarted():
            assert "result" in await world.call(tokens["access_token"], "jira_whoami")
            renewed = await assistant.refresh(tokens["refresh_token"])
            assert renewed.status_code == 200, renewed.text
