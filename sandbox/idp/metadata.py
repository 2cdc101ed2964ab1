"""What the provider says about itself (RFC 8414 §2, OpenID Connect Discovery §3), and its keys."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.idp.exchange import GRANT_TYPE as EXCHANGE
from sandbox.idp.records import ACR_MFA, ACR_PASSWORD
from sandbox.idp.state import OFFERED, Idp
from sandbox.idp.wire import Json


def document(idp: Idp) -> dict[str, Any]:
    """The metadata; both well-known places serve the same."""
    return {
        "issuer": idp.issuer,
        "authorization_endpoint": f"{idp.issuer}/authorize",
        "token_endpoint": f"{idp.issuer}/token",
        "revocation_endpoint": f"{idp.issuer}/revoke",
        "jwks_uri": f"{idp.issuer}/jwks",
        "registration_endpoint": f"{idp.issuer}/register",
        "scopes_supported": list(OFFERED),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", EXCHANGE, "client_credentials"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.alg for key in idp.keys.keys}),
        "acr_values_supported": [ACR_PASSWORD, ACR_MFA],
        "claims_supported": [
            "sub",
            "name",
            "preferred_username",
            "email",
            "email_verified",
            "auth_time",
            "acr",
            "amr",
        ],
        "request_uri_parameter_supported": False,
        "ui_locales_supported": ["en"],
    }


async def metadata(request: Request) -> Response:
    """GET /.well-known/oauth-authorization-server and /.well-known/openid-configuration."""
    return Json(document(request.app.state.idp))


async def jwks(request: Request) -> Response:
    """GET /jwks."""
    idp: Idp = request.app.state.idp
    return Json(idp.keys.jwks())
