"""The ring of our own: a file that only the gateway may read, changed while it runs."""

import base64
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway import clock
from gateway.credential import kek
from gateway.credential.kek import KeyRefused, Wrapped, local
from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.settings import Vault
from tests.credential.sealing import FIRST_KEY, SECOND_KEY, ring_file

CONTEXT = {"subject": "ana"}
GOOD = base64.b64encode(FIRST_KEY).decode()


def ring(**settings: object) -> kek.KeyRing | None:
    """Of these settings."""
    return kek.ring(Vault.model_validate(settings), Outward())


def made(**settings: object) -> kek.KeyRing:
    """The same, where there must be one."""
    found = ring(**settings)
    assert found is not None
    return found


def test_no_key_is_no_ring() -> None:
    """There is no default one."""
    assert ring() is None


async def test_a_file_and_a_secret_are_read_alike(tmp_path: Path) -> None:
    """Comments and empty lines are left out; the first key wraps."""
    file = ring_file(tmp_path, ("k2", SECOND_KEY), ("k1", FIRST_KEY))
    text = f"# of spring\n\n  k2:{base64.b64encode(SECOND_KEY).decode()}\r\nk1:{GOOD}\n"
    from_file, from_secret = made(key_file=file), made(key_secret=SecretStr(text))
    data_key, wrapped = await from_file.fresh(CONTEXT)
    assert wrapped.key_id == "k2"
    assert await from_secret.unwrap(wrapped, CONTEXT) == data_key


BAD = {
    "nothing": "",
    "only a comment": "# k1\n",
    "no id": GOOD,
    "no key": "k1:",
    "short": f"k1:{base64.b64encode(b'canary-of-a-key').decode()}",
    "long": f"k1:{base64.b64encode(bytes(33)).decode()}",
    "no base64": "k1:" + "canary-" * 6 + "a=",
    "twice": f"k1:{GOOD}\nk1:{GOOD}",
    "a colon in the id": f"k:1:{GOOD}",
    "a space in the id": f"k 1:{GOOD}",
    "not text": "k1:\xff",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_ring_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """With its place, and without what is in it."""
    file = tmp_path / "vault.keys"
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=r"vault\.keys|vault\.key_file") as raised:
        ring(key_file=file)
    assert "canary" not in str(raised.value) and GOOD not in str(raised.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o777])
def test_a_file_that_everybody_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """The remedy is a command."""
    with pytest.raises(ConfigError, match="chmod o= "):
        ring(key_file=ring_file(tmp_path, ("k1", FIRST_KEY), mode=mode))


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440])
def test_a_file_that_its_group_may_read_is_good(tmp_path: Path, mode: int) -> None:
    """Kubernetes mounts secrets so."""
    assert ring(key_file=ring_file(tmp_path, ("k1", FIRST_KEY), mode=mode))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """How the first key is made."""
    with pytest.raises(ConfigError, match="vault rotate"):
        ring(key_file=tmp_path / "none")


def test_two_places_are_one_too_many(tmp_path: Path) -> None:
    """Which one counts would be a guess."""
    with pytest.raises(ConfigError, match="Remove one"):
        ring(key_file=ring_file(tmp_path, ("k1", FIRST_KEY)), key_secret=f"k1:{GOOD}")


async def test_the_id_is_bound_too(tmp_path: Path) -> None:
    """The same key under another name does not open what the first one wrapped."""
    keys = made(key_file=ring_file(tmp_path, ("k1", FIRST_KEY), ("k2", FIRST_KEY)))
    _, wrapped = await keys.fresh(CONTEXT)
    with pytest.raises(KeyRefused):
        await keys.unwrap(Wrapped("k2", wrapped.data), CONTEXT)


async def test_a_rotation_is_seen_by_a_ring_that_runs(tmp_path: Path) -> None:
    """The new key is first, the others stay, in their order; ids of one day are told apart."""
    file = ring_file(tmp_path, ("k1", FIRST_KEY), mode=0o640)
    keys = made(key_file=file)
    data_key, old = await keys.fresh(CONTEXT)
    today = clock.iso()[:10]
    assert [local.rotate(file) for _ in range(3)] == [today, f"{today}.2", f"{today}.3"]
    assert list(local.read_file(file)) == [f"{today}.3", f"{today}.2", today, "k1"]
    assert len(set(local.read_file(file).values())) == 4
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert (await keys.fresh(CONTEXT))[1].key_id == f"{today}.3"
    assert await keys.unwrap(old, CONTEXT) == data_key


def test_a_rotation_makes_the_first_key(tmp_path: Path) -> None:
    """In a folder and a file for the owner alone."""
    file = tmp_path / "secrets" / "vault.keys"
    local.rotate(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert ring(key_file=file)


def test_two_rotations_at_once_are_one(tmp_path: Path) -> None:
    """One would write over the other's key."""
    file = ring_file(tmp_path, ("k1", FIRST_KEY))
    with local._alone(tmp_path), pytest.raises(ConfigError, match="another rotation"):
        local.rotate(file)
    assert list(local.read_file(file)) == ["k1"]
    local.rotate(file)
    assert len(local.read_file(file)) == 2


@pytest.mark.parametrize("harm", ["broken", "readable", "gone"])
async def test_a_file_that_became_unusable_changes_nothing(tmp_path: Path, harm: str) -> None:
    """The keys before it stay in use until it is whole again."""
    file = ring_file(tmp_path, ("k1", FIRST_KEY))
    keys = made(key_file=file)
    if harm == "broken":
        file.write_text("k2:canary")
    elif harm == "readable":
        ring_file(tmp_path, ("k2", SECOND_KEY), mode=0o644)
    else:
        file.unlink()
    assert (await keys.fresh(CONTEXT))[1].key_id == "k1"
    file.unlink(missing_ok=True)
    ring_file(tmp_path, ("k2", SECOND_KEY), ("k1", FIRST_KEY))
    assert (await keys.fresh(CONTEXT))[1].key_id == "k2"
