"""Who may ask: the two clients that come with the sandbox, and those that register (RFC 7591)."""

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from starlette.requests import Request

from sandbox.idp import redirects
from sandbox.idp.wire import OAuthError, Params

GATEWAY_CLIENT_ID = "jira-agent-gateway"
GATEWAY_CLIENT_SECRET = "sandbox-only"  # public on purpose: this provider never leaves loopback
DEMO_CLIENT_ID = "demo-assistant"

MOST_REGISTERED = 1_000
"""dynamic clients kept; the oldest goes, so that a loop of registrations cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. One without a secret is public and lives by PKCE alone."""

    id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    secret: str | None = field(default=None, repr=False)
    auth_method: str = "none"
    may_exchange: bool = False
    program: bool = False
    """Whether it may have tokens of its own (client credentials)."""
    jira_account: str | None = None
    """Name of the service account at Jira that it belongs to, for a program's client there."""

    def allows(self, redirect_uri: str) -> bool:
        """Whether an answer for this client may go there."""
        return any(redirects.matches(known, redirect_uri) for known in self.redirect_uris)


class Registration(msgspec.Struct):
    """The members of a registration request that we read (RFC 7591 §2); others are ignored."""

    redirect_uris: tuple[Any, ...] = ()
    client_name: Any = None
    token_endpoint_auth_method: str = "none"
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    response_types: tuple[str, ...] = ("code",)


class Clients:
    """All clients of one provider."""

    def __init__(self) -> None:
        hosts = ("127.0.0.1", "localhost", "[::1]")
        loopback = tuple(f"http://{host}/callback" for host in hosts)
        sign_in = tuple(f"http://{host}/login/callback" for host in hosts)
        self._fixed = {
            DEMO_CLIENT_ID: Client(DEMO_CLIENT_ID, "Demo assistant", loopback),
            GATEWAY_CLIENT_ID: Client(
                GATEWAY_CLIENT_ID,
                "Jira Agent Gateway",
                sign_in,
                secret=GATEWAY_CLIENT_SECRET,
                auth_method="client_secret_basic",
                may_exchange=True,
            ),
        }
        self._registered: dict[str, Client] = {}

    def get(self, client_id: str) -> Client | None:
        return self._fixed.get(client_id) or self._registered.get(client_id)

    def add(self, client: Client) -> None:
        """A client as an administrator would add it."""
        self._registered[client.id] = client

    def forget(self, client_id: str) -> None:
        """Delete a registered client, as an administrator would."""
        self._registered.pop(client_id, None)

    def names(self) -> dict[str, str]:
        """Client id -> name, for people to read."""
        return {client.id: client.name for client in (*self._fixed.values(), *self._registered.values())}

    def register(self, raw: bytes) -> Client:
        """A new client from a request body. URIs that we do not take are dropped one by one, and the
        client is told which were kept. Raises `OAuthError` (RFC 7591 §3.2.2)."""
        asked = _read(raw)
        kept = tuple(dict.fromkeys(uri for uri in asked.redirect_uris[:50] if redirects.acceptable(uri)))
        if not kept:
            raise OAuthError(
                "invalid_redirect_uri",
                "Give at least one redirect URI on loopback (http://127.0.0.1/…, any port) "
                "or of VS Code, Cursor or Claude.",
            )
        if len(self._registered) >= MOST_REGISTERED:
            del self._registered[next(iter(self._registered))]
        method = asked.token_endpoint_auth_method
        client = Client(
            id="client-" + secrets.token_urlsafe(12),
            name=_plain(asked.client_name),
            redirect_uris=kept,
            secret=None if method == "none" else secrets.token_urlsafe(32),
            auth_method=method,
        )
        self._registered[client.id] = client
        return client

    def authenticate(self, request: Request, params: Params) -> Client:
        """The client behind a token request (RFC 6749 §2.3). Raises `OAuthError` invalid_client with 401."""
        client_id, secret = params.get("client_id") or "", params.get("client_secret")
        header = request.headers.get("authorization")
        if header is not None:
            user, password = _basic(header)
            if secret is not None or client_id not in ("", user):
                raise OAuthError("invalid_request", "Authenticate in one way only: header or body.")
            client_id, secret = user, password
        client = self.get(client_id)
        if client is None or not _proves(client, secret):
            raise unknown_client()
        return client


def unknown_client() -> OAuthError:
    """One answer for an unknown client and for a wrong secret."""
    return OAuthError(
        "invalid_client",
        "This client is not known here or did not prove itself; register again.",
        status=401,
        headers={"WWW-Authenticate": 'Basic realm="sandbox", charset="UTF-8"'},
    )


def _proves(client: Client, secret: str | None) -> bool:
    if client.secret is None:
        return secret is None
    return secret is not None and hmac.compare_digest(client.secret.encode(), secret.encode())


def _basic(header: str) -> tuple[str, str]:
    """User and password of a Basic header, each form-encoded inside (RFC 6749 §2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise unknown_client()
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise unknown_client()
        return unquote_plus(user, errors="strict"), unquote_plus(password, errors="strict")
    except ValueError as broken:
        raise unknown_client() from broken


def _read(raw: bytes) -> Registration:
    try:
        asked = msgspec.json.decode(raw, type=Registration)
    except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
        raise OAuthError(
            "invalid_client_metadata", "Send a JSON object of client metadata (RFC 7591 §2)."
        ) from broken
    if asked.token_endpoint_auth_method not in ("none", "client_secret_basic", "client_secret_post"):
        raise OAuthError(
            "invalid_client_metadata", "Use the method none, client_secret_basic or client_secret_post."
        )
    if "authorization_code" not in asked.grant_types or "code" not in asked.response_types:
        raise OAuthError(
            "invalid_client_metadata", "Ask for the grant authorization_code and the response code."
        )
    return asked


def _plain(name: object) -> str:
    """A name that a page can show: one line, no control or direction characters, not long."""
    text = "".join(char for char in name if char.isprintable()) if isinstance(name, str) else ""
    return " ".join(text.split())[:60] or "An assistant without a name"
