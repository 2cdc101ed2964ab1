"""Our public keys at their address, where providers look for them."""

from pathlib import Path

import pytest

from gateway import clock, limits
from gateway.app import Gateway
from gateway.credential.keys import KEY_FILE, roll
from gateway.errors import ConfigError
from gateway.jose import public_key, signed_claims
from tests.world import World

PATH = "/.well-known/jwks.json"


async def test_providers_find_the_keys_that_we_sign_with(tmp_path: Path) -> None:
    """Anybody may read them, and a roll shows without a restart (RFC 7517 §5)."""
    async with World(tmp_path) as world:
        url = world.sandbox.gateway_url + PATH
        answer = await world.http.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert "max-age" in answer.headers["cache-control"]
        keys = {jwk["kid"]: public_key(jwk) for jwk in answer.json()["keys"]}
        signing = world.gateway.keys.signing
        assert signed_claims(signing.sign({"a": 1}), keys[signing.kid], {"ES256"}) == {"a": 1}
        assert "d" not in {name for jwk in answer.json()["keys"] for name in jwk}

        roll(world.settings.audit.dir / KEY_FILE)
        with clock.shifted(mono=limits.FILE_LOOK_SECONDS):
            after = [jwk["kid"] for jwk in (await world.http.get(url)).json()["keys"]]
        assert after[0] in keys and signing.kid not in after
        assert (await world.http.post(url)).status_code == 405


async def test_a_key_file_that_is_none_stops_the_start(tmp_path: Path) -> None:
    """By its name and with what to do, before anybody is served."""
    (tmp_path / "bad.pem").write_text("no key")
    async with World(tmp_path, serve=False) as world:
        client = world.settings.client.model_copy(update={"key_file": tmp_path / "bad.pem"})
        with pytest.raises(ConfigError, match=r"client\.key_file: .*bad\.pem"):
            Gateway(world.settings.model_copy(update={"client": client}))
