"""The sandbox as one thing: it starts, is what it says it is, and leaves nothing behind."""

import asyncio
import dataclasses
import gc
from pathlib import Path

import httpx2
import orjson
import psutil  # type: ignore[import-untyped]
import pytest
from starlette.requests import Request

from gateway.config import load
from gateway.http import Ask, Outward
from sandbox.people import PEOPLE
from sandbox.run import Addresses, Sandbox, config_toml
from sandbox.serve import free_port, listen

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


async def jira_token(sandbox: Sandbox, web: httpx2.AsyncClient, user: str) -> str:
    """A Jira token for `user`, as the gateway gets it."""
    form = {
        "grant_type": EXCHANGE,
        "subject_token": sandbox.token(user),
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": sandbox.jira_url,
    }
    auth = (sandbox.gateway_client_id, sandbox.gateway_client_secret)
    reply = await web.post(f"{sandbox.issuer}/token", data=form, auth=auth)
    token: str = reply.json()["access_token"]
    return token


@pytest.mark.parametrize("user", ["ana", "bo"])
async def test_an_exchanged_token_is_that_person_at_jira(user: str) -> None:
    """The two parts trust each other: Jira knows the person of an exchanged token, and nobody else."""
    async with Sandbox() as sandbox, httpx2.AsyncClient(trust_env=False, verify=False) as web:
        bearer = {"Authorization": f"Bearer {await jira_token(sandbox, web, user)}"}
        me = await web.get(f"{sandbox.jira_url}/rest/api/3/myself", headers=bearer)
        assert me.json()["accountId"] == PEOPLE[user].account_id
        inbound = {"Authorization": f"Bearer {sandbox.token(user)}"}
        refused = await web.get(f"{sandbox.jira_url}/rest/api/3/myself", headers=inbound)
        assert refused.status_code == 401


async def test_it_stops_without_a_trace() -> None:
    """After the block no task, no socket and no warning is left, and the ports are free again."""
    before = asyncio.all_tasks()
    async with Sandbox() as sandbox:
        addresses = sandbox.addresses
    gc.collect()
    assert asyncio.all_tasks() == before
    for url in (addresses.jira, addresses.issuer, addresses.gateway):
        listen("127.0.0.1", int(url.rpartition(":")[2])).close()


async def test_a_hanging_part_does_not_hang_the_end() -> None:
    """Requests that a fault keeps waiting are let go when the sandbox stops."""
    async with asyncio.timeout(10), Outward() as http:
        async with Sandbox() as sandbox:
            arrived = asyncio.Event()

            async def arrive(endpoint: str, request: Request) -> None:
                arrived.set()

            sandbox.idp.faults.hook, sandbox.idp.faults.hang = arrive, 600
            waiting = asyncio.create_task(http.send(Ask("GET", f"{sandbox.issuer}/jwks")))
            await arrived.wait()
        assert (await waiting).status == 200


async def test_an_error_in_the_block_stops_it_too() -> None:
    """A failing test does not leave servers behind."""
    with pytest.raises(LookupError):
        async with Sandbox() as sandbox:
            raise LookupError
    with pytest.raises(httpx2.ConnectError):
        async with httpx2.AsyncClient(trust_env=False, verify=False) as web:
            await web.get(f"{sandbox.issuer}/jwks")


async def test_ports_can_be_fixed() -> None:
    """Jira, the provider and the gateway stand side by side from `port_base`."""
    base = free_port("127.0.0.1")
    async with Sandbox(base) as sandbox:
        assert sandbox.addresses == Addresses.at(base)
        assert sandbox.gateway_resource == f"http://127.0.0.1:{base + 2}/mcp"


async def test_a_taken_port_is_told_and_nothing_stays_open() -> None:
    """The second port is taken: the first is given back, and the error says what to do."""
    base = free_port("127.0.0.1")
    other = listen("127.0.0.1", base + 1)
    try:
        with pytest.raises(OSError, match=f"Port {base + 1} on 127.0.0.1 is taken"):
            async with Sandbox(base):
                raise AssertionError("it started")
    finally:
        other.close()
    listen("127.0.0.1", base).close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.com", "127.0.0.1.example.com"])
def test_it_refuses_to_be_reached_from_elsewhere(host: str) -> None:
    """Its passwords are public, so it listens on loopback or not at all."""
    with pytest.raises(ValueError, match="loopback"):
        Sandbox(host=host)
    with pytest.raises(ValueError, match="loopback"):
        listen(host, 0)


async def test_it_really_listens_on_loopback_only() -> None:
    """Every socket that listens in this process is bound to 127.0.0.1."""
    async with Sandbox() as sandbox:
        listening = {
            connection.laddr
            for connection in psutil.Process().net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert {ip for ip, _ in listening} == {"127.0.0.1"}
        ports = {int(url.rpartition(":")[2]) for url in (sandbox.jira_url, sandbox.issuer)}
        assert ports <= {port for _, port in listening}


async def test_it_can_be_called_localhost() -> None:
    """The same by name: addresses, issuer and audience all say localhost."""
    async with Sandbox(host="localhost") as sandbox, httpx2.AsyncClient(trust_env=False, verify=False) as web:
        assert sandbox.issuer.startswith("http://localhost:")
        token = await jira_token(sandbox, web, "ana")
        bearer = {"Authorization": f"Bearer {token}"}
        reply = await web.get(f"{sandbox.jira_url}/rest/api/3/myself", headers=bearer)
        assert reply.status_code == 200


async def test_it_takes_other_people() -> None:
    """Tests of isolation bring fifty users of their own."""
    ana = PEOPLE["ana"]
    crowd = {
        f"u{n}": dataclasses.replace(
            ana, name=f"u{n}", email=f"u{n}@x.example", account_id=f"712020:u{n}", password=f"p{n}"
        )
        for n in range(50)
    }
    async with Sandbox(people={**PEOPLE, **crowd}) as sandbox:
        async with httpx2.AsyncClient(trust_env=False, verify=False) as web:
            bearer = {"Authorization": f"Bearer {await jira_token(sandbox, web, 'u49')}"}
            me = await web.get(f"{sandbox.jira_url}/rest/api/3/myself", headers=bearer)
        assert me.json()["accountId"] == "712020:u49"


async def test_two_sandboxes_do_not_meet() -> None:
    """Each has its own keys, ports and state: a token of one is nothing to the other."""
    async with Sandbox() as one, Sandbox() as two:
        assert {one.jira_url, one.issuer}.isdisjoint({two.jira_url, two.issuer})
        foreign = one.idp.mint("ana", aud=two.jira_url, iss=two.issuer)
        assert await two.idp.jira_claims(foreign) is None


async def test_it_describes_itself() -> None:
    """What `sandbox --json` prints: addresses, users with what they need to sign in, and clients."""
    async with Sandbox() as sandbox:
        told = orjson.loads(orjson.dumps(sandbox.describe()))
        assert (told["jira"], told["issuer"]) == (sandbox.jira_url, sandbox.issuer)
        assert told["gateway"] == sandbox.gateway_url
        assert told["resource"] == sandbox.gateway_url + "/mcp"
        assert set(told["users"]) == set(PEOPLE)
        assert told["users"]["ana"]["password"] == "ana-sandbox"
        assert told["users"]["lee"]["otp_secret"] == PEOPLE["lee"].otp_secret
        assert told["clients"]["demo-assistant"] == "Demo assistant"


def test_its_settings_are_valid_and_relative(tmp_path: Path) -> None:
    """`gateway.toml` for a sandbox loads as it is, agrees with it, and names no place outside its folder."""
    addresses = Addresses.at(8140)
    file = tmp_path / "gateway.toml"
    file.write_text(config_toml(addresses))
    settings = load(file, {})
    assert settings.server.public_url == addresses.gateway
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8142)
    assert settings.identity.issuers[0].issuer == addresses.issuer
    assert settings.identity.issuers[0].audience == addresses.resource
    assert settings.jira[0].credential[0].token_endpoint == f"{addresses.issuer}/token"
    assert (settings.jira[0].credential[0].audience, settings.jira[0].url) == (addresses.jira, addresses.jira)
    assert settings.jira[0].credential[0].client_secret.get_secret_value() == Sandbox.gateway_client_secret
    for path in (settings.audit.dir, settings.audit.second):
        assert path.is_relative_to(tmp_path)
