"""Refresh tokens rotate, forgive a race and punish a thief."""

import jwt
import pytest

from tests.sandbox.idp.conftest import Assistant

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_each_use_gives_a_new_token(assistant: Assistant) -> None:
    """The successor differs, works, and the access token tells of the same sign-in."""
    first = await assistant.tokens()
    second = (await assistant.refresh(first["refresh_token"])).json()
    third = await assistant.refresh(second["refresh_token"])
    assert third.status_code == 200
    assert len({first["refresh_token"], second["refresh_token"], third.json()["refresh_token"]}) == 3
    was, now = (
        jwt.decode(tokens["access_token"], options={"verify_signature": False}) for tokens in (first, second)
    )
    assert was["jti"] != now["jti"]
    assert {key: was[key] for key in ("sub", "auth_time", "acr", "scope")} == {
        key: now[key] for key in ("sub", "auth_time", "acr", "scope")
    }


async def test_within_the_grace_time_the_same_successor_comes_again(assistant: Assistant) -> None:
    """Two windows that refresh at once both go on with one family."""
    first = await assistant.tokens()
    one = (await assistant.refresh(first["refresh_token"])).json()
    assistant.idp.clock_skew = 59
    two = (await assistant.refresh(first["refresh_token"])).json()
    assert one["refresh_token"] == two["refresh_token"]
    assert one["access_token"] != two["access_token"]


async def test_reuse_after_the_grace_time_ends_the_family(assistant: Assistant) -> None:
    """An old token that comes back late is a stolen one: nobody goes on, and it is counted."""
    first = await assistant.tokens()
    second = (await assistant.refresh(first["refresh_token"])).json()
    assistant.idp.clock_skew = 62
    assert (await assistant.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await assistant.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert assistant.idp.refresh.reuses == 1


async def test_other_families_live_on(assistant: Assistant) -> None:
    """A thief in one sign-in does not sign out the others."""
    stolen, other = await assistant.tokens(), await assistant.tokens()
    await assistant.refresh(stolen["refresh_token"])
    assistant.idp.clock_skew = 62
    await assistant.refresh(stolen["refresh_token"])
    assert (await assistant.refresh(other["refresh_token"])).status_code == 200


async def test_a_narrower_scope_narrows_the_access_token_only(assistant: Assistant) -> None:
    """RFC 6749 §6: the wish is for one access token; more than was granted is never given."""
    first = await assistant.tokens(scope="jira:read jira:write")
    narrow = (await assistant.refresh(first["refresh_token"], scope="jira:read email")).json()
    assert narrow["scope"] == "jira:read"
    assert (await assistant.refresh(narrow["refresh_token"])).json()["scope"] == "jira:read jira:write"


@pytest.mark.parametrize(
    ("wrong", "status", "error"),
    [
        ({"scope": "email"}, 400, "invalid_scope"),
        ({"resource": "http://127.0.0.1:9/mcp"}, 400, "invalid_target"),
        ({"refresh_token": "unknown"}, 400, "invalid_grant"),
        ({"refresh_token": None}, 400, "invalid_request"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_secret": "x"}, 401, "invalid_client"),
    ],
)
async def test_a_wrong_request_does_not_use_the_token_up(
    assistant: Assistant, wrong: dict[str, str | None], status: int, error: str
) -> None:
    """A mistake is told, and the token still works after it."""
    token = (await assistant.tokens(scope="jira:read"))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, **wrong}
    reply = await assistant.token(**form)
    assert (reply.status_code, reply.json()["error"]) == (status, error)
    assistant.idp.clock_skew = 120  # beyond the grace time: a token that was used would be dead
    assert (await assistant.refresh(token)).status_code == 200


async def test_a_disabled_person_is_refreshed_no_more(assistant: Assistant) -> None:
    """Disabling an account ends its assistants at their next refresh."""
    tokens = await assistant.tokens()
    assistant.idp.disabled.add("ana")
    assert (await assistant.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_an_idle_token_dies_after_thirty_days(assistant: Assistant) -> None:
    """Idle time counts from the last rotation."""
    tokens = await assistant.tokens()
    assistant.idp.clock_skew = 30 * 86_400 + 1
    assert (await assistant.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_another_client_cannot_use_it(assistant: Assistant) -> None:
    """A refresh token is bound to its client (RFC 6749 §10.4)."""
    tokens = await assistant.tokens()
    other = (await assistant.web.post("/register", json={"redirect_uris": ["http://127.0.0.1/"]})).json()
    reply = await assistant.refresh(tokens["refresh_token"], client_id=other["client_id"])
    assert reply.json()["error"] == "invalid_grant"
