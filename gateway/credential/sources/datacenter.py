"""Jira Data Center: OAuth 2.0 by an incoming link, one consent of each person in the browser.

What Jira does differently from RFC 6749:

- a code lives ten seconds, so it is redeemed in the very request that brings it;
- a refresh must repeat the `redirect_uri` of the link; without it the answer is a bare `invalid_grant`;
- nothing is documented of a second use of a refresh token: it is taken to be good once, strictly;
- scopes contain each other: `SYSTEM_ADMIN` > `ADMIN` > `WRITE` > `READ`, within the person's own rights;
- an answer may leave out `scope`; then what was asked is what was given (RFC 6749 §5.1).
"""

from typing import Literal

from gateway.credential import Parts
from gateway.credential.client import OAuthClient
from gateway.credential.codegrant import App
from gateway.credential.connecting import Terms
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.linked import AppSettings, LinkedSettings, LinkedSource, consents, refresher_of
from gateway.credential.match import matching
from gateway.settings import Field

READ, WRITE = frozenset({"READ"}), frozenset({"WRITE"})
CONTAINS = {
    "WRITE": ("READ",),
    "ADMIN": ("WRITE", "READ"),
    "SYSTEM_ADMIN": ("ADMIN", "WRITE", "READ"),
}


class Settings(LinkedSettings):
    """Jira Data Center: each person connects their own account in the browser (OAuth 2.0, incoming link)."""

    source: Literal["datacenter"] = Field("datacenter", description="Jira Data Center OAuth 2.0.")


def build(settings: Settings, parts: Parts) -> LinkedSource:
    """The source of one Data Center site. Raises `ConfigError`."""
    reading, writing = consents(
        settings, parts.site, lambda app: _app(app, parts), reading=READ, writing=WRITE
    )
    terms = Terms(
        source="datacenter",
        reading=reading,
        writing=writing,
        matching=matching(settings, parts.issuers),
        shared=settings.shared_accounts,
    )
    return LinkedSource(terms, parts, refresher_of(parts))


def _app(app: AppSettings, parts: Parts) -> App:
    base = f"{parts.site_url}/rest/oauth2/latest"
    endpoint = TokenEndpoint(
        parts.outward, f"{base}/token", OAuthClient(app, parts.keys, audience=parts.site_url)
    )
    return App(
        endpoint, f"{base}/authorize", refreshes=(("redirect_uri", parts.callback_url),), implies=CONTAINS
    )
