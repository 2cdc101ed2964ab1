"""`https://api.atlassian.com`: which sites a token reaches, whose it is, and the Jira of each site."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.atlassian.state import Atlassian
from sandbox.idp.wire import Json
from sandbox.jira.auth import Verify
from sandbox.rotation import Pair

PREFIX = "/ex/jira"


async def resources(request: Request) -> Response:
    """`GET /oauth/token/accessible-resources`."""
    state: Atlassian = request.app.state.atlassian
    pair = _pair(state, request.headers.get("authorization"))
    if pair is None:
        return _unauthorized()
    scopes = sorted(pair.scopes - {"offline_access", "read:me"})
    sites = [state.sites[name] for name in sorted(pair.grant.sites & state.sites.keys())]
    return Json(
        [
            {
                "id": site.id,
                "url": site.url,
                "name": site.name,
                "scopes": scopes,
                "avatarUrl": f"{site.url}/avatar.png",
            }
            for site in sites
        ]
    )


async def me(request: Request) -> Response:
    """`GET /me`."""
    state: Atlassian = request.app.state.atlassian
    pair = _pair(state, request.headers.get("authorization"))
    if pair is None:
        return _unauthorized()
    if "read:me" not in pair.scopes:
        return Json({"code": 401, "message": "Unauthorized; scope does not match"}, 401)
    person = state.people[pair.grant.account]
    return Json(
        {
            "account_id": person.account_id,
            "email": person.email,
            "name": person.display_name,
            "account_type": "atlassian",
        }
    )


class Sites:
    """`/ex/jira/{cloudid}/…`: the Jira of that site, which sees its own paths."""

    def __init__(self, state: Atlassian) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        cloud_id, rest = _split(scope)
        site = self._state.sites.get(cloud_id)
        if site is None or site.jira is None:
            missing = Json({"code": 404, "message": "No message available"}, 404)
            await missing(scope, receive, send)
            return
        inside = {**scope, "path": rest, "raw_path": rest.encode(), "root_path": ""}
        await site.jira(inside, receive, send)


def verify_at(state: Atlassian, cloud_id: str) -> Verify:
    """The `verify` of the sandbox Jira that stands behind that site."""

    async def verify(token: str) -> dict[str, object] | None:
        return state.claims(token, cloud_id)

    return verify


def _split(scope: Scope) -> tuple[str, str]:
    parts: Sequence[str] = scope["path"].removeprefix(PREFIX).lstrip("/").split("/", 1)
    return parts[0], "/" + (parts[1] if len(parts) > 1 else "")


def _pair(state: Atlassian, header: str | None) -> Pair | None:
    kind, _, value = (header or "").partition(" ")
    return state.tokens.access(value.strip()) if kind.lower() == "bearer" else None


def _unauthorized() -> Response:
    return Json({"code": 401, "message": "Unauthorized"}, 401)
