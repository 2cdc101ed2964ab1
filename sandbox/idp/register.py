"""Dynamic registration (RFC 7591): any assistant on this computer may introduce itself."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.idp.state import OFFERED, Idp
from sandbox.idp.wire import Json, body


async def register(request: Request) -> Response:
    """POST /register: 201 with the client's id and what was kept of its wishes."""
    idp: Idp = request.app.state.idp
    client = idp.clients.register(await body(request))
    answer: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": int(idp.now()),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth_method,
        "scope": " ".join(OFFERED),
    }
    if client.secret is not None:
        answer |= {"client_secret": client.secret, "client_secret_expires_at": 0}
    return Json(answer, 201)
