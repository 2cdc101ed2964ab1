"""The gateway as a client: how it proves itself, and how its secrets and keys change while it runs."""

import logging
import os
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, limits
from gateway.config import load
from gateway.credential.client import ASSERTION_TYPE, OAuthClient, Proof
from gateway.credential.keys import ClientKeys, roll
from gateway.errors import ConfigError
from gateway.jose import parse, public_key, signed_claims
from gateway.settings import ClientSettings, SecretFile
from tests.test_config import GOOD

DAY = 86_400.0


def client(keys: ClientKeys | None = None, *, audience: str = "", **settings: Any) -> OAuthClient:
    """A client of these settings."""
    given = {"client_id": "gate way", "client_secret": "s3:cret", **settings}
    return OAuthClient(ClientSettings.model_validate(given), keys, audience=audience)


def held(path: Path, text: str, *, days: float = 0.0) -> SecretFile:
    """A secret in a file that was written so many days ago."""
    path.write_text(text + "\n")
    at = time.time() - days * DAY
    os.utime(path, (at, at))
    return SecretFile(text, path)


def secret_of(proof: Proof) -> str:
    """The secret in a proof."""
    assert proof.secret is not None
    return proof.secret.reveal()


def test_basic_is_form_encoded_inside() -> None:
    """RFC 6749 §2.3.1: what Basic separates by a colon cannot be mistaken."""
    (proof,) = client().proofs()
    assert proof.form == ()
    assert b64decode(proof.headers["Authorization"].removeprefix("Basic ")) == b"gate+way:s3%3Acret"


def test_post_and_none_name_themselves_in_the_form() -> None:
    """A public client has nothing but its id."""
    (posted,) = client(client_auth="client_secret_post").proofs()
    (public,) = client(client_auth="none", client_secret="").proofs()
    assert (dict(posted.form), dict(posted.headers)) == (
        {"client_id": "gate way", "client_secret": "s3:cret"},
        {},
    )
    assert (dict(public.form), dict(public.headers)) == ({"client_id": "gate way"}, {})


def test_an_assertion_is_for_one_server_one_minute_and_one_time(tmp_path: Path) -> None:
    """RFC 7523 §3: iss and sub are the client, aud the server's issuer, jti never comes twice."""
    keys = ClientKeys(tmp_path / "client.pem")
    made = client(keys, audience="https://idp.test", client_auth="private_key_jwt", client_secret="")
    forms = [dict(made.proofs()[0].form) for _ in range(2)]
    assert {form["client_assertion_type"] for form in forms} == {ASSERTION_TYPE}
    published = {jwk["kid"]: public_key(jwk) for jwk in keys.jwks()["keys"]}
    for form in forms:
        header = parse(form["client_assertion"]).header
        claims = signed_claims(form["client_assertion"], published[header["kid"]], {"ES256"})
        assert (claims["iss"], claims["sub"], claims["aud"]) == ("gate way", "gate way", "https://idp.test")
        assert claims["exp"] - claims["iat"] == limits.ASSERTION_SECONDS == 60
        assert claims["iat"] <= clock.wall()
    assert len({parse(form["client_assertion"]).claims["jti"] for form in forms}) == 2


def test_the_settings_may_name_another_audience(tmp_path: Path) -> None:
    """Some servers want their token endpoint there."""
    keys = ClientKeys(tmp_path / "client.pem")
    made = client(keys, audience="a", client_auth="private_key_jwt", client_audience="https://idp.test/token")
    assertion = dict(made.proofs()[0].form)["client_assertion"]
    assert parse(assertion).claims["aud"] == "https://idp.test/token"


def test_an_assertion_needs_a_key_and_an_addressee(tmp_path: Path) -> None:
    """Neither is guessed."""
    keys = ClientKeys(tmp_path / "client.pem")
    for given, audience in ((None, "https://idp.test"), (keys, "")):
        with pytest.raises(ConfigError, match="client_audience"):
            client(given, audience=audience, client_auth="private_key_jwt")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_secret_must_be_there(method: str) -> None:
    """A client that proves itself by a secret has one."""
    with pytest.raises(ValueError, match="client_secret_file"):
        client(client_auth=method, client_secret="")


def test_the_next_secret_is_promoted_when_the_provider_takes_it(tmp_path: Path) -> None:
    """It comes first from then on, until the file of the current one is replaced."""
    made = client(
        client_secret=held(tmp_path / "now", "old"), next_client_secret=held(tmp_path / "next", "new")
    )
    first, second = made.proofs()
    assert (secret_of(first), secret_of(second), made.in_use()) == ("old", "new", "current")
    made.accepted(first)
    assert made.in_use() == "current"
    made.accepted(second)
    assert [secret_of(proof) for proof in made.proofs()] == ["new", "old"]
    assert made.in_use() == "next"
    assert "make it the current one" in made.state()[1]

    held(tmp_path / "now", "new", days=-1)
    with clock.shifted(mono=limits.FILE_LOOK_SECONDS):
        assert (secret_of(made.proofs()[0]), made.in_use()) == ("new", "current")


def test_a_replaced_file_is_used_within_a_second(tmp_path: Path) -> None:
    """No restart; looked at once a second at most, and a link that is switched counts as well."""
    link = tmp_path / "secret"
    held(tmp_path / "one", "first")
    held(tmp_path / "two", "other")
    link.symlink_to(tmp_path / "one")
    made = client(client_secret=SecretFile("first", link))
    link.unlink()
    link.symlink_to(tmp_path / "two")
    assert secret_of(made.proofs()[0]) == "first"
    with clock.shifted(mono=limits.FILE_LOOK_SECONDS):
        assert secret_of(made.proofs()[0]) == "other"


@pytest.mark.parametrize("broken", ["gone", "empty"])
def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path, broken: str) -> None:
    """The secret that we have goes on, and the line says why the change was not taken."""
    made = client(client_secret=held(tmp_path / "secret", "good"))
    if broken == "gone":
        (tmp_path / "secret").unlink()
    else:
        (tmp_path / "secret").write_text(" \n")
    with clock.shifted(mono=limits.FILE_LOOK_SECONDS):
        assert secret_of(made.proofs()[0]) == "good"
        assert str(tmp_path / "secret") in made.state()[1]


@pytest.mark.parametrize(
    ("days", "most", "ready", "warned"),
    [
        (1, None, True, False),
        (23.5, None, True, True),
        (31, None, True, True),
        (29, 30, True, True),
        (31, 30, False, True),
    ],
)
def test_an_old_secret_is_warned_of(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    days: float,
    most: float | None,
    ready: bool,
    warned: bool,
) -> None:
    """From day 23 in the line and once a day in the log; `/readyz` fails only where that was set."""
    made = client(client_secret=held(tmp_path / "secret", "x", days=days), client_secret_max_days=most)
    with caplog.at_level(logging.WARNING):
        made.proofs()
        made.proofs()
    assert sum("days old" in record.getMessage() for record in caplog.records) == warned
    assert f"client_secret_age_days {days:.0f}" in made.state()[1]
    assert ("rotate it" in made.state()[1], made.state()[0]) == (warned, ready)
    with clock.shifted(mono=limits.SECRET_REMIND_SECONDS), caplog.at_level(logging.WARNING):
        made.proofs()
    assert sum("days old" in record.getMessage() for record in caplog.records) == 2 * warned


def test_a_secret_that_is_in_no_file_has_no_age() -> None:
    """Nobody knows when it was made."""
    assert client().age_days() is None
    assert client().state() == (True, "")


def test_a_secrets_file_survives_the_reading_of_the_settings(tmp_path: Path) -> None:
    """So that it can be read again: the setting is the secret, and knows where it came from."""
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "gateway.toml").write_text(GOOD)
    order = load(tmp_path / "gateway.toml", {}).jira[0].credential[0]
    assert isinstance(order, ClientSettings)
    assert isinstance(order.client_secret, SecretFile)
    assert order.client_secret.path == tmp_path / "secret"


def test_nothing_prints_a_secret(tmp_path: Path) -> None:
    """Pitfall 23: neither a client, nor its proof, settings, keys or state (F36)."""
    keys = ClientKeys(tmp_path / "client.pem")
    made = client(keys, client_secret=held(tmp_path / "secret", "c4nary"))
    shown = f"{made!r}{made.proofs()!r}{made.state()}{keys!r}{keys.signing!r}{made.secrets()!r}"
    assert "c4nary" not in shown
    assert b64decode(made.proofs()[0].headers["Authorization"][6:]).decode() not in shown
    assert "PRIVATE" not in shown


def test_keys_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    """Two of them: the one that signs and the next, both published, neither with its private half."""
    file = tmp_path / "keys" / "client.pem"
    first, again = ClientKeys(file), ClientKeys(file)
    assert first.jwks() == again.jwks()
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert len(first.jwks()["keys"]) == 2
    for jwk in first.jwks()["keys"]:
        assert jwk.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
        assert public_key(jwk).algorithms == {"ES256"}


def test_a_roll_signs_with_a_key_that_was_published_before(tmp_path: Path) -> None:
    """Whoever kept our key set knows it already; the one before is withdrawn; no restart."""
    file = tmp_path / "client.pem"
    keys = ClientKeys(file)
    old, following = (jwk["kid"] for jwk in keys.jwks()["keys"])
    assert keys.signing.kid == old
    roll(file)
    with clock.shifted(mono=limits.FILE_LOOK_SECONDS):
        assert keys.signing.kid == following
        assert next(jwk["kid"] for jwk in keys.jwks()["keys"]) == following
        assert old not in {jwk["kid"] for jwk in keys.jwks()["keys"]}


@pytest.mark.parametrize(
    "text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_without_a_key_is_told(tmp_path: Path, text: str) -> None:
    """By its name, and nothing is made over it."""
    (tmp_path / "client.pem").write_text(text)
    with pytest.raises(ValueError, match=r"client\.pem"):
        ClientKeys(tmp_path / "client.pem")
    assert (tmp_path / "client.pem").read_text() == text
