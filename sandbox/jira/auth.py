"""Who calls the sandbox's Jira, and what Jira Cloud does with credentials that are wrong.

A Bearer token that is not a JWT is 403 everywhere; one that does not verify is 401. A wrong Basic
pair is *not* refused: Jira goes on as anonymous and says so only in `X-Seraph-LoginReason`.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from secrets import compare_digest
from typing import Any

from sandbox.jira.errors import JiraError
from sandbox.jira.model import Site
from sandbox.jira.permissions import Who
from sandbox.people import Person

Verify = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""The claims of a valid access token whose audience is this Jira, or None."""

READ, WRITE = "read:jira-work", "write:jira-work"


@dataclass(frozen=True, slots=True)
class Session:
    """As whom one request runs. `scopes` is None where a credential is not limited by any (Basic)."""

    who: Who = None
    scopes: frozenset[str] | None = None
    login_reason: str | None = None
    token_id: str = ""
    """`jti` of the token, so that a test can match it with the gateway's record."""

    def require(self, scope: str) -> None:
        """Raises `JiraError` 401 when the token lacks the scope."""
        if self.scopes is not None and scope not in self.scopes:
            raise JiraError(401, body={"code": 401, "message": "Unauthorized; scope does not match"})


def api_token(person: Person) -> str:
    """The person's API token for Basic auth; public, like every secret here."""
    return f"{person.name}-api-token"


async def authenticate(site: Site, verify: Verify, header: str | None) -> Session:
    """The session of an `Authorization` header. Raises `JiraError` for a Bearer that is wrong."""
    kind, _, value = (header or "").partition(" ")
    if kind.lower() == "bearer":
        return await _bearer(site, verify, value.strip())
    if kind.lower() == "basic":
        return _basic(site, value.strip())
    return Session()


async def _bearer(site: Site, verify: Verify, token: str) -> Session:
    if token.count(".") != 2:
        raise JiraError(403, body={"error": "Failed to parse Connect Session Auth Token"})
    claims = await verify(token)
    person = site.people.get(str(claims.get("sub"))) if claims else None
    if claims is None or person is None:
        raise JiraError(401, body={"code": 401, "message": "Unauthorized"})
    scopes = frozenset(str(claims.get("scope", "")).split())
    return Session(person, scopes, token_id=str(claims.get("jti", "")))


def _basic(site: Site, value: str) -> Session:
    try:
        email, _, token = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        email, token = "?", ""
    person = next((p for p in site.people.values() if p.email == email), None)
    if person is not None and compare_digest(token.encode(), api_token(person).encode()):
        return Session(person)
    return Session(login_reason="AUTHENTICATED_FAILED" if email else None)
