"""Atlassian's accounts, sites, apps and tokens, with the knobs that tests turn."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from gateway import clock
from sandbox.consent import App, Asked
from sandbox.idp.shelf import Shelf
from sandbox.jira.faults import Faults
from sandbox.people import Person
from sandbox.rotation import DAY, RotatingTokens, Rules

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


class Atlassian:
    """The state behind `app.state.atlassian`."""

    def __init__(
        self,
        *,
        apps: Sequence[App],
        people: Mapping[str, Person],
        factor: float = 1.0,
        strict: bool = False,
    ) -> None:
        """`factor` divides every lifetime; `strict` takes the leeway away."""
        rules = RULES.shrunk(factor)
        if strict:
            rules.leeway = 0.0
        self.apps = {app.id: app for app in apps}
        self.people = people
        self.sites: dict[str, CloudSite] = {}
        self.rules = rules
        self.tokens = RotatingTokens(rules, self.now)
        self.code_seconds = 300.0 / factor
        """Not documented."""
        self.pkce = False
        """Whether a challenge is held to; Atlassian documents no PKCE and ignores it."""
        self.faults = Faults()
        """Before each request; of `/oauth/token` with `effect=True` the rotation happens all the same."""
        self.clock_skew = 0.0
        self.counts: Counter[str] = Counter()
        """Requests of the token endpoint by grant type."""
        self.pending: Shelf[Asked] = Shelf(lambda: 600.0, self.now)
        self.codes: Shelf[Code] = Shelf(lambda: self.code_seconds, self.now)

    def now(self) -> float:
        """Unix seconds by Atlassian's clock."""
        return clock.wall() + self.clock_skew

    def add(self, site: CloudSite) -> None:
        """One more site. Every account may choose every site."""
        self.sites[site.id] = site

    def claims(self, token: str, cloud_id: str) -> dict[str, Any] | None:
        """What an access token is worth at that site, as the sandbox Jira's `verify` wants it; None if nothing."""
        pair = self.tokens.access(token)
        if pair is None or cloud_id not in pair.grant.sites:
            return None
        return {"sub": pair.grant.account, "scope": " ".join(sorted(pair.scopes))}
