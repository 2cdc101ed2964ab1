"""Changing a client's secret at the provider, one small file for each that has an API for it.

    make     a new secret; the one in use stays good where the provider knows an overlap
    retire   every other than the newest ends

Between the two the running gateway holds both (`client.py`), so that no call fails.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from gateway.credential.answers import access_token
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.refusals import unusable
from gateway.errors import ConfigError
from gateway.http import Ask, Outward, OutwardError
from gateway.model import Secret
from gateway.settings import ClientSettings
from gateway.settings.client import Rotation as Settings


class Rotation(Protocol):
    """One provider's way. Both raise `Unavailable`, whose private text says what the provider answered."""

    async def make(self) -> Secret:
        """A new secret."""

    async def retire(self) -> int:
        """End all others; how many there were."""


class Api:
    """A provider's administration API, spoken in JSON with the administrator's credential."""

    def __init__(self, outward: Outward, base: str, credential: Secret) -> None:
        self._outward = outward
        self._base = base
        self._credential = credential

    async def call(self, method: str, path: str, body: object = None, *, absent: bool = False) -> Any:
        """The answer's JSON, None when it is empty; with `absent`, None also when there is nothing (404)."""
        headers = {"Authorization": self._credential.reveal(), "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"], content = "application/json", orjson.dumps(body)
        try:
            reply = await self._outward.send(Ask(method, f"{self._base}{path}", headers, content))
        except OutwardError as failed:
            raise unusable(str(failed)) from None
        if absent and reply.status == 404:
            return None
        if not 200 <= reply.status < 300:
            raise unusable(f"{method} {urlsplit(self._base).netloc}{path} answered {reply.status}")
        try:
            return orjson.loads(reply.body) if reply.body else None
        except orjson.JSONDecodeError:
            raise unusable(f"{method} {path}: the answer is not JSON") from None


def told(answer: Any, *names: str) -> Secret:
    """The secret under `names` in an answer. Raises `Unavailable` when there is none."""
    for name in names:
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(answer, str) or not answer:
        raise unusable(f"the answer has no `{'.'.join(names)}`")
    return Secret(answer)


def members(answer: Any, name: str = "") -> list[Mapping[str, Any]]:
    """The objects of a list in an answer."""
    found = answer.get(name) if name and isinstance(answer, Mapping) else answer
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


async def rotation(client: ClientSettings, outward: Outward) -> Rotation:
    """The way of that client's provider. Raises `ConfigError` without one, and `Unavailable`."""
    settings = client.rotation
    if settings is None:
        raise ConfigError(
            ["There is no `rotation` table: change the secret by hand where the provider has no API for it."]
        )
    credential = await _credential(settings, outward)
    made: Rotation = import_module(f"{__name__}.{settings.provider}").build(
        Api(outward, settings.api, credential), settings.id
    )
    return made


async def _credential(settings: Settings, outward: Outward) -> Secret:
    """The whole `Authorization` header."""
    secret = settings.api_secret.get_secret_value()
    if settings.provider == "okta":
        return Secret(f"SSWS {secret}")
    if not settings.admin_client_id:
        return Secret(f"Bearer {secret}")
    if settings.token_endpoint is None:
        raise ConfigError(["rotation.token_endpoint is missing: `admin_client_id` gets its token there."])
    admin = ClientSettings(
        client_id=settings.admin_client_id,
        client_secret=settings.api_secret,
        client_auth="client_secret_post",
    )
    endpoint = TokenEndpoint(outward, settings.token_endpoint, OAuthClient(admin))
    form = [("grant_type", "client_credentials"), *([("scope", settings.scope)] if settings.scope else [])]
    try:
        answer = await endpoint.ask(form)
    except OutwardError as failed:
        raise unusable(str(failed)) from None
    if answer.status != 200:
        raise unusable(f"the administrator's client was refused: {answer.said}")
    return Secret(f"Bearer {access_token(answer, frozenset(str(answer.body.get('scope', '')).split()))}")
