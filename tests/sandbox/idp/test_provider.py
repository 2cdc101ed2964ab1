"""Metadata, keys, other origins, hosts, the sandbox's own door and trouble on demand."""

import asyncio
from typing import Any

import httpx2
import jwt
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox.idp import Idp, create_app
from sandbox.people import PEOPLE
from tests.sandbox.idp.conftest import GATEWAY, JIRA, Assistant

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLACES = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]


@pytest.mark.parametrize("place", PLACES)
async def test_metadata_has_what_assistants_look_for(idp: Idp, web: httpx2.AsyncClient, place: str) -> None:
    """RFC 8414 and OpenID discovery, with the issuer byte for byte and each endpoint alive."""
    document = (await web.get(place)).json()
    assert document["issuer"] == idp.issuer
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "none" in document["token_endpoint_auth_methods_supported"]
    assert document["scopes_supported"] == [
        "openid",
        "profile",
        "email",
        "offline_access",
        "jira:read",
        "jira:write",
    ]
    assert set(document["grant_types_supported"]) == {
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "client_credentials",
    }
    assert document["response_types_supported"] == ["code"]
    assert document["subject_types_supported"] == ["public"]
    assert document["id_token_signing_alg_values_supported"] == ["ES256"]
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"):
        assert document[name].startswith(idp.issuer + "/")
        assert (await web.get(document[name])).status_code != 404


async def test_keys_rotate_and_are_withdrawn(idp: Idp, web: httpx2.AsyncClient) -> None:
    """A new key signs at once, the old one is published until it is withdrawn, and RS256 works as well."""

    async def known() -> dict[str, str]:
        return {key["kid"]: key["alg"] for key in (await web.get("/jwks")).json()["keys"]}

    old = idp.mint("ana")
    fresh = idp.rotate_keys("RS256")
    new = idp.mint("ana")
    assert jwt.get_unverified_header(new)["kid"] == fresh.kid
    assert set((await known()).values()) == {"ES256", "RS256"}
    assert jwt.get_unverified_header(old)["kid"] in await known()
    idp.withdraw_old_keys()
    assert await known() == {fresh.kid: "RS256"}
    assert idp.jwks_count == 3


async def test_published_keys_are_public_halves(web: httpx2.AsyncClient) -> None:
    """No private member of a key ever leaves."""
    for key in (await web.get("/jwks")).json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


async def test_a_withdrawn_key_ends_its_tokens_here_too(idp: Idp) -> None:
    """Jira's own check uses the same keys."""
    token = idp.mint("ana", aud=JIRA)
    assert await idp.jira_claims(token) is not None
    idp.rotate_keys()
    idp.withdraw_old_keys()
    assert await idp.jira_claims(token) is None


async def test_jira_takes_no_token_for_the_gateway(idp: Idp) -> None:
    """The inbound token cannot be passed through."""
    assert await idp.jira_claims(idp.mint("ana")) is None
    assert await idp.jira_claims("garbage") is None


@pytest.mark.parametrize("path", [*PLACES, "/jwks"])
async def test_pages_of_other_origins_may_read_what_is_public(web: httpx2.AsyncClient, path: str) -> None:
    """The Inspector in a browser reads metadata and keys from its own origin."""
    reply = await web.get(path, headers={"Origin": "http://localhost:6274"})
    assert reply.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/token", "/register"])
async def test_pages_of_other_origins_may_post(web: httpx2.AsyncClient, path: str) -> None:
    """The preflight passes, and errors can be read as well."""
    asks = {
        "Origin": "http://localhost:6274",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version",
    }
    preflight = await web.options(path, headers=asks)
    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    refused = await web.post(path, headers={"Origin": "http://localhost:6274"})
    assert refused.status_code == 400
    assert refused.headers["access-control-allow-origin"] == "*"


async def test_pages_of_other_origins_may_not_use_the_rest(assistant: Assistant) -> None:
    """Neither the sign-in page nor the sandbox's own door is open to scripts."""
    origin = {"Origin": "http://localhost:6274"}
    page = await assistant.web.get(assistant.url(), headers=origin)
    assert "access-control-allow-origin" not in page.headers
    token = await assistant.web.post("/sandbox/token", json={"user": "ana"}, headers=origin)
    assert (token.status_code, token.json()["error"]) == (403, "access_denied")
    assert "access-control-allow-origin" not in token.headers


async def test_a_rebound_name_is_refused(web: httpx2.AsyncClient) -> None:
    """A web page whose name points to loopback still sends its own name."""
    assert (await web.get("/jwks", headers={"Host": "evil.example"})).status_code == 400


@pytest.mark.parametrize(("user", "acr"), [("ana", "urn:sandbox:password"), ("lee", "urn:sandbox:mfa")])
async def test_commands_get_tokens_without_a_sign_in(web: httpx2.AsyncClient, user: str, acr: str) -> None:
    """`sandbox token` in another process asks here."""
    reply = await web.post("/sandbox/token", json={"user": user, "client": "curl", "scope": "jira:read"})
    answer = reply.json()
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["client_id"], claims["scope"]) == (user, "curl", "jira:read")
    assert (claims["aud"], claims["acr"]) == (GATEWAY, acr)
    assert answer["expires_in"] == claims["exp"] - claims["iat"]


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"user": "nobody"}, "invalid_request"),
        ({"user": 7}, "invalid_request"),
        ({}, "invalid_request"),
        ({"user": "ana", "client": "a b"}, "invalid_request"),
        ({"user": "ana", "scope": "admin"}, "invalid_scope"),
        ({"user": "ana", "aud": "x"}, "invalid_request"),
    ],
)
async def test_the_door_refuses_wrong_wishes(
    web: httpx2.AsyncClient, wish: dict[str, Any], error: str
) -> None:
    """One sentence says what to send instead."""
    reply = await web.post("/sandbox/token", json=wish)
    assert (reply.status_code, reply.json()["error"]) == (400, error)


async def test_a_clock_that_is_ahead_shows_in_the_tokens(idp: Idp) -> None:
    """Skew moves every time that the provider writes."""
    before = jwt.decode(idp.mint("ana"), options={"verify_signature": False})
    idp.clock_skew = 1_000
    after = jwt.decode(idp.mint("ana"), options={"verify_signature": False, "verify_iat": False})
    assert 1_000 <= after["iat"] - before["iat"] <= 1_005


async def test_mint_overrides_claims_and_headers(idp: Idp) -> None:
    """Tests can make any token: replaced, left out, of another type."""
    token = idp.mint("ana", headers={"typ": "JWT", "kid": "x"}, aud=["a"], jti=None)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == ["a"]
    assert "jti" not in claims
    assert {**jwt.get_unverified_header(token)} == {"alg": "ES256", "typ": "JWT", "kid": "x"}


async def test_an_outage_hits_what_it_shall(idp: Idp, web: httpx2.AsyncClient, assistant: Assistant) -> None:
    """With `only`, the rest goes on."""
    idp.faults.status, idp.faults.only = 503, frozenset({"exchange"})
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}
    assert (await web.post("/token", data=form)).status_code == 503
    assert (await assistant.tokens())["access_token"]
    idp.faults.only = frozenset()
    assert (await web.get("/jwks")).status_code == 503
    assert (await web.get(PLACES[0])).status_code == 503


async def test_an_outage_can_pretend_to_be_well(idp: Idp, web: httpx2.AsyncClient) -> None:
    """Status 200 and a page: what a captive portal does."""
    idp.faults.status = 200
    reply = await web.get("/jwks")
    assert (reply.status_code, reply.text[:6]) == (200, "<html>")


async def test_a_hanging_provider_says_nothing(idp: Idp, web: httpx2.AsyncClient) -> None:
    """Silence until the client gives up; afterwards it serves again."""
    idp.faults.hang = 30
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await web.get("/jwks")
    idp.faults.hang = 0
    assert (await web.get("/jwks")).status_code == 200


async def test_a_hook_decides_request_by_request(idp: Idp, web: httpx2.AsyncClient) -> None:
    """Any other trouble is a function."""

    async def first_fails(endpoint: str, request: Request) -> Response | None:
        return PlainTextResponse(endpoint, 500) if idp.counts["jwks"] == 1 else None

    idp.faults.hook = first_fails
    assert [(await web.get("/jwks")).status_code for _ in range(2)] == [500, 200]


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:1/", "http://127.0.0.1:1/path", "127.0.0.1", ""])
async def test_an_issuer_is_an_origin(issuer: str) -> None:
    """A last slash or a path would make `iss` differ from what was configured."""
    with pytest.raises(ValueError, match="origin"):
        create_app(issuer=issuer, gateway_resource=GATEWAY, jira_audience=JIRA, people=PEOPLE)
