"""The ID token is read as strictly as an access token, and names the person whom access tokens name."""

from collections.abc import Mapping
from typing import Any

import httpx2
import orjson
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway import clock
from gateway.errors import ConfigError, Unauthenticated
from gateway.identity.claims import subject_of
from gateway.identity.profiles import profile
from gateway.signin.idtoken import id_profile, signed_in
from tests.signin.test_login import answered, at_provider, forged, query
from tests.signin.world import World, heading, issuer_settings

NOW = 1_800_000_000.0
TENANT = "11111111-2222-3333-4444-555555555555"

LIES: list[Mapping[str, Any]] = [
    {"aud": "another-client"},
    {"aud": ["jira-agent-gateway", "another-client"]},
    {"aud": None},
    {"azp": "another-client"},
    {"iss": "https://evil.example"},
    {"nonce": "of another sign-in"},
    {"nonce": None},
    {"nonce": 7},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"exp": 1},
    {"exp": "9999999999"},
    {"exp": None},
    {"iat": 9_999_999_999},
    {"events": {}},
    {"sid": ["a"]},
    {"sid": "x" * 1000},
    {"cnf": {"jkt": "x"}},
    {"at_hash": "of another access token"},
]


async def with_claims(world: World, **claims: Any) -> httpx2.Response:
    """A sign-in whose ID token has those claims, made by the provider's own key."""
    browser = await world.browser()
    page = await at_provider(browser)
    back, nonce = await answered(browser, page), query(str(page.url))["nonce"]

    async def forging(endpoint: str, request: Request) -> Response | None:
        return JSONResponse(forged(world.idps[0], nonce, **claims)) if endpoint == "token" else None

    world.idps[0].faults.hook = forging
    return await browser.get(back)


@pytest.mark.parametrize("claims", [{}, {"aud": ["jira-agent-gateway"]}, {"azp": "jira-agent-gateway"}])
async def test_a_good_id_token_signs_in(world: World, claims: dict[str, Any]) -> None:
    """The control of the tests below."""
    assert (await with_claims(world, **claims)).status_code == 303
    assert [told["subject"] for told in world.told("signin.made")] == ["mallory"]


@pytest.mark.parametrize("lies", LIES, ids=str)
async def test_a_signed_lie_signs_nobody_in(world: World, lies: Mapping[str, Any]) -> None:
    """Signed by the right key, but for somebody else, of another time, or of another kind."""
    reply = await with_claims(world, **lies)
    assert reply.status_code == 400 and heading(reply) == "You were not signed in"
    assert world.told("signin.made") == []


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "secevent+jwt", "oauth-id-jag+jwt", "dpop+jwt"])
async def test_another_kind_of_token_is_no_id_token(world: World, typ: str) -> None:
    """By its header, whatever its claims."""
    browser, idp = await world.browser(), world.idps[0]
    page = await at_provider(browser)
    back, nonce = await answered(browser, page), query(str(page.url))["nonce"]
    now = int(clock.wall())
    claims = {"iss": idp.issuer, "sub": "ana", "aud": "jira-agent-gateway", "iat": now, "exp": now + 60}
    token = idp.sign({**claims, "nonce": nonce}, {"typ": typ})

    async def forging(endpoint: str, request: Request) -> Response | None:
        answer = {"access_token": "a", "token_type": "Bearer", "id_token": token}
        return JSONResponse(answer) if endpoint == "token" else None

    idp.faults.hook = forging
    assert (await browser.get(back)).status_code == 400


async def test_a_rotated_key_is_found(world: World) -> None:
    """The provider signs with a new key between two sign-ins."""
    first, second = await world.browser(), await world.browser()
    assert heading(await first.open("/connect")) == "Your connections"
    world.idps[0].rotate_keys()
    assert heading(await second.open("/connect")) == "Your connections"


@pytest.mark.parametrize(
    ("said", "email"),
    [
        ({"sub": "mallory", "email": "m@corp.test", "email_verified": True}, "m@corp.test"),
        ({"sub": "mallory", "email": "m@corp.test", "email_verified": "true"}, None),
        ({"sub": "mallory", "email": "m@corp.test"}, None),
        ({"sub": "ana", "email": "ana@corp.test", "email_verified": True}, None),
        (["not an object"], None),
    ],
)
async def test_what_userinfo_says_counts_for_the_same_person_only(
    world: World, said: Any, email: str | None
) -> None:
    """E-mail comes from there where the ID token has none, if verified and of the same `sub` (Core §5.3.2)."""
    browser, idp = await world.browser(), world.idps[0]
    places = {"authorization": "authorize", "token": "token", "userinfo": "jwks?userinfo"}

    async def more(endpoint: str, request: Request) -> Response | None:
        if endpoint == "metadata":
            ends = {f"{name}_endpoint": f"{idp.issuer}/{place}" for name, place in places.items()}
            return JSONResponse({"issuer": idp.issuer, "jwks_uri": f"{idp.issuer}/jwks", **ends})
        if request.url.query == "userinfo":
            assert request.headers["authorization"] == "Bearer opaque"
            return JSONResponse(said)
        return JSONResponse(forged(idp, nonce)) if endpoint == "token" else None

    idp.faults.hook = more
    page = await at_provider(browser)
    back, nonce = await answered(browser, page), query(str(page.url))["nonce"]
    assert (await browser.get(back)).status_code == 303
    [kept] = [orjson.loads(v) for k, v in world.store.kept if k.startswith("session:")]
    assert kept["subject"] == "mallory" and kept["email"] == email


ACCESS_AND_ID = {
    "rfc9068": ("https://idp.test", {"sub": "u-1"}, {"sub": "u-1"}, "u-1"),
    "keycloak": ("https://kc.test/realms/corp", {"sub": "u-1"}, {"sub": "u-1", "typ": "ID"}, "u-1"),
    "okta": (
        "https://corp.okta.com/oauth2/default",
        {"sub": "ana@corp.test", "uid": "00u1"},
        {"sub": "00u1", "preferred_username": "ana@corp.test"},
        "00u1",
    ),
    "entra": (
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        {"sub": "pairwise-of-the-api", "tid": TENANT, "oid": "o-1", "ver": "2.0"},
        {"sub": "pairwise-of-the-client", "tid": TENANT, "oid": "o-1", "ver": "2.0"},
        f"{TENANT}:o-1",
    ),
    "entra_v1": (
        f"https://sts.windows.net/{TENANT}/",
        {"sub": "pairwise-of-the-api", "tid": TENANT, "oid": "o-1", "ver": "1.0"},
        {"sub": "pairwise-of-the-client", "tid": TENANT, "oid": "o-1", "ver": "1.0"},
        f"{TENANT}:o-1",
    ),
    "auth0": ("https://corp.auth0.com/", {"sub": "auth0|1"}, {"sub": "auth0|1"}, "auth0|1"),
    "ping": ("https://auth.pingone.eu/env/as", {"sub": "u-1"}, {"sub": "u-1"}, "u-1"),
}


@pytest.mark.parametrize("kind", ACCESS_AND_ID)
def test_a_browser_and_an_assistant_of_one_person_are_one_person(kind: str) -> None:
    """For each vendor the ID token's subject is the access token's, as the two kinds are documented."""
    issuer, access, identity, subject = ACCESS_AND_ID[kind]
    assert subject_of(access, profile(kind, issuer=issuer, audience="https://gateway.test/mcp")) == subject
    known = id_profile(issuer_settings(issuer, profile=kind), "client")
    person = signed_in(identity, known, {}).person
    assert (person.issuer, person.subject) == (issuer, subject)
    assert known.audience == "client" and not known.beside and "nonce" in known.required
    assert all(identity.get(claim) == value for claim, value in known.fixed.items())


def test_providers_that_are_only_signed_in_by() -> None:
    """Google and Okta's org server have ID tokens that are read here, and nowhere else."""
    google = id_profile(issuer_settings("https://accounts.google.com", profile="google"), "client")
    assert google.subject == ("sub",) and "https://www.googleapis.com" in google.key_origins
    assert id_profile(issuer_settings("https://corp.okta.com", profile="okta_org"), "client").subject == (
        "sub",
    )
    with pytest.raises(ConfigError):
        id_profile(issuer_settings("https://idp.test", profile="nonsense"), "client")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ana\u202e Alvarez\x00"}, "Ana Alvarez"),
        ({"preferred_username": "ana"}, "ana"),
        ({"name": 7}, ""),
        ({"name": "x" * 1000}, "x" * 256),
        ({}, ""),
    ],
)
def test_a_name_is_printable_and_not_long(claims: dict[str, Any], name: str) -> None:
    """What the page calls the person decides nothing, and cannot play with the page."""
    known = id_profile(issuer_settings("https://idp.test"), "client")
    assert signed_in({"sub": "u", **claims}, known, {}).person.name == name


def test_a_keycloak_access_token_is_no_id_token() -> None:
    """There the two differ in the claim `typ` alone."""
    known = id_profile(issuer_settings("https://kc.test/realms/corp", profile="keycloak"), "client")
    assert known.fixed == {"typ": "ID"}
    with pytest.raises(Unauthenticated):
        signed_in({"sub": None}, known, {})
