"""A Data Center as one ASGI application: its OAuth 2.0 provider, and the sandbox's Jira behind it."""

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from sandbox.consent import App
from sandbox.datacenter import oauth
from sandbox.datacenter.state import AUTHORIZE, DataCenter
from sandbox.idp.wire import OAuthError, error_answer
from sandbox.jira import DATACENTER
from sandbox.jira import create_app as create_jira
from sandbox.people import PEOPLE, Person
from sandbox.struck import Struck


def create_app(
    apps: Sequence[App], *, base_url: str, people: Mapping[str, Person] = PEOPLE, factor: float = 1.0
) -> Starlette:
    """A Data Center at `base_url`. Its state is `app.state.datacenter`, its Jira's `app.state.jira`."""
    state = DataCenter(apps=apps, people=people, factor=factor)
    jira = create_jira(state.claims, base_url=base_url, people=people, flavour=DATACENTER)
    app = Starlette(
        routes=[
            Route(AUTHORIZE, state.show, methods=["GET"]),
            Route(AUTHORIZE, state.decide, methods=["POST"]),
            Route(oauth.TOKEN, oauth.token, methods=["POST"]),
            Mount("/", jira),
        ],
        exception_handlers={OAuthError: error_answer},
        middleware=[Middleware(Struck, faults=state.faults)],
    )
    app.state.datacenter, app.state.jira = state, jira.state
    return app
