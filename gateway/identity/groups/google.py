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
from gateway.identity.groups.access import DirectoryAccess, Order
from gateway.identity.profiles import trusted
from gateway.identity.wire import Client, Proof, silent
from gateway.jose import rs256
from gateway.model import Person
from gateway.settings.identity import Directory

DIRECTORY = "https://admin.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/admin.directory.group.readonly"
ISSUER = "https://accounts.google.com"
PAGE = 200
"""groups of one page: Google's maximum."""


def build(order: Directory, issuer: str, outward: Outward, client: Client) -> "GoogleGroups":
    """The directory that the service account may read. Raises `ConfigError`."""
    problems, key = [], dict[str, str]()
    try:
        key = _key(order.client_secret.get_secret_value())
        if not isinstance(key["client_email"], str) or not trusted(key["token_uri"]):
            problems.append("`client_secret` names no account or no https token address")
    except ValueError:
        problems.append("`client_secret` is not the JSON key file of a service account")
    if not order.subject:
        problems.append("`subject` is missing: the administrator in whose name the service account asks")
    if problems:
        raise ConfigError([f"identity.issuers.directory ({issuer}): {problem}." for problem in problems])
    return GoogleGroups(order, key["token_uri"], outward, client)


class GoogleGroups:
    """A `GroupSource`."""

    def __init__(self, order: Directory, token_uri: str, outward: Outward, client: Client) -> None:
        self._base = order.endpoint or DIRECTORY
        self._outward = outward
        self._administrator = order.subject
        self._token_uri = token_uri
        self._access = DirectoryAccess(outward, token_uri, client, self._assertion)

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

    def _assertion(self, proof: Proof) -> Order:
        """Google identity documentation, "Using OAuth 2.0 for server to server applications"."""
        assert proof.secret is not None
        try:
            key = _key(proof.secret.reveal())
        except ValueError:
            raise silent(self._token_uri, "a changed key file is not that of a service account") from None
        now = int(clock.wall())
        claims = {
            "iss": key["client_email"],
            "sub": self._administrator,
            "scope": SCOPE,
            "aud": self._token_uri,
            "iat": now,
            "exp": now + 600,
        }
        signed = rs256(claims, key["private_key"], kid=key.get("private_key_id", ""))
        return [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", signed)], {}


def _key(text: str) -> dict[str, str]:
    """The key file of a service account. Raises ValueError."""
    try:
        key: dict[str, str] = json.loads(text)
        rs256({}, key["private_key"])
        if not {"client_email", "token_uri"} <= key.keys():
            raise ValueError("not all members are there")
    except (TypeError, KeyError, AttributeError) as wrong:
        raise ValueError("not a key file") from wrong
    return key


def _addresses(told_here: dict[str, Any], base: str) -> set[str]:
    """Somebody in no group has no `groups` at all."""
    listed = told_here.get("groups", [])
    if told_here.get("kind") != "admin#directory#groups" or not isinstance(listed, list):
        raise silent(base, "no list of groups")
    emails = [one.get("email") if isinstance(one, dict) else None for one in listed]
    if not all(isinstance(email, str) and email for email in emails):
        raise silent(base, "a group without address")
    return {str(email) for email in emails}
