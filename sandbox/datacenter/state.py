"""A Data Center's people, incoming links and tokens, with the knobs that tests turn."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import clock
from sandbox.consent import App, Asked
from sandbox.idp.shelf import Shelf
from sandbox.jira.auth import READ as CLOUD_READ
from sandbox.jira.auth import WRITE as CLOUD_WRITE
from sandbox.jira.datacenter import user_key
from sandbox.jira.faults import Faults
from sandbox.people import Person
from sandbox.rotation import DAY, RotatingTokens, Rules

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


class DataCenter:
    """The state behind `app.state.datacenter`."""

    def __init__(self, *, apps: Sequence[App], people: Mapping[str, Person], factor: float = 1.0) -> None:
        """`factor` divides every lifetime but the code's, which is short enough."""
        self.apps = {app.id: app for app in apps}
        self.people = people
        self.rules = RULES.shrunk(factor)
        self.tokens = RotatingTokens(self.rules, self.now)
        self.code_seconds = CODE_SECONDS
        self.faults = Faults()
        """Before each request; of the token endpoint with `effect=True` the rotation happens all the same."""
        self.clock_skew = 0.0
        self.counts: Counter[str] = Counter()
        """Requests of the token endpoint by grant type."""
        self.pending: Shelf[Asked] = Shelf(lambda: 600.0, self.now)
        self.codes: Shelf[Code] = Shelf(lambda: self.code_seconds, self.now)

    def now(self) -> float:
        """Unix seconds by the server's clock."""
        return clock.wall() + self.clock_skew

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
