"""Both of Atlassian's hosts, `auth` and `api`, as one ASGI application on one origin."""

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from sandbox.atlassian import api, token
from sandbox.atlassian.state import Atlassian, CloudSite
from sandbox.consent import App
from sandbox.idp.wire import OAuthError, error_answer
from sandbox.jira import create_app as create_jira
from sandbox.people import PEOPLE, Person
from sandbox.struck import Struck


def create_app(
    apps: Sequence[App],
    *,
    people: Mapping[str, Person] = PEOPLE,
    factor: float = 1.0,
    strict: bool = False,
) -> Starlette:
    """The authorization server and the API. Its state is `app.state.atlassian`; `add_site` gives it a Jira."""
    state = Atlassian(apps=apps, people=people, factor=factor, strict=strict)
    app = Starlette(
        routes=[
            Route("/authorize", state.show, methods=["GET"]),
            Route("/authorize", state.decide, methods=["POST"]),
            Route("/oauth/token", token.token, methods=["POST"]),
            Route("/oauth/token/accessible-resources", api.resources),
            Route("/me", api.me),
            Mount(api.PREFIX, api.Sites(state)),
        ],
        exception_handlers={OAuthError: error_answer},
        middleware=[Middleware(Struck, faults=state.faults)],
    )
    app.state.atlassian = state
    return app


def add_site(state: Atlassian, cloud_id: str, *, url: str, name: str = "sandbox") -> Starlette:
    """One more site, with a sandbox Jira of its own behind `/ex/jira/{cloud_id}`; that Jira's app."""
    jira = create_jira(api.verify_at(state, cloud_id), base_url=url, people=state.people)
    state.add(CloudSite(cloud_id, url, name, jira))
    return jira
