"""OpenBao, or HashiCorp Vault: its transit engine wraps, and its keys never leave it.

POST {address}/v1/{mount}/encrypt/{name}   {"plaintext", "context"}    -> {"data": {"ciphertext"}}
POST {address}/v1/{mount}/decrypt/{name}   {"ciphertext", "context"}   -> {"data": {"plaintext"}}
POST {address}/v1/{mount}/rewrap/{name}    {"ciphertext", "context"}   -> {"data": {"ciphertext"}}

The key must be derived (`derived=true`): then `context` decides the key, also in `rewrap`, which takes no
`associated_data`. A token is needed for these three paths with `update` alone; none where `address` is an
agent that signs in by itself.
"""

import base64
import secrets
from typing import Any
from urllib.parse import quote

import orjson

from gateway import limits
from gateway.credential import seal
from gateway.credential.kek import DATA_KEY_BYTES, Context, KeyRefused, KeysDown, Wrapped
from gateway.errors import ConfigError
from gateway.http import Ask, Outward, OutwardError, Reply
from gateway.model import Secret
from gateway.settings import Vault

MOUNT = "transit"


class TransitRing:
    """One transit key; its versions are the ring."""

    def __init__(self, outward: Outward, address: str, name: str, token: Secret | None) -> None:
        """`name` is the key's, or `MOUNT/KEY` where the engine has another mount than `transit`."""
        mount, _, key = name.rpartition("/")
        self._outward = outward
        self._base = f"{address}/v1/{quote(mount or MOUNT)}"
        self._key = key
        self._token = token

    async def fresh(self, context: Context) -> tuple[bytes, Wrapped]:
        """See `KeyRing`. The data key is ours; transit sees it once, on its way in."""
        data_key = secrets.token_bytes(DATA_KEY_BYTES)
        told = await self._ask("encrypt", context, plaintext=base64.b64encode(data_key).decode())
        return data_key, self._wrapped(told)

    async def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """See `KeyRing`."""
        told = await self._ask("decrypt", context, ciphertext=_text(wrapped))
        try:
            return base64.b64decode(told["plaintext"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise KeysDown("decrypt gave no plaintext") from None

    async def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
        """See `KeyRing`."""
        return self._wrapped(await self._ask("rewrap", context, ciphertext=_text(wrapped)))

    def _wrapped(self, told: dict[str, Any]) -> Wrapped:
        ciphertext = told.get("ciphertext")
        parts = ciphertext.split(":") if isinstance(ciphertext, str) else []
        if len(parts) != 3 or not ciphertext:
            raise KeysDown("the answer holds no ciphertext")
        return Wrapped(f"{self._key}:{parts[1]}", ciphertext.encode())

    async def _ask(self, what: str, context: Context, **fields: str) -> dict[str, Any]:
        bound = seal.framed(*(part for item in sorted(context.items()) for part in item))
        body = orjson.dumps({**fields, "context": base64.b64encode(bound).decode()})
        headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
        if self._token is not None:
            headers["X-Vault-Token"] = self._token.reveal()
        url = f"{self._base}/{what}/{quote(self._key, safe='')}"
        try:
            reply = await self._outward.send(
                Ask("POST", url, headers, body, seconds=limits.KEY_SERVICE_SECONDS)
            )
        except OutwardError as down:
            raise KeysDown(str(down)) from None
        return _data(what, reply)


def ring(settings: Vault, outward: Outward) -> TransitRing | None:
    """The ring of the settings. Raises `ConfigError`."""
    token = settings.token_secret.get_secret_value()
    if not settings.address or not settings.key_name:
        raise ConfigError(["vault: `openbao` needs `address` and `key_name`. Add them."])
    loopback = settings.address.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
    if not settings.address.startswith("https://") and not loopback:
        raise ConfigError(["vault.address: must be https:// (plain http is allowed on loopback only)."])
    return TransitRing(
        outward, settings.address.rstrip("/"), settings.key_name, Secret(token) if token else None
    )


def _data(what: str, reply: Reply) -> dict[str, Any]:
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = None
    told = body if isinstance(body, dict) else {}
    if reply.status == 200 and isinstance(told.get("data"), dict):
        return dict(told["data"])
    said = f"{what} answered {reply.status}: {'; '.join(map(str, told.get('errors') or []))}"
    said = " ".join(said.split())[: limits.SAID_CHARS]
    raise KeyRefused(said) if reply.status == 400 else KeysDown(said)


def _text(wrapped: Wrapped) -> str:
    try:
        return wrapped.data.decode("ascii")
    except UnicodeDecodeError:
        raise KeyRefused("the data key is none of transit's") from None
