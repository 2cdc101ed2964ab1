"""Protected resource metadata (RFC 9728), at both places where clients look."""

import pytest

from gateway.transport.metadata import metadata_routes, metadata_url
from tests.transport.world import ISSUER, World, ask


@pytest.mark.parametrize("suffix", ["/mcp", ""])
async def test_the_document_names_the_url_that_people_type(world: World, suffix: str) -> None:
    """`resource` and the issuer are byte-equal to what clients compare them with (A2)."""
    answer = await world.http.get(f"{world.url}/.well-known/oauth-protected-resource{suffix}")
    assert answer.status_code == 200
    assert answer.json() == {
        "resource": world.url + "/mcp",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["jira:read", "jira:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Jira Agent Gateway",
    }
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_challenge_leads_to_the_document(world: World) -> None:
    """A client that follows the 401 finds a document about the very URL it asked."""
    told = (await world.post(b"{}", token=None)).headers["www-authenticate"]
    url = told.partition('resource_metadata="')[2].partition('"')[0]
    assert url == metadata_url(world.url)
    assert (await world.http.get(url)).json()["resource"] == world.url + "/mcp"


async def test_offline_access_is_never_advertised() -> None:
    """MCP 2026-07-28: refresh tokens are the provider's matter."""
    routes = metadata_routes("https://gw.example", ISSUER, scopes=["jira:read", "offline_access"])
    for path, app in routes.items():
        status, body = await ask(app, b"", {}, path=path, method="GET")
        assert status == 200 and b"offline_access" not in body


async def test_any_page_may_read_the_document_and_nobody_may_write_it(world: World) -> None:
    """CORS preflight without a token; 405 for the rest."""
    url = world.url + "/.well-known/oauth-protected-resource"
    preflight = await world.http.options(url, headers={"origin": "https://any.example"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    assert (await world.http.post(url)).status_code == 405
    assert (await world.http.head(url)).status_code == 200
