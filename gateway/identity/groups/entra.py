"""Microsoft Entra ID: the groups of somebody whose token has too many of them (more than 200).

Microsoft Graph v1.0, "List a user's memberships (direct and transitive)",
`GET /users/{id}/transitiveMemberOf`; the application permission `GroupMember.Read.All` with an
administrator's consent is enough. Groups are named by their object ids, as in tokens.
"""

from typing import Any
from urllib.parse import quote, urlsplit

from gateway import limits
from gateway.errors import ConfigError
from gateway.http import Outward
from gateway.identity.groups import too_many
from gateway.identity.groups.access import DirectoryAccess, Order
from gateway.identity.wire import Client, Proof, silent
from gateway.model import Person
from gateway.settings.identity import Directory

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com"
PAGE = 999
"""members of one page: Graph's maximum."""


def build(order: Directory, issuer: str, outward: Outward, client: Client) -> "EntraGroups":
    """The directory of the tenant that `issuer` names. Raises `ConfigError`."""
    if not order.client_id:
        raise ConfigError(
            [f"identity.issuers.directory ({issuer}): `client_id` is missing. Add the client's id."]
        )
    return EntraGroups(order, issuer, outward, client)


class EntraGroups:
    """A `GroupSource`."""

    def __init__(self, order: Directory, issuer: str, outward: Outward, client: Client) -> None:
        self._base = order.endpoint or GRAPH
        self._outward = outward
        place = urlsplit(issuer)
        tenant = place.path.strip("/").split("/")[0]
        login = LOGIN if place.hostname == "sts.windows.net" else f"{place.scheme}://{place.netloc}"
        self._access = DirectoryAccess(outward, f"{login}/{tenant}/oauth2/v2.0/token", client, _order)

    async def groups(self, person: Person) -> frozenset[str]:
        """Object ids of the groups, the nested ones as well. Raises `Unavailable`, `Unauthenticated`."""
        member = quote(person.subject.rpartition(":")[2], safe="")
        page: str = f"{self._base}/v1.0/users/{member}/transitiveMemberOf?$select=id&$top={PAGE}"
        found: set[str] = set()
        for _ in range(limits.DIRECTORY_PAGES):
            told_here = await self._access.asked(page, self._base)
            found |= _ids(told_here, self._base)
            following = self._next(told_here)
            if len(found) > limits.GROUPS_READ:
                break
            if following is None:
                return frozenset(found)
            page = following
        raise too_many()

    def _next(self, told_here: dict[str, Any]) -> str | None:
        """The next page, only if it is at the same place: our token goes nowhere else."""
        following = told_here.get("@odata.nextLink")
        if following is None:
            return None
        if not isinstance(following, str) or not following.startswith(f"{self._base}/v1.0/"):
            raise silent(self._base, "the next page is somewhere else")
        return following


def _order(proof: Proof) -> Order:
    form = [("grant_type", "client_credentials"), ("scope", f"{GRAPH}/.default"), *proof.form]
    return form, proof.headers


def _ids(told_here: dict[str, Any], base: str) -> set[str]:
    members = told_here.get("value")
    if not isinstance(members, list) or not all(isinstance(one, dict) for one in members):
        raise silent(base, "no list of members")
    ids = [one.get("id") for one in members if one.get("@odata.type") == "#microsoft.graph.group"]
    if not all(isinstance(one, str) and one for one in ids):
        raise silent(base, "a group without id")
    return {str(one) for one in ids}
