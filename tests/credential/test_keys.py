"""What every key ring does, whoever holds the keys."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.credential import kek, seal
from gateway.credential.kek import KeyRefused, KeyRing, Wrapped
from gateway.credential.rewrap import rewrap
from gateway.credential.sealed import SealedVault
from gateway.errors import ConfigError, Unavailable
from gateway.http import Outward
from gateway.settings import Vault
from gateway.store.sql import Database
from sandbox.serve import Served, listen
from tests.credential import kms
from tests.credential.sealing import ANA, BEN, ring_file, said, tokens
from tests.servers import OpenBao

CONTEXT = seal.context(ANA)


@dataclass
class Case:
    """A ring, and who keeps its keys."""

    ring: KeyRing
    rotate: Callable[[], Awaitable[str]]
    """A new key wraps from now on; its id."""
    destroy: Callable[[str], Awaitable[None]]
    """The key of that id is gone."""
    settings: Vault


async def local(folder: Path, outward: Outward, stack: AsyncExitStack) -> Case:
    """A file."""
    keys = {"k0": secrets.token_bytes(32)}

    def write() -> None:
        ring_file(folder, *reversed(keys.items()))

    async def rotate() -> str:
        made = f"k-{secrets.token_hex(4)}"
        keys[made] = secrets.token_bytes(32)
        write()
        return made

    async def destroy(key_id: str) -> None:
        del keys[key_id]
        write()

    write()
    settings = Vault(key_file=folder / "vault.keys")
    ring = kek.ring(settings, outward)
    assert ring is not None
    return Case(ring, rotate, destroy, settings)


async def openbao(outward: Outward, server: OpenBao) -> Case:
    """A transit key of its own, and a token that may do no more than it must."""
    name = f"key-{secrets.token_hex(4)}"
    server.ask("POST", f"transit/keys/{name}", derived=True)
    token = server.token(*(f"transit/{what}/{name}" for what in ("encrypt", "decrypt", "rewrap")))

    async def rotate() -> str:
        server.ask("POST", f"transit/keys/{name}/rotate", x=1)
        return f"{name}:v{server.ask('GET', f'transit/keys/{name}')['data']['latest_version']}"

    async def destroy(key_id: str) -> None:
        newest = server.ask("GET", f"transit/keys/{name}")["data"]["latest_version"]
        server.ask("POST", f"transit/keys/{name}/config", min_decryption_version=newest)

    settings = Vault(provider="openbao", address=server.url, key_name=name, token_secret=SecretStr(token))
    ring = kek.ring(settings, outward)
    assert ring is not None
    return Case(ring, rotate, destroy, settings)


async def awskms(outward: Outward, stack: AsyncExitStack) -> Case:
    """A key behind an alias."""
    service = kms.Kms()
    sock = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{sock.getsockname()[1]}"
    await stack.enter_async_context(Served(service.app, sock))
    service.make("alias/vault")

    async def rotate() -> str:
        return service.make("alias/vault")

    async def destroy(key_id: str) -> None:
        del service.keys[key_id]

    settings = Vault(provider="awskms", address=address, key_name="alias/vault", region=kms.REGION)
    ring = kek.ring(settings, outward)
    assert ring is not None
    stack.callback(ring._client.close)  # type: ignore[attr-defined]
    return Case(ring, rotate, destroy, settings)


@pytest.fixture(params=["local", pytest.param("openbao", marks=pytest.mark.needs_servers), "awskms"])
async def case(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Case]:
    """Each kind of ring."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": kms.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": kms.SECRET_KEY,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    async with AsyncExitStack() as stack:
        outward = await stack.enter_async_context(Outward())
        if request.param == "openbao":
            yield await openbao(outward, request.getfixturevalue("openbao_server"))
        elif request.param == "awskms":
            yield await awskms(outward, stack)
        else:
            yield await local(tmp_path, outward, stack)


async def test_a_data_key_comes_back(case: Case) -> None:
    """Under the same context, also in another order of its names; each is another one."""
    data_key, wrapped = await case.ring.fresh(CONTEXT)
    assert len(data_key) == 32 and data_key not in wrapped.data
    assert await case.ring.unwrap(wrapped, dict(reversed(CONTEXT.items()))) == data_key
    other, other_wrapped = await case.ring.fresh(CONTEXT)
    assert other != data_key and other_wrapped.data != wrapped.data


@pytest.mark.parametrize("name", [*CONTEXT, "none"])
async def test_in_another_context_it_does_not(case: Case, name: str) -> None:
    """Each name of the context counts, for unwrapping and for wrapping anew."""
    _, wrapped = await case.ring.fresh(CONTEXT)
    other = {} if name == "none" else {**CONTEXT, name: "another"}
    for asking in (case.ring.unwrap(wrapped, other), case.ring.rewrap(wrapped, other)):
        with pytest.raises(KeyRefused):
            await asking


async def test_values_do_not_run_into_each_other(case: Case) -> None:
    """Two contexts whose texts are the same when put together are two."""
    _, wrapped = await case.ring.fresh({"a": "bc", "d": "e"})
    for other in ({"a": "b", "cd": "e"}, {"a": "bcd", "e": ""}, {"ab": "c", "d": "e"}):
        with pytest.raises(KeyRefused):
            await case.ring.unwrap(wrapped, other)


@pytest.mark.parametrize("byte", [0, 12, -1])
async def test_changed_bytes_are_refused(case: Case, byte: int) -> None:
    """At the beginning, in the middle and at the end; and what is no wrapped key at all."""
    _, wrapped = await case.ring.fresh(CONTEXT)
    data = bytearray(wrapped.data)
    data[byte] ^= 1
    for changed in (bytes(data), b"", b"\xff\xfe", wrapped.data[:-3]):
        with pytest.raises(KeyRefused):
            await case.ring.unwrap(replace(wrapped, data=changed), CONTEXT)


async def test_the_ring_is_proved(case: Case) -> None:
    """It tells the key that wraps now."""
    _, wrapped = await case.ring.fresh(CONTEXT)
    assert await kek.proved(case.ring) == wrapped.key_id


async def test_after_a_rotation_both_open_and_the_new_one_wraps(case: Case) -> None:
    """Under a ring that runs; wrapped anew it is the same data key."""
    data_key, old = await case.ring.fresh(CONTEXT)
    made = await case.rotate()
    _, new = await case.ring.fresh(CONTEXT)
    assert new.key_id == made != old.key_id
    assert await case.ring.unwrap(old, CONTEXT) == data_key
    moved = await case.ring.rewrap(old, CONTEXT)
    assert moved.key_id == made
    assert await case.ring.unwrap(moved, CONTEXT) == data_key


async def test_what_a_destroyed_key_wrapped_is_gone(case: Case) -> None:
    """Crypto-shred; what was wrapped anew before stays."""
    data_key, old = await case.ring.fresh(CONTEXT)
    await case.rotate()
    moved = await case.ring.rewrap(old, CONTEXT)
    await case.destroy(old.key_id)
    with pytest.raises(KeyRefused):
        await case.ring.unwrap(old, CONTEXT)
    assert await case.ring.unwrap(moved, CONTEXT) == data_key


async def test_a_vault_on_it(case: Case, tmp_path: Path) -> None:
    """Links, a rotation, a rewrap, a restart and a shred."""
    async with Database(f"sqlite:///{tmp_path}/g.db") as database:
        vault = SealedVault(database, case.ring)
        await vault.start()
        given = {key: tokens() for key in (ANA, BEN)}
        for key, one in given.items():
            await vault.link(key, "acc", one)
        first = (await case.ring.fresh(CONTEXT))[1].key_id
        active = await case.rotate()
        report = await rewrap(database, case.ring, active)
        assert (report.moved, report.refused) == (2, [])
        await case.destroy(first)
        for reader in (vault, SealedVault(database, case.ring)):
            for key, one in given.items():
                found = await reader.read(key)
                assert found is not None and said(found.tokens) == said(one)
        assert await vault.replace(ANA, 1, tokens())
        await case.rotate()
        await case.destroy(active)
        with pytest.raises(Unavailable):
            await SealedVault(database, case.ring).read(ANA)


async def test_nothing_secret_is_told(case: Case) -> None:
    """Neither by what it gives, nor by what it raises."""
    data_key, wrapped = await case.ring.fresh(CONTEXT)
    with pytest.raises(KeyRefused) as raised:
        await case.ring.unwrap(wrapped, {})
    for text in (repr(wrapped), str(raised.value), repr(case.ring), repr(case.settings)):
        assert "canary" not in text and data_key.hex() not in text and repr(data_key) not in text


class Careless:
    """A ring that does not hold to the context, as a transit key does that is not derived."""

    def __init__(self, ring: Any) -> None:
        self.fresh = lambda context: ring.fresh(CONTEXT)
        self.unwrap = lambda wrapped, context: ring.unwrap(wrapped, CONTEXT)
        self.rewrap = lambda wrapped, context: ring.rewrap(wrapped, CONTEXT)


async def test_a_ring_that_binds_nothing_is_refused_at_start(case: Case, tmp_path: Path) -> None:
    """Grants could be exchanged between people: the gateway does not start on it."""
    async with Database(f"sqlite:///{tmp_path}/g.db") as database:
        with pytest.raises(ConfigError, match="exchanged between people"):
            await SealedVault(database, Careless(case.ring)).start()


def test_a_wrapped_key_does_not_print_itself() -> None:
    """It is of no use to a log."""
    assert "data" not in repr(Wrapped("k1", b"data"))
