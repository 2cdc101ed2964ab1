"""One Jira Cloud site, spoken to as one person at a time (REST API v3).

An expired credential does not make Jira answer 401: on most routes it goes on as anonymous and
answers with nothing found. So every answer is asked whose it is: `X-Seraph-LoginReason` must not
tell of a failed sign-in, `X-AAccountId` must be there, and for one (issuer, subject) it must always
be the same account, from the first answer in this process on.

A Data Center is spoken to by `gateway/jira/datacenter/`, which stands on this.
"""

import math
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import orjson

from gateway import clock, limits
from gateway.errors import InvalidCall, OutcomeUnknown, TokenRefused, Unavailable
from gateway.http import Ask, Outward, Reply
from gateway.jira import Json
from gateway.jira.body import decoded
from gateway.jira.errors import lacks_scope, refused, unreadable
from gateway.jira.facts import undecidable
from gateway.jira.pages import PageSeal
from gateway.jira.retry import exchange
from gateway.model import Account, Grant
from gateway.store.memory import ExpiringCache

T = TypeVar("T")

Heard = Callable[[int, str], None]
"""Takes the HTTP status of an answer and the id under which Jira's own log knows it."""

Renew = Callable[[Grant], Awaitable[Grant]]

_SIMPLE = re.compile(r"[A-Za-z0-9_-]+")
_UNSAFE = re.compile(r"[/\\%?#;\x00-\x20\x7f]|\.\.")
_FAILED = ("AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED", "OUT")
_NAMELESS = frozenset({401, 403, 408, 429})
"""Statuses that also come from before the sign-in, where no account is named."""


class JiraClient:
    """Makes sessions. Holds no credential; remembers which Jira account belongs to whom."""

    api: ClassVar[str] = "/rest/api/3/"
    names_account: ClassVar[str] = "X-AAccountId"
    """The header of each answer that says whose it is."""

    def __init__(
        self,
        outward: Outward,
        base_url: str,
        *,
        site: str | None = None,
        page_key: bytes | None = None,
        seconds: float = limits.UPSTREAM_SECONDS,
    ) -> None:
        """`base_url` is where requests go (`https://x.atlassian.net` or `https://api.atlassian.com/ex/jira/{id}`).

        `site` is where people browse, by default the same. `page_key` (32 bytes) is random by default.
        Raises ValueError for a URL that is not plain.
        """
        self.base_url = _plain_url(base_url)
        self.root = self.base_url + self.api
        self.site = _plain_url(site or base_url)
        self.outward = outward
        self.seconds = seconds
        self.pages = PageSeal(page_key or secrets.token_bytes(32))
        self._accounts: ExpiringCache[tuple[str, str], str] = ExpiringCache(limits.ACCOUNTS_KNOWN)

    def session(self, grant: Grant, heard: Heard | None = None, renew: Renew | None = None) -> "Session":
        """Jira as the person of `grant`, who is its subject. `heard` is told of each answer; `renew` gives
        another grant, once, when Jira refuses this one as expired."""
        return Session(self, grant, heard, renew)

    async def account(self, access: str) -> Account:
        """Whose account that access token is, as `GET myself` says. Raises `Unavailable`, of a 401 `TokenRefused`."""
        found, _ = await self._myself(access)
        name = found.get("accountId") or found.get("key")
        if not isinstance(name, str) or not name:
            raise not_them("/myself names no account")
        return Account(name, str(found.get("emailAddress") or ""), str(found.get("displayName") or ""))

    async def _myself(self, access: str) -> tuple[Mapping[str, Any], Reply]:
        headers = {"Authorization": f"Bearer {access}", "Accept": "application/json"}
        ask = Ask("GET", f"{self.root}myself", headers, seconds=self.seconds)
        reply = await exchange(self.outward, ask, read=True)
        if reply.status == 401 and not lacks_scope(reply):
            raise not_them("/myself answered 401", TokenRefused)
        _refuse_failed_sign_in(reply)
        try:
            found = orjson.loads(reply.body) if reply.status == 200 else None
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise not_them(f"/myself answered {reply.status} without an account")
        return found, reply

    def recognise(self, grant: Grant, reply: Reply) -> None:
        """Raises `Unavailable` (part `credential`) when Jira answered as anybody but the person."""
        account = reply.said(self.names_account)
        if account in ("", "anonymous"):
            if account or not (reply.status in _NAMELESS or reply.status >= 500 or 300 <= reply.status < 400):
                raise not_them(f"status {reply.status} without {self.names_account}")
            return
        person = (grant.issuer, grant.subject)
        known = grant.account or self._accounts.get(person)
        if known is None and reply.status < 300:
            self._accounts.put(person, account, until=math.inf)
        elif known is not None and known != account:
            raise not_them(f"{self.names_account} is another account than before")


class Session:
    """A `JiraSession`. It shows neither the grant nor the token to who holds it."""

    __slots__ = ("_client", "_grant", "_heard", "_renew")

    def __init__(
        self, client: JiraClient, grant: Grant, heard: Heard | None = None, renew: Renew | None = None
    ) -> None:
        self._client = client
        self._grant = grant
        self._heard = heard
        self._renew = renew

    @property
    def site(self) -> str:
        return self._client.site

    async def get(self, *path: str, params: Mapping[str, str | int] | None = None, form: Any = Any) -> Json:
        return await self._call("GET", path, params, None, read=True, form=form)

    async def post(self, *path: str, json: Json) -> Json:
        return await self._call("POST", path, None, json, read=False)

    async def find(self, *path: str, json: Json, form: type[T]) -> T:
        found: T = await self._call("POST", path, None, json, read=True, form=form)
        return found

    async def put(self, *path: str, json: Json) -> Json:
        return await self._call("PUT", path, None, json, read=False)

    async def delete(self, *path: str, params: Mapping[str, str | int] | None = None) -> Json:
        return await self._call("DELETE", path, params, None, read=False)

    def page_token(self, query: str, upstream: str) -> str:
        return self._client.pages.seal(self._grant.issuer, self._grant.subject, query, upstream)

    def open_page(self, query: str, token: str) -> str:
        return self._client.pages.open(self._grant.issuer, self._grant.subject, query, token)

    async def _call(
        self,
        method: str,
        path: tuple[str, ...],
        params: Mapping[str, str | int] | None,
        json: Json,
        *,
        read: bool,
        form: Any = Any,
    ) -> Json:
        url = _url(self._client.root, path, params)
        reply = await self._send(method, url, json, read=read)
        if reply.status == 401 and self._renew is not None and not lacks_scope(reply):
            renew, self._renew = self._renew, None  # a 401 did nothing, so also a write may be sent again
            self._grant = await renew(self._grant)
            reply = await self._send(method, url, json, read=read)
        try:
            _refuse_failed_sign_in(reply)
            value = _value(reply, form, read=read)
            self._client.recognise(self._grant, reply)
        except Unavailable as stranger:
            if read or reply.status >= 300:
                raise
            raise OutcomeUnknown(
                "Jira took the change but not as you: look at the issue, and tell the operator.",
                private=stranger.private,
            ) from stranger
        if reply.status >= 300:
            raise refused(reply, read=read)
        return value

    async def _send(self, method: str, url: str, json: Json, *, read: bool) -> Reply:
        reply = await exchange(self._client.outward, self._ask(method, url, json), read=read)
        if self._heard is not None:
            self._heard(reply.status, (reply.said("X-ARequestId") or reply.said("atl-traceid"))[:100])
        return reply

    def _ask(self, method: str, url: str, json: Json) -> Ask:
        if self._grant.expires_at <= clock.wall():
            raise not_them("the grant has ended")
        credential = f"{self._grant.scheme} {self._grant.secret.reveal()}"
        headers = {"Authorization": credential, "Accept": "application/json"}
        body = None if json is None else orjson.dumps(json)
        if body is not None:
            headers["Content-Type"] = "application/json"
        return Ask(method, url, headers, body, seconds=self._client.seconds)


def _url(root: str, path: tuple[str, ...], params: Mapping[str, str | int] | None) -> str:
    """Each segment must be one segment also for whoever decodes it once too often. Raises `InvalidCall`."""
    quoted = "/".join([segment if _SIMPLE.fullmatch(segment) else _quoted(segment) for segment in path])
    query = f"?{_encoded(tuple(params.items()))}" if params else ""
    return f"{root}{quoted}{query}"


def _quoted(segment: str) -> str:
    if not segment or segment == "." or _UNSAFE.search(segment):
        raise InvalidCall("A key or id is not well formed; correct it and call again.")
    return quote(segment, safe="")


@lru_cache(256)
def _encoded(params: tuple[tuple[str, str | int], ...]) -> str:
    """A tool asks for the same fields each time."""
    return urlencode(params, quote_via=quote, safe="")


def _value(reply: Reply, form: Any, *, read: bool) -> Json:
    """What a good answer holds; None for a write without one. Raises `JiraRefused` or `OutcomeUnknown`."""
    if reply.status >= 300:
        return None
    try:
        value = decoded(reply, form)
    except msgspec.ValidationError as lacking:
        raise undecidable(str(lacking)) from None
    except ValueError as unfit:
        raise unreadable(reply, type(unfit).__name__, read=read) from None
    if read and value is None:
        raise unreadable(reply, "an empty body", read=read)
    return value


def _refuse_failed_sign_in(reply: Reply) -> None:
    reason = reply.said("X-Seraph-LoginReason").upper()
    if reason and any(failed in re.split(r"[,\s]+", reason) for failed in _FAILED):
        raise not_them(f"X-Seraph-LoginReason: {reason[:60]}")


def _plain_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"not a plain http(s) URL: {url!r}")
    if "@" in parts.netloc:
        raise ValueError("a Jira URL must not hold a user name")
    return url.rstrip("/")


def not_them(private: str, kind: type[Unavailable] = Unavailable) -> Unavailable:
    """Jira's answer is not this person's."""
    return kind(
        "Jira did not answer as you, so its answer is not used; sign in again, then repeat the call.",
        part="credential",
        private=private,
    )
