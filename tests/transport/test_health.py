"""Alive, ready, and which version."""

from functools import partial

import orjson

from gateway import __version__
from gateway.transport.health import Readiness, State, health_routes
from tests.transport.world import World, ask


def asked(states: dict[str, tuple[bool, str]]) -> dict[str, State]:
    """Parts that answer with these states."""
    return {name: partial(states.__getitem__, name) for name in states}


async def test_alive_and_version(world: World) -> None:
    """Both without a token, and never from a cache."""
    alive = await world.http.get(world.url + "/healthz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert alive.headers["cache-control"] == "no-store"
    version = (await world.http.get(world.url + "/version")).json()
    assert version["version"] == __version__ and version["protocols"][-1] == "2026-07-28"


async def test_ready_names_each_part() -> None:
    """One part that is not ready makes the gateway unready and says why."""
    states = {"identity": (True, "2 keys"), "audit": (False, "sealed: disk full")}
    app = health_routes(asked(states))["/readyz"]
    status, body = await ask(app, b"", {}, path="/readyz", method="GET")
    assert status == 503
    assert orjson.loads(body) == {
        "ready": False,
        "parts": {
            "identity": {"ready": True, "state": "2 keys"},
            "audit": {"ready": False, "state": "sealed: disk full"},
        },
    }
    states["audit"] = (True, "unanchored")
    assert (await ask(app, b"", {}, path="/readyz", method="GET"))[0] == 200
    assert (await ask(app, b"", {}, path="/readyz", method="POST"))[0] == 405


def test_jira_is_reported_and_does_not_gate() -> None:
    """Each call says that Jira is down; taking the gateway away would say less."""
    parts = {"identity": lambda: (True, ""), "jira": lambda: (False, "does not answer")}
    ready, told = Readiness(parts, frozenset({"jira"})).look()
    assert ready and not told["jira"]["ready"]


def test_nothing_to_ask_is_not_ready() -> None:
    """An empty set of anything that guards is a refusal."""
    assert Readiness({}, frozenset()).look()[0] is False
    assert Readiness({"jira": lambda: (True, "")}, frozenset({"jira"})).look()[0] is False


def test_a_part_that_fails_to_answer_is_not_ready() -> None:
    """The probe never fails itself, and tells nothing of the cause."""

    def broken() -> tuple[bool, str]:
        raise RuntimeError("hunter2")

    ready, told = Readiness({"audit": broken}, frozenset()).look()
    assert not ready and told == {"audit": {"ready": False, "state": "does not answer"}}
