"""Authlib's grants, fed from what was looked up before: their questions are answered from memory.

Authlib judges (client authentication, response and grant type, redirect, PKCE, code and refresh token);
it never waits for a database, and it issues nothing. Looking up comes before (`authorize.py`,
`token.py`), issuing after. One `Hearing` is one request and knows one client: nothing of it is kept.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from gateway.signin.server import Client
from gateway.signin.server.codes import Code
from gateway.signin.server.redirects import matches
from gateway.signin.server.refused import OAuthError

_SECRETS = frozenset({"client_secret_basic", "client_secret_post"})
_PLACE = "https://authorization.server"
"""Authlib looks at the scheme of the address alone; that people come over TLS is checked with the settings."""


class Judged(ClientMixin):
    """A client as Authlib asks about it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get_client_id(self) -> str:
        return self.client.id

    def get_default_redirect_uri(self) -> str:
        registered = self.client.redirect_uris
        return registered[0] if len(registered) == 1 else ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return matches(self.client.redirect_uris, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        digest = hashlib.sha256(client_secret.encode()).hexdigest()
        return bool(self.client.secret_digest) and hmac.compare_digest(digest, self.client.secret_digest)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        # Some assistants register one way of sending their secret and use the other.
        own = self.client.auth_method
        return method == own or (own in _SECRETS and method in _SECRETS)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.client.grant_types


class _Payload(OAuth2Payload):
    def __init__(self, sent: Mapping[str, str]) -> None:
        self._sent = dict(sent)

    @property
    def data(self) -> dict[str, str]:
        return self._sent

    @property
    def datalist(self) -> "defaultdict[str, list[str]]":
        return defaultdict(list, {name: [value] for name, value in self._sent.items()})


class _Request(OAuth2Request):
    def __init__(self, method: str, sent: Mapping[str, str], authorization: str) -> None:
        super().__init__(method, _PLACE, headers={"Authorization": authorization} if authorization else {})
        self.payload = _Payload(sent)

    @property
    def args(self) -> dict[str, str]:
        return self.payload.data if self.method == "GET" else {}

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data if self.method == "POST" else {}


class _CodeToken:
    """A code as Authlib reads it."""

    def __init__(self, code: Code) -> None:
        self.code_challenge = code.challenge
        self.code_challenge_method = "S256"
        self._redirect_uri = code.redirect_uri

    def get_redirect_uri(self) -> str:
        return self._redirect_uri


class _RefreshToken:
    def __init__(self, client: str, scope: str) -> None:
        self._client = client
        self._scope = scope

    def check_client(self, client: Judged) -> bool:
        return client.get_client_id() == self._client

    def get_scope(self) -> str:
        return self._scope


class _CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")

    def query_authorization_code(self, code: str, client: Judged) -> _CodeToken | None:
        found = self.server.code
        return _CodeToken(found) if found is not None and found.client == client.get_client_id() else None


class _RefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _CodeGrant.TOKEN_ENDPOINT_AUTH_METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> _RefreshToken | None:
        found: _RefreshToken | None = self.server.refresh
        return found


class _OnlyS256(CodeChallenge):
    """PKCE for every client, and S256 alone (OAuth 2.1 §4.1.1)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)


class Hearing(AuthorizationServer):
    """One request before Authlib. `proved` says that the client showed its key (`private_key_jwt`)."""

    def __init__(self, client: Client, *, proved: bool = False) -> None:
        super().__init__()
        self.code: Code | None = None
        self.refresh: _RefreshToken | None = None
        self._client = Judged(client)
        self.register_grant(_CodeGrant, [_OnlyS256(required=True)])
        self.register_grant(_RefreshGrant)
        self.register_client_auth_method(
            "private_key_jwt", lambda query, request: self._client if proved else None
        )

    def query_client(self, client_id: str) -> Judged | None:
        return self._client if self._client.get_client_id() == client_id else None

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        return None

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def authorization(self, query: Mapping[str, str]) -> str:
        """The redirect URI of a good authorization request. Raises `OAuthError`: `redirect_uri` of it is where
        the error may be sent, empty where it may be sent nowhere."""
        asked = query.get("redirect_uri", "")
        if asked and not self._client.check_redirect_uri(asked):
            raise Refused("invalid_redirect_uri", "The redirect URI is none that this client registered.")
        back = asked or self._client.get_default_redirect_uri()
        if query.get("code_challenge_method", "S256") != "S256":
            raise Refused("invalid_request", "code_challenge_method must be S256.", back)
        try:
            grant = self.get_consent_grant(_Request("GET", query, ""))
        except (OAuth2Error, ValueError) as wrong:
            raise _refused(wrong, back) from None
        if not query.get("code_challenge") or query.get("code_challenge_method") != "S256":
            raise Refused("invalid_request", "PKCE with S256 is needed.", back)
        return str(grant.redirect_uri)

    def code_grant(self, form: Mapping[str, str], authorization: str, code: Code | None) -> None:
        """Judge an exchange of `code`. Raises `OAuthError`."""
        self.code = code
        self._judge(form, authorization)

    def refresh_grant(
        self, form: Mapping[str, str], authorization: str, client: str, scopes: frozenset[str]
    ) -> None:
        """Judge a refresh of a token that belongs to `client`; empty: of a token that is none. Raises `OAuthError`."""
        self.refresh = _RefreshToken(client, " ".join(sorted(scopes))) if client else None
        self._judge(form, authorization)

    def authenticated(self, form: Mapping[str, str], authorization: str) -> None:
        """Judge who asks, and nothing else. Raises `OAuthError`."""
        request = _Request("POST", form, authorization)
        try:
            self.authenticate_client(request, _CodeGrant.TOKEN_ENDPOINT_AUTH_METHODS)
        except (OAuth2Error, ValueError) as wrong:
            raise _refused(wrong, "") from None

    def _judge(self, form: Mapping[str, str], authorization: str) -> None:
        request = _Request("POST", form, authorization)
        try:
            self.get_token_grant(request).validate_token_request()
        except (OAuth2Error, ValueError) as wrong:
            raise _refused(wrong, "") from None


_SAID = {
    "invalid_grant": "The code or refresh token is unknown, over, or another client's; sign in again.",
    "unsupported_grant_type": "grant_type must be authorization_code or refresh_token.",
}
"""Where Authlib has no sentence."""


class Refused(OAuthError):
    """The same, and where the browser may be sent with it."""

    def __init__(self, error: str, description: str, redirect_uri: str = "", status: int = 400) -> None:
        super().__init__(error, description, status)
        self.redirect_uri = redirect_uri


def _refused(wrong: Exception, redirect_uri: str) -> Refused:
    """Its code and its sentence. A client that is not known or not proved is told with 401 (RFC 6749 §5.2),
    after which assistants register anew. Authlib raises ValueError when it would quote what no error may hold."""
    if not isinstance(wrong, OAuth2Error):
        return Refused("invalid_request", "The request holds characters that it may not.", redirect_uri)
    status = 401 if wrong.error == "invalid_client" else 400
    if wrong.error == "unsupported_response_type":
        return Refused("unsupported_response_type", "response_type must be code.", redirect_uri)
    said = wrong.description or _SAID.get(str(wrong.error), "The request is not acceptable.")
    return Refused(str(wrong.error), str(said), redirect_uri, status)
