"""What is asked of AWS KMS, and what is said when it refuses, on a stand-in that speaks its protocol."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.credential import kek, seal
from gateway.credential.kek import KeyRefused, KeyRing, KeysDown
from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.settings import Vault
from sandbox.serve import Served, listen
from tests.credential import kms
from tests.credential.sealing import ANA, TENANT

CONTEXT = seal.context(ANA)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As AWS tools find them, and nothing of this machine's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", kms.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", kms.SECRET_KEY)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
async def service() -> AsyncIterator[tuple[kms.Kms, str]]:
    """KMS with one key, and its address."""
    made = kms.Kms()
    made.make("alias/vault")
    sock = listen("127.0.0.1", 0)
    async with Served(made.app, sock):
        yield made, f"http://127.0.0.1:{sock.getsockname()[1]}"


def ring(address: str, **changes: Any) -> KeyRing:
    """The ring of these settings."""
    values = {"provider": "awskms", "address": address, "key_name": "alias/vault", "region": kms.REGION}
    made = kek.ring(Vault(**values | changes), Outward())
    assert made is not None
    return made


@pytest.fixture
async def ours(credentials: None, service: tuple[kms.Kms, str]) -> AsyncIterator[KeyRing]:
    """A ring on it."""
    made = ring(service[1])
    yield made
    made._client.close()  # type: ignore[attr-defined]


async def test_the_link_is_the_encryption_context(ours: KeyRing, service: tuple[kms.Kms, str]) -> None:
    """Each call carries it, so that key policies and CloudTrail can speak of it; nothing empty is sent."""
    _, wrapped = await ours.fresh(CONTEXT)
    await ours.unwrap(wrapped, CONTEXT)
    await ours.rewrap(wrapped, CONTEXT)
    wanted = {name: value for name, value in CONTEXT.items() if value}
    assert wanted == {
        "purpose": "jiragw-vault/1",
        "issuer": ANA.issuer,
        "subject": "ana",
        "upstream": "cloud",
    }
    assert service[0].contexts == [wanted] * 4
    with pytest.raises(KeyRefused):
        await ours.unwrap(wrapped, seal.context(TENANT))


REFUSED = ("DisabledException", "KMSInvalidStateException", "NotFoundException", "InvalidCiphertextException")
DOWN = ("AccessDeniedException", "ExpiredTokenException", "InvalidGrantTokenException")


@pytest.mark.parametrize(
    ("code", "kind"), [*((code, KeyRefused) for code in REFUSED), *((code, KeysDown) for code in DOWN)]
)
async def test_what_it_answers_is_told_apart(
    ours: KeyRing, service: tuple[kms.Kms, str], code: str, kind: type[Exception]
) -> None:
    """A key that is gone stays gone; rights and sessions are put right."""
    _, wrapped = await ours.fresh(CONTEXT)
    service[0].faults = [kms.Refusal(code)]
    with pytest.raises(kind, match=code):
        await ours.unwrap(wrapped, CONTEXT)


async def test_a_busy_service_is_asked_once_more(ours: KeyRing, service: tuple[kms.Kms, str]) -> None:
    """Throttling and internal errors; the second time it is told."""
    service[0].faults = [kms.Refusal("ThrottlingException")]
    assert await ours.fresh(CONTEXT)
    service[0].faults = [kms.Refusal("KMSInternalException", 500) for _ in range(2)]
    with pytest.raises(KeysDown, match="KMSInternalException"):
        await ours.fresh(CONTEXT)
    assert not service[0].faults


async def test_a_wrong_secret_is_not_let_in(
    credentials: None, service: tuple[kms.Kms, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in checks signatures, so that ours is known to be there."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    made = ring(service[1])
    with pytest.raises(KeysDown, match="InvalidSignatureException"):
        await made.fresh(CONTEXT)
    made._client.close()  # type: ignore[attr-defined]


async def test_without_credentials_it_is_said(
    credentials: None, service: tuple[kms.Kms, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 finds none."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    made = ring(service[1])
    with pytest.raises(KeysDown, match="NoCredentialsError"):
        await made.fresh(CONTEXT)
    made._client.close()  # type: ignore[attr-defined]


async def test_a_service_that_is_away(credentials: None) -> None:
    """Nobody listens there."""
    made = ring("http://127.0.0.1:1")
    with pytest.raises(KeysDown, match="EndpointConnectionError"):
        await made.fresh(CONTEXT)
    made._client.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", ["boto3", "botocore.config"])
def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """What to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"pip install 'jira-agent-gateway\[awskms\]'"):
        ring("")


@pytest.mark.parametrize("changes", [{"key_name": ""}, {"region": ""}])
def test_settings_that_lack_something(changes: dict[str, Any]) -> None:
    """Said at start, with the name of the setting."""
    with pytest.raises(ConfigError, match=next(iter(changes))):
        ring("", **changes)
