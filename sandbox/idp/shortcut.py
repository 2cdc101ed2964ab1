"""The sandbox's own door: a token for anybody, without a sign-in. No real provider has this.

    POST {issuer}/sandbox/token   {"user": "ana", "client": "demo-assistant", "scope": "jira:read"}
    → {"access_token": …, "token_type": "Bearer", "expires_in": seconds, "scope": …}

`jira-agent-gateway sandbox token` uses it against a sandbox that runs elsewhere on this computer.
"""

import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sandbox.idp.clients import DEMO_CLIENT_ID
from sandbox.idp.state import OFFERED, Idp
from sandbox.idp.wire import Json, OAuthError, body

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """The request."""

    user: str
    client: str = DEMO_CLIENT_ID
    scope: str = "openid jira:read jira:write"


async def token(request: Request) -> Response:
    """POST /sandbox/token. A page in a browser may not: browsers send `Origin` with every POST."""
    idp: Idp = request.app.state.idp
    if "origin" in request.headers:
        raise OAuthError("access_denied", "This door is for commands, not for web pages.", status=403)
    try:
        wish = msgspec.json.decode(await body(request), type=Wish)
    except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
        raise OAuthError("invalid_request", 'Send JSON such as {"user": "ana"}.') from broken
    if idp.person(wish.user) is None:
        raise OAuthError("invalid_request", f"The sandbox knows {', '.join(sorted(idp.people))}.")
    if not _NAME.fullmatch(wish.client):
        raise OAuthError(
            "invalid_request", "A client is named by letters, digits, dots, dashes and underscores."
        )
    if not set(wish.scope.split()) <= set(OFFERED):
        raise OAuthError("invalid_scope", f"Ask for some of: {' '.join(OFFERED)}.")
    minted = idp.mint(wish.user, wish.client, wish.scope)
    expires_in = int(idp.lifetimes.access)
    return Json(
        {"access_token": minted, "token_type": "Bearer", "expires_in": expires_in, "scope": wish.scope}
    )
