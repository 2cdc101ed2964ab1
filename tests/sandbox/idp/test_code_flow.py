"""From the sign-in page to tokens, over HTTP."""

from typing import Any

import jwt
import pytest

from gateway import clock
from gateway.http import Outward
from sandbox.idp import Idp, totp
from sandbox.idp.browser import SignInRefused, open_page, submit
from sandbox.people import PEOPLE
from tests.sandbox.idp.conftest import GATEWAY, REDIRECT, Assistant, answered

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def verified(assistant: Assistant, token: str, audience: str) -> dict[str, Any]:
    """The claims, checked by the published keys alone."""
    keys = jwt.PyJWKSet.from_dict((await assistant.web.get("/jwks")).json())
    kid = jwt.get_unverified_header(token)["kid"]
    claims: dict[str, Any] = jwt.decode(
        token, keys[kid], algorithms=["ES256"], audience=audience, issuer=assistant.idp.issuer
    )
    return claims


async def test_ana_gets_an_access_token_for_the_gateway(assistant: Assistant) -> None:
    """The token has the form of RFC 9068, is for the gateway alone and says who, how and with what."""
    tokens = await assistant.tokens()
    claims = await verified(assistant, tokens["access_token"], GATEWAY)

    assert jwt.get_unverified_header(tokens["access_token"])["typ"] == "at+jwt"
    assert (claims["sub"], claims["aud"], claims["client_id"]) == ("ana", GATEWAY, "demo-assistant")
    assert claims["scope"] == tokens["scope"] == "openid jira:read jira:write"
    assert set(claims["groups"]) == set(PEOPLE["ana"].groups)
    assert claims["email"] == PEOPLE["ana"].email
    assert (claims["acr"], claims["amr"]) == ("urn:sandbox:password", ["pwd"])
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 900
    assert claims["jti"]
    assert claims["auth_time"] <= claims["iat"]
    assert tokens["token_type"] == "Bearer"


async def test_the_answer_names_its_issuer_and_repeats_the_state(assistant: Assistant) -> None:
    """RFC 9207: the assistant can tell which provider answered."""
    answer = await assistant.answer()
    assert answer["iss"] == assistant.idp.issuer
    assert answer["state"] == assistant.state
    assert set(answer) == {"iss", "state", "code"}


async def test_the_id_token_is_for_the_client_and_is_no_access_token(assistant: Assistant) -> None:
    """With `openid` there is an ID token with the nonce; its type and audience are its own."""
    tokens = await assistant.tokens(nonce="n-1", scope="openid profile email")
    claims = await verified(assistant, tokens["id_token"], "demo-assistant")
    assert jwt.get_unverified_header(tokens["id_token"])["typ"] == "JWT"
    assert (claims["sub"], claims["nonce"], claims["name"]) == ("ana", "n-1", "Ana Alvarez")
    assert claims["email"] == PEOPLE["ana"].email
    assert claims["at_hash"]


async def test_no_id_token_without_openid(assistant: Assistant) -> None:
    """An assistant that does not ask who signed in is not told."""
    assert "id_token" not in await assistant.tokens(scope="jira:read")


async def test_lee_signs_in_with_two_factors(assistant: Assistant) -> None:
    """A right one-time code gives the stronger authentication context."""
    secret = PEOPLE["lee"].otp_secret
    assert secret is not None
    tokens = await assistant.tokens("lee", totp(secret, clock.wall()))
    claims = await verified(assistant, tokens["access_token"], GATEWAY)
    assert (claims["sub"], claims["acr"], claims["amr"]) == ("lee", "urn:sandbox:mfa", ["pwd", "otp"])


@pytest.mark.parametrize(
    ("user", "password", "code", "says"),
    [
        ("ana", "bo-sandbox", "", "password is not right"),
        ("nobody", "ana-sandbox", "", "password is not right"),
        ("ana", "", "", "password is not right"),
        ("lee", "lee-sandbox", "", "second factor"),
        ("lee", "lee-sandbox", "000000x", "one-time code is not right"),
        ("lee", "wrong", "000000", "password is not right"),
    ],
)
async def test_wrong_credentials_are_told_plainly(
    assistant: Assistant, user: str, password: str, code: str, says: str
) -> None:
    """The page comes back with one sentence, and nothing is sent to the assistant."""
    page = await open_page(assistant.http, assistant.url())
    reply = await submit(assistant.http, assistant.url(), page, user=user, password=password, code=code)
    assert reply.status == 400
    assert says in reply.body.decode()
    assert "Location" not in reply.headers


async def test_a_second_try_on_the_same_page_works(assistant: Assistant) -> None:
    """A typing error does not cost the whole sign-in."""
    page = await open_page(assistant.http, assistant.url())
    again = await submit(assistant.http, assistant.url(), page, user="ana", password="no")
    done = await submit(assistant.http, assistant.url(), again, user="ana", password="ana-sandbox")
    assert done.status == 303


async def test_a_page_is_answered_once(assistant: Assistant) -> None:
    """The form of a finished sign-in is dead, so pressing Back sends no second code."""
    page = await open_page(assistant.http, assistant.url())
    await submit(assistant.http, assistant.url(), page, user="ana", password="ana-sandbox")
    reply = await submit(assistant.http, assistant.url(), page, user="ana", password="ana-sandbox")
    assert reply.status == 400
    assert "connect again" in reply.body.decode()


async def test_a_refusal_is_sent_to_the_assistant(assistant: Assistant) -> None:
    """The person's no is `access_denied`, with state and issuer."""
    page = await open_page(assistant.http, assistant.url())
    reply = await submit(assistant.http, assistant.url(), page, answer="refuse")
    expected = {"error": "access_denied", "state": assistant.state, "iss": assistant.idp.issuer}
    assert answered(reply.headers["Location"]) == expected


async def test_a_disabled_person_cannot_sign_in(assistant: Assistant) -> None:
    """A disabled account is refused at the page, and a code that it got before is worth nothing."""
    answer = await assistant.answer()
    assistant.idp.disabled.add("ana")
    with pytest.raises(SignInRefused, match="disabled"):
        await assistant.answer()
    assert (await assistant.redeem(answer["code"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:43211/callback"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"resource": "http://127.0.0.1:9/mcp"}, "invalid_target"),
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_code_needs_all_that_it_was_asked_with(
    assistant: Assistant, wrong: dict[str, str | None], error: str
) -> None:
    """A stolen code is of no use without the verifier and the redirect URI."""
    answer = await assistant.answer()
    reply = await assistant.redeem(answer["code"], **wrong)
    assert (reply.status_code, reply.json()["error"]) == (400, error)
    assert reply.headers["cache-control"] == "no-store"


async def test_a_guess_of_the_verifier_ends_the_code(assistant: Assistant) -> None:
    """One try: the right verifier comes too late after a wrong one."""
    code = (await assistant.answer())["code"]
    assert (await assistant.redeem(code, code_verifier="x" * 43)).status_code == 400
    assert (await assistant.redeem(code)).status_code == 400


async def test_a_code_that_comes_twice_takes_its_tokens_with_it(assistant: Assistant) -> None:
    """RFC 6749 §4.1.2: whoever redeems a used code ends the refresh tokens of the first."""
    code = (await assistant.answer())["code"]
    first = (await assistant.redeem(code)).json()
    assert (await assistant.redeem(code)).json()["error"] == "invalid_grant"
    assert (await assistant.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_code_dies_after_a_minute(assistant: Assistant) -> None:
    """Codes are short-lived by this provider's clock."""
    code = (await assistant.answer())["code"]
    assistant.idp.clock_skew = 61
    assert (await assistant.redeem(code)).json()["error"] == "invalid_grant"


async def test_another_client_cannot_redeem_the_code(assistant: Assistant) -> None:
    """A code is bound to the client that asked for it."""
    registered = await assistant.web.post("/register", json={"redirect_uris": [REDIRECT]})
    code = (await assistant.answer())["code"]
    reply = await assistant.redeem(code, client_id=registered.json()["client_id"])
    assert reply.json()["error"] == "invalid_grant"


async def test_a_forgotten_client_is_told_to_register_again(idp: Idp, assistant: Assistant) -> None:
    """An unknown client id at the token endpoint is 401 `invalid_client`, so assistants re-register."""
    registered = await assistant.web.post("/register", json={"redirect_uris": [REDIRECT]})
    assistant.client_id = registered.json()["client_id"]
    tokens = await assistant.tokens()
    idp.clients.forget(assistant.client_id)
    reply = await assistant.refresh(tokens["refresh_token"])
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    assert reply.headers["www-authenticate"].startswith("Basic ")


async def test_a_client_that_wants_a_secret_gets_one_and_must_use_it(
    idp: Idp, http: Outward, web: Any
) -> None:
    """Some assistants register as confidential; then the secret counts, beside PKCE."""
    wish = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_post"}
    client = (await web.post("/register", json=wish)).json()
    assistant = Assistant(idp, web, http, client["client_id"])
    code = (await assistant.answer())["code"]
    assert (await assistant.redeem(code)).status_code == 401
    assert (await assistant.redeem(code, client_secret="wrong")).status_code == 401
    assert (await assistant.redeem(code, client_secret=client["client_secret"])).status_code == 200


@pytest.mark.parametrize("resource", [GATEWAY + "/", GATEWAY + "?x=1", GATEWAY.replace("http", "HTTP"), None])
async def test_the_resource_may_be_spelt_as_clients_spell_it(
    assistant: Assistant, resource: str | None
) -> None:
    """A last slash, a query or no resource at all is fine; the audience stays byte-equal to ours."""
    tokens = await assistant.tokens(resource=resource)
    assert (await verified(assistant, tokens["access_token"], GATEWAY))["aud"] == GATEWAY


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, "openid profile email offline_access jira:read jira:write"),
        ("jira:read admin something:else", "jira:read"),
        ("jira:write jira:read jira:read", "jira:read jira:write"),
    ],
)
async def test_scopes_are_what_of_the_wish_is_offered(
    assistant: Assistant, asked: str | None, granted: str
) -> None:
    """Assistants ask for whole catalogues: what is not offered is left out, and the answer says so."""
    assert (await assistant.tokens(scope=asked))["scope"] == granted
