"""The sandbox's Jira as an ASGI app. Every call of `create_app` is a site of its own."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.jira.auth import Verify
from sandbox.jira.data import demo_site
from sandbox.jira.door import Door, Logged
from sandbox.jira.errors import JiraError
from sandbox.jira.faults import Faults
from sandbox.jira.flavour import CLOUD, Flavour
from sandbox.jira.model import Site
from sandbox.jira.views import Views
from sandbox.jira.wire import Endpoint, problem, refusal, unauthenticated
from sandbox.people import PEOPLE, Person

_LOGGED = 100_000


def create_app(
    verify: Verify,
    *,
    base_url: str,
    faults: Faults | None = None,
    people: Mapping[str, Person] = PEOPLE,
    flavour: Flavour = CLOUD,
) -> Starlette:
    """A Jira site at `base_url` with the demo data: a Cloud one, or `sandbox.jira.datacenter.DATACENTER`.

    `verify(token)` returns the claims of an access token for this Jira (`sub` is a name in `people`,
    `scope` as in RFC 8693), or None. `app.state` holds `site`, `requests` (the last `Logged` ones) and
    `faults`.
    """
    site = demo_site(people)
    views = flavour.views(site, base_url.rstrip("/"))
    requests: deque[Logged] = deque(maxlen=_LOGGED)
    faults = faults or Faults()
    door = Middleware(Door, site=site, verify=verify, log=requests, faults=faults, announce=flavour.announce)
    app = Starlette(
        routes=[_route(version, point, site, views, flavour) for version, point in flavour.endpoints],
        middleware=[door],
        exception_handlers={JiraError: _refused, HTTPException: _unknown},
    )
    app.state.site, app.state.requests, app.state.faults = site, requests, faults
    return app


def _route(version: str, point: Endpoint, site: Site, views: Views, flavour: Flavour) -> Route:
    path = f"/rest/api/{version}{point.path}"
    return Route(path, _serving(point, site, views, flavour), methods=[point.method])


def _serving(
    point: Endpoint, site: Site, views: Views, flavour: Flavour
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        call = flavour.call(request, site, views, request.state.session, request.state.body)
        call.session.require(point.scope)
        if call.who is None and not point.anonymous:
            raise unauthenticated(views.base)
        return point.handler(call)

    return serve


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, JiraError)
    return refusal(error)


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    return refusal(problem(error.status_code, f"No endpoint {request.method} {path}.", path))
