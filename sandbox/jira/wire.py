"""Between HTTP and the handlers: one request as a value, answers as Jira words them.

A handler is a plain function of a `Call`. Nothing in it awaits, so each request sees and changes the
site at one instant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.jira.auth import READ, Session
from sandbox.jira.errors import JiraError
from sandbox.jira.issues import IssueViews
from sandbox.jira.model import Site
from sandbox.jira.permissions import Who
from sandbox.jira.views import Views

JSON = "application/json;charset=UTF-8"
_DIGITS = 18
"""More do not fit the 64 bits of Jira's numbers."""

PROBLEM = "application/problem+json;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Call:
    """One request: where, as whom, with what."""

    request: Request
    site: Site
    views: Views
    session: Session
    raw: bytes

    @property
    def who(self) -> Who:
        """The caller, None when anonymous."""
        return self.session.who

    @property
    def issues(self) -> IssueViews:
        """Issues as the caller sees them."""
        return IssueViews(self.views, self.who)

    def path(self, name: str) -> str:
        """A segment of the path."""
        return str(self.request.path_params[name])

    def text(self, name: str, default: str = "") -> str:
        """A query parameter; the last where it is repeated."""
        return self.request.query_params.get(name, default)

    def texts(self, name: str) -> list[str]:
        """A query parameter that may be repeated and may hold commas."""
        return [
            part for value in self.request.query_params.getlist(name) for part in value.split(",") if part
        ]

    def number(self, name: str, default: int, least: int = 0, most: int = 2**31 - 1) -> int:
        """An integer query parameter within bounds; a problem document (400) when it is not an integer."""
        value = self.text(name)
        if not value:
            return default
        if len(value) > _DIGITS or not value.removeprefix("-").isdecimal() or not value.isascii():
            raise problem(400, f"Failed to convert '{name}' with value: '{value}'", self.request.url.path)
        return max(least, min(most, int(value)))

    def flag(self, name: str) -> bool:
        """A boolean query parameter."""
        return self.text(name).lower() == "true"

    def json(self) -> Any:
        """The body. Raises `JiraError` 400 when it is not JSON."""
        try:
            return orjson.loads(self.raw)
        except orjson.JSONDecodeError:
            why = "There was an error parsing JSON. Check that your request body is valid."
            raise JiraError(400, why) from None


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A line of the route table. `anonymous` is False where Jira demands that somebody is signed in."""

    method: str
    path: str
    handler: Handler
    scope: str = READ
    anonymous: bool = True


def answer(body: Any = None, status: int = 200) -> Response:
    """JSON, or an empty body for None."""
    if body is None:
        return Response(status_code=status)
    return Response(orjson.dumps(body), status, media_type=JSON)


def refusal(error: JiraError) -> Response:
    """An error's answer."""
    kind = PROBLEM if isinstance(error.body, dict) and "instance" in error.body else JSON
    if isinstance(error.body, str):
        return Response(error.body, error.status, error.headers, "text/plain;charset=UTF-8")
    return Response(orjson.dumps(error.body), error.status, error.headers, kind)


def problem(status: int, detail: str, path: str) -> JiraError:
    """An RFC 7807 answer, which Jira gives for unknown paths and parameters of the wrong type."""
    title = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}.get(status, "Error")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": path}
    return JiraError(status, body=body)


def unauthenticated(base: str) -> JiraError:
    """What routes that demand a signed-in caller answer to anonymous ones."""
    why = "Client must be authenticated to access this resource."
    return JiraError(401, body=why, headers={"WWW-Authenticate": f'OAuth realm="{base}"'})
