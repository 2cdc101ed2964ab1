"""No secret leaves its place: every token, grant and key of a busy run is looked for where it must not be."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import GatewayError
from gateway.http import Ask, Outward, Reply
from gateway.model import Bearer
from sandbox.jira import Fault, Kind
from tests.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The whole gateway."""
    async with World(tmp_path) as world:
        yield world


async def test_pitfall_23_no_secret_is_anywhere_else(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not in answers, records, logs, errors, reprs; the caller's token goes to its provider, Jira's to Jira (F36)."""
    caplog.set_level(logging.DEBUG)
    outward: list[tuple[str, bytes]] = []
    honest = Outward.send

    async def send(self: Outward, ask: Ask) -> Reply:
        whole = orjson.dumps([ask.method, ask.url, dict(ask.headers)]) + (ask.body or b"")
        outward.append((ask.url, whole))
        return await honest(self, ask)

    monkeypatch.setattr(Outward, "send", send)
    released, seen = await busy(world)
    grants = [g.secret.reveal() for _, g in world.exchange.kept._grants._entries.values()]
    assert len(grants) >= 4
    secrets = [*world.tokens, *grants, world.sandbox.gateway_client_secret, *keys(world)]
    places = {
        "answers": released,
        "records": orjson.dumps(world.records()),
        "record files": b"".join(p.read_bytes() for p in world.settings.audit.dir.glob("audit-*.db*")),
        "errors and reprs": seen.encode(),
        "logs": caplog.text.encode(),
        "output": "".join(capfd.readouterr()).encode(),
    }
    for name, content in places.items():
        assert not [s for s in secrets if any(piece.encode() in content for piece in pieces(s))], name
    for url, whole in outward:
        to_jira = url.startswith(world.sandbox.jira_url)
        assert not [t for t in world.tokens if to_jira and t.encode() in whole]
        assert not [g for g in grants if not to_jira and g.encode() in whole]


async def busy(world: World) -> tuple[bytes, str]:
    """Answers and error texts of every kind of call, with faults on the way."""
    released, seen = b"", await exchanges(world)
    troubles = [
        Kind.STATUS,
        Kind.RESET,
        Kind.WRONG_ACCOUNT,
        Kind.ANONYMOUS,
        Kind.LOGIN_PAGE,
        Kind.REDIRECT,
        None,
    ]
    for user in ("ana", "bo", "mallory"):
        for kind in troubles:
            world.sandbox.jira.faults.before = lambda asked, kind=kind: (
                Fault(kind, status=401) if kind else None
            )
            bearer = world.token(user)
            for tool, arguments in (
                ("jira_get_issue", {"key": "OPEN-2"}),
                ("jira_search", {"jql": "project = OPEN"}),
                ("jira_comment", {"key": "OPEN-2", "body": "x"}),
                ("jira_delete_issue", {"key": "OPEN-2"}),
                ("jira_get_issue", {"key": "../"}),
            ):
                released += orjson.dumps(await world.call(bearer, tool, **arguments))
                seen += await outcome(world, bearer, tool, **arguments)
            seen += repr(await world.gateway.line.identity.authenticate(bearer))
    world.sandbox.jira.faults.clear()
    seen += repr(world.settings) + repr(world.exchange._settings)
    return released, seen


async def exchanges(world: World) -> str:
    """Error texts of exchanges that go wrong: a token of somebody else, and refusals that repeat the caller's."""
    faults, seen = world.sandbox.idp.faults, ""
    faults.exchange_claims = {"sub": "bo"}
    seen += await refused_exchange(world, "another person")
    faults.exchange_claims = {}
    for status, body in ((400, REFUSED), (403, REFUSED), (500, REFUSED), (502, "{}"), (200, "{}")):

        async def echo(endpoint: str, _: Request, status: int = status, body: str = body) -> Response | None:
            said = body.replace("{}", world.tokens[-1])
            return Response(said, status) if endpoint == "exchange" else None

        faults.hook = echo
        seen += await refused_exchange(world, f"status {status}" if status != 200 else "not a JSON object")
    faults.hook = None
    world.exchange.kept._grants._entries.clear()
    return seen


REFUSED = '{"error": "unheard_of", "error_description": "what is {} to us"}'
"""What a talkative provider says; `{}` is the token that it was given."""


async def refused_exchange(world: World, why: str) -> str:
    """The error of a call whose exchange fails for that reason, and what readiness tells of it."""
    told = await outcome(world, world.fresh("ana"), "jira_get_issue", key="OPEN-2")
    assert why in told
    return told + repr(world.exchange.state())


async def outcome(world: World, bearer: Bearer, tool: str, **arguments: str) -> str:
    """Everything that a call's result or its error says."""
    try:
        return repr(await world.line(bearer, tool, **arguments))
    except GatewayError as refused:
        return f"{refused!r} {refused.public} {refused.private} {refused.__dict__}"


def pieces(secret: str) -> set[str]:
    """What a text may not hold, wherever it was cut: the start of a token's claims, or of its signature."""
    return {part[:60] for part in secret.split(".")[1:]} or {secret}


def keys(world: World) -> list[str]:
    """The private key of the checkpoints and the digest key."""
    pem = (world.settings.audit.dir / "checkpoint.key").read_text()
    return [pem.splitlines()[1], (world.settings.audit.dir / "digest.key").read_text().strip()]
