"""Two things at the very same moment, the second held open inside the first: the stricter one wins."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.credential.vault import SIGN_IN
from gateway.errors import Unauthenticated
from gateway.identity.revocation import Revocation
from gateway.model import Bearer
from gateway.signin.server.chain import Chain
from gateway.signin.server.families import Families
from tests.signin.assistant import SigningWorld, code_of


def in_the_middle(
    patch: pytest.MonkeyPatch, where: type, name: str, then: Callable[[], Awaitable[object]]
) -> None:
    """`then` happens once, while the caller of that method waits for its answer."""
    honest = getattr(where, name)
    done: list[bool] = []

    async def method(*a: Any, **k: Any) -> Any:
        told = await honest(*a, **k)
        if not done:
            done.append(True)
            await then()
        return told

    patch.setattr(where, name, method)


async def refused(world: SigningWorld, token: str) -> None:
    """By who authenticates it: what lies behind, the provider's grant, would refuse it later."""
    with pytest.raises(Unauthenticated) as caught:
        await world.gateway.line.identity.authenticate(Bearer(token))
    assert caught.value.private == "revoked"


@pytest.mark.parametrize("graced", [False, True])
async def test_a_sign_out_while_a_refresh_asks_the_provider_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graced: bool
) -> None:
    """Also for the token before the current one, whose successor is there already."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        if graced:
            assert (await assistant.refresh(tokens["refresh_token"])).status_code == 200
        form = {"token": tokens["access_token"], "client_id": assistant.client_id}

        async def sign_out() -> None:
            assert (await world.http.post(f"{assistant.base}/revoke", data=form)).status_code == 200

        in_the_middle(monkeypatch, Chain, "renewed", sign_out)
        reply = await assistant.refresh(tokens["refresh_token"])
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        assert [one["reason"] for one in world.records() if one["kind"] == "assistant.signed_out"] == [
            "revoked"
        ]


async def test_a_token_that_was_made_as_the_sign_in_ended_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the clocks of the one who ended it and the one who made it differ."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()
        form = {"token": tokens["access_token"], "client_id": assistant.client_id}
        real = clock.wall

        async def sign_out() -> None:
            monkeypatch.setattr(clock, "wall", lambda: real() - 20)
            assert (await world.http.post(f"{assistant.base}/revoke", data=form)).status_code == 200
            monkeypatch.setattr(clock, "wall", real)

        in_the_middle(monkeypatch, Families, "rotate", sign_out)
        reply = await assistant.refresh(tokens["refresh_token"])
        assert reply.status_code == 200
        await refused(world, reply.json()["access_token"])
        assert (await assistant.refresh(reply.json()["refresh_token"])).json()["error"] == "invalid_grant"


async def test_who_is_cut_off_while_a_refresh_is_under_way_gains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is made after the cut-off, but the sign-in is from before it."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        tokens = (await assistant.redeem(await code_of(person, assistant))).json()

        real = clock.wall

        async def cut_off() -> None:
            await world.gateway.revocations.add(Revocation("user", real(), world.sandbox.issuer, "ana"))
            monkeypatch.setattr(clock, "wall", lambda: real() + 5)  # the token is made seconds later

        in_the_middle(monkeypatch, Families, "rotate", cut_off)
        reply = await assistant.refresh(tokens["refresh_token"])
        newest = reply.json() if reply.status_code == 200 else tokens
        await refused(world, newest["access_token"])
        assert (await assistant.refresh(newest["refresh_token"])).json()["error"] == "invalid_grant"


async def test_who_is_cut_off_between_sign_in_and_exchange_gets_no_tokens(tmp_path: Path) -> None:
    """The code is from before the cut-off. Whoever signs in afterwards is let in."""
    async with SigningWorld(tmp_path) as world:
        assistant = await world.assistant()
        code = await code_of(await world.person(), assistant)
        await world.gateway.revocations.add(Revocation("user", clock.wall(), world.sandbox.issuer, "ana"))
        reply = await assistant.redeem(code)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        again = await assistant.redeem(await code_of(await world.person(), assistant))
        assert await world.status(again.json()["access_token"]) == 200


async def test_a_code_without_the_providers_grant_gives_nothing(tmp_path: Path) -> None:
    """Somebody destroyed it in the meantime."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        code = await code_of(person, assistant)
        assert world.gateway.vault is not None and world.gateway.assistants is not None
        for head in await world.gateway.vault.of(world.sandbox.issuer, "ana"):
            assert head.key.upstream.startswith(SIGN_IN)
            await world.gateway.vault.unlink(head.key)
        reply = await assistant.redeem(code)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
        assert await world.gateway.assistants.families.living() == []


async def test_a_code_that_comes_again_before_the_first_answer_ends_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second finds no sign-in that it could end yet; the first finds that there was a second."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        code, second = await code_of(person, assistant), []

        async def again() -> None:
            second.append(await assistant.redeem(code))

        assert world.gateway.assistants is not None
        in_the_middle(monkeypatch, Chain, "kept", again)
        first = await assistant.redeem(code)
        assert [reply.json()["error"] for reply in (first, *second)] == ["invalid_grant", "invalid_grant"]
        assert await world.gateway.assistants.families.living() == []
