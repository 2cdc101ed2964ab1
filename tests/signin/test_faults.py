"""Each step of a sign-in fails, or is cancelled, or the process dies: nobody gets what nobody wrote down, and
nobody is signed out by a fault."""

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.book import Book
from gateway.errors import GatewayError, Unavailable
from gateway.http import Outward, OutwardError
from gateway.signin.server.form import Sent
from gateway.signin.server.refused import OAuthError
from gateway.store.memory import MemoryStore
from gateway.store.sql import Database
from tests.faults.test_every_await import Counted, outcome
from tests.faults.test_every_operation import Failing
from tests.signin.assistant import Assistant, SigningWorld, code_of
from tests.signin.world import Browser

Form = dict[str, str]


class Faulty:
    """A gateway at which faults happen, an assistant, and a browser that consented."""

    def __init__(self, world: SigningWorld, assistant: Assistant, person: Browser) -> None:
        self.world, self.assistant, self.person = world, assistant, person
        # A refresh at the provider that was interrupted is tried again at once, not after a lease of half a minute.
        assert world.gateway.refresher is not None
        pace = world.gateway.refresher._pace
        brisk = {
            "lease": 1.0,
            "wait": 0.4,
            "save_pause": 0.02,
            "backoff_first": 0.02,
            "backoff_most": 0.1,
            "poll": 0.02,
        }
        for name, seconds in brisk.items():
            object.__setattr__(pace, name, seconds)

    async def code(self) -> Form:
        """The form with which a new code is redeemed."""
        return {
            "grant_type": "authorization_code",
            "code": await code_of(self.person, self.assistant),
            "redirect_uri": self.assistant.redirect_uri,
            "client_id": self.assistant.client_id,
            "code_verifier": self.assistant.verifier,
        }

    def refresh(self, token: str) -> Form:
        """The form with which it is refreshed."""
        return {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.assistant.client_id}

    async def token(self, form: Form) -> Mapping[str, Any]:
        """The token endpoint, without HTTP around it."""
        assert self.world.gateway.assistants is not None
        return await self.world.gateway.assistants.token.answer(Sent(form, "", "127.0.0.1"))

    async def answered(self, form: Form) -> tuple[str, Mapping[str, Any]]:
        """(`answered` or the error, what was told)."""
        try:
            return "answered", await self.token(form)
        except OAuthError as no:
            return no.error, {}
        except GatewayError as no:
            return no.code, {}

    async def at_last(self, form: Form) -> Mapping[str, Any]:
        """As a patient assistant: again as long as it is told to come back, and never a refusal."""
        async with asyncio.timeout(30):
            while True:
                how, told = await self.answered(form)
                if how == "answered":
                    return told
                assert how == "unavailable", how
                await asyncio.sleep(0.05)

    async def kept(self) -> None:
        """No living sign-in without its record and the provider's grant; none of which the end is on record."""
        gateway = self.world.gateway
        assert gateway.assistants is not None and gateway.vault is not None
        records = self.world.records()
        begun = {one["family"] for one in records if one["kind"] == "assistant.signed_in"}
        over = {one["family"] for one in records if one["kind"] == "assistant.signed_out"}
        grants = await gateway.vault.of(self.world.sandbox.issuer, "ana")
        held = {head.key.tenant for head in grants if not head.ended}
        living = {head.id for head in await gateway.assistants.families.living()}
        assert living <= begun & held and not living & over

    async def ended(self, family: str) -> str:
        """Why its row says that it is over."""
        assert self.world.gateway.assistants is not None
        found = await self.world.gateway.assistants.families.by_id(family)
        assert found is not None
        return found.head.ended


async def faulty(world: SigningWorld) -> Faulty:
    """With a browser that consented once."""
    made = Faulty(world, await world.assistant(), await world.person())
    await made.code()
    return made


def breaking(
    patch: pytest.MonkeyPatch,
    failing: Failing,
    lost: bool,
    error: Exception,
    where: type,
    names: tuple[str, ...],
) -> None:
    """Those methods fail when it is their turn: before they do anything, or after, when the answer is `lost`."""

    def broken(honest: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def method(*a: Any, **k: Any) -> Any:
            if not failing.strikes():
                return await honest(*a, **k)
            if lost:
                await honest(*a, **k)
            raise error

        return method

    for name in names:
        patch.setattr(where, name, broken(getattr(where, name)))


def away(lost: bool) -> Unavailable:
    return Unavailable("Try again in a minute.", part="store", private=f"injected, lost: {lost}")


OPERATIONS: dict[str, tuple[type, tuple[str, ...]]] = {
    "provider": (Outward, ("send",)),
    "database": (Database, ("run", "read")),
    "store": (MemoryStore, ("get", "put", "add", "take", "drop", "release", "count")),
}


def strike(patch: pytest.MonkeyPatch, kind: str, lost: bool, failing: Failing) -> None:
    """The operations of that kind fail when it is their turn."""
    error = OutwardError("injected", sent=lost) if kind == "provider" else away(lost)
    breaking(patch, failing, lost, error, *OPERATIONS[kind])


EACH = [
    pytest.param(
        kind,
        lost,
        persistent,
        id=f"{kind}-{'lost' if lost else 'undone'}-{'always' if persistent else 'once'}",
    )
    for kind in OPERATIONS
    for lost in (False, True)
    for persistent in (False, True)
]


@pytest.mark.parametrize(("kind", "lost", "persistent"), EACH)
async def test_each_operation_of_an_exchange_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, lost: bool, persistent: bool
) -> None:
    """No sign-in without record and grant; a code gives tokens once, whatever became of the answer."""
    async with SigningWorld(tmp_path) as world:
        place = await faulty(world)
        for at in range(1, 60):
            form, failing = await place.code(), Failing(at, persistent=persistent)
            with monkeypatch.context() as patch:
                strike(patch, kind, lost, failing)
                how, told = await place.answered(form)
            await place.kept()
            again, _ = await place.answered(form)
            assert (how, again) in {
                ("answered", "invalid_grant"),
                ("unavailable", "invalid_grant"),
                ("unavailable", "answered"),
            }
            await place.kept()
            if failing.seen < at:
                assert how == "answered" and told["access_token"] and at > (1 if kind != "provider" else 0)
                return
        raise AssertionError("the exchange never came through")


@pytest.mark.parametrize(("kind", "lost", "persistent"), EACH)
async def test_each_operation_of_a_refresh_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, lost: bool, persistent: bool
) -> None:
    """The same refresh token works afterwards: nobody is signed out by a fault."""
    async with SigningWorld(tmp_path) as world:
        place = await faulty(world)
        told = await place.token(await place.code())
        for at in range(1, 60):
            form, failing = place.refresh(told["refresh_token"]), Failing(at, persistent=persistent)
            await world.later()
            with monkeypatch.context() as patch:
                strike(patch, kind, lost, failing)
                how, _ = await place.answered(form)
            assert how in ("answered", "unavailable")
            told = await place.at_last(form)
            assert await world.status(told["access_token"]) == 200
            await place.kept()
            if failing.seen < at:
                assert how == "answered" and at > 1
                return
        raise AssertionError("the refresh never came through")


@pytest.mark.parametrize(("kind", "lost", "persistent"), EACH)
async def test_each_operation_of_an_end_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, lost: bool, persistent: bool
) -> None:
    """Where its row says that it is over, its access token is refused already; the next attempt ends all of it."""
    async with SigningWorld(tmp_path) as world:
        place = await faulty(world)
        assert world.gateway.assistants is not None
        families, ending = world.gateway.assistants.families, world.gateway.assistants.ending
        for at in range(1, 60):
            told = await place.token(await place.code())
            failing, family = Failing(at, persistent=persistent), told["refresh_token"].split(".")[0]
            found = await families.by_id(family)
            assert found is not None
            with monkeypatch.context() as patch, suppress(Unavailable):
                strike(patch, kind, lost, failing)
                await ending.end(found.head, "person")
            if await place.ended(family):
                await world.gateway.revocations.load()
                assert await world.status(told["access_token"]) == 401
            found = await families.by_id(family)
            assert found is not None
            await ending.end(found.head, "person")
            assert await world.status(told["access_token"]) == 401
            assert (await place.answered(place.refresh(told["refresh_token"])))[0] == "invalid_grant"
            await place.kept()
            if failing.seen < at:
                assert at > 1 or kind == "store"
                return
        raise AssertionError("the end never came through")


@pytest.mark.parametrize("persistent", [False, True], ids=["once", "for good"])
async def test_a_record_that_is_sealed_gives_no_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, persistent: bool
) -> None:
    """The exchange is refused and nothing is kept of it."""
    honest = Book.write
    async with SigningWorld(tmp_path) as world:
        place = await faulty(world)
        form, failing = await place.code(), Failing(1, persistent=persistent)

        def write(self: Book, *a: Any, **k: Any) -> Any:
            if failing.strikes():
                raise sqlite3.OperationalError("database or disk is full")
            return honest(self, *a, **k)

        monkeypatch.setattr(Book, "write", write)
        assert (await place.answered(form))[0] == "sealed"
        assert world.gateway.assistants is not None
        assert await world.gateway.assistants.families.living() == []
        assert (await place.answered(form))[0] != "answered"
        monkeypatch.setattr(Book, "write", honest)


async def test_an_exchange_is_cancelled_at_every_await(tmp_path: Path) -> None:
    """No sign-in without record and grant; a code gives tokens once."""
    async with SigningWorld(tmp_path) as world:
        place = await faulty(world)
        for at in range(1, 200):
            form = await place.code()
            counted = Counted(place.token(form), at)
            how = await outcome(counted)
            await world.settled()
            await place.kept()
            again, _ = await place.answered(form)
            assert (how, again) in {
                ("answered", "invalid_grant"),
                ("cancelled", "invalid_grant"),
                ("cancelled", "answered"),
            }
            await place.kept()
            if counted.seen < at:
                assert how == "answered" and at > 4
                return
        raise AssertionError("the exchange never came through")


async def test_a_refresh_is_cancelled_at_every_await(tmp_path: Path) -> None:
    """The assistant that hung up asks again with what it has, and is signed in still."""
    async with SigningWorld(tmp_path) as world:
        place = await faulty(world)
        told = await place.token(await place.code())
        for at in range(1, 200):
            form = place.refresh(told["refresh_token"])
            await world.later()
            counted = Counted(place.token(form), at)
            how = await outcome(counted)
            told = await place.at_last(form)
            await place.kept()
            if counted.seen < at:
                assert how == "answered" and at > 4
                return
        raise AssertionError("the refresh never came through")


async def test_an_end_is_cancelled_at_every_await(tmp_path: Path) -> None:
    """Where its row says that it is over, its access token is refused already."""
    async with SigningWorld(tmp_path) as world:
        place = await faulty(world)
        assert world.gateway.assistants is not None
        families, ending = world.gateway.assistants.families, world.gateway.assistants.ending
        for at in range(1, 200):
            told = await place.token(await place.code())
            family = told["refresh_token"].split(".")[0]
            found = await families.by_id(family)
            assert found is not None
            counted = Counted(ending.end(found.head, "person"), at)
            how = await outcome(counted)
            await world.settled()
            await world.gateway.revocations.load()
            if await place.ended(family):
                assert await world.status(told["access_token"]) == 401
            how_next, _ = await place.answered(place.refresh(told["refresh_token"]))
            status = await world.status(told["access_token"])
            assert (how_next, status) in {("invalid_grant", 401), ("answered", 200)}
            await place.kept()
            if counted.seen < at:
                assert how == "answered" and at > 3 and status == 401
                return
        raise AssertionError("the end never came through")


KILLED = """
import asyncio, json, os, signal, sys
from pathlib import Path
from gateway.app import Gateway
from gateway.config import load
from gateway.signin.server.form import Sent
from gateway.signin.server.token import Token

def killed(*told):
    os.kill(os.getpid(), signal.SIGKILL)

async def main(config, environ, form):
    gateway = Gateway(load(Path(config), environ))
    Token._issued = killed
    async with gateway.running():
        await gateway.assistants.token.answer(Sent(form, "", "127.0.0.1"))

asyncio.run(main(*json.loads(sys.argv[1])))
"""


async def test_killed_between_the_rotation_and_the_answer(tmp_path: Path) -> None:
    """kill -9: the assistant never saw the successor, comes with the old token, and gets it."""
    async with SigningWorld(tmp_path) as world:
        place = await faulty(world)
        told = await place.token(await place.code())
        form = place.refresh(told["refresh_token"])
        await world.later()
        await world.served.aclose()
        order = json.dumps([str(tmp_path / "gateway.toml"), world._environ, form])
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, order)
        assert await process.wait() == -signal.SIGKILL
        async with world.restarted():
            assert world.gateway.assistants is not None
            found = await world.gateway.assistants.families.by_id(told["refresh_token"].split(".")[0])
            assert found is not None and found.generation == 2
            following = await place.at_last(form)
            assert following["refresh_token"].split(".")[1] == "2"
            assert await world.status(following["access_token"]) == 200
            assert (await place.at_last(place.refresh(following["refresh_token"])))["access_token"]
            await place.kept()
