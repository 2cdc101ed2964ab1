"""Jira Cloud: OAuth 2.0 (3LO), one consent of each person in the browser, rotating refresh tokens.

What Atlassian does differently from RFC 6749, all of it here and in the table of `codegrant.py`:

- the authorization request names an `audience` and asks for consent each time (`prompt=consent`);
- a dead refresh token is answered with 403 `invalid_grant`, a wrong secret with 401 `access_denied`;
- a refresh token is spent by its use; it and its access token live on for ten minutes, then its reuse
  ends the whole grant, so nobody refreshes but the one `Refresher`;
- a grant may reach several sites, so the site is found by its address among those that it reaches, and
  requests go to `https://api.atlassian.com/ex/jira/CLOUD_ID`, never to the site's own address;
- there is nothing to revoke a grant with: the person removes the app in their Atlassian account.
"""

import re
from typing import Literal
from urllib.parse import urlsplit

import orjson

from gateway import limits
from gateway.credential import Parts
from gateway.credential.client import OAuthClient
from gateway.credential.codegrant import App
from gateway.credential.connecting import Terms
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.linked import AppSettings, LinkedSettings, LinkedSource, consents, refresher_of
from gateway.credential.match import matching
from gateway.credential.refusals import unusable
from gateway.credential.vault import TokenSet
from gateway.errors import ConfigError, LinkRefused
from gateway.http import Ask, Outward, OutwardError
from gateway.settings import Field, Url

AUDIENCE = "api.atlassian.com"
OFFLINE = frozenset({"offline_access"})
LASTS_DAYS = 365
"""days after which a grant ends however often it was refreshed (Atlassian's announcement of rotation)."""

APPS_URL = "https://id.atlassian.com/manage-profile/apps"
"""Where people see and remove the apps of their account."""

_CLOUD_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


class Settings(LinkedSettings):
    """Jira Cloud: each person connects their own account in the browser (OAuth 2.0, 3LO)."""

    source: Literal["atlassian"] = Field("atlassian", description="Jira Cloud OAuth 2.0 (3LO).")
    site_url: Url = Field(
        description="The site as people know it, `https://SITE.atlassian.net`; `jira.url` is "
        "`https://api.atlassian.com/ex/jira/CLOUD_ID`, with the id from `SITE_URL/_edge/tenant_info`."
    )
    read_scope: str = Field("read:jira-work read:jira-user", description="Scopes that reads need.")
    write_scope: str = Field(
        "read:jira-work read:jira-user write:jira-work", description="Scopes that writes need."
    )
    authorization_server: Url = Field("https://auth.atlassian.com", description="For tests.")
    api: Url = Field("https://api.atlassian.com", description="For tests.")


class Reach:
    """Whether fresh tokens reach the site of the settings."""

    def __init__(self, outward: Outward, api: str, site_url: str, cloud_id: str) -> None:
        self._outward = outward
        self._resources = f"{api}/oauth/token/accessible-resources"
        self._site = _origin(site_url)
        self._cloud_id = cloud_id

    async def __call__(self, tokens: TokenSet) -> None:
        """Raises `LinkRefused` when they do not, `Unavailable` when nobody can say."""
        sites = await self._sites(tokens)
        ids = [str(site.get("id")) for site in sites if _origin(str(site.get("url"))) == self._site]
        if not ids:
            raise LinkRefused(
                "This connection does not reach the Jira site of this gateway: connect once more, and choose "
                "that site where Atlassian asks for one.",
                private=f"the grant reaches {len(sites)} sites, and {self._site} is not among them",
            )
        if self._cloud_id not in ids:
            raise unusable(f"`jira.url` has not the cloud id of {self._site}: correct the settings")

    async def _sites(self, tokens: TokenSet) -> list[dict[str, object]]:
        headers = {"Authorization": f"Bearer {tokens.access.reveal()}", "Accept": "application/json"}
        ask = Ask(
            "GET", self._resources, headers, seconds=limits.EXCHANGE_SECONDS, max_bytes=limits.JWKS_BYTES
        )
        try:
            reply = await self._outward.send(ask)
            found = orjson.loads(reply.body) if reply.status == 200 else None
        except (OutwardError, orjson.JSONDecodeError) as failed:
            raise unusable(f"accessible-resources: {type(failed).__name__}") from None
        if not isinstance(found, list):
            raise unusable(f"accessible-resources: status {reply.status}")
        return [site for site in found if isinstance(site, dict)]


def build(settings: Settings, parts: Parts) -> LinkedSource:
    """The source of one Cloud site. Raises `ConfigError`."""
    cloud_id = _cloud_id(settings, parts)
    reading, writing = consents(
        settings,
        parts.site,
        lambda app: _app(app, settings, parts),
        reading=frozenset(settings.read_scope.split()),
        writing=frozenset(settings.write_scope.split()),
        extra=OFFLINE,
    )
    terms = Terms(
        source="atlassian",
        reading=reading,
        writing=writing,
        matching=matching(settings, parts.issuers),
        shared=settings.shared_accounts,
        lasts_days=LASTS_DAYS,
        apps_url=APPS_URL,
        reaches=Reach(parts.outward, settings.api, settings.site_url, cloud_id),
    )
    return LinkedSource(terms, parts, refresher_of(parts))


def _app(app: AppSettings, settings: Settings, parts: Parts) -> App:
    server = settings.authorization_server
    endpoint = TokenEndpoint(
        parts.outward, f"{server}/oauth/token", OAuthClient(app, parts.keys, audience=server)
    )
    asks = (("audience", AUDIENCE), ("prompt", "consent"))
    return App(endpoint, f"{server}/authorize", asks=asks)


def _cloud_id(settings: Settings, parts: Parts) -> str:
    base = f"{settings.api}/ex/jira/"
    cloud_id = parts.site_url.removeprefix(base)
    if not _CLOUD_ID.fullmatch(cloud_id):  # nor does an address that begins otherwise
        raise ConfigError(
            [
                f"jira.url ({parts.site}): with the source `atlassian` it must be {base}CLOUD_ID. "
                f"Open {settings.site_url}/_edge/tenant_info for the id."
            ]
        )
    return cloud_id


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
