"""Where to sign in: OAuth 2.0 Protected Resource Metadata (RFC 9728) for the MCP endpoint."""

from collections.abc import Iterable

from starlette.types import ASGIApp

from gateway import limits
from gateway.transport.catalogue import TITLE
from gateway.transport.web import Document

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
