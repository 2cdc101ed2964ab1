"""A `JiraSession` at a Data Center: Cloud's requests in, Cloud's answers out, v2 on the wire."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from gateway.errors import InvalidCall, JiraRefused
from gateway.http import Reply
from gateway.jira import Json
from gateway.jira.adf import SHORT
from gateway.jira.client import Session
from gateway.jira.datacenter import answers, requests
from gateway.jira.errors import UNSEEN_VALUE
from gateway.jira.facts import checked

T = TypeVar("T")

Params = Mapping[str, str | int] | None


class DataCenterSession(Session):
    """One request each, as at Cloud. Two exceptions: assigning asks first for the name of the account, and
    a search that names what the person may not see is asked twice."""

    __slots__ = ()

    async def get(self, *path: str, params: Params = None, form: Any = Any) -> Json:
        if path == ("project", "search"):
            found = answers.project_page(await super().get("project"), params or {})
        else:
            told = await super().get(*path, params=params)
            found = await _turned(lambda: answers.translated(path, told), told)
        return found if form is Any else checked(found, form)

    async def post(self, *path: str, json: Json) -> Json:
        return await super().post(*path, json=await self._worded(json))

    async def put(self, *path: str, json: Json) -> Json:
        return await super().put(*path, json=await self._worded(json))

    async def find(self, *path: str, json: Json, form: type[T]) -> T:
        if path != ("search", "jql"):
            return await super().find(*path, json=json, form=form)
        wanted = requests.search(json)
        try:
            found = await super().find("search", json=wanted, form=dict)
        except JiraRefused as refused:
            if refused.public != UNSEEN_VALUE:
                raise
            # Cloud finds nothing by a value that it does not show. The query may hold one that is not the
            # person's own but policy's, which they could not correct.
            found = await super().find("search", json={**wanted, "validateQuery": False}, form=dict)
        return checked(answers.search_page(found), form)

    async def _worded(self, json: Json) -> Json:
        """`json` as v2 takes it: bodies as wiki text, people by name."""
        names = {account: await self._name(account) for account in requests.accounts(json)}
        return await _turned(lambda: requests.worded(json, names), json)

    async def _name(self, account: str) -> str:
        """The user name to a key (`GET user?key=`); a name may change, and one person's key may be another's name."""
        try:
            found = await super().get("user", params={"key": account})
        except JiraRefused as refused:
            if refused.status != 404:
                raise
            found = None
        name = found.get("name") if isinstance(found, dict) else None
        if not isinstance(name, str) or not name or found.get("key") != account:
            raise InvalidCall("There is no such account in Jira or you may not see it; check the account id.")
        return name

    async def _send(self, method: str, url: str, json: Json, *, read: bool) -> Reply:
        """A read that brings the login page was refused as if with 401. What a write met stays unknown."""
        reply = await super()._send(method, url, json, read=read)
        page = reply.status == 200 and reply.said("Content-Type").lower().startswith("text/html")
        return Reply(401, reply.headers, b"") if read and page else reply


async def _turned(work: Callable[[], Json], of: Json) -> Json:
    """What `work` makes of `of`, in a thread where it is long: the longest text takes a fifth of a second."""
    return work() if len(orjson.dumps(of)) <= SHORT else await asyncio.to_thread(work)
