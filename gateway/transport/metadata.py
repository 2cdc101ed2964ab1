"""What anybody may know: where to sign in (RFC 9728, for each MCP endpoint), and our public keys."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import limits
from gateway.transport.catalogue import TITLE
from gateway.transport.web import Document

JWKS_PATH = "/.well-known/jwks.json"
WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_url(public_url: str, path: str = "/mcp") -> str:
    """Where the metadata of `public_url + path` is (RFC 9728 §3.1)."""
    return f"{public_url}{WELL_KNOWN}{path}"


def metadata_routes(
    public_url: str, issuer: str, *, scopes: Iterable[str] = ("jira:read", "jira:write"), path: str = "/mcp"
) -> dict[str, ASGIApp]:
    """The document at its own place and at the root, where some clients look first.

    `resource` is byte for byte the URL that people type, and `issuer` byte for byte the provider's:
    clients compare both as strings, so neither passes through a URL type that would add a slash.
    """
    document = Document(
        {
            "resource": public_url + path,
            "authorization_servers": [issuer],
            "scopes_supported": [s for s in scopes if s != "offline_access"],
            "bearer_methods_supported": ["header"],
            "resource_name": TITLE,
        },
        seconds=limits.METADATA_FRESH_SECONDS,
    )
    return {WELL_KNOWN + path: document, WELL_KNOWN: document}


def jwks_routes(jwks: Callable[[], Mapping[str, Any]]) -> dict[str, ASGIApp]:
    """Our public keys (RFC 7517), as they are when asked for: providers check our client assertions by them."""

    async def keys(scope: Scope, receive: Receive, send: Send) -> None:
        await Document(jwks(), seconds=limits.OUR_JWKS_FRESH_SECONDS)(scope, receive, send)

    return {JWKS_PATH: keys}
