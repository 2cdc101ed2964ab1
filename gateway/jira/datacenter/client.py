"""Whose answer it is at a Data Center.

An answer names the *user name* (`X-AUSERNAME`, URL-encoded), a linked grant the *key*, which stays when a
name changes. `/myself` says both in one answer, so that the key's header is known from there; it is asked
again with each generation of a link, which is when a changed name is learned.
"""

import math
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import unquote, unquote_plus

from gateway import limits
from gateway.http import Reply
from gateway.jira.client import Heard, JiraClient, Renew, Session, not_them
from gateway.jira.datacenter.session import DataCenterSession
from gateway.model import Account, Grant
from gateway.store.memory import ExpiringCache


class DataCenterClient(JiraClient):
    """Makes sessions at one Data Center (REST API v2)."""

    api: ClassVar[str] = "/rest/api/2/"
    names_account: ClassVar[str] = "X-AUSERNAME"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As `JiraClient`."""
        super().__init__(*arguments, **named)
        self._headers: ExpiringCache[str, str] = ExpiringCache(limits.ACCOUNTS_KNOWN)
        """User key -> `X-AUSERNAME` of that user's answers."""

    def session(self, grant: Grant, heard: Heard | None = None, renew: Renew | None = None) -> Session:
        """Jira as the person of `grant`, in Cloud's JSON."""
        return DataCenterSession(self, grant, heard, renew)

    async def account(self, access: str) -> Account:
        """The user of `GET /rest/api/2/myself`; its id is the user's `key`. Raises `Unavailable`."""
        found, reply = await self._myself(access)
        key, name, said = found.get("key"), found.get("name"), reply.said(self.names_account)
        if not isinstance(key, str) or not key:
            raise not_them("/myself names no key")
        if name not in (said, unquote(said), unquote_plus(said)):
            raise not_them(f"{self.names_account} is not the name in /myself")
        self._headers.put(key, said, until=math.inf)
        return Account(key, str(found.get("emailAddress") or ""), str(found.get("displayName") or ""))

    def recognise(self, grant: Grant, reply: Reply) -> None:
        """Raises `Unavailable` (part `credential`) when Jira answered as anybody but the person."""
        known = self._headers.get(grant.account) if grant.account else None
        super().recognise(replace(grant, account=known or ""), reply)
