"""`vault rotate`, `vault rewrap` and `vault status`, as an operator runs them beside a gateway that runs."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli import FAILED, GOOD, SETTINGS, main
from gateway.credential import rows
from gateway.credential.kek import Wrapped, local
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import LinkKey
from gateway.store.sql import Database
from sandbox.run import Addresses, config_toml
from tests.credential.sealing import ISSUER, said, tokens

PEOPLE = [LinkKey(ISSUER, f"p{n}", "cloud") for n in range(3)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Settings that name a ring that is not there yet."""
    text = config_toml(Addresses.at(9500)) + '\n[vault]\nkey_file = "secrets/vault.keys"\n'
    (tmp_path / "gateway.toml").write_text(text)
    return tmp_path


def run(place: Path, *words: str) -> int:
    """One command."""
    return main(["vault", *words, "--config", str(place / "gateway.toml")])


def database(place: Path) -> Database:
    """Where the settings say."""
    return Database(f"sqlite:///{place}/data/gateway.db")


def ring(place: Path) -> local.LocalRing:
    """As a gateway reads it."""
    file = place / "secrets" / "vault.keys"
    return local.LocalRing(local.read_file(file), file)


async def linked(place: Path) -> dict[LinkKey, object]:
    """Three people, one of whose grants died."""
    async with database(place) as opened:
        vault = SealedVault(opened, ring(place))
        made = {key: said((await vault.link(key, "acc", tokens())).tokens) for key in PEOPLE}
        await vault.end(PEOPLE[2], 1, "revoked")
        return made


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """What it printed."""
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_from_no_key_to_the_second(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first key, links under it, the second, all links moved, and they open under it alone."""
    assert run(place, "status") == SETTINGS
    assert "vault rotate" in capsys.readouterr().err
    assert run(place, "rotate") == GOOD
    assert "Back the file up" in capsys.readouterr().err
    made = asyncio.run(linked(place))
    today = clock.iso()[:10]
    assert run(place, "status", "--json") == GOOD
    first = told(capsys)
    assert first["keys"][0].pop("oldest") <= clock.iso()  # type: ignore[index]
    assert first == {
        "active": today,
        "live": 2,
        "ended": 1,
        "refreshes_begun": 0,
        "keys": [{"id": today, "links": 2}],
    }
    assert run(place, "rotate", "--json") == GOOD
    assert told(capsys) == {"active": f"{today}.2", "moved": 2, "refused": []}
    assert run(place, "rewrap", "--json") == GOOD
    assert told(capsys) == {"active": f"{today}.2", "moved": 0, "refused": []}
    file = place / "secrets" / "vault.keys"
    file.write_text(file.read_text().splitlines()[0] + "\n")

    async def opened() -> None:
        async with database(place) as there:
            vault = SealedVault(there, ring(place))
            for key in PEOPLE[:2]:
                found = await vault.read(key)
                assert found is not None and said(found.tokens) == made[key]

    asyncio.run(opened())
    assert run(place, "status") == GOOD
    shown = capsys.readouterr().out
    assert "2 links, 1 ended" in shown and f"{today}.2 wraps now" in shown
    assert "canary" not in shown


def test_a_link_that_cannot_be_moved_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are moved; the command fails, so that nobody removes the old key."""
    run(place, "rotate")
    asyncio.run(linked(place))

    async def harm() -> None:
        async with database(place) as opened:
            row = await opened.read(lambda connection: rows.live(PEOPLE[0], connection))
            old = rows.wrapped(row)
            assert await opened.run(
                lambda connection: rows.rewrap(PEOPLE[0], old, Wrapped(old.key_id, b"x"), connection)
            )

    asyncio.run(harm())
    capsys.readouterr()
    assert run(place, "rotate") == FAILED
    said_to = capsys.readouterr()
    assert "1 links are under key" in said_to.out and f"{ISSUER} p0 cloud: " in said_to.err


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ('key_secret = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="', "Put a new key first"),
        ('provider = "openbao"\naddress = "http://127.0.0.1:1"\nkey_name = "vault"', "vault rewrap"),
    ],
    ids=["secret", "openbao"],
)
def test_what_is_not_ours_to_rotate(
    place: Path, capsys: pytest.CaptureFixture[str], section: str, why: str
) -> None:
    """Where the keys are kept elsewhere, it says where."""
    file = place / "gateway.toml"
    file.write_text(file.read_text().replace('key_file = "secrets/vault.keys"', section))
    assert run(place, "rotate") == SETTINGS
    assert why in capsys.readouterr().err


def test_a_service_that_is_away_is_a_sentence(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No stack trace."""
    file = place / "gateway.toml"
    section = 'provider = "openbao"\naddress = "http://127.0.0.1:1"\nkey_name = "vault"'
    file.write_text(file.read_text().replace('key_file = "secrets/vault.keys"', section))
    assert run(place, "rewrap") == FAILED
    assert "cannot connect" in capsys.readouterr().err
