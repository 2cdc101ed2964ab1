"""Google Workspace: whose groups stand in no token at all.

Admin SDK Directory API, `GET /admin/directory/v1/groups?userKey=…`, with the scope
`admin.directory.group.readonly`; a service account with domain-wide delegation asks in the name of an
administrator (`subject`). Groups are named by their addresses; only direct memberships are told.
"""

import json
from typing import Any
from urllib.parse import urlencode

from gateway import clock, limits
from gateway.errors import ConfigError, Unauthenticated
from gateway.http import Outward
from gateway.identity.groups import too_many
from gateway.identity.groups.access import DirectoryAccess, Pairs
from gateway.identity.profiles import trusted
from gateway.identity.wire import silent
from gateway.jose import rs256
from gateway.model import Person
from gateway.settings.identity import Directory

DIRECTORY = "https://admin.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/admin.directory.group.readonly"
ISSUER = "https://accounts.google.com"
PAGE = 200
"""groups of one page: Google's maximum."""


def build(order: Directory, issuer: str, outward: Outward) -> "GoogleGroups":
    """The directory that the service account may read. Raises `ConfigError`."""
    problems = []
    try:
        key = json.loads(order.client_secret.get_secret_value())
        email, token_uri, pem = key["client_email"], key["token_uri"], key["private_key"]
        rs256({}, pem)
        if not isinstance(email, str) or not trusted(token_uri):
            problems.append("`client_secret` names no account or no https token address")
    except (ValueError, TypeError, KeyError, AttributeError):
        problems.append("`client_secret` is not the JSON key file of a service account")
    if not order.subject:
        problems.append("`subject` is missing: the administrator in whose name the service account asks")
    if problems:
        raise ConfigError([f"identity.issuers.directory ({issuer}): {problem}." for problem in problems])
    return GoogleGroups(order, key, outward)


class GoogleGroups:
    """A `GroupSource`."""

    def __init__(self, order: Directory, key: dict[str, str], outward: Outward) -> None:
        self._base = order.endpoint or DIRECTORY
        self._outward = outward
        self._administrator = order.subject
        self._key = key
        self._access = DirectoryAccess(outward, key["token_uri"], self._assertion)

    async def groups(self, person: Person) -> frozenset[str]:
        """Addresses of the groups. Raises `Unavailable`, `Unauthenticated`."""
        who = person.subject if person.issuer == ISSUER else person.email
        if not who:
            raise Unauthenticated("the directory knows people by e-mail, and the issuer verified none")
        found: set[str] = set()
        following = ""
        for _ in range(limits.DIRECTORY_PAGES):
            told_here = await self._page(who, following)
            found |= _addresses(told_here, self._base)
            following = told_here.get("nextPageToken", "")
            if not isinstance(following, str):
                raise silent(self._base, "nextPageToken is no text")
            if len(found) > limits.GROUPS_READ:
                break
            if not following:
                return frozenset(found)
        raise too_many()

    async def _page(self, who: str, following: str) -> dict[str, Any]:
        query = {"userKey": who, "maxResults": str(PAGE)} | ({"pageToken": following} if following else {})
        return await self._access.asked(
            f"{self._base}/admin/directory/v1/groups?{urlencode(query)}", self._base
        )

    def _assertion(self) -> Pairs:
        """Google identity documentation, "Using OAuth 2.0 for server to server applications"."""
        now = int(clock.wall())
        claims = {
            "iss": self._key["client_email"],
            "sub": self._administrator,
            "scope": SCOPE,
            "aud": self._key["token_uri"],
            "iat": now,
            "exp": now + 600,
        }
        signed = rs256(claims, self._key["private_key"], kid=self._key.get("private_key_id", ""))
        return [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", signed)]


def _addresses(told_here: dict[str, Any], base: str) -> set[str]:
    """Somebody in no group has no `groups` at all."""
    listed = told_here.get("groups", [])
    if told_here.get("kind") != "admin#directory#groups" or not isinstance(listed, list):
        raise silent(base, "no list of groups")
    emails = [one.get("email") if isinstance(one, dict) else None for one in listed]
    if not all(isinstance(email, str) and email for email in emails):
        raise silent(base, "a group without address")
    return {str(email) for email in emails}
