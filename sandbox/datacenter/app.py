"""A Data Center as one ASGI application: its OAuth 2.0 provider, and the sandbox's Jira behind it.

That Jira is a Cloud one. `/myself` and the headers are made those of a Data Center here; the rest of
what differs between the two REST APIs does not (rich text is ADF where it would be wiki text).
"""

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.consent import App
from sandbox.datacenter import oauth
from sandbox.datacenter.state import DataCenter
from sandbox.idp.wire import Json, OAuthError, error_answer
from sandbox.jira import create_app as create_jira
from sandbox.people import PEOPLE, Person
from sandbox.struck import Struck


def create_app(
    apps: Sequence[App], *, base_url: str, people: Mapping[str, Person] = PEOPLE, factor: float = 1.0
) -> Starlette:
    """A Data Center at `base_url`. Its state is `app.state.datacenter`, its Jira's `app.state.jira`."""
    state = DataCenter(apps=apps, people=people, factor=factor)
    jira = create_jira(state.claims, base_url=base_url, people=people)
    app = Starlette(
        routes=[
            Route(oauth.AUTHORIZE, oauth.show, methods=["GET"]),
            Route(oauth.AUTHORIZE, oauth.decide, methods=["POST"]),
            Route(oauth.TOKEN, oauth.token, methods=["POST"]),
            Route("/rest/api/{version}/myself", _myself),
            Mount("/rest/api", _Rest(state, jira)),
        ],
        exception_handlers={OAuthError: error_answer},
        middleware=[Middleware(Struck, faults=state.faults)],
    )
    app.state.datacenter, app.state.jira = state, jira.state
    return app


async def _myself(request: Request) -> Response:
    """`GET /rest/api/2/myself`: `key` and `name`, no `accountId`."""
    state: DataCenter = request.app.state.datacenter
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    pair = state.tokens.access(value.strip()) if kind.lower() == "bearer" else None
    if pair is None:
        return Response(status_code=401, headers={"WWW-Authenticate": 'OAuth realm="sandbox"'})
    person = state.people[pair.grant.account]
    body = {
        "key": state.key(person),
        "name": person.name,
        "emailAddress": person.email,
        "displayName": person.display_name,
        "active": True,
    }
    return Json(body, headers=_named(state, person))


class _Rest:
    """The REST API v2, which the sandbox's Jira answers as its v3."""

    def __init__(self, state: DataCenter, jira: ASGIApp) -> None:
        self._state = state
        self._jira = jira
        self._people = {person.account_id: person for person in state.people.values()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version, _, rest = scope["path"].removeprefix("/rest/api/").partition("/")
        if version not in ("2", "latest") and not (version == "3" and self._state.like_cloud):
            await Response(status_code=404)(scope, receive, send)
            return
        path = f"/rest/api/3/{rest}"
        inside = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await self._jira(inside, receive, self._renamed(send))

    def _renamed(self, send: Send) -> Send:
        """`X-AUSERNAME` in the place of `X-AAccountId`."""

        async def renamed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                person = self._people.get(headers.get("X-AAccountId", ""))
                del headers["X-AAccountId"]
                headers.update(
                    {"X-AUSERNAME": "anonymous"} if person is None else _named(self._state, person)
                )
                message = {**message, "headers": headers.raw}
            await send(message)

        return renamed


def _named(state: DataCenter, person: Person) -> dict[str, str]:
    own = {"X-AUSERNAME": person.name}
    return {**own, "X-AAccountId": state.key(person)} if state.like_cloud else own
