"""AWS KMS: GenerateDataKey, Decrypt and ReEncrypt, each with the link as encryption context.

The key never leaves KMS; a data key does once, over TLS. The context stands in CloudTrail in the clear:
issuer, subject and site of each use. boto3 brings the signature and finds credentials by its own rules; it
is the extra `awskms`, loaded only here, and its calls run in threads.
"""

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any

from gateway import limits
from gateway.credential.kek import Context, KeyRefused, KeysDown, Wrapped
from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.settings import Vault

REFUSALS = {
    "DisabledException",
    "IncorrectKeyException",
    "InvalidCiphertextException",
    "KMSInvalidStateException",
    "NotFoundException",
}
"""What stays so when it is asked again: the key is gone or switched off, or the bytes or the context are others."""


class KmsRing:
    """One KMS key; what it wrapped is told by its ARN, which automatic rotation keeps."""

    def __init__(self, client: Any, failures: tuple[type[Exception], type[Exception]], key: str) -> None:
        """`failures` are botocore's: what the service answered, and the root of all others."""
        self._client = client
        self._answered, self._failed = failures
        self._key = key

    async def fresh(self, context: Context) -> tuple[bytes, Wrapped]:
        """See `KeyRing`."""
        told = await self._ask(
            self._client.generate_data_key,
            KeyId=self._key,
            KeySpec="AES_256",
            EncryptionContext=_told(context),
        )
        return told["Plaintext"], Wrapped(told["KeyId"], told["CiphertextBlob"])

    async def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """See `KeyRing`. Only under the key that is named beside it: a key of another account would not do."""
        told = await self._ask(
            self._client.decrypt,
            KeyId=wrapped.key_id,
            CiphertextBlob=wrapped.data,
            EncryptionContext=_told(context),
        )
        data_key: bytes = told["Plaintext"]
        return data_key

    async def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
        """See `KeyRing`. The data key stays inside KMS."""
        told = await self._ask(
            self._client.re_encrypt,
            CiphertextBlob=wrapped.data,
            SourceKeyId=wrapped.key_id,
            SourceEncryptionContext=_told(context),
            DestinationKeyId=self._key,
            DestinationEncryptionContext=_told(context),
        )
        return Wrapped(told["KeyId"], told["CiphertextBlob"])

    async def _ask(self, call: Callable[..., dict[str, Any]], **fields: Any) -> dict[str, Any]:
        try:
            return await asyncio.to_thread(call, **fields)
        except self._answered as refused:
            error: dict[str, str] = getattr(refused, "response", {}).get("Error", {})
            code = error.get("Code", "no code")
            said = f"KMS answered {code}: {error.get('Message', '')}"[: limits.SAID_CHARS]
            raise (KeyRefused(said) if code in REFUSALS else KeysDown(said)) from None
        except self._failed as down:
            raise KeysDown(f"KMS cannot be asked ({type(down).__name__})") from None


def ring(settings: Vault, outward: Outward) -> KmsRing | None:
    """The ring of the settings. Raises `ConfigError`."""
    if not settings.key_name or not settings.region:
        raise ConfigError(["vault: `awskms` needs `key_name` and `region`. Add them."])
    try:
        boto3, config, errors = map(import_module, ("boto3", "botocore.config", "botocore.exceptions"))
    except ModuleNotFoundError:
        raise ConfigError(
            ["vault.provider: `awskms` needs an extra. Install it: pip install 'jira-agent-gateway[awskms]'"]
        ) from None
    client = boto3.Session().client(
        "kms",
        region_name=settings.region,
        endpoint_url=settings.address or None,
        config=config.Config(
            connect_timeout=limits.KEY_SERVICE_SECONDS,
            read_timeout=limits.KEY_SERVICE_SECONDS,
            retries={"total_max_attempts": 2, "mode": "standard"},
        ),
    )
    return KmsRing(client, (errors.ClientError, errors.BotoCoreError), settings.key_name)


def _told(context: Context) -> dict[str, str]:
    """KMS takes no empty values; the names keep what is left apart."""
    return {name: value for name, value in context.items() if value}
