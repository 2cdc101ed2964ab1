"""Atlassian's accounts, sites, apps and tokens, with the knobs that tests turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

from starlette.types import ASGIApp

from sandbox.consent import App, Asked
from sandbox.idp.wire import OAuthError, Params
from sandbox.people import Person
from sandbox.rotation import DAY, Rules
from sandbox.server import Server

AUDIENCE = "api.atlassian.com"
SITE = "sandbox_site"
"""With `sandbox_approve`: the id of the site that is chosen; by default all are."""

CLASSIC = (
    "read:me",
    "read:jira-work",
    "write:jira-work",
    "read:jira-user",
    "manage:jira-project",
    "manage:jira-configuration",
    "manage:jira-webhook",
    "offline_access",
)
"""Scopes that an app may ask for."""

RULES = Rules(access=3_600, idle=90 * DAY, absolute=365 * DAY, leeway=600, companion=True)
"""As documented: an hour, ninety days, a year, ten minutes."""


@dataclass(frozen=True, slots=True)
class CloudSite:
    """A site, and the Jira behind it."""

    id: str
    url: str
    name: str
    jira: ASGIApp | None = None
    """Answers what comes to `/ex/jira/ID`; None: the site has no Jira that answers."""


@dataclass(frozen=True, slots=True)
class Code:
    """What an authorization code stands for."""

    asked: Asked
    person: Person
    sites: frozenset[str]


class Atlassian(Server[Code]):
    """The state behind `app.state.atlassian`, and its consent page (`GET https://auth.atlassian.com/authorize`):
    a person agrees, and chooses a site."""

    title = "Atlassian (sandbox)"
    action = "/authorize"
    wrong = "Incorrect email address and / or password."
    declined: ClassVar[Mapping[str, str]] = {"error_description": "User did not authorize the request"}

    def __init__(
        self,
        *,
        apps: Sequence[App],
        people: Mapping[str, Person],
        factor: float = 1.0,
        strict: bool = False,
    ) -> None:
        """`factor` divides every lifetime (the code's five minutes are not documented); `strict` takes the
        leeway away."""
        rules = RULES.shrunk(factor)
        if strict:
            rules.leeway = 0.0
        super().__init__(apps=apps, people=people, rules=rules, code_seconds=300.0 / factor)
        self.sites: dict[str, CloudSite] = {}
        self.pkce = False
        """Whether a challenge is held to; Atlassian documents no PKCE and ignores it."""

    def read(self, params: Params) -> Asked:
        """The request, checked as documented. Raises `OAuthError`."""
        app = self.apps.get(params.need("client_id"))
        if app is None:
            raise OAuthError("invalid_request", "The app is not known.")
        for name, value in (("response_type", "code"), ("audience", AUDIENCE), ("prompt", "consent")):
            if params.need(name) != value:
                raise OAuthError("invalid_request", f"{name} must be {value}.")
        if params.need("redirect_uri") != app.callback:
            raise OAuthError("invalid_request", "redirect_uri is not registered for client.")
        scopes = frozenset(params.need("scope").split())
        if not scopes <= (app.scopes or frozenset(CLASSIC)):
            raise OAuthError("invalid_scope", "The app asks for a scope that is not configured for it.")
        challenge, method = params.get("code_challenge"), params.get("code_challenge_method") or "plain"
        return Asked(app, scopes, params.get("state"), challenge, method)

    def code(self, asked: Asked, person: Person, params: Params) -> Code:
        """For the site that was chosen; where none was, for all."""
        site = next((params.get(name) for name in (SITE, "site") if params.get(name) is not None), None)
        return Code(asked, person, frozenset(self.sites if site is None else {site} & self.sites.keys()))

    def more(self) -> str:
        """The choice of a site."""
        options = "".join(
            f'<option value="{escape(site.id)}">{escape(site.url)}</option>' for site in self.sites.values()
        )
        return f'<label>Use app on <select name="site">{options}</select></label>' if options else ""

    def add(self, site: CloudSite) -> None:
        """One more site. Every account may choose every site."""
        self.sites[site.id] = site

    def claims(self, token: str, cloud_id: str) -> dict[str, Any] | None:
        """What an access token is worth at that site, as the sandbox Jira's `verify` wants it; None if nothing."""
        pair = self.tokens.access(token)
        if pair is None or cloud_id not in pair.grant.sites:
            return None
        return {"sub": pair.grant.account, "scope": " ".join(sorted(pair.scopes))}
