"""Who calls is settled before anything of the request is read (MCP authorization, RFC 6750, RFC 9728)."""

import asyncio
import logging
from typing import Any

import pytest

from gateway import limits
from gateway.errors import Sealed, Unavailable
from gateway.transport.asgi import Headers
from gateway.transport.bearer import bearer_of
from tests.transport.world import REFUSALS, World, legacy, modern

WHERE = "/.well-known/oauth-protected-resource/mcp"


def challenge(world: World, *told: str, scope: str = "jira:read jira:write") -> str:
    """The WWW-Authenticate header that is expected."""
    parts = [*told, f'resource_metadata="{world.url}{WHERE}"', f'scope="{scope}"']
    return "Bearer " + ", ".join(parts)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "PUT", "HEAD"])
async def test_no_token_is_told_where_to_sign_in_and_no_error_code(world: World, method: str) -> None:
    """RFC 6750 §3.1: a request without credentials gets the challenge alone, whatever its method."""
    answer = await world.http.request(method, world.url + "/mcp", content=b"not json")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == challenge(world)
    assert "error" not in answer.text
    assert world.line.strangers == ["127.0.0.1"]


@pytest.mark.parametrize(
    "header",
    ["Bearer nobody", "bearer nobody", "Bearer", "Bearer a b", "Bearer a\tb", "Bearer " + "x" * 20_000],
)
async def test_a_bad_token_is_invalid_token_whatever_is_bad_about_it(world: World, header: str) -> None:
    """Bad tokens are answered alike and counted alike."""
    answer = await world.post(b"{", {"authorization": header}, token=None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token", ')
    assert answer.json()["error"] == "invalid_token"
    assert world.line.strangers == ["127.0.0.1"]
    assert not any(b is not None and len(b) > limits.TOKEN_BYTES for b in world.line.bearers)


def test_white_space_around_a_token_is_not_part_of_it() -> None:
    """httptools keeps trailing white space; the token is the same with and without."""
    for value in (b"Bearer ana-token \t", b"BEARER  ana-token"):
        assert bearer_of(Headers.of({"headers": [(b"authorization", value)]})) == "ana-token"
    for value in (b"Bearer \t", b"Bearer \xe4", b"Bearer"):
        assert bearer_of(Headers.of({"headers": [(b"authorization", value)]})) == "unreadable"


async def test_other_schemes_are_no_credentials(world: World) -> None:
    """Basic credentials are not a token: the plain challenge."""
    answer = await world.post(b"{}", {"authorization": "Basic YW5hOmFuYQ=="}, token=None)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge(world))


async def test_two_authorization_headers_are_refused(world: World) -> None:
    """Which of two tokens counts must never be a matter of who reads first."""
    headers = [("authorization", "Bearer ana-token"), ("authorization", "Bearer bo-token")]
    answer = await world.http.post(world.url + "/mcp", content=b"{}", headers=headers)
    assert answer.status_code == 401
    assert "ana-token" not in world.line.bearers and "bo-token" not in world.line.bearers


@pytest.mark.parametrize("query", ["access_token=ana-token", "ACCESS%5FTOKEN=x", "a=1&token=ana-token"])
@pytest.mark.parametrize("token", ["ana-token", None])
async def test_a_token_in_the_url_is_refused(world: World, query: str, token: str | None) -> None:
    """A token in a URL ends in logs, so it is refused even beside a good header."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = await world.http.post(f"{world.url}/mcp?{query}", content=b"{}", headers=headers)
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]
    assert world.line.bearers == []


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"x" * (limits.REQUEST_BYTES + 1)])
async def test_authentication_comes_before_the_body(world: World, body: bytes) -> None:
    """A stranger learns nothing of what would be wrong with the body."""
    assert (await world.post(body, token=None)).status_code == 401
    assert (await world.post(body, token="nobody")).status_code == 401
    assert (await world.post(body)).status_code in (400, 413)


async def test_the_body_of_a_stranger_is_not_awaited(world: World) -> None:
    """The challenge is answered while the body is still to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    head = f"POST /mcp HTTP/1.1\r\nHost: {world.url[7:]}\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()
    await writer.wait_closed()


async def test_sign_in_that_cannot_be_checked_is_503_with_retry_after(world: World) -> None:
    """The provider's keys cannot be had: nobody is let in, and nobody is told that their token is bad."""
    world.line.down = Unavailable("Sign-in cannot be checked.", part="identity", private="10.0.0.1 refused")
    answer = await world.modern("tools/list")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == str(limits.RETRY_AFTER_SECONDS)
    assert "www-authenticate" not in answer.headers and "10.0.0.1" not in answer.text
    world.line.down = Sealed("disk full")
    assert (await world.modern("tools/list")).status_code == 503


async def test_an_unexpected_failure_of_sign_in_lets_nobody_in(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Fail closed: an internal error, its cause in the log alone."""
    world.line.down = RuntimeError("hunter2")
    answer = await world.modern("tools/call", {"name": "demo_whoami"})
    assert answer.json()["error"]["code"] == -32603
    assert "hunter2" not in answer.text and "hunter2" in caplog.text
    assert world.line.calls == []


@pytest.mark.parametrize("form", [modern, legacy])
async def test_a_missing_scope_is_a_403_challenge_with_all_scopes(world: World, form: Any) -> None:
    """Step-up: the client learns every scope that this call needs, in one challenge."""
    body, headers = form("tools/call", {"name": "demo_fail", "arguments": {"how": "step-up"}})
    for unusual in ({}, {"extra": 1}):
        answer = await world.post({**body, "params": {**body["params"], **unusual}}, headers)
        assert answer.status_code == 403
        told = ('error="insufficient_scope"', 'error_description="Grant `jira:write`."')
        assert answer.headers["www-authenticate"] == challenge(world, *told)


@pytest.mark.parametrize("form", [modern, legacy])
async def test_a_weak_sign_in_is_a_401_challenge_that_says_which_would_do(world: World, form: Any) -> None:
    """RFC 9470 §3: the classes of which one would do, and how old the sign-in may be."""
    body, headers = form("tools/call", {"name": "demo_fail", "arguments": {"how": "weak"}})
    answer = await world.post(body, headers)
    assert answer.status_code == 401
    told = (
        'error="insufficient_user_authentication"',
        'error_description="Sign in again."',
        'acr_values="urn:corp:mfa phr"',
        'max_age="900"',
    )
    assert answer.headers["www-authenticate"] == challenge(world, *told)


@pytest.mark.parametrize("form", [modern, legacy])
async def test_a_claims_challenge_is_passed_on_as_it_came(world: World, form: Any) -> None:
    """Conditional Access: the provider's own words, in base64url, which the client sends back to it."""
    body, headers = form("tools/call", {"name": "demo_fail", "arguments": {"how": "conditional"}})
    answer = await world.post(body, headers)
    assert answer.status_code == 401
    told = 'claims="eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJ2YWx1ZSI6ImMxIn19fQ"'
    assert told in answer.headers["www-authenticate"] and "insufficient_claims" in answer.text


@pytest.mark.parametrize("form", [modern, legacy])
@pytest.mark.parametrize(("how", "status"), [("expired", 401), ("identity-down", 503)])
async def test_a_token_that_dies_during_the_call_is_answered_by_http(
    world: World, form: Any, how: str, status: int
) -> None:
    """Expiry is 401 with the challenge, never a result that a client would show as an answer (A15)."""
    body, headers = form("tools/call", {"name": "demo_fail", "arguments": {"how": how}})
    for unusual in ({}, {"extra": 1}):
        answer = await world.post({**body, "params": {**body["params"], **unusual}}, headers)
        assert answer.status_code == status
        assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_strangers_cannot_fill_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Failed sign-ins are counted by the line; the log shows them only for debugging."""
    with caplog.at_level(logging.INFO):
        await world.post(b"{}", token="nobody")
    assert caplog.records == [r for r in caplog.records if r.name != "gateway.transport"]


async def test_private_causes_go_to_the_log_under_the_call_id(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """What the operator needs and the client must not see."""
    answer = await world.modern("tools/call", {"name": "demo_fail", "arguments": {"how": "jira-down"}})
    call_id = answer.json()["result"]["_meta"]["jira-agent-gateway/error"]["call"]
    assert REFUSALS["jira-down"].private not in answer.text
    assert f"call {call_id}: unavailable: 'connect: 10.0.0.1'" in caplog.text
