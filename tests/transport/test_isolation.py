"""One person's answer never reaches another, on either path, with equal JSON-RPC ids."""

import asyncio
import random
from typing import Any

import pytest

from gateway.transport.fallback import _exchange
from tests.transport.world import World, legacy, modern

PEOPLE = [f"person-{n}" for n in range(50)]


@pytest.mark.parametrize("extra", [{}, {"extra": 1}], ids=["hot path", "fallback"])
async def test_answers_never_cross_over(world: World, extra: dict[str, int]) -> None:
    """50 people at once, both eras shuffled, all with the id 1: each reads their own name."""
    world.line.people = {f"{name}-token": name for name in PEOPLE}
    work = [(name, form) for name in PEOPLE for form in (modern, legacy) for _ in range(3)]
    random.Random(7).shuffle(work)

    async def one(name: str, form: Any) -> str:
        body, headers = form("tools/call", {"name": "demo_whoami", **extra}, id=1)
        answer = await world.post(body, headers, token=f"{name}-token")
        return str(answer.json()["result"]["structuredContent"]["subject"])

    answers = await asyncio.gather(*(one(*item) for item in work))
    assert answers == [name for name, _ in work]


async def test_lists_never_cross_over(world: World) -> None:
    """Lists are kept as bytes, but by what is visible: bo never sees ana's."""
    for extra in ({}, {"extra": 1}):
        for token, count in (("ana-token", 6), ("bo-token", 5), ("ana-token", 6)):
            for form in (modern, legacy):
                answer = await world.post(*form("tools/list", extra), token=token)
                assert len(answer.json()["result"]["tools"]) == count


def test_a_request_without_its_caller_is_an_error() -> None:
    """The SDK's handlers know the caller from the very request, or not at all."""

    class Context:
        request = None

    with pytest.raises(LookupError):
        _exchange(Context())  # type: ignore[arg-type]


async def test_the_token_does_not_travel_into_the_sdk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app behind sees the message, never the Authorization header."""
    seen: list[Any] = []
    handler = world.line.call

    async def call(bearer: Any, request: Any) -> Any:
        import inspect

        frames = [f.frame.f_locals for f in inspect.stack()]
        seen.extend(
            v.request for f in frames for v in f.values() if type(v).__name__ == "ServerRequestContext"
        )
        return await handler(bearer, request)

    monkeypatch.setattr(world.line, "call", call)
    await world.modern("tools/call", {"name": "demo_whoami", "extra": 1})
    assert seen and all("authorization" not in request.headers for request in seen)
