"""A real OpenBao: what it must be set up like, and what is said when it is not."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.credential import kek
from gateway.credential.kek import KeyRefused, KeyRing, KeysDown
from gateway.credential.sealed import SealedVault
from gateway.errors import ConfigError, Unavailable
from gateway.http import Outward
from gateway.settings import Vault
from gateway.store.sql import Database
from tests.credential.sealing import ANA, BEN, tokens
from tests.servers import OpenBao

pytestmark = pytest.mark.needs_servers
CONTEXT = {"subject": "ana"}


@pytest.fixture
async def outward() -> AsyncIterator[Outward]:
    """A pool."""
    async with Outward() as pool:
        yield pool


def ring(outward: Outward, server: OpenBao, **changes: Any) -> KeyRing:
    """The ring of these settings."""
    values = {
        "provider": "openbao",
        "address": server.url,
        "key_name": "vault",
        "token_secret": SecretStr(server.root),
    }
    made = kek.ring(Vault(**values | changes), outward)
    assert made is not None
    return made


async def test_a_key_that_is_not_derived_is_refused_at_start(
    outward: Outward, openbao_server: OpenBao
) -> None:
    """It would unwrap Ana's data key for Ben; the remedy is told."""
    name = f"plain-{secrets.token_hex(4)}"
    openbao_server.ask("POST", f"transit/keys/{name}", derived=False)
    with pytest.raises((ConfigError, KeyRefused)) as raised:
        await kek.proved(ring(outward, openbao_server, key_name=name))
    assert "deriv" in str(raised.value)


async def test_a_key_at_another_mount(outward: Outward, openbao_server: OpenBao) -> None:
    """`MOUNT/KEY`, also when the mount has slashes."""
    mount = f"team/transit-{secrets.token_hex(4)}"
    openbao_server.ask("POST", f"sys/mounts/{mount}", type="transit")
    openbao_server.ask("POST", f"{mount}/keys/ours", derived=True)
    made = ring(outward, openbao_server, key_name=f"{mount}/ours")
    assert await kek.proved(made) == "ours:v1"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"token_secret": SecretStr("canary-wrong")}, "403"),
        ({"token_secret": SecretStr("")}, "403"),
        ({"key_name": "elsewhere/vault"}, "404"),
        ({"address": "http://127.0.0.1:1"}, "cannot connect"),
    ],
    ids=["token", "no token", "mount", "address"],
)
async def test_who_is_not_let_in_is_told_why(
    outward: Outward, openbao_server: OpenBao, changes: dict[str, Any], why: str
) -> None:
    """To be tried again: the service may be put right while we run."""
    with pytest.raises(KeysDown, match=why) as raised:
        await ring(outward, openbao_server, **changes).fresh(CONTEXT)
    assert "canary" not in str(raised.value)


async def test_a_token_may_do_no_more_than_it_must(outward: Outward, openbao_server: OpenBao) -> None:
    """Encrypt is enough to link, and does not read."""
    token = SecretStr(openbao_server.token("transit/encrypt/vault"))
    made = ring(outward, openbao_server, token_secret=token)
    _, wrapped = await made.fresh(CONTEXT)
    with pytest.raises(KeysDown, match="permission denied"):
        await made.unwrap(wrapped, CONTEXT)


async def test_while_it_is_down_nothing_is_sealed_and_nothing_is_lost(
    outward: Outward, tmp_path: Path
) -> None:
    """Who is known goes on for five minutes, a refresh is not begun without the key, and all comes back."""
    with OpenBao() as server:
        async with Database(f"sqlite:///{tmp_path}/g.db") as database:
            vault, replica = (SealedVault(database, ring(outward, server)) for _ in range(2))
            await vault.start()
            await vault.link(ANA, "acc", tokens())
            server.ask("PUT", "sys/seal", x=1)
            await replica.start()
            assert not replica.state()[0] and "503" in replica.state()[1]
            assert await vault.read(ANA), "its data key is in memory"
            for asking in (vault.link(BEN, "acc", tokens()), replica.read(ANA), replica.intend(ANA, 1)):
                with pytest.raises(Unavailable) as raised:
                    await asking
                assert raised.value.part == "vault" and "503" in raised.value.private
            assert not vault.state()[0]
            head = await vault.head(ANA)
            assert head is not None and not head.ended
            assert (await vault.read(ANA)).intent_at is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes", [{"address": ""}, {"key_name": ""}, {"address": "http://bao.test:8200"}, {"address": "bao"}]
)
def test_settings_that_lack_something(openbao_server: OpenBao, changes: dict[str, Any]) -> None:
    """Said at start, with the name of the setting."""
    with pytest.raises(ConfigError, match="vault"):
        ring(Outward(), openbao_server, **changes)
