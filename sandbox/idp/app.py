"""The provider as an ASGI application."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from sandbox.idp import authorize, metadata, register, revoke, shortcut, token
from sandbox.idp.faults import Faults
from sandbox.idp.keys import KeyRing
from sandbox.idp.state import Idp
from sandbox.idp.wire import OAuthError, error_answer
from sandbox.people import Person

Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    *,
    issuer: str,
    gateway_resource: str,
    jira_audience: str,
    people: Mapping[str, Person],
    keys: KeyRing | None = None,
    faults: Faults | None = None,
) -> Starlette:
    """An identity provider at `issuer` (an origin: no path, no last slash). Its state is `app.state.idp`.

    It gives assistants tokens for `gateway_resource`, and the gateway tokens for `jira_audience`.
    Raises `ValueError` when `issuer` is not an origin.
    """
    parts = urlsplit(issuer)
    if issuer != f"{parts.scheme}://{parts.netloc}" or not parts.hostname:
        raise ValueError(f"The issuer must be an origin such as http://127.0.0.1:8081, not {issuer}.")
    app = Starlette(
        routes=_routes(),
        exception_handlers={OAuthError: error_answer},
        # A web page whose name was rebound to loopback still sends its own name as Host.
        middleware=[
            Middleware(
                TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", parts.hostname]
            )
        ],
    )
    app.state.idp = Idp(
        issuer=issuer,
        gateway_resource=gateway_resource,
        jira_audience=jira_audience,
        people=people,
        keys=keys,
        faults=faults,
    )
    return app


def _routes() -> list[Route | Mount]:
    open_to_pages = Mount(
        "",
        routes=[
            Route("/.well-known/oauth-authorization-server", _counted("metadata", metadata.metadata)),
            Route("/.well-known/openid-configuration", _counted("metadata", metadata.metadata)),
            Route("/jwks", _counted("jwks", metadata.jwks)),
            Route("/register", _counted("register", register.register), methods=["POST"]),
            Route("/token", _counted("token", token.answer), methods=["POST"]),
            Route("/revoke", _counted("revoke", revoke.revoke), methods=["POST"]),
        ],
        # The Inspector and other assistants that live in a browser call these from their own origin.
        middleware=[
            Middleware(
                CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"]
            )
        ],
    )
    return [
        Route("/authorize", _counted("authorize", authorize.show), methods=["GET"]),
        Route("/authorize", _counted("authorize", authorize.decide), methods=["POST"]),
        Route("/sandbox/token", shortcut.token, methods=["POST"]),
        open_to_pages,
    ]


def _counted(endpoint: str, handler: Handler) -> Handler:
    """`handler`, counted under `endpoint`, and failing where the faults say so."""

    async def handle(request: Request) -> Response:
        idp: Idp = request.app.state.idp
        idp.counts[endpoint] += 1
        return await idp.faults.strike(endpoint, request) or await handler(request)

    return handle
