"""What attackers try at the authorization server; each gets an error of the RFC and nothing else."""

import asyncio
import base64
import logging
from pathlib import Path

import httpx2
import pytest

from gateway import clock
from gateway.jose import parse
from tests.signin.assistant import BACK, SigningWorld, answered, code_of, leads_to, signed_in, to_consent
from tests.signin.world import said

TEMPTING = (
    "https://evil.example/callback",
    "//evil.example",
    "http://127.0.0.1:8123@evil.example/callback",
    "http://127.0.0.1:8123/callback/../evil",
    "http://127.0.0.1:8123/callback#x",
    "http://127.0.0.1:8123/callback%0d%0aLocation:%20https://evil.example",
    "http://127.0.0.1:8123/callback\r\nSet-Cookie: a=b",
    "http://127.0.0.1:8123\\@evil.example/callback",
    "http://127.0.0.1.evil.example:8123/callback",
    "http://localhost:8123/callback",
    "https://127.0.0.1:8123/callback",
    "javascript:alert(1)//127.0.0.1/callback",
    "data:text/html,x",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "http://127.0.0.1:8123/callback?next=https://evil.example",
    "HTTP://127.0.0.1:8123/CALLBACK",
)


@pytest.mark.parametrize("to", TEMPTING)
async def test_pitfall_13_nothing_is_redirected_to_an_unchecked_place(tmp_path: Path, to: str) -> None:
    """A page says what is wrong, for every redirect that was not registered, whatever else the request says."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        assistant.redirect_uri = to
        for more in ({}, {"scope": "x"}, {"response_type": "token"}, {"code_challenge": ""}):
            page = await signed_in(person, assistant.address(**more))
            assert page.status_code == 400 and "location" not in page.headers
            assert "text/html" in page.headers["content-type"] and "evil.example" not in page.text[:600]


@pytest.mark.parametrize(
    "more",
    [
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
        {"code_challenge": "short"},
    ],
)
async def test_pitfall_16_pkce_cannot_be_left_out_or_weakened(tmp_path: Path, more: dict[str, str]) -> None:
    """Missing, `plain`, unnamed or malformed: `invalid_request` at the registered redirect, with state and issuer."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        reply = await signed_in(person, assistant.address(**more))
        told = answered(leads_to(reply))
        assert leads_to(reply).startswith(BACK + "?")
        assert told["error"] == "invalid_request" and told["state"] == assistant.state
        assert told["iss"] == world.sandbox.gateway_url and "code" not in told


async def test_pitfall_16_a_code_is_good_for_its_client_redirect_and_verifier_only(tmp_path: Path) -> None:
    """Another client, another redirect, another verifier, none: `invalid_grant`; then it is still good for its own."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        thief = await world.assistant(client_name="Another")
        code = await code_of(person, assistant)
        thief.verifier = assistant.verifier
        wrong = [
            await thief.redeem(code),
            await assistant.redeem(code, redirect_uri="http://127.0.0.1:9/callback"),
            await assistant.redeem(code, code_verifier="x" * 43),
        ]
        assert {reply.json()["error"] for reply in wrong} == {"invalid_grant"}
        assert (await assistant.redeem(code, code_verifier="")).json()["error"] == "invalid_request"
        assert (await assistant.redeem(code)).status_code == 200


async def test_pitfall_16_a_code_that_comes_again_ends_what_it_gave(tmp_path: Path) -> None:
    """Of many at once at most one is answered; afterwards neither refresh nor access token is good."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        code = await code_of(person, assistant)
        replies = await asyncio.gather(*(assistant.redeem(code) for _ in range(5)))
        good = [reply.json() for reply in replies if reply.status_code == 200]
        assert len(good) <= 1
        await assistant.redeem(code)
        for tokens in good:
            assert (await assistant.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
            assert await world.status(tokens["access_token"]) == 401
        once = await code_of(person, assistant)
        tokens = (await assistant.redeem(once)).json()
        assert (await assistant.redeem(once)).json()["error"] == "invalid_grant"
        assert (await assistant.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
        assert await world.status(tokens["access_token"]) == 401


async def test_pitfall_16_a_code_is_over_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is as if it had never been."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        code = await code_of(person, assistant)
        real = clock.mono
        monkeypatch.setattr("gateway.clock.mono", lambda: real() + 61)
        assert (await assistant.redeem(code)).json()["error"] == "invalid_grant"


async def test_pitfall_15_consent_is_bound_to_the_browser_the_session_and_the_form(tmp_path: Path) -> None:
    """Without our form's token, in another browser, or a second time: nothing is granted."""
    async with SigningWorld(tmp_path) as world:
        assistant, person, other = await world.assistant(), await world.person(), await world.person()
        page = await to_consent(person, assistant.address())
        forged = await person.http.post(
            f"{person.base}/consent",
            content="flow=x&answer=allow&token=x",
            headers={"content-type": "application/x-www-form-urlencoded", "origin": person.base},
        )
        assert forged.status_code == 403
        elsewhere = await other.fill(page, "/consent", answer="allow")
        assert elsewhere.status_code == 403 and "location" not in elsewhere.headers
        foreign = await person.http.post(
            f"{person.base}/consent",
            content="answer=allow",
            headers={"content-type": "application/x-www-form-urlencoded", "origin": "https://evil.example"},
        )
        assert foreign.status_code == 403
        granted = await person.fill(page, "/consent", answer="allow")
        assert "code" in answered(leads_to(granted))
        again = await person.fill(page, "/consent", answer="allow")
        assert again.status_code == 400 and "question is over" in said(again).lower()


async def test_pitfall_15_a_sign_in_makes_a_new_session(tmp_path: Path) -> None:
    """A session that was planted before the sign-in is nobody's after it."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        person.http.cookies.set("gateway-session", "A" * 43, domain="127.0.0.1")
        await signed_in(person, assistant.address())
        assert person.http.cookies.get("gateway-session", domain="127.0.0.1") != "A" * 43


async def test_pitfall_02_another_browser_cannot_finish_what_one_began(tmp_path: Path) -> None:
    """The provider's answer to mallory's request, opened in ana's browser, signs her in nowhere."""
    async with SigningWorld(tmp_path) as world:
        mallory, victim = await world.person(), await world.person()
        assistant = await world.assistant()
        departure = (await mallory.get(assistant.address())).headers["location"]
        page = await signed_in(victim, departure)
        assert page.status_code == 400 and "cannot be finished" in said(page)
        assert "restarted" in said(page) and "start again in that assistant" in said(page)


async def test_refusing_gives_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """`access_denied` with state and issuer; no grant of the provider stays in the vault."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        reply = await signed_in(person, assistant.address(), answer="refuse")
        told = answered(leads_to(reply))
        assert told["error"] == "access_denied" and told["state"] == assistant.state and told["iss"]
        assert world.gateway.vault is not None
        assert await world.gateway.vault.of(world.sandbox.issuer, "ana") == []


async def test_pitfall_28_a_token_for_one_site_is_no_good_at_another(tmp_path: Path) -> None:
    """Its audience is the one endpoint that was asked for."""
    async with SigningWorld(tmp_path, two_sites=True) as world:
        first, second = world.url, f"{world.url}/other"
        assistant, person = await world.assistant(), await world.person()
        for own, foreign in ((first, second), (second, first)):
            code = await code_of(person, assistant, resource=own)
            token = (await assistant.redeem(code)).json()["access_token"]
            assert parse(token).claims["aud"] == own
            assert await world.status(token, own) == 200 and await world.status(token, foreign) == 401


async def test_pitfall_26_registration_is_limited_per_source(tmp_path: Path) -> None:
    """Beyond the number an hour: 429, with when to come back; those who registered are let through."""
    async with SigningWorld(tmp_path, settings={"GATEWAY__SIGNIN__REGISTRATIONS_PER_HOUR": "3"}) as world:
        made = [await world.assistant(client_name=f"Number {n}") for n in range(3)]
        wish = {"client_name": "One more", "redirect_uris": [BACK]}
        reply = await world.http.post(f"{world.sandbox.gateway_url}/register", json=wish)
        assert reply.status_code == 429 and int(reply.headers["retry-after"]) > 0
        assert (await made[0].register(client_name="Number 0"))["client_id"] == made[0].client_id


async def test_pitfall_26_a_host_that_is_not_ours_is_not_answered(tmp_path: Path) -> None:
    """DNS rebinding: 421 at every endpoint, whatever is asked."""
    async with SigningWorld(tmp_path) as world:
        for path in ("/token", "/register", "/revoke", "/authorize", "/consent"):
            reply = await world.http.post(world.sandbox.gateway_url + path, headers={"Host": "evil.example"})
            assert reply.status_code == 421


async def test_a_person_who_is_cut_off_gets_no_further(tmp_path: Path) -> None:
    """Killed: the access token and the refresh token are refused at once."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        await world.kill("ana")
        assert await world.status(tokens["access_token"]) == 401
        assert (await assistant.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
        await world.recorded("assistant.signed_out")
        again = await signed_in(await world.person(), assistant.address())
        assert again.status_code == 403 and "was ended" in said(again)
        assert world.gateway.vault is not None
        heads = await world.gateway.vault.of(world.sandbox.issuer, "ana")
        assert all(head.ended for head in heads)


async def test_a_provider_that_says_no_ends_the_sign_in(tmp_path: Path) -> None:
    """The person is gone there: the refresh is refused, and the access token that is still young too."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        await world.later()
        world.sandbox.idp.disabled.add("ana")
        reply = await assistant.refresh(tokens["refresh_token"])
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        assert await world.status(tokens["access_token"]) == 401
        [over] = [record for record in world.records() if record["kind"] == "assistant.signed_out"]
        assert over["subject"] == "ana" and over["reason"]


async def test_a_provider_that_is_down_changes_nothing(tmp_path: Path) -> None:
    """503 with when to come back, no token of any kind; the same refresh token works afterwards."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        await world.later()
        world.sandbox.idp.faults.status = 503
        reply = await assistant.refresh(tokens["refresh_token"])
        assert reply.status_code == 503 and reply.json()["error"] == "temporarily_unavailable"
        assert "refresh_token" not in reply.json() and reply.headers["retry-after"]
        world.sandbox.idp.faults.status = None
        async with asyncio.timeout(60):  # it is not asked again at once
            while (await assistant.refresh(tokens["refresh_token"])).status_code != 200:  # noqa: ASYNC110 - a condition of another server
                await asyncio.sleep(0.2)


async def test_revoking_either_token_ends_the_sign_in(tmp_path: Path) -> None:
    """RFC 7009: 200 also for what is no token; somebody else's client ends nothing."""
    async with SigningWorld(tmp_path) as world:
        url = f"{world.sandbox.gateway_url}/revoke"
        for name in ("refresh_token", "access_token"):
            assistant, person = await world.assistant(), await world.person()
            other = await world.assistant(client_name="Another")
            tokens = (await assistant.redeem(await code_of(person, assistant))).json()
            for client, token in ((other, tokens[name]), (assistant, "nothing")):
                form = {"token": token, "client_id": client.client_id}
                assert (await world.http.post(url, data=form)).status_code == 200
                assert await world.status(tokens["access_token"]) == 200
            form = {"token": tokens[name], "client_id": assistant.client_id}
            assert (await world.http.post(url, data=form)).status_code == 200
            assert await world.status(tokens["access_token"]) == 401
            assert (await assistant.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_secret_is_needed_where_one_was_given(tmp_path: Path) -> None:
    """`client_secret_post` and `basic`, either way round; without it or with another: 401. PKCE is needed still."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        told = await assistant.register(token_endpoint_auth_method="client_secret_post")
        secret = told["client_secret"]
        code = await code_of(person, assistant)
        for wrong in ({}, {"client_secret": "x"}):
            reply = await assistant.redeem(code, **wrong)
            assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
        basic = base64.b64encode(f"{assistant.client_id}:{secret}".encode()).decode()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": assistant.redirect_uri,
            "code_verifier": assistant.verifier,
        }
        reply = await world.http.post(
            f"{assistant.base}/token", data=form, headers={"Authorization": f"Basic {basic}"}
        )
        assert reply.status_code == 200, reply.text
        token = reply.json()["refresh_token"]
        assert (await assistant.refresh(token)).status_code == 401
        assert (await assistant.refresh(token, client_secret=secret)).status_code == 200


async def test_pitfall_23_no_secret_is_in_the_log_the_record_or_the_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Codes, verifiers, refresh and access tokens, ours and the provider's."""
    caplog.set_level(logging.DEBUG)
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        code = await code_of(person, assistant)
        tokens = (await assistant.redeem(code)).json()
        renewed = (await assistant.refresh(tokens["refresh_token"])).json()
        await world.call(renewed["access_token"], "jira_whoami")
        await assistant.redeem(code)
        secrets = [code, assistant.verifier]
        secrets += [given[name] for given in (tokens, renewed) for name in ("access_token", "refresh_token")]
        ours = [r.getMessage() for r in caplog.records if r.name.startswith("gateway")]
        files = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]  # noqa: ASYNC240
        for secret in secrets:
            assert not any(secret in line for line in ours)
            assert not any(secret.encode() in held for held in files)
        assert world.checked().ok


async def test_what_another_client_does_not_see(tmp_path: Path) -> None:
    """A refresh token in the hands of another client is none, and ends nobody's sign-in."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        thief = await world.assistant(client_name="Another")
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        reply: httpx2.Response = await thief.refresh(tokens["refresh_token"])
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        assert (await assistant.refresh(tokens["refresh_token"])).status_code == 200
