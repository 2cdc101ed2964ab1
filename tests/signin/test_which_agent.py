"""Which agent is it: attested or asserted, and how that reaches the token, the policy's caller and the record."""

from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.jose import new_signing_key, parse
from gateway.signin.server.clients import Terms
from tests.clients.place import Place
from tests.signin.assistant import BACK, Assistant, SigningWorld, code_of, signed_in
from tests.signin.world import said


async def recorded_assurance(world: SigningWorld, token: str) -> str:
    """What the record says of a call with that token."""
    assert "result" in await world.call(token, "jira_whoami")
    [call] = [record for record in world.records() if record["kind"] == "call"][-1:]
    assert call["family"] == parse(token).claims["sid"] and call["session"]
    return str(call["assurance"])


async def test_a07_a_document_is_a_client_and_its_own_domain_attests_it(tmp_path: Path) -> None:
    """Signed in by an id that is an address: attested where the answer goes to that host, asserted on loopback."""
    async with Place(tmp_path) as place:
        id = place.document("/oauth/client.json", {"client_name": "Hosted", "redirect_uris": []})
        host = id.removesuffix("/oauth/client.json")
        for back, sure in ((f"{host}/back", "attested"), ("http://127.0.0.1:5/callback", "asserted")):
            path = f"/{sure}.json"
            id = place.document(path, {"client_name": "Hosted", "redirect_uris": [back]})
            assistant = Assistant(place.http, place.sandbox.gateway_url, id)
            assistant.redirect_uri = back
            tokens = (await assistant.redeem(await code_of(await place.person(), assistant))).json()
            assert parse(tokens["access_token"]).claims["assurance"] == sure
            assert await recorded_assurance(place, tokens["access_token"]) == sure


async def test_a_client_with_a_key_is_attested_and_must_show_it(tmp_path: Path) -> None:
    """`private_key_jwt` of a client that an administrator added; without it, or used twice: `invalid_client`."""
    async with SigningWorld(tmp_path) as world:
        key, other = new_signing_key(), new_signing_key()
        assert world.gateway.assistants is not None
        issued = await world.gateway.assistants.registry.add_static(
            "Ours", [BACK], auth_method="private_key_jwt", jwks={"keys": [key.jwk()]}
        )
        assistant = Assistant(world.http, world.sandbox.gateway_url, issued.client.id)

        def shown(by: Any = key, **changes: Any) -> dict[str, str]:
            now = int(clock.wall())
            claims = {"iss": assistant.client_id, "sub": assistant.client_id, "aud": assistant.base}
            claims |= {"jti": f"{now}-{len(used)}", "iat": now, "exp": now + 60, **changes}
            used.append(by.sign({k: v for k, v in claims.items() if v is not None}))
            return {"client_assertion": used[-1], "client_assertion_type": TYPE}

        used: list[str] = []
        code = await code_of(await world.person(), assistant)
        for wrong in (
            {},
            shown(other),
            shown(aud="https://elsewhere.example"),
            shown(iss="somebody"),
            shown(exp=int(clock.wall()) - 60),
            shown(exp=int(clock.wall()) + 86_400),
            shown(jti=None),
        ):
            reply = await assistant.redeem(code, **wrong)
            assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client"), wrong
        proof = shown()
        tokens = (await assistant.redeem(code, **proof)).json()
        assert await recorded_assurance(world, tokens["access_token"]) == "attested"
        again = await assistant.refresh(tokens["refresh_token"], **proof)
        assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
        assert (await assistant.refresh(tokens["refresh_token"], **shown())).status_code == 200


TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def test_who_registered_itself_is_only_asserted(tmp_path: Path) -> None:
    """Whatever it calls itself."""
    async with SigningWorld(tmp_path) as world:
        assistant = await world.assistant(client_name="Claude, attested")
        tokens = (await assistant.redeem(await code_of(await world.person(), assistant))).json()
        assert await recorded_assurance(world, tokens["access_token"]) == "asserted"


async def test_an_assistant_that_nobody_admitted_waits(tmp_path: Path) -> None:
    """People are told whom to ask; nothing is granted, until an administrator admits it."""
    async with SigningWorld(tmp_path, settings={"GATEWAY__SIGNIN__ADMISSION": "pending"}) as world:
        assistant = await world.assistant()
        page = await signed_in(await world.person(), assistant.address())
        assert page.status_code == 403 and "waits for your administrators" in page.text
        assert world.gateway.assistants is not None and world.gateway.vault is not None
        assert await world.gateway.vault.of(world.sandbox.issuer, "ana") == []
        await world.gateway.assistants.registry.admit(assistant.client_id, by="the test")
        assert (await assistant.redeem(await code_of(await world.person(), assistant))).status_code == 200


async def test_an_assistant_for_some_groups_is_for_nobody_else(tmp_path: Path) -> None:
    """By the roles that groups give here."""
    async with SigningWorld(tmp_path) as world:
        assistant = await world.assistant()
        assert world.gateway.assistants is not None
        await world.gateway.assistants.registry.admit(assistant.client_id, Terms(groups=["no-such-role"]))
        page = await signed_in(await world.person(), assistant.address())
        assert page.status_code == 403 and "only for: no-such-role" in said(page)


@pytest.mark.parametrize("rest", [120, 10_000_000])
async def test_no_sign_in_outlives_the_providers_session(tmp_path: Path, rest: int) -> None:
    """What the provider says at the sign-in bounds tokens and family; ours bounds it where it says more."""
    async with SigningWorld(tmp_path, settings={"GATEWAY__SIGNIN__SESSION_HOURS": "2"}) as world:
        world.session_limit(rest)
        assistant = await world.assistant()
        tokens = (await assistant.redeem(await code_of(await world.person(), assistant))).json()
        claims = parse(tokens["access_token"]).claims
        left = min(rest, 2 * 3600, 1800)
        assert left - 10 <= tokens["expires_in"] <= left
        assert claims["exp"] <= clock.wall() + left + 1
        assert world.gateway.assistants is not None
        [head] = await world.gateway.assistants.families.of(world.sandbox.issuer, "ana")
        assert head.expires_at <= clock.wall() + min(rest, 2 * 3600)
