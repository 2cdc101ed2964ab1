"""Our authorization server towards assistants (RFC 6749, 7636, 8414, 7591, 9207, 9068; MCP authorization).

    assistant ── register ─────> registration.py ─> clients.py ── SQL
              ── client_id=URL ─> documents.py (client ID metadata document)
    browser   ── /authorize ───> authorize.py ─> the company's provider ─> consent.py ─> a code
    assistant ── /token ───────> token.py ─> Authlib's grants ─> access.py (a signed token), families.py (SQL)

These are the nouns and the faces that its parts share. A client is never known by its name: names are
self-given. It is known by its id, and shown to people by the host that its answers go to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

Registration = Literal["static", "dynamic", "document"]
"""Issued by an administrator, registered by itself (RFC 7591), or an https URL that is its own document."""

Admission = Literal["admitted", "pending", "refused"]

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]


@dataclass(frozen=True, slots=True)
class Client:
    """An assistant, as it is registered here."""

    id: str
    registration: Registration
    name: str = ""
    """As it calls itself; shown only beside the host, and never believed."""
    redirect_uris: tuple[str, ...] = ()
    auth_method: AuthMethod = "none"
    secret_digest: str = field(default="", repr=False)
    """Hex SHA-256 of its secret, where it has one."""
    jwks: Mapping[str, Any] | None = field(default=None, repr=False)
    """Its public keys, for `private_key_jwt` and signed documents."""
    grant_types: frozenset[str] = frozenset({"authorization_code", "refresh_token"})
    admission: Admission = "admitted"
    owner: str = ""
    """Who answers for it in the company; empty: nobody yet."""
    groups: frozenset[str] = frozenset()
    """Roles of which a person must have one to use it; empty: everybody may."""
    expires_at: float | None = None
    """Unix seconds; None: it stays."""
    created_at: float = 0.0
    used_at: float = 0.0


class UnknownClient(Exception):
    """There is no such client, or its document cannot be had or is not acceptable. The text is for developers."""


class Clients(Protocol):
    """The registry (`clients.py`). Raises `Unavailable` when the database does not answer."""

    async def find(self, client_id: str, source: str = "") -> Client:
        """The client of that id; a document is fetched or taken from the last good copy. `source` is the network
        that asks, whose new documents are counted. Raises `UnknownClient`
        for one that is absent, expired or whose document is not good. One that is pending or refused is
        returned: what it may do is for who asks."""

    async def used(self, client_id: str) -> None:
        """It was used now; written at most once an hour."""


Roles = Callable[[str, frozenset[str]], frozenset[str]]
"""(provider, groups as it sends them) -> the roles that they give here."""


def serves(client: Client, roles: frozenset[str]) -> bool:
    """Whether the client is for somebody with these roles."""
    return not client.groups or bool(client.groups & roles)


def host_of(uri: str) -> str:
    """Whom a redirect goes to, in words for people: `claude.ai`, `this computer`, `the app that opens … links`."""
    parts = urlsplit(uri)
    if parts.scheme not in ("https", "http"):
        return f"the app that opens {parts.scheme}: links"
    if parts.hostname in ("127.0.0.1", "::1", "localhost"):
        return "this computer"
    return (parts.hostname or "") if parts.port in (None, 443) else f"{parts.hostname}:{parts.port}"


def assurance(client: Client, redirect_uri: str) -> Literal["attested", "asserted"]:
    """How sure we are which client it is that gets the answer at `redirect_uri`.

    `attested`: it proves itself with a key, or only the owner of its own domain can receive the answer. A
    loopback redirect, a private scheme or a registration by itself is only a claim.
    """
    if client.auth_method == "private_key_jwt" and client.registration != "dynamic":
        return "attested"
    own, to = urlsplit(client.id), urlsplit(redirect_uri)
    same = own.scheme == to.scheme == "https" and own.netloc.lower() == to.netloc.lower()
    return "attested" if client.registration == "document" and same else "asserted"
