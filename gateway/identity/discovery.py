"""Where an issuer keeps its keys, from its own metadata. Only addresses of the settings are asked."""

from urllib.parse import urlsplit

import orjson

from gateway import limits
from gateway.http import Ask, Outward, OutwardError
from gateway.identity.profiles import IssuerProfile, trusted


class Unusable(Exception):
    """The issuer's document cannot be had or cannot be believed; the text says why, for the operator."""


async def jwks_uri(profile: IssuerProfile, outward: Outward) -> str:
    """The address of the key set. Raises `Unusable`.

    OpenID Connect Discovery 1.0 §4 first, then RFC 8414 §3. The metadata's `issuer` must be the very
    one configured (RFC 8414 §3.3), and the keys must be on its own or an allowed origin.
    """
    if profile.jwks_uri is not None:
        return profile.jwks_uri
    problem = ""
    for url in places(profile.issuer):
        try:
            found = await document(url, outward)
        except Unusable as not_here:
            problem = problem or str(not_here)
            continue
        return _believed(found, profile, url)
    raise Unusable(problem)


async def document(url: str, outward: Outward) -> dict[str, object]:
    """The JSON object at `url`, asked once and directly. Raises `Unusable`."""
    ask = Ask(
        "GET",
        url,
        headers={"Accept": "application/json"},
        seconds=limits.JWKS_FETCH_SECONDS,
        max_bytes=limits.JWKS_BYTES,
    )
    try:
        reply = await outward.send(ask)
    except OutwardError as failed:
        raise Unusable(f"{url}: {failed}") from None
    if reply.status != 200:
        raise Unusable(f"{url}: status {reply.status}")
    try:
        found = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        raise Unusable(f"{url}: not JSON") from None
    if not isinstance(found, dict):
        raise Unusable(f"{url}: not a JSON object")
    return found


def places(issuer: str) -> tuple[str, str]:
    """Where an issuer may keep its metadata, in the order in which it is looked for."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def _believed(metadata: dict[str, object], profile: IssuerProfile, url: str) -> str:
    if metadata.get("issuer") != profile.issuer:
        raise Unusable(f"{url}: its issuer is not {profile.issuer!r}")
    keys = metadata.get("jwks_uri")
    if not isinstance(keys, str) or not trusted(keys):
        raise Unusable(f"{url}: no usable jwks_uri")
    if _origin(keys) not in {_origin(profile.issuer), *profile.key_origins}:
        raise Unusable(f"{url}: its keys are on {_origin(keys)}, which is not allowed")
    return keys


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
