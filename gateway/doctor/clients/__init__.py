"""What each assistant does to sign in, as data, and an engine that does the same against a live gateway.

    <name>.toml    one assistant: its order of requests, its registration, its redirect, its habits, our sources
    discover       401, metadata of the resource, metadata of the authorization server; its rules for each
    register       its published document, or a registration by itself
    signing        the authorization request, the person's answer, the code redeemed
    calls          whoami and a search, an ended token, a step up
    refreshing     twice from two connections, several sessions at once; revocation
    replay         all of it in order

A check is a `Line` whose name begins with its column: discover, register, sign in, call, refresh, step up, revoke.
"""

import tomllib
from importlib import resources
from typing import Any, Literal

import msgspec

from gateway.errors import ConfigError

COLUMNS = ("discover", "register", "sign in", "call", "refresh", "step up", "revoke")

ResourcePlace = Literal["challenge", "path", "root"]
ServerPlace = Literal["oauth", "openid", "openid-appended", "oauth-appended"]
SameResource = Literal["exact", "normalised", "place", "prefix"]
Scopes = Literal["challenge", "resource", "server", "none"]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One assistant's sign-in. Everything here was found in sources or reports, which `sources` names."""

    title: str
    sources: tuple[str, ...]
    redirects: tuple[str, ...]
    """As registered; `{port}` and `{id}` stand for what it makes up. The first is the one that is used…"""
    uses: str = ""
    """…unless this says otherwise: at a document the registered one often has no port."""
    document: str = ""
    """The https URL that is its client id (client ID metadata document); empty: it has none."""
    registers: bool = True
    """Whether it registers itself (RFC 7591) where documents are not supported."""
    body: dict[str, Any] = {}
    """Members of its document or registration besides the redirects."""
    first: Literal["POST", "GET"] = "POST"
    """Its first request, without a token."""
    resource_places: tuple[ResourcePlace, ...] = ("challenge", "path", "root")
    server_places: tuple[ServerPlace, ...] = ("oauth", "openid", "openid-appended")
    same_resource: SameResource = "prefix"
    """Exact: the same string. Normalised: as URLs. Place: scheme, host and path. Prefix: origin, and a path above."""
    scopes: Scopes = "challenge"
    """Whose list it asks for, whole and in order."""
    offline_access: bool = False
    """Whether it adds `offline_access` where the authorization server lists it."""
    resource: bool = True
    """Whether it sends `resource` (RFC 8707)."""
    authorize: dict[str, str] = {}
    """What else it sends to the authorization endpoint."""
    protocol: str = "2025-06-18"
    doubled: bool = False
    """Whether one refresh token comes twice, from two addresses."""
    parallel: int = 1
    """Sessions that refresh with the same token at once."""
    steps_up: bool = False
    """Whether it goes for more scopes at a 403 `insufficient_scope`."""
    revokes: bool = False
    """Whether it revokes its token when a person disconnects it."""


def names() -> tuple[str, ...]:
    """Of all assistants that are known here."""
    found = (file.name for file in resources.files(__package__).iterdir() if file.name.endswith(".toml"))
    return tuple(sorted(name.removesuffix(".toml") for name in found))


def profile(name: str) -> Profile:
    """That assistant's. Raises `ConfigError` with the names that there are."""
    if name not in names():
        raise ConfigError([f"No assistant `{name}` is known here; there are {', '.join(names())}."])
    text = resources.files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Profile)
