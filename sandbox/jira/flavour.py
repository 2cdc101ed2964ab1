"""What differs between a Jira Cloud and a Jira Data Center over one and the same site."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.jira import issue_routes, search_routes, site_routes
from sandbox.jira.door import Announce, cloud_headers
from sandbox.jira.views import Views
from sandbox.jira.wire import Call, Endpoint


@dataclass(frozen=True, slots=True)
class Flavour:
    """Where the endpoints stand, how things look there, and how a request is read."""

    endpoints: Sequence[tuple[str, Endpoint]]
    """(version of the REST API, endpoint)."""
    views: type[Views] = Views
    call: type[Call] = Call
    announce: Announce = cloud_headers


_GONE = [point for point in search_routes.ENDPOINTS if point.handler is search_routes.removed]

CLOUD = Flavour(
    endpoints=(
        *(("3", p) for p in (*search_routes.ENDPOINTS, *issue_routes.ENDPOINTS, *site_routes.ENDPOINTS)),
        *(("2", p) for p in _GONE),
    )
)
