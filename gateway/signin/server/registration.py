"""Dynamic client registration (RFC 7591): POST /register, by anybody, from any page, without a cookie.

An assistant lists every redirect URI that any of its versions may use. Those that are not acceptable are left
out, and it is registered with the rest: refusing all would leave its people without a way to sign in. The
answer says what was kept; what it does not name (pictures, addresses, contacts) was not.

Where this departs from the RFC's defaults, as §3.2.1 allows: without `token_endpoint_auth_method` a client
is public, because one that did not ask for a secret does not send it; and each may refresh.
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import orjson
from starlette.types import ASGIApp, Receive, Scope

from gateway import limits
from gateway.jose import JoseError, lasting_object, public_key
from gateway.settings.signin import SignIn
from gateway.signin.server import AuthMethod, Client
from gateway.signin.server.clients import Issued, Registry, printable
from gateway.signin.server.form import JSON, counted, posted
from gateway.signin.server.refused import OAuthError
from gateway.store import Store
from gateway.transport.asgi import Headers, Reply, TooLarge, read_body
from gateway.transport.web import Guard

METHODS: tuple[AuthMethod, ...] = get_args(AuthMethod)

_HOUR = 3_600.0


class Registration:
    """The endpoint; `app` is its ASGI app."""

    def __init__(self, registry: Registry, settings: SignIn, store: Store, guard: Guard) -> None:
        self._registry = registry
        self._most = settings.registrations_per_hour
        self._store = store
        self.app: ASGIApp = posted(self._answer, guard)

    async def register(self, asked: Mapping[str, Any], source: str) -> dict[str, Any]:
        """The client information response (RFC 7591 §3.2.1). `source` is the peer's network: new clients of
        one are counted, and those that registered before are not, so that a whole company behind one address
        may come with the same assistant. Raises `OAuthError`, `Unavailable` and `Sealed`."""
        redirects = self._redirects(asked.get("redirect_uris"))
        wish = Client(
            id="",
            registration="dynamic",
            name=printable(_text(asked, "client_name")),
            redirect_uris=redirects,
            auth_method=_method(asked),
            jwks=_keys(asked),
        )
        _flow(asked)
        software = printable(_text(asked, "software_id"))
        if await self._registry.same(wish, software) is None:
            made = await self._store.count(f"registrations:{source}", _HOUR)
            if made > self._most:
                raise OAuthError("slow_down", "Too many new clients from this address; try in an hour.", 429)
        issued = await self._registry.register_dynamic(wish, software)
        return _information(issued, redirects, software)

    async def _answer(self, scope: Scope, receive: Receive, headers: Headers) -> Reply:
        source = await counted(scope, self._store)
        asked = await _body(receive, headers)
        return Reply(201, orjson.dumps(await self.register(asked, source)), JSON)

    def _redirects(self, asked: Any) -> tuple[str, ...]:
        """Those that are taken, in their order. Raises `OAuthError` when none is."""
        if not isinstance(asked, list) or not asked or not all(isinstance(uri, str) for uri in asked):
            raise OAuthError("invalid_redirect_uri", "redirect_uris must be a list of URIs, at least one.")
        if len(asked) > limits.REDIRECTS_PER_CLIENT:
            raise OAuthError(
                "invalid_redirect_uri", f"At most {limits.REDIRECTS_PER_CLIENT} redirect URIs are taken."
            )
        refused = {uri: self._registry.refusal(uri) for uri in asked}
        taken = tuple(uri for uri, why in refused.items() if not why)
        if not taken:
            why = next(iter(refused.values()))
            raise OAuthError("invalid_redirect_uri", f"None of the redirect URIs is taken. The first: {why}")
        return taken


async def _body(receive: Receive, headers: Headers) -> dict[str, Any]:
    """The JSON object that was sent. Raises `OAuthError` and `HungUp`."""
    kind = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _invalid("Send JSON: application/json.")
    try:
        body = await read_body(receive, headers.get("content-length"))
    except TooLarge:
        body = None
    if body is None or len(body) > limits.CLIENT_BYTES:
        raise OAuthError(
            "invalid_client_metadata", f"Send at most {limits.CLIENT_BYTES} bytes of metadata.", 413
        )
    try:
        return lasting_object(body, "metadata")
    except JoseError as wrong:
        raise _invalid(f"The body cannot be read: {wrong}.") from None


def _method(asked: Mapping[str, Any]) -> AuthMethod:
    said = _text(asked, "token_endpoint_auth_method") or "none"
    for method in METHODS:
        if method == said:
            return method
    raise _invalid(f"token_endpoint_auth_method must be one of {', '.join(METHODS)}.")


def _flow(asked: Mapping[str, Any]) -> None:
    """There is one flow here. Others may be asked for besides; a client that wants none of ours is told."""
    for member, ours in (("grant_types", "authorization_code"), ("response_types", "code")):
        said = asked.get(member)
        if said is not None and (not isinstance(said, list) or ours not in said):
            raise _invalid(f"{member} must be a list with {ours}.")


def _keys(asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The public keys of a client that signs (RFC 7591 §2); what is at an address is not fetched."""
    if asked.get("token_endpoint_auth_method") != "private_key_jwt":
        return None
    key_set = asked.get("jwks")
    keys = key_set.get("keys") if isinstance(key_set, Mapping) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= limits.CLIENT_KEYS:
        raise _invalid(
            f"private_key_jwt needs `jwks` in the registration, with 1 to {limits.CLIENT_KEYS} keys; "
            "a jwks_uri is not fetched."
        )
    found = [_key(key) for key in keys]
    if len({key["kid"] for key in found}) != len(found):
        raise _invalid("Each key of `jwks` needs a `kid` of its own.")
    return {"keys": found}


def _key(key: Any) -> dict[str, Any]:
    try:
        public_key(key)
    except JoseError as wrong:
        raise _invalid(f"A key of `jwks` cannot be used: {wrong}.") from None
    return dict(key)


def _text(asked: Mapping[str, Any], member: str) -> str:
    """A text; null is as none."""
    said = asked.get(member)
    if said is None:
        return ""
    if not isinstance(said, str):
        raise _invalid(f"{member} must be a text.")
    return said


def _information(issued: Issued, redirects: Sequence[str], software: str) -> dict[str, Any]:
    """What was kept. On loopback the ports are those that were asked for: any of them is taken later."""
    client = issued.client
    told: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at),
        "redirect_uris": list(redirects),
        "token_endpoint_auth_method": client.auth_method,
        "grant_types": sorted(client.grant_types),
        "response_types": ["code"],
    }
    if issued.secret is not None:
        told |= {"client_secret": issued.secret.reveal(), "client_secret_expires_at": 0}
    if client.name:
        told["client_name"] = client.name
    if software:
        told["software_id"] = software
    if client.jwks is not None:
        told["jwks"] = client.jwks
    return told


def _invalid(text: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", text)
