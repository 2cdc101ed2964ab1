"""Dynamic registration (RFC 7591)."""

from typing import Any

import httpx2
import pytest

from sandbox.idp import Idp
from sandbox.idp.clients import MOST_REGISTERED
from tests.sandbox.idp.test_redirects import GOOD

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("uri", GOOD)
async def test_the_redirects_of_assistants_are_taken(web: httpx2.AsyncClient, uri: str) -> None:
    """Loopback on any port and the schemes and pages of VS Code, Cursor and Claude register."""
    reply = await web.post("/register", json={"redirect_uris": [uri], "client_name": "Tester"})
    assert reply.status_code == 201
    client = reply.json()
    assert client["redirect_uris"] == [uri]
    assert client["client_name"] == "Tester"
    assert client["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in client
    assert client["client_id_issued_at"] > 0


async def test_bad_redirects_are_dropped_one_by_one(web: httpx2.AsyncClient) -> None:
    """One refused URI does not cost the registration; the answer says what was kept."""
    wish = {"redirect_uris": ["https://evil.example/", "cursor://a.b/c", 7, "http://localhost:8787/c"]}
    reply = await web.post("/register", json=wish)
    assert reply.status_code == 201
    assert reply.json()["redirect_uris"] == ["cursor://a.b/c", "http://localhost:8787/c"]


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"redirect_uris": ["https://evil.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": "http://127.0.0.1/"}, "invalid_client_metadata"),
        (
            {"redirect_uris": ["http://127.0.0.1/"], "token_endpoint_auth_method": "tls"},
            "invalid_client_metadata",
        ),
        ({"redirect_uris": ["http://127.0.0.1/"], "grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"redirect_uris": ["http://127.0.0.1/"], "response_types": ["token"]}, "invalid_client_metadata"),
        ({"redirect_uris": ["http://127.0.0.1/"], "grant_types": 1}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
        (None, "invalid_client_metadata"),
    ],
)
async def test_a_wrong_wish_is_refused_by_name(web: httpx2.AsyncClient, wish: Any, error: str) -> None:
    """RFC 7591 §3.2.2."""
    reply = await web.post("/register", json=wish)
    assert (reply.status_code, reply.json()["error"]) == (400, error)


async def test_what_vs_code_and_claude_code_send_is_taken(web: httpx2.AsyncClient) -> None:
    """Members that we do not read are ignored, and a name of any kind is no obstacle."""
    wish = {
        "client_name": None,
        "client_uri": "https://code.visualstudio.com",
        "application_type": "native",
        "contacts": [1],
        "grant_types": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "response_types": ["code"],
        "redirect_uris": [
            "https://insiders.vscode.dev/redirect",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
        ],
        "token_endpoint_auth_method": "none",
    }
    reply = await web.post("/register", json=wish)
    assert reply.status_code == 201
    assert reply.json()["redirect_uris"] == wish["redirect_uris"]


async def test_registrations_are_bounded(idp: Idp) -> None:
    """A loop of registrations pushes out its own oldest clients, never the fixed ones."""
    first = idp.clients.register(b'{"redirect_uris": ["http://127.0.0.1/"]}')
    for _ in range(MOST_REGISTERED):
        idp.clients.register(b'{"redirect_uris": ["http://127.0.0.1/"]}')
    assert idp.clients.get(first.id) is None
    assert idp.clients.get("demo-assistant") is not None
    assert len(idp.clients.names()) == MOST_REGISTERED + 2
