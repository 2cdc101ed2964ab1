"""Ways around the authorization server that a reviewer found; each is closed, and stays so."""

import base64
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.cli.serve import server_config
from gateway.config import load
from gateway.jose import new_signing_key
from gateway.signin.server.clients import Terms
from sandbox.run import Addresses, config_toml
from tests.clients.place import Place
from tests.signin.assistant import (
    BACK,
    SIGNIN,
    Assistant,
    SigningWorld,
    answered,
    code_of,
    leads_to,
    signed_in,
    to_consent,
)
from tests.signin.store import TellingStore
from tests.signin.world import said


async def test_a_persons_token_of_the_provider_is_no_way_past_admission(tmp_path: Path) -> None:
    """People come with tokens of ours; with the setting, and for programs, the provider's are taken."""
    async with SigningWorld(tmp_path) as world:
        assert await world.status(world.token("ana")) == 401
        program = world.sandbox.idp.mint("ana", "robot", "jira:read", sub="robot")
        refused = await world.call(program, "jira_whoami")
        assert "result" in refused  # known as a program; what it may do is for policy
    (tmp_path / "all").mkdir()
    async with SigningWorld(tmp_path / "all", settings={"GATEWAY__SIGNIN__PROVIDER_TOKENS": "all"}) as world:
        assert await world.status(world.token("ana")) == 200


async def test_groups_of_a_client_bind_at_each_refresh(tmp_path: Path) -> None:
    """An assistant that was made another group's is over at the next refresh, access token and all."""
    async with SigningWorld(tmp_path) as world:
        assistant = await world.assistant()
        tokens = (await assistant.redeem(await code_of(await world.person(), assistant))).json()
        assert world.gateway.assistants is not None
        await world.gateway.assistants.registry.admit(assistant.client_id, Terms(groups=["no-such-role"]))
        reply = await assistant.refresh(tokens["refresh_token"])
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        assert await world.status(tokens["access_token"]) == 401


@pytest.mark.parametrize(
    "more",
    [{"prompt": "none"}, {"resource": "https://elsewhere.example"}, {"code_challenge_method": "plain"}],
)
async def test_pitfall_13_who_registers_himself_redirects_nobody_before_a_sign_in(
    tmp_path: Path, more: dict[str, str]
) -> None:
    """An error goes back to this computer, and for known hosts; for any other host a page says it."""
    async with SigningWorld(tmp_path) as world:
        evil = await world.assistant(redirect_uris=["https://evil.example/phish"])
        evil.redirect_uri = "https://evil.example/phish"
        page = await signed_in(await world.person(), evil.address(**more))
        assert page.status_code == 400 and "location" not in page.headers
        assert "http-equiv" not in page.text and "could not be connected" in page.text
        honest = await world.assistant()
        reply = await signed_in(await world.person(), honest.address(**more))
        assert leads_to(reply).startswith(BACK) and "error" in answered(leads_to(reply))


@pytest.mark.parametrize(
    "member",
    [
        b'{"kty":"EC","kid":"a","key_ops":null}',
        b'{"kty":"EC","kid":"a","key_ops":5}',
        b'{"kty":"EC","kid":"a","x":"\\ud800"}',
        b'{"kty":"EC","kid":"a","n":123456789012345678901234567890}',
    ],
)
async def test_keys_of_a_registration_are_bad_input_and_no_accident(tmp_path: Path, member: bytes) -> None:
    """400 with the RFC's code, whatever stands in them."""
    async with SigningWorld(tmp_path) as world:
        body = (
            b'{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"private_key_jwt",'
            b'"jwks":{"keys":[%b]}}' % member
        )
        reply = await world.http.post(
            f"{world.sandbox.gateway_url}/register",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.parametrize(
    "claims", [{"aud": 5}, {"aud": True}, {"aud": [{}]}, {"aud": [[]]}, {"jti": "\ud800"}]
)
async def test_claims_of_a_clients_assertion_are_bad_input_and_no_accident(
    tmp_path: Path, claims: dict[str, Any]
) -> None:
    """`invalid_client`, whatever a registered client signs."""
    async with SigningWorld(tmp_path) as world:
        key = new_signing_key()
        assistant = Assistant(world.http, world.sandbox.gateway_url)
        await assistant.register(
            token_endpoint_auth_method="private_key_jwt",
            jwks={"keys": [key.jwk()]},
        )
        now = int(clock.wall())
        told = {"iss": assistant.client_id, "sub": assistant.client_id, "aud": assistant.base, "jti": "1"}
        assertion = key.sign({**told, "iat": now, "exp": now + 60, **claims})
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        reply = await assistant.redeem("x", client_assertion=assertion, client_assertion_type=kind)
        assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


async def test_a_client_that_was_refused_does_not_come_back_by_waiting(tmp_path: Path) -> None:
    """Not even when the time that it once had is over."""
    async with SigningWorld(tmp_path) as world:
        assistant = await world.assistant()
        assert world.gateway.assistants is not None
        registry = world.gateway.assistants.registry
        await registry.admit(assistant.client_id, Terms(expires_at=clock.wall() - 1))
        await registry.refuse(assistant.client_id)
        told = await assistant.register()
        assert told["client_id"] == assistant.client_id
        kept = await registry.peek(assistant.client_id)
        assert kept is not None and kept.admission == "refused"


async def test_a_client_that_waits_or_is_refused_gets_nothing_at_either_endpoint(tmp_path: Path) -> None:
    """Refused: a page instead of the provider's; and `unauthorized_client` where tokens are given."""
    async with SigningWorld(tmp_path) as world:
        assistant = await world.assistant()
        code = await code_of(await world.person(), assistant)
        tokens = (await assistant.redeem(code)).json()
        assert world.gateway.assistants is not None
        await world.gateway.assistants.registry.refuse(assistant.client_id)
        page = await signed_in(await world.person(), assistant.address())
        assert page.status_code == 403 and "may not be used here" in page.text
        reply = await assistant.refresh(tokens["refresh_token"])
        assert (reply.status_code, reply.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize(("done", "status"), [("revoke", 400), ("refuse", 403)])
async def test_a_client_that_goes_while_the_person_reads_gets_nothing(
    tmp_path: Path, done: str, status: int
) -> None:
    """Deleted or refused between question and answer: a page that says so."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        page = await to_consent(person, assistant.address())
        assert world.gateway.assistants is not None
        await getattr(world.gateway.assistants.registry, done)(assistant.client_id)
        answer = await person.fill(page, "/consent", answer="allow")
        assert answer.status_code == status and "code=" not in answer.text


async def test_consent_is_for_one_jira(tmp_path: Path) -> None:
    """What was allowed at one endpoint is asked anew at the other."""
    async with Place(tmp_path, two_sites=True) as place:
        id = place.document("/client.json", {"client_name": "Hosted", "redirect_uris": []})
        back = id.replace("/client.json", "/back")
        id = place.document("/hosted.json", {"client_name": "Hosted", "redirect_uris": [back]})
        assistant = Assistant(place.http, place.sandbox.gateway_url, id, back)
        for resource, asked in ((place.url, True), (place.url, False), (f"{place.url}/other", True)):
            person = await place.person()
            await signed_in(person, assistant.address(resource=resource))
            assert person.asked is asked


async def test_a_client_proves_itself_in_one_way(tmp_path: Path) -> None:
    """RFC 6749 §2.3: a wrong secret beside a right one is no proof."""
    async with SigningWorld(tmp_path) as world:
        assistant = Assistant(world.http, world.sandbox.gateway_url)
        told = await assistant.register(token_endpoint_auth_method="client_secret_post")
        wrong = base64.b64encode(f"{assistant.client_id}:wrong".encode()).decode()
        form = {"grant_type": "authorization_code", "code": "x", "client_secret": told["client_secret"]}
        reply = await world.http.post(
            f"{assistant.base}/token", data=form, headers={"authorization": f"Basic {wrong}"}
        )
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")


async def test_codes_are_kept_by_their_digest(tmp_path: Path) -> None:
    """Who reads the store redeems nothing."""
    async with SigningWorld(tmp_path) as world:
        store = TellingStore()
        assert world.gateway.assistants is not None
        world.gateway.assistants.authorize._codes._store = store
        code = await code_of(await world.person(), await world.assistant())
        assert any(key.startswith("code:") for key, _ in store.kept)
        assert not any(code in key or code.encode() in value for key, value in store.kept)


async def test_a_token_of_a_provider_that_is_no_longer_there_is_none(tmp_path: Path) -> None:
    """Its people come in by nobody's word."""
    async with SigningWorld(tmp_path) as world:
        assistant = await world.assistant()
        tokens = (await assistant.redeem(await code_of(await world.person(), assistant))).json()
        own: Any = world.gateway.providers.verified("/mcp")
        own._roles.clear()
        assert await world.status(tokens["access_token"]) == 401


@pytest.mark.parametrize(("trusted", "counted"), [("[]", False), ('["10.0.0.0/8", "127.0.0.1"]', True)])
def test_a_proxy_says_where_requests_come_from_only_if_it_is_named(
    tmp_path: Path, trusted: str, counted: bool
) -> None:
    """Else whoever sends the header would choose as what he is counted."""
    (tmp_path / "g.toml").write_text(config_toml(Addresses.at(9600), signin=True))
    settings = load(tmp_path / "g.toml", {**SIGNIN, "GATEWAY__SERVER__TRUSTED_PROXIES": trusted})
    gateway: Any = type("Gateway", (), {"app": None})()
    config = server_config(gateway, settings)
    assert config.proxy_headers is counted
    if counted:
        assert config.forwarded_allow_ips == ["10.0.0.0/8", "127.0.0.1/32"]


async def test_a13_a_used_refresh_token_that_comes_back_too_late_ends_the_sign_in(tmp_path: Path) -> None:
    """Also for who holds the newest, access token and all; and the record says why."""
    async with SigningWorld(tmp_path, settings={"GATEWAY__SIGNIN__GRACE_SECONDS": "0"}) as world:
        assistant = await world.assistant()
        first = (await assistant.redeem(await code_of(await world.person(), assistant))).json()
        second = (await assistant.refresh(first["refresh_token"])).json()
        reused = await assistant.refresh(first["refresh_token"])
        assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
        assert await world.status(second["access_token"]) == 401
        assert (await assistant.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
        [over] = [record for record in world.records() if record["kind"] == "assistant.signed_out"]
        assert over["reason"] == "reused" and over["subject"] == "ana"


async def test_pkce_is_needed_also_with_a_secret(tmp_path: Path) -> None:
    """A confidential client without a verifier gets no token."""
    async with SigningWorld(tmp_path) as world:
        assistant = await world.assistant()
        told = await assistant.register(token_endpoint_auth_method="client_secret_post")
        code = await code_of(await world.person(), assistant)
        reply = await assistant.redeem(code, client_secret=told["client_secret"], code_verifier="")
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")


async def test_a_page_says_who_is_refused(tmp_path: Path) -> None:
    """In words for people."""
    async with SigningWorld(tmp_path) as world:
        page = await signed_in(
            await world.person(), f"{world.sandbox.gateway_url}/authorize?client_id=nobody"
        )
        assert page.status_code == 400 and "does not know the assistant" in said(page)
