"""SCIM 2.0 (RFC 7643, RFC 7644), the part of it that Okta and Entra send: they push people, and say who has left.

    /scim/v2/Users        POST, GET with a filter or a page
    /scim/v2/Users/ID     GET, PUT, PATCH, DELETE
    ServiceProviderConfig, ResourceTypes, Schemas, Groups (there are none)

Nobody gets in by it: people sign in at the provider. It is how the gateway hears within seconds that somebody
may not any more. `externalId` says who that is: it must be what their tokens name them by (`subjects`); with any
other the push is refused, so a wrong mapping is seen at the first person and not at the first leaver. Whoever was
never here is refused from then on all the same.
"""

import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope, Send

from gateway import clock, limits
from gateway.errors import GatewayError
from gateway.settings import Issuer
from gateway.signin.server import scim_documents as documents
from gateway.signin.server.pushed import Pushed, PushedPeople, Taken
from gateway.signin.server.scim_documents import ScimError
from gateway.signin.server.scim_person import Wanted, patched, wanted
from gateway.signin.web import network
from gateway.store import Store
from gateway.transport.asgi import Headers, HungUp, Reply, TooLarge, read_body
from gateway.transport.web import Guard

PATH = "/scim/v2"

Told = Callable[[str, str], Awaitable[None]]
"""(issuer, subject) -> once that is durable. Raises `Unavailable`; the provider then sends it again."""

_FILTER = re.compile(r'\s*(userName|externalId|id)\s+eq\s+"((?:[^"\\]|\\.)*)"\s*', re.IGNORECASE)
_JSON = ((b"content-type", b"application/scim+json"), (b"cache-control", b"no-store"))

log = logging.getLogger("gateway.signin")


def subjects(order: Issuer) -> Callable[[str], str]:
    """How the provider's tokens name whom it pushes as `externalId`: raises `ValueError` for what is nobody.

    Entra: the object id, to which our settings add the tenant. Okta sends its user id, the `uid` of its tokens.
    """
    if order.profile not in ("entra", "entra_v1"):
        return _plain
    tenant = re.search(r"//[^/]+/([^/]+)", order.issuer)
    return lambda id: f"{tenant[1] if tenant else ''}:{_guid(id)}"


class Scim:
    """The endpoint of one provider. `left` refuses somebody and ends all they have; `back` lets them sign in anew."""

    def __init__(
        self,
        people: PushedPeople,
        order: Issuer,
        *,
        left: Told,
        back: Told,
        token: str,
        url: str,
        store: Store,
        guard: Guard,
    ) -> None:
        """`token` is the provider's bearer token; `url` is ours, for locations."""
        self._people = people
        self._subject = subjects(order)
        self._left = left
        self._back = back
        self._token = token.encode()
        self._base = f"{url}{PATH}"
        self._store = store
        self._guard = guard

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app of everything below `PATH`."""
        headers = Headers.of(scope)
        reply = self._guard.misdirected(headers)
        if reply is None:
            try:
                reply = await self._answered(scope, receive, headers)
            except HungUp:
                return
            except ScimError as no:
                reply = Reply(no.status, documents.error(no), _JSON)
            except TooLarge:
                reply = Reply(413, documents.error(ScimError(413, "The request is too large.")), _JSON)
            except GatewayError as problem:
                log.warning("SCIM: %s: %r", problem.code, problem.private)
                reply = Reply(503, documents.error(ScimError(503, "Try again in a minute.")), _JSON)
            except Exception:  # the provider hears 500 and sends it again: nothing counts as done
                log.exception("SCIM failed")
                reply = Reply(500, documents.error(ScimError(500, "It is our fault; try again.")), _JSON)
        await reply.send(send)

    async def _answered(self, scope: Scope, receive: Receive, headers: Headers) -> Reply:
        await self._admit(scope, headers)
        kind, _, id = scope["path"].removeprefix(PATH).strip("/").partition("/")
        body: Mapping[str, Any] = {}
        if scope["method"] in ("POST", "PUT", "PATCH"):
            body = _object(await read_body(receive, headers.get("content-length")))
        if kind == "Users":
            return await (self._one(scope["method"], id, body) if id else self._all(scope, body))
        if scope["method"] != "GET":
            raise ScimError(405, "This can only be read.")
        return _reply(200, documents.told(kind, id, self._base))

    async def _admit(self, scope: Scope, headers: Headers) -> None:
        scheme, _, token = (headers.get("authorization") or "").partition(" ")
        proven = hmac.compare_digest(token.strip().encode("latin-1", "replace"), self._token)
        if scheme.lower() == "bearer" and proven and "authorization" not in headers.repeated:
            return
        failed = await self._store.count(f"scim:{network(scope)}", limits.PAGES_SECONDS)
        if failed > limits.SCIM_FAILURES_PER_MINUTE:
            raise ScimError(429, "Too many requests; wait a minute.")
        raise ScimError(401, "Send the bearer token of `signin.scim_token_secret`.")

    async def _all(self, scope: Scope, body: Mapping[str, Any]) -> Reply:
        if scope["method"] == "POST":
            return await self._pushed(wanted(body, None))
        if scope["method"] != "GET":
            raise ScimError(405, "Send a GET or a POST.")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if "filter" in query:
            asked = _FILTER.fullmatch(query["filter"])
            if asked is None:
                raise ScimError(400, "Filter by `userName eq`, `externalId eq` or `id eq`.", "invalidFilter")
            found = await self._people.named(asked[1].lower(), re.sub(r"\\(.)", r"\1", asked[2]))
            return _reply(200, documents.listed([self._shown(one) for one in found], len(found), 1))
        start = max(1, _number(query.get("startIndex"), 1))
        total, found = await self._people.page(
            start - 1, max(0, min(_number(query.get("count"), limits.SCIM_PAGE), limits.SCIM_PAGE))
        )
        return _reply(200, documents.listed([self._shown(one) for one in found], total, start))

    async def _one(self, method: str, id: str, body: Mapping[str, Any]) -> Reply:
        person = await self._people.find(id)
        if person is None:
            raise ScimError(404, "There is no such user.")
        if method == "GET":
            return _reply(200, self._shown(person))
        if method == "DELETE":
            await self._left(self._people.issuer, person.subject)
            await self._people.change(person.id, active=0, deleted=1)
            return Reply(204, headers=_JSON)
        if method not in ("PUT", "PATCH"):
            raise ScimError(405, "Send a GET, PUT, PATCH or DELETE.")
        now = wanted(body, person) if method == "PUT" else patched(body, person)
        return await self._changed(person, now)

    async def _pushed(self, now: Wanted) -> Reply:
        """A new person, or one who comes back."""
        subject = self._whose(now)
        before = await self._people.of_subject(subject)
        if before is not None and not before.deleted:
            raise ScimError(409, "There is such a user.", "uniqueness")
        if not now.active:
            await self._left(self._people.issuer, subject)
        elif before is not None:
            await self._back(self._people.issuer, subject)
        try:
            made = await self._people.add(
                subject, now.external_id, now.user_name, now.display_name, active=now.active
            )
        except Taken:
            raise ScimError(409, "There is such a user.", "uniqueness") from None
        return _reply(201, self._shown(made), ((b"location", self._at(made).encode()),))

    async def _changed(self, person: Pushed, now: Wanted) -> Reply:
        if self._whose(now) != person.subject:
            raise ScimError(400, "`externalId` says who it is, and stays.", "mutability")
        changes: dict[str, Any] = {}
        if now.user_name != person.user_name or now.display_name != person.display_name:
            changes = {"user_name": now.user_name, "display_name": now.display_name}
        if now.active != person.active:
            await (self._back if now.active else self._left)(self._people.issuer, person.subject)
            changes["active"] = int(now.active)
        if changes:  # after it was acted on: what failed is sent again, and then it is done
            await self._people.change(person.id, **changes)
        return _reply(200, self._shown(await self._people.find(person.id) or person))

    def _whose(self, now: Wanted) -> str:
        try:
            return self._subject(now.external_id)
        except ValueError as wrong:
            raise ScimError(400, f"`externalId` {wrong}.", "invalidValue") from None

    def _shown(self, person: Pushed) -> dict[str, Any]:
        return {
            "schemas": [documents.USER],
            "id": person.id,
            "externalId": person.external_id,
            "userName": person.user_name,
            "displayName": person.display_name,
            "active": person.active,
            "meta": {
                "resourceType": "User",
                "created": clock.iso(person.created_at),
                "lastModified": clock.iso(person.changed_at),
                "location": self._at(person),
            },
        }

    def _at(self, person: Pushed) -> str:
        return f"{self._base}/Users/{person.id}"


def _reply(status: int, content: Mapping[str, Any], more: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    return Reply(status, orjson.dumps(content), (*_JSON, *more))


def _object(body: bytes) -> Mapping[str, Any]:
    if len(body) > limits.SCIM_BYTES:
        raise TooLarge
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ScimError(400, "Send a JSON object.", "invalidSyntax")
    return found


def _number(value: str | None, otherwise: int) -> int:
    return (
        int(value)
        if value is not None and value.isascii() and value.isdecimal() and len(value) < 9
        else otherwise
    )


def _plain(id: str) -> str:
    if not id or len(id) > limits.CLAIM_CHARS or not id.isprintable():
        raise ValueError("must be the person's id at the provider")
    return id


def _guid(id: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id.lower()):
        raise ValueError("must be the object id: map `objectId` to it in Entra's attribute mapping")
    return id.lower()
