"""The one place that asks token endpoints."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway import limits
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import Answer, TokenEndpoint
from gateway.http import Outward, OutwardError
from gateway.model import Secret
from gateway.settings import ClientSettings
from tests.identity.server import Loopback, Request, respond

GOOD = {"access_token": "a", "token_type": "Bearer"}


@dataclass
class Server:
    """A token endpoint that takes the secrets of `taken`."""

    outward: Outward
    web: Loopback
    taken: set[str] = field(default_factory=lambda: {"old"})
    refuse: tuple[int, dict[str, Any]] = (401, {"error": "invalid_client"})
    answer: tuple[int, Any] = (200, GOOD)

    def make(self, *, json: bool = False, seconds: float | None = None, **settings: Any) -> TokenEndpoint:
        """An endpoint of ours on it."""
        given = {"client_id": "gw", "client_auth": "client_secret_post", "client_secret": "old", **settings}
        client = OAuthClient(ClientSettings.model_validate(given))
        return TokenEndpoint(self.outward, self.web.url("/token"), client, json=json, seconds=seconds)

    async def say(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """The answer to one request."""
        sent = dict(parse_qsl(request.body.decode()))
        status, body = self.answer if sent.get("client_secret") in self.taken else self.refuse
        respond(writer, body, status)

    def secrets(self) -> list[str]:
        """Those that were sent, in order."""
        return [dict(parse_qsl(r.body.decode()))["client_secret"] for r in self.web.requests]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Running."""
    async with Outward() as outward:
        web = Loopback(lambda request, writer: made.say(request, writer))
        made = Server(outward, web)
        async with web:
            yield made


async def test_repeated_parameters_are_kept(server: Server) -> None:
    """RFC 8693 §2.1: each audience arrives, in its order."""
    await server.make().ask([("grant_type", "x"), ("audience", "a"), ("audience", "b&c=d")])
    sent = parse_qsl(server.web.requests[0].body.decode())
    assert sent[:3] == [("grant_type", "x"), ("audience", "a"), ("audience", "b&c=d")]
    assert server.web.requests[0].headers["content-type"] == "application/x-www-form-urlencoded"


async def test_as_json_where_that_is_wanted(server: Server) -> None:
    """One object; what comes more than once is a list."""
    await server.make(json=True).ask([("audience", "a"), ("audience", "b"), ("audience", "c"), ("code", "x")])
    sent = json.loads(server.web.requests[0].body)
    assert sent == {"audience": ["a", "b", "c"], "code": "x", "client_id": "gw", "client_secret": "old"}
    assert server.web.requests[0].headers["content-type"] == "application/json"


async def test_the_answer_is_handed_on_whatever_it_is(server: Server) -> None:
    """Status and object; what is no object is an empty one."""
    endpoint = server.make()
    assert (await endpoint.ask([])).body == GOOD
    server.answer = (400, {"error": "invalid_grant", "error_description": "gone"})
    refused = await endpoint.ask([])
    assert (refused.status, refused.error, refused.described) == (400, "invalid_grant", "gone")
    for body in (b"<html>", [1], b"null", b""):
        server.answer = (200, body)
        assert (await endpoint.ask([])).body == {}
    server.answer = (400, {"error": ["x"], "error_description": None})
    odd = await endpoint.ask([])
    assert (odd.error, odd.described) == ("", "")


@pytest.mark.parametrize(
    "refusal",
    [
        (401, {"error": "invalid_client"}),
        (401, {"error": "access_denied", "error_description": "Unauthorized"}),
        (401, {"error": "unauthorized_client"}),
    ],
    ids=["RFC 6749", "Auth0 and Atlassian", "older Keycloak"],
)
async def test_a_refused_secret_gives_way_to_the_next(
    server: Server, refusal: tuple[int, dict[str, Any]]
) -> None:
    """Once, in the same call; from then on the next one is sent first."""
    endpoint = server.make(next_client_secret="new")
    server.refuse, server.taken = refusal, {"new"}
    assert (await endpoint.ask([("grant_type", "x")])).status == 200
    assert (await endpoint.ask([])).status == 200
    assert server.secrets() == ["old", "new", "new"]
    assert "make it the current one" in endpoint.state()[1]


async def test_a_good_secret_is_not_followed_by_another(server: Server) -> None:
    """Also not when what was asked for is refused."""
    endpoint = server.make(next_client_secret="new")
    for answer in (
        (200, GOOD),
        (400, {"error": "invalid_grant"}),
        (400, {"error": "invalid_client", "error_description": "Audience not found"}),
        (400, {"error": "invalid_client", "error_description": "Client disabled"}),
        (403, {"error": "access_denied"}),
        (500, b""),
    ):
        server.answer = answer
        await endpoint.ask([])
    assert server.secrets() == ["old"] * 6


async def test_a_next_secret_that_was_taken_is_promoted_whatever_else_is_wrong(server: Server) -> None:
    """Keycloak says `invalid_client` with status 400 of another client, when it has accepted ours."""
    endpoint = server.make(next_client_secret="new")
    server.taken, server.answer = {"new"}, (400, {"error": "invalid_client"})
    for _ in range(3):
        assert (await endpoint.ask([])).client_refused
    assert server.secrets() == ["old", "new", "new", "new"]


async def test_two_refused_secrets_are_tried_once_each_and_nothing_is_promoted(server: Server) -> None:
    """The refusal is handed on."""
    endpoint = server.make(next_client_secret="new")
    server.taken = set()
    assert (await endpoint.ask([])).client_refused
    assert server.secrets() == ["old", "new"]
    await endpoint.ask([])
    assert server.secrets()[2] == "old"


async def test_a_server_in_trouble_promotes_nothing(server: Server) -> None:
    """A 503 to the next secret does not say that it is good."""
    endpoint = server.make(next_client_secret="new")
    server.taken, server.answer = {"new"}, (503, b"")
    await endpoint.ask([])
    await endpoint.ask([])
    assert server.secrets() == ["old", "new", "old", "new"]


async def test_many_at_once_while_a_secret_ends(server: Server) -> None:
    """Every call gets its answer, and each asks twice at most."""
    endpoint = server.make(next_client_secret="new")
    server.taken = {"new"}
    answers = await asyncio.gather(*(endpoint.ask([("n", str(n))]) for n in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len(server.web.requests) <= 100


async def test_no_answer_is_no_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent once: nobody knows what the server did."""
    endpoint = server.make(next_client_secret="new", seconds=0.2)

    async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(server, "say", hang)
    with pytest.raises(OutwardError, match="no whole answer") as caught:
        await endpoint.ask([])
    assert caught.value.sent
    assert len(server.web.requests) == 1


@pytest.mark.parametrize("place", ["error", "error_description"])
async def test_what_is_said_holds_no_secret(server: Server, place: str) -> None:
    """Pitfall 23: a server that echoes what it was sent (F36)."""
    endpoint = server.make(next_client_secret="n3xt")
    body = {"error": "invalid_grant", place: f"old n3xt t0ken {'x' * 9000}"}
    server.answer = (400, body)
    answer = await endpoint.ask([("assertion", "t0ken")], secrets=(Secret("t0ken"),))
    assert not any(secret in answer.said for secret in ("old", "n3xt", "t0ken"))
    assert len(answer.said) <= limits.SAID_CHARS
    assert "t0ken" not in repr(answer) and "x" * 500 not in repr(answer)


async def test_it_keeps_nothing_of_anybody(server: Server) -> None:
    """Two people's requests at once, each with its own answer (pitfall 5)."""
    endpoint = server.make()

    async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
        sent = dict(parse_qsl(request.body.decode()))
        await asyncio.sleep(int(sent["who"]) % 7 / 1000)
        respond(writer, {"access_token": sent["who"]})

    server.say = echo  # type: ignore[method-assign]
    answers: list[Answer] = await asyncio.gather(*(endpoint.ask([("who", str(n))]) for n in range(100)))
    assert [answer.body["access_token"] for answer in answers] == [str(n) for n in range(100)]
    held: Callable[[object], bool] = lambda value: isinstance(value, dict | list | set) and bool(value)  # noqa: E731
    assert not [name for name, value in vars(endpoint).items() if held(value)]
