"""Revocation: whoever holds a refresh token may give it back, and its whole family ends (RFC 7009)."""

from starlette.requests import Request
from starlette.responses import Response

from sandbox.idp.state import Idp
from sandbox.idp.wire import Json, form


async def revoke(request: Request) -> Response:
    """POST /revoke: 200 also for a token that is not there (§2.2)."""
    idp: Idp = request.app.state.idp
    params = await form(request)
    token = params.need("token")
    idp.refresh.end(token, idp.clients.authenticate(request, params).id)
    return Json({})
