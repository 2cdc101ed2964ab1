"""A Data Center's people, incoming links and tokens, with the knobs that tests turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.consent import App, Asked
from sandbox.idp.wire import OAuthError, Params
from sandbox.jira.auth import READ as CLOUD_READ
from sandbox.jira.auth import WRITE as CLOUD_WRITE
from sandbox.jira.datacenter import user_key
from sandbox.people import Person
from sandbox.rotation import DAY, Rules
from sandbox.server import Server

AUTHORIZE = "/rest/oauth2/latest/authorize"

SCOPES = ("READ", "WRITE", "ADMIN", "SYSTEM_ADMIN")
"""Each contains those before it."""

RULES = Rules(access=3_600, idle=90 * DAY)
"""An hour and ninety days (`atlassian.oauth2.provider.…expiration.seconds`). That a refresh token is good
once, without any leeway, is an assumption: nothing is documented, and a client must not rely on more."""

CODE_SECONDS = 10.0
"""`atlassian.oauth2.provider.max.client.delay.seconds`."""


@dataclass(frozen=True, slots=True)
class Code:
    """What an authorization code stands for."""

    asked: Asked
    person: Person


class DataCenter(Server[Code]):
    """The state behind `app.state.datacenter`, and the incoming link's authorization page."""

    title = "Jira Data Center (sandbox)"
    action = AUTHORIZE
    wrong = "Sorry, your username and password are incorrect - please try again."

    def __init__(self, *, apps: Sequence[App], people: Mapping[str, Person], factor: float = 1.0) -> None:
        """`factor` divides every lifetime but the code's, which is short enough."""
        super().__init__(apps=apps, people=people, rules=RULES.shrunk(factor), code_seconds=CODE_SECONDS)

    def read(self, params: Params) -> Asked:
        """The request, checked. Raises `OAuthError`."""
        app = self.apps.get(params.need("client_id"))
        if app is None:
            raise OAuthError("invalid_request", "There is no incoming link with this client id.")
        if params.need("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code.")
        if params.need("redirect_uri") != app.callback:
            raise OAuthError("invalid_request", "The redirect URL is not that of the link.")
        scopes = frozenset(params.need("scope").split())
        if not scopes <= (app.scopes or frozenset(SCOPES)):
            raise OAuthError("invalid_scope", "The scope is not that of the link.")
        method = params.get("code_challenge_method") or "plain"
        if method not in ("plain", "S256"):
            raise OAuthError("invalid_request", "code_challenge_method must be plain or S256.")
        return Asked(app, scopes, params.get("state"), params.get("code_challenge"), method)

    def code(self, asked: Asked, person: Person, params: Params) -> Code:
        """That person's yes."""
        return Code(asked, person)

    def key(self, person: Person) -> str:
        """The user's `key`: it stays when the user name changes."""
        return user_key(self.people, person)

    async def claims(self, token: str) -> dict[str, Any] | None:
        """What an access token is worth, as the sandbox Jira's `verify` wants it; None if nothing."""
        pair = self.tokens.access(token)
        if pair is None:
            return None
        scopes = {CLOUD_READ} | ({CLOUD_WRITE} if pair.scopes & set(SCOPES[1:]) else set())
        return {"sub": pair.grant.account, "scope": " ".join(sorted(scopes))}
