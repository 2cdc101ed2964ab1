"""What assistants read first: the authorization server metadata (RFC 8414), in all places where they look.

    /.well-known/oauth-authorization-server          and …/mcp behind it (RFC 8414 §3.1)
    /.well-known/openid-configuration                and …/mcp behind it
    /mcp/.well-known/openid-configuration            (OpenID Connect Discovery §4)
    /mcp/.well-known/oauth-authorization-server

The document is one and the same: `issuer` is the public URL byte for byte wherever it was found.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import limits
from gateway.signin.server.scopes import OFFLINE, SCOPES
from gateway.transport.web import Document

AUTHORIZE = "/authorize"
TOKEN = "/token"  # noqa: S105 - a path
REGISTER = "/register"
REVOKE = "/revoke"
JWKS = "/.well-known/oauth-jwks.json"

AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ID_JAG = "urn:ietf:params:oauth:grant-profile:id-jag"


def metadata(issuer: str, resources: Iterable[str], *, id_jag: bool) -> dict[str, Any]:
    """The document (RFC 8414 §2; RFC 9207 §3; client ID metadata documents; RFC 9728 §4)."""
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": issuer + AUTHORIZE,
        "token_endpoint": issuer + TOKEN,
        "registration_endpoint": issuer + REGISTER,
        "revocation_endpoint": issuer + REVOKE,
        "jwks_uri": issuer + JWKS,
        "scopes_supported": [*SCOPES, OFFLINE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", *([JWT_BEARER] if id_jag else [])],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": True,
        "authorization_response_iss_parameter_supported": True,
        "protected_resources": list(resources),
        # Readers of the OpenID Connect form want these two; there are no ID tokens here.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }
    if id_jag:
        document["authorization_grant_profiles_supported"] = [ID_JAG]
    return document


def server_metadata_routes(
    issuer: str, paths: Iterable[str], jwks: Callable[[], Mapping[str, Any]], *, id_jag: bool = False
) -> dict[str, ASGIApp]:
    """The document at all its places, and the keys of our access tokens; `paths` are those of the sites."""
    sites = list(paths)
    document = Document(
        metadata(issuer, [issuer + path for path in sites], id_jag=id_jag),
        seconds=limits.METADATA_FRESH_SECONDS,
    )
    routes: dict[str, ASGIApp] = {JWKS: _keys(jwks)}
    for name in ("oauth-authorization-server", "openid-configuration"):
        routes[f"/.well-known/{name}"] = document
        for path in sites:
            routes[f"/.well-known/{name}{path}"] = document
            routes[f"{path}/.well-known/{name}"] = document
    return routes


def _keys(jwks: Callable[[], Mapping[str, Any]]) -> ASGIApp:
    async def keys(scope: Scope, receive: Receive, send: Send) -> None:
        await Document(jwks(), seconds=limits.OUR_JWKS_FRESH_SECONDS)(scope, receive, send)

    return keys
