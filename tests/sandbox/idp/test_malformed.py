"""Whatever is sent, the provider answers with a refusal of the right form and goes on."""

import json
import string
from urllib.parse import quote_from_bytes

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.idp import create_app
from sandbox.people import PEOPLE
from tests.sandbox.idp.conftest import GATEWAY, JIRA

APP = create_app(issuer="http://127.0.0.1:1", gateway_resource=GATEWAY, jira_audience=JIRA, people=PEOPLE)

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

_NAMES = """
grant_type code code_verifier redirect_uri client_id client_secret refresh_token scope resource audience
subject_token subject_token_type response_type code_challenge code_challenge_method state prompt nonce
transaction user password answer login_hint
"""

_LIKELY = """
code S256 demo-assistant jira-agent-gateway http://127.0.0.1/callback authorization_code refresh_token
urn:ietf:params:oauth:grant-type:token-exchange allow refuse ana x.y.z http://[ none
"""

NAMES = st.sampled_from(_NAMES.split())

VALUES = st.one_of(
    st.sampled_from(_LIKELY.split()).map(str.encode),
    st.binary(max_size=30),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
)

QUERIES = st.lists(st.tuples(NAMES, VALUES), max_size=12).map(
    lambda pairs: "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs)
)

BODIES = st.one_of(QUERIES.map(str.encode), st.binary(max_size=200))

HEADERS: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.text(string.printable.strip(), max_size=40).map(lambda text: {"Authorization": f"Basic {text}"}),
)


async def send(method: str, path: str, **request: object) -> httpx2.Response:
    """One request straight into the application; an exception in it would come out here."""
    transport = httpx2.ASGITransport(APP)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:1", verify=False) as client:
        return await client.request(method, path, **request)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(body=BODIES, headers=HEADERS)
async def test_any_token_request_is_refused_in_the_form_of_the_rfc(
    body: bytes, headers: dict[str, str]
) -> None:
    """400, 401 or 413, JSON, an error code and a sentence, and no cache."""
    reply = await send("POST", "/token", content=body, headers={**FORM, **headers})
    assert reply.status_code in (400, 401)
    assert set(reply.json()) == {"error", "error_description"}
    assert reply.headers["cache-control"] == "no-store"


@settings(max_examples=150, deadline=None)
@given(query=QUERIES)
async def test_any_authorization_request_gets_a_page_or_a_registered_redirect(query: str) -> None:
    """A person sees a page; only an address that was registered is redirected to."""
    reply = await send("GET", f"/authorize?{query}")
    assert reply.status_code in (200, 303, 400)
    if reply.status_code == 303:
        assert reply.headers["location"].startswith("http://127.0.0.1/callback?")


@settings(max_examples=60, deadline=None)
@given(body=BODIES)
async def test_any_form_gets_a_page(body: bytes) -> None:
    """A made-up transaction leads nowhere."""
    reply = await send("POST", "/authorize", content=body, headers=FORM)
    assert reply.status_code == 400
    assert "location" not in reply.headers


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    wish=st.fixed_dictionaries(
        {},
        optional={
            "redirect_uris": JSON | st.lists(st.sampled_from(["http://127.0.0.1/", "x"]) | JSON, max_size=3),
            "client_name": JSON,
            "grant_types": JSON,
            "response_types": JSON,
            "token_endpoint_auth_method": JSON,
        },
    )
)
async def test_any_registration_is_taken_or_refused(wish: dict[str, object]) -> None:
    """201 with at least one acceptable redirect, or 400 with an error of RFC 7591."""
    reply = await send("POST", "/register", content=json.dumps(wish).encode())
    if reply.status_code == 201:
        assert reply.json()["redirect_uris"] == ["http://127.0.0.1/"]
    else:
        assert reply.status_code == 400
        assert reply.json()["error"] in ("invalid_client_metadata", "invalid_redirect_uri")


@pytest.mark.parametrize("path", ["/token", "/register", "/authorize", "/sandbox/token"])
@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"x" * 70_000, b"[" * 60_000, b'{"a":"\\ud800"}', b"a=%FF", b"a=%zz", b"&" * 200],
)
async def test_bodies_of_no_form_at_all_are_refused(path: str, body: bytes) -> None:
    """Nothing, binary, too large, too deep, lone surrogates, broken encodings."""
    reply = await send("POST", path, content=body, headers=FORM)
    assert reply.status_code in (400, 413)
    assert (len(body) > 65_536) == (reply.status_code == 413)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
async def test_the_token_endpoint_takes_forms_only(kind: str) -> None:
    """Another content type is told so."""
    reply = await send("POST", "/token", content=b"grant_type=x", headers={"Content-Type": kind})
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/token", "/register", "/jwks"])
async def test_other_methods_are_405(path: str) -> None:
    """No endpoint answers to a method that it does not have."""
    assert (await send("DELETE", path)).status_code == 405


async def test_secrets_in_a_token_request_are_not_echoed() -> None:
    """An error repeats nothing of what was sent."""
    body = b"grant_type=canary-1&client_id=canary-2&client_secret=canary-3&refresh_token=canary-4"
    assert "canary" not in (await send("POST", "/token", content=body, headers=FORM)).text
