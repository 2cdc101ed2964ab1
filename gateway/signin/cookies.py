"""The two cookies. Neither says anything: each is a random secret.

    session   who is signed in (`sessions.py`); gone when the browser closes
    browser   which browser began a flow (`flows.py`); ten minutes; signs nobody in

On https both are `__Host-` cookies: only this very host can set them, only over TLS. SameSite=Lax,
since the provider sends the browser back to us with a top-level GET, and nothing else from another
site may act as the person.
"""

import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from gateway import limits

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class Cookies:
    """Sets and reads them. `public_url` tells whether people come over https."""

    def __init__(self, public_url: str) -> None:
        self._secure = public_url.startswith("https://")
        prefix = "__Host-" if self._secure else ""  # plain http is allowed on loopback alone
        self.session = f"{prefix}gateway-session"
        self.browser = f"{prefix}gateway-browser"

    def read(self, request: Request) -> tuple[str | None, str | None]:
        """(session id, browser secret), each None unless it has our form."""
        return self._value(request, self.session), self._value(request, self.browser)

    @staticmethod
    def new() -> str:
        """A secret for a browser that has none."""
        return secrets.token_urlsafe(32)

    def keep_browser(self, response: Response, secret: str) -> None:
        """For as long as a flow that begins now."""
        self._set(response, self.browser, secret, int(limits.FLOW_SECONDS))

    def keep_session(self, response: Response, id: str) -> None:
        self._set(response, self.session, id, None)

    def drop_session(self, response: Response) -> None:
        self._set(response, self.session, "", 0)

    def _set(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def _value(self, request: Request, name: str) -> str | None:
        found = request.cookies.get(name, "")
        return found if _SECRET.fullmatch(found) else None
