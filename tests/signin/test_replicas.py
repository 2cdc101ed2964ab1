"""Two gateways on one PostgreSQL and one Redis, the second a process of its own whose clock goes differently."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from gateway.cli import main
from gateway.credential.keys import ClientKeys
from gateway.jose import parse
from sandbox.serve import free_port
from tests.signin.assistant import Assistant, SigningWorld, code_of
from tests.speaking import tool_call

pytestmark = pytest.mark.needs_servers

OTHER = """
import json, sys
from pathlib import Path
import uvicorn
from gateway import clock

config, environ, skew, port = json.loads(sys.argv[1])
real = clock.wall
clock.wall = lambda: real() + skew

from gateway.app import Gateway
from gateway.config import load

gateway = Gateway(load(Path(config), environ))
uvicorn.run(gateway.app, host="127.0.0.1", port=port, log_config=None, access_log=False)
"""
PATIENCE = 60.0
"""seconds for a process to start, or for news to come round, on a busy machine"""


@dataclass
class Pair:
    """The first replica, in this process, and how the second is reached."""

    world: SigningWorld
    url: str
    """Of the second; it answers to the name of both."""
    http: httpx2.AsyncClient
    keys: Path
    config: Path

    def at_the_other(self, assistant: Assistant) -> Assistant:
        """The same assistant, whose requests arrive at the second."""
        return replace(assistant, http=self.http, base=self.url)

    async def statuses(self, bearer: str) -> tuple[int, int]:
        """Of a call with that token, at the first and at the second."""
        message, headers = tool_call(1, bearer, "jira_whoami", {})
        there = await self.http.post(f"{self.url}/mcp", json=message, headers=headers)
        return await self.world.status(bearer), there.status_code


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for news. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110 - a condition of another process
            await asyncio.sleep(0.05)


@asynccontextmanager
async def pair(folder: Path, postgres_url: str, redis_url: str, *, skew: float = 0.0) -> AsyncIterator[Pair]:
    """Both running; the clock of the second is `skew` seconds ahead."""
    port, keys = free_port("127.0.0.1"), folder / "access.pem"
    settings = {
        "GATEWAY__DATABASE__URL": postgres_url,
        "GATEWAY__STORE__URL": redis_url,
        "GATEWAY__SIGNIN__KEY_FILE": str(keys),
    }
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(SigningWorld(folder, settings=settings))
        own = {
            "GATEWAY__AUDIT__DIR": str(folder / "other"),
            "GATEWAY__AUDIT__SECOND": str(folder / "other.log"),
        }
        config = folder / "gateway.toml"
        order = json.dumps([str(config), {**world._environ, **own}, skew, port])
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", OTHER, order)
        stack.push_async_callback(process.wait)
        stack.callback(process.terminate)
        named = {"host": urlsplit(world.sandbox.gateway_url).netloc}
        client = httpx2.AsyncClient(trust_env=False, timeout=30, headers=named)
        both = Pair(world, f"http://127.0.0.1:{port}", await stack.enter_async_context(client), keys, config)

        async def ready() -> bool:
            assert process.returncode is None
            try:
                return (await client.get(f"{both.url}/readyz")).status_code == 200
            except httpx2.TransportError:
                return False

        await until(ready)
        yield both


async def test_a_sign_in_at_one_goes_on_at_the_other(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """Its code, its tokens, ten refreshes at both at once, which give one successor; and its end."""
    async with pair(tmp_path, postgres_url, redis_url) as both:
        here = await both.world.assistant()
        there = both.at_the_other(here)
        code = await code_of(await both.world.person(), here)
        told = (await there.redeem(code)).json()
        assert await both.statuses(told["access_token"]) == (200, 200)
        assert (await here.refresh("x")).json()["error"] == "invalid_grant"

        await both.world.later()
        asked = both.world.sandbox.idp.counts["token"]
        replies = await asyncio.gather(
            *((here, there)[n % 2].refresh(told["refresh_token"]) for n in range(10))
        )
        assert [reply.status_code for reply in replies] == [200] * 10
        assert len({reply.json()["refresh_token"] for reply in replies}) == 1
        assert both.world.sandbox.idp.counts["token"] == asked + 1
        newest = replies[0].json()

        assert (await here.redeem(code)).json()["error"] == "invalid_grant"  # used at the other

        async def refused() -> bool:
            return await both.statuses(newest["access_token"]) == (401, 401)

        await until(refused)
        for one in (here, there):
            assert (await one.refresh(newest["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("skew", [-20.0, 20.0])
async def test_clocks_that_differ_change_nothing(
    tmp_path: Path, postgres_url: str, redis_url: str, skew: float
) -> None:
    """Twenty seconds either way: tokens of each are good at both, the grace holds, an end is an end."""
    async with pair(tmp_path, postgres_url, redis_url, skew=skew) as both:
        here = await both.world.assistant()
        there = both.at_the_other(here)
        for first, second in ((here, there), (there, here)):
            told = (await second.redeem(await code_of(await both.world.person(), here))).json()
            assert await both.statuses(told["access_token"]) == (200, 200)
            newest = (await first.refresh(told["refresh_token"])).json()
            again = (await second.refresh(told["refresh_token"])).json()
            assert again["refresh_token"] == newest["refresh_token"]
            last = (await second.refresh(newest["refresh_token"])).json()
            assert await both.statuses(last["access_token"]) == (200, 200)
            form = {"token": last["refresh_token"], "client_id": here.client_id}
            assert (await first.http.post(f"{first.base}/revoke", data=form)).status_code == 200

            async def refused(told: dict[str, str] = last) -> bool:
                return await both.statuses(told["access_token"]) == (401, 401)

            await until(refused)
            assert (await second.refresh(last["refresh_token"])).json()["error"] == "invalid_grant"


async def test_both_roll_the_keys_of_access_tokens(
    tmp_path: Path, postgres_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens of the key before are good at both until the next roll; refresh tokens are of no key."""
    async with pair(tmp_path, postgres_url, redis_url) as both:
        here = await both.world.assistant()
        there = both.at_the_other(here)
        told = (await here.redeem(await code_of(await both.world.person(), here))).json()
        following = [jwk["kid"] for jwk in ClientKeys(both.keys).jwks()["keys"]][1]
        oldest = told["access_token"]

        async def signs(kid: str) -> bool:
            nonlocal told
            kids = set()
            for one in (here, there):
                told = (await one.refresh(told["refresh_token"])).json()
                kids.add(parse(told["access_token"]).header["kid"])
            return kids == {kid}

        await asyncio.to_thread(roll, both)
        await until(lambda: signs(following))
        assert await both.statuses(oldest) == (200, 200)
        published = (await both.http.get(f"{both.url}/.well-known/oauth-jwks.json")).json()["keys"]
        assert following in {key["kid"] for key in published} and len(published) == 3

        await asyncio.to_thread(roll, both, code=3)
        assert "wait" in capsys.readouterr().err
        second = told["access_token"]
        await asyncio.to_thread(roll, both, "--now")

        async def refused() -> bool:
            return await both.statuses(oldest) == (401, 401)

        await until(refused)
        assert await both.statuses(second) == (200, 200)
        assert (await there.refresh(told["refresh_token"])).status_code == 200


def roll(both: Pair, *more: str, code: int = 0) -> None:
    """`secrets roll-access-key`, beside the running gateways."""
    text = both.config.read_text() + f'\n[signin]\nkey_file = "{both.keys}"\n'
    beside = both.config.with_name("beside.toml")
    beside.write_text(text)
    assert main(["secrets", "roll-access-key", *more, "--config", str(beside)]) == code
