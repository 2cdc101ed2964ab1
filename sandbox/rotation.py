"""Refresh tokens that are good once, as the two Jiras' authorization servers keep them.

    grant     what one account allowed one app: there is only ever one of it (Atlassian)
    family    what one consent began; it ends at the latest `absolute` seconds later
    pair      a refresh token and the access token that came with it

A refresh spends the pair's refresh token and begins the next pair. For `leeway` seconds both old tokens
go on as if nothing had happened, for clients that lost the answer; a second refresh within that time
gives another pair, and both are good. Afterwards the old refresh token is a stolen one: whoever shows
it ends the grant, and the access token of its pair is dead before its `exp` (`companion`).
"""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

DAY = 86_400.0


class Ended(Exception):
    """The refresh token is not, or no longer, good; the reason is for tests only, who asks is not told."""


@dataclass
class Rules:
    """Seconds, and what happens when they are over. May be changed while the server serves."""

    access: float = 3_600.0
    idle: float = 90 * DAY
    """A refresh token that is not used for so long ends."""
    absolute: float | None = None
    """A family ends so long after its consent, however often it was refreshed."""
    leeway: float = 0.0
    """A spent pair goes on for so long; 0 is strict one-time use."""
    companion: bool = False
    """Whether an access token dies with the leeway of its spent refresh token."""

    def shrunk(self, factor: float) -> "Rules":
        """All times divided by `factor`, so that a test sees a year go by."""
        absolute = None if self.absolute is None else self.absolute / factor
        return Rules(self.access / factor, self.idle / factor, absolute, self.leeway / factor, self.companion)


@dataclass(slots=True, eq=False)
class Grant:
    """What an account allowed an app. `sites` grows with each consent, also for tokens given before."""

    account: str
    client: str
    sites: set[str] = field(default_factory=set)
    ended: str = ""
    """Why it no longer works: `reuse`, `removed`, `password`; empty while it does."""


@dataclass(slots=True, eq=False)
class Pair:
    """Two tokens that were given together. `refresh` is empty without `offline_access`."""

    grant: Grant
    scopes: frozenset[str]
    access: str
    refresh: str
    given_at: float
    consent_at: float
    spent_at: float | None = None


class RotatingTokens:
    """All tokens of one authorization server. `now` is its clock in Unix seconds."""

    def __init__(self, rules: Rules, now: Callable[[], float]) -> None:
        self.rules = rules
        self._now = now
        self._grants: dict[tuple[str, str], Grant] = {}
        self._by_refresh: dict[str, Pair] = {}
        self._by_access: dict[str, Pair] = {}
        self.refreshes = 0
        """Pairs given for a refresh token."""
        self.reuses = 0
        """Grants that ended because a spent refresh token came back."""

    def grant(self, account: str, client: str) -> Grant | None:
        """The live grant of that account to that app."""
        found = self._grants.get((account, client))
        return None if found is None or found.ended else found

    def consent(
        self,
        account: str,
        client: str,
        scopes: frozenset[str],
        *,
        sites: frozenset[str] = frozenset(),
        offline: bool = True,
    ) -> Pair:
        """The first pair of a new family, on the one grant."""
        grant = self.grant(account, client)
        if grant is None:
            grant = self._grants[account, client] = Grant(account, client)
        grant.sites |= sites
        return self._pair(grant, scopes, self._now(), offline=offline)

    def refresh(self, token: str, client: str) -> Pair:
        """The next pair. Raises `Ended`; a spent token that comes back too late ends its grant."""
        pair = self._by_refresh.get(token)
        if pair is None or pair.grant.client != client:
            raise Ended("unknown")
        now, rules = self._now(), self.rules
        if pair.grant.ended:
            raise Ended(pair.grant.ended)
        if pair.spent_at is not None and now > pair.spent_at + rules.leeway:
            self.reuses += 1
            pair.grant.ended = "reuse"
            raise Ended("reuse")
        if now > pair.given_at + rules.idle:
            raise Ended("idle")
        if rules.absolute is not None and now > pair.consent_at + rules.absolute:
            raise Ended("absolute")
        if pair.spent_at is None:
            pair.spent_at = now
        self.refreshes += 1
        return self._pair(pair.grant, pair.scopes, pair.consent_at)

    def access(self, token: str) -> Pair | None:
        """The pair of an access token that is good now."""
        pair = self._by_access.get(token)
        if pair is None or pair.grant.ended:
            return None
        now, rules = self._now(), self.rules
        spent = rules.companion and pair.spent_at is not None and now > pair.spent_at + rules.leeway
        return None if spent or now >= pair.given_at + rules.access else pair

    def live(self, token: str) -> bool:
        """Whether a refresh token would still be taken."""
        pair = self._by_refresh.get(token)
        if pair is None or pair.grant.ended:
            return False
        return pair.spent_at is None or self._now() <= pair.spent_at + self.rules.leeway

    def end(self, account: str, client: str | None = None, reason: str = "removed") -> None:
        """The person removes the app, or all of them (a new password)."""
        for grant in self._grants.values():
            if grant.account == account and client in (None, grant.client):
                grant.ended = grant.ended or reason

    def _pair(self, grant: Grant, scopes: frozenset[str], consent_at: float, *, offline: bool = True) -> Pair:
        refresh = secrets.token_urlsafe(48) if offline else ""
        pair = Pair(grant, scopes, _like_a_jwt(grant.account), refresh, self._now(), consent_at)
        self._by_access[pair.access] = pair
        if refresh:
            self._by_refresh[refresh] = pair
        return pair


def _like_a_jwt(account: str) -> str:
    """Both Jiras' access tokens look so, and nobody but they may read them: there is no key to check it."""
    parts = (orjson.dumps({"alg": "RS256"}), orjson.dumps({"sub": account}), secrets.token_bytes(32))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
