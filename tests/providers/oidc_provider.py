"""npm `oidc-provider` behind the face of a `Provider`: installed, started and administered.

    oidc/idp.mjs              the provider, started by `OidcProvider`; oidc/install.sh brings its packages
    oidc/configuration.mjs    its clients, resources and policies
    oidc.json and state.json  in the parties' folder: what it is told, and its memory across restarts

Its rotation of refresh tokens is strict: a used one ends the whole family. Nobody can ask for a second
factor of a person who has none, and nobody is asked for one unless the client asks (`acr_values`).
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Self

import httpx2
import jwt

from gateway import clock
from gateway.signin.login import CALLBACK
from sandbox.idp import GATEWAY_CLIENT_ID, GATEWAY_CLIENT_SECRET
from tests.providers.browser import code_flow, fetched, post_form, refreshed
from tests.providers.oidc.process import VERSION, Process
from tests.providers.provider import ASSISTANT, REDIRECT, WRITE, GatewaySettings, Parties, Refused, Tokens

OTHER_ASSISTANT = "other-assistant"
GATEWAY_KEY_CLIENT_ID = "jira-agent-gateway-by-key"
"""The gateway as a client that proves itself with a key (`private_key_jwt`, ES256)."""
SIGN_IN_CLIENT_ID = "jira-agent-gateway-sign-in"
"""The gateway as the client that signs people in for its pages. Its tokens are for the userinfo endpoint."""
SERVICE_CLIENT_ID = "reports-service"
"""A service with client credentials for the gateway, that may exchange for `REPORTS` and not for Jira."""
REPORTS = "https://reports.example.com"

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class OidcProvider:
    """A `Provider` (see `provider.py`), and what else this one can do.

    `port` 0 is a free one; after `stop`, `start` serves on the same port with the same keys, sessions
    and refresh tokens. `client_keys` is `{"jwks": …}` or `{"jwks_uri": …}` of `GATEWAY_KEY_CLIENT_ID`,
    which does not exist without. `id_jag` says which authorization servers an ID-JAG may be for:
    `{issuer: {"client_id": ours there, "scopes": [...]}}`.
    """

    assistant = ASSISTANT
    mfa = "urn:corp:mfa"

    def __init__(
        self,
        parties: Parties,
        *,
        port: int = 0,
        client_keys: Mapping[str, Any] | None = None,
        id_jag: Mapping[str, Mapping[str, Any]] | None = None,
        callbacks: Iterable[str] = (),
    ) -> None:
        self.name = f"oidc-provider {VERSION}"
        self.parties = parties
        self.jira_audience = parties.jira
        self.opaque = f"urn:opaque:{parties.gateway}"
        """`resource` to ask for a token for the gateway that only introspection can read."""
        self.secrets = {
            "gateway": GATEWAY_CLIENT_SECRET,
            "signIn": secrets.token_urlsafe(24),
            "service": secrets.token_urlsafe(24),
        }
        self.issuer = self.admin = ""
        self.metadata: dict[str, Any] = {}
        self._port = port
        self._client_keys = client_keys
        self._resource_servers = id_jag or {}
        self._callbacks = [*callbacks, REDIRECT, f"http://127.0.0.1{CALLBACK}"]
        self._keys: dict[str, Any] = {}
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Install when needed, start, and wait until it serves. Raises `RuntimeError` with what it said."""
        folder = self.parties.folder
        told = folder / "oidc.json"
        told.write_text(json.dumps(self._told()), encoding="utf-8")
        self._process = Process(folder / "oidc.log")
        ready = await self._process.start(str(told), str(folder / "state.json"), str(self._port))
        self.issuer, self.admin = ready["issuer"], ready["admin"]
        self._port = int(self.issuer.rsplit(":", 1)[1])
        self.metadata = await fetched(f"{self.issuer}/.well-known/openid-configuration")

    async def stop(self) -> None:
        """End it, as a shutdown of its machine would."""
        if self._process is not None:
            await self._process.stop()

    def _told(self) -> dict[str, Any]:
        return {
            "gateway": self.parties.gateway,
            "opaque": self.opaque,
            "jira": self.jira_audience,
            "reports": REPORTS,
            "people": [asdict(person) for person in self.parties.people.values()],
            "clients": {
                "assistant": ASSISTANT,
                "otherAssistant": OTHER_ASSISTANT,
                "gateway": GATEWAY_CLIENT_ID,
                "gatewayKey": GATEWAY_KEY_CLIENT_ID,
                "signIn": SIGN_IN_CLIENT_ID,
                "service": SERVICE_CLIENT_ID,
            },
            "secrets": self.secrets,
            # RFC 8252 §7.3: the port of a loopback redirect may be any.
            "redirects": [REDIRECT],
            "callbacks": self._callbacks,
            "signInCallback": f"http://127.0.0.1{CALLBACK}",
            "clientKeys": self._client_keys,
            "lives": {"access": 900, "jira": 300, "refresh": 30 * 86_400},
            "idJag": self._resource_servers,
        }

    def settings(self) -> GatewaySettings:
        return GatewaySettings(
            issuer=self.issuer,
            profile="rfc9068",
            audience=self.parties.gateway,
            token_endpoint=f"{self.issuer}/token",
            client_id=GATEWAY_CLIENT_ID,
            client_secret=self.secrets["gateway"],
            jira_audience=self.jira_audience,
        )

    async def login(self, public_url: str, *, chain: bool = False) -> dict[str, Any]:
        if not chain:
            return {"client_id": SIGN_IN_CLIENT_ID, "client_secret": self.secrets["signIn"]}
        scopes = ["openid", "email", "groups", "jira:read", "jira:write"]
        return {"client_id": GATEWAY_CLIENT_ID, "client_secret": self.secrets["gateway"], "scopes": scopes}

    async def token(
        self,
        user: str,
        scope: str = WRITE,
        *,
        acr: str | None = None,
        client: str = ASSISTANT,
        resource: str | None = None,
    ) -> Tokens:
        """Without `resource` the token is for the gateway all the same. Raises `Refused`."""
        return await code_flow(
            self.parties.people[user],
            self.metadata,
            client=client,
            scope=scope,
            acr=acr,
            resource=resource,
        )

    async def gateway_sign_in(self, user: str, scope: str = WRITE) -> Tokens:
        """Sign `user` in to the gateway itself, as its own sign-in does. Raises `Refused`."""
        return await code_flow(
            self.parties.people[user],
            self.metadata,
            client=GATEWAY_CLIENT_ID,
            scope=scope,
            auth=(GATEWAY_CLIENT_ID, self.secrets["gateway"]),
        )

    async def refresh(self, tokens: Tokens) -> Tokens:
        return await refreshed(self.metadata, tokens)

    async def exchange(self, token: str, scope: str = "read:jira-work", **more: str) -> dict[str, Any]:
        """RFC 8693 §2 as the gateway; `more` replaces parameters, and an empty one is left out.

        Raises `Refused`.
        """
        return await self._post_token({**_exchange(token, self.jira_audience, scope), **more}, "gateway")

    async def service_token(self, **more: str) -> dict[str, Any]:
        """Client credentials of `SERVICE_CLIENT_ID` (RFC 6749 §4.4). Raises `Refused`."""
        return await self._post_token({"grant_type": "client_credentials", **more}, "service")

    async def exchange_as_service(self, token: str, audience: str, scope: str) -> dict[str, Any]:
        """RFC 8693 §2 as `SERVICE_CLIENT_ID`. Raises `Refused`."""
        return await self._post_token(_exchange(token, audience, scope), "service")

    async def id_jag(self, subject_token: str, kind: str, audience: str, **more: str) -> dict[str, Any]:
        """An ID-JAG for `audience`, as the gateway; `kind` is `id_token` or `refresh_token`. Raises `Refused`."""
        asked = {
            "requested_token_type": TOKEN_TYPE + "id-jag",
            "subject_token_type": TOKEN_TYPE + kind,
            "audience": audience,
        }
        return await self._post_token({**_exchange(subject_token, "", ""), **asked, **more}, "gateway")

    async def partner(self, issuer: str, client: str) -> None:
        """From now on assertions are also for that authorization server, and for its client `client`."""
        target = {"client_id": client, "scopes": ["jira:read", "jira:write"]}
        await self._administer("id-jag", **{issuer: target})

    async def vouched(self, user: str, issuer: str, resource: str) -> str:
        """An ID-JAG about `user`, of a fresh sign-in, for a partner. Raises `Refused`."""
        signed_in = await self.gateway_sign_in(user, "openid")
        answer = await self.id_jag(signed_in.id, "id_token", issuer, resource=resource)
        return str(answer["access_token"])

    async def exchange_by_key(self, token: str, key: Any, kid: str = "gateway") -> dict[str, Any]:
        """RFC 8693 §2 as `GATEWAY_KEY_CLIENT_ID`, proven with the private `key` (RFC 7523 §2.2)."""
        proof = {"client_assertion_type": ASSERTION, "client_assertion": self.assertion(key, kid)}
        return await post_form(
            self.metadata["token_endpoint"],
            {**_exchange(token, self.jira_audience, "read:jira-work"), **proof},
        )

    def assertion(self, key: Any, kid: str = "gateway") -> str:
        """A client assertion of `GATEWAY_KEY_CLIENT_ID` (RFC 7523 §3), good for a minute."""
        now = _now()
        claims = {
            "iss": GATEWAY_KEY_CLIENT_ID,
            "sub": GATEWAY_KEY_CLIENT_ID,
            "aud": self.issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + 60,
        }
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid})

    async def introspect(self, token: str) -> dict[str, Any]:
        """RFC 7662 §2, as the gateway."""
        auth = (GATEWAY_CLIENT_ID, self.secrets["gateway"])
        return await post_form(self.metadata["introspection_endpoint"], {"token": token}, auth=auth)

    async def sign_out(self, user: str) -> None:
        await self._administer("sign-out", user=user)

    async def disable(self, user: str) -> None:
        await self._administer("disable", user=user)

    async def enable(self, user: str) -> None:
        await self._administer("enable", user=user)

    async def rotate_keys(self) -> dict[str, Any]:
        """Sign with new keys; the old ones stay published. The provider's state, with key ids."""
        return await self._administer("rotate-keys")

    async def withdraw_old_keys(self) -> dict[str, Any]:
        """Publish only the keys that sign now."""
        return await self._administer("withdraw-old-keys")

    async def forget_client_keys(self) -> None:
        """Fetch the client's `jwks_uri` again at its next use; else that is done once a minute at most."""
        await self._administer("forget-client-keys")

    async def lives(self, **seconds: int) -> None:
        """New lives: `access`, `jira` and `refresh`, in seconds."""
        await self._administer("lives", **seconds)

    def subject(self, user: str) -> str:
        return user

    async def jira_claims(self, token: str) -> dict[str, Any] | None:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != "at+jwt":
                return None
            key = await self._key(header.get("kid", ""))
            return jwt.decode(
                token,
                key,
                algorithms=["PS256"],
                audience=self.jira_audience,
                issuer=self.issuer,
                options={"require": ["exp", "iat", "sub", "aud", "client_id"]},
            )
        except jwt.PyJWTError:
            return None

    async def _key(self, kid: str) -> Any:
        """The published key of that id; asked for once more when it is unknown."""
        if kid not in self._keys:
            published = await fetched(self.metadata["jwks_uri"])
            self._keys = {key["kid"]: key for key in published["keys"]}
        if kid not in self._keys:
            raise jwt.InvalidTokenError("no such key")
        return jwt.PyJWK(self._keys[kid], "PS256").key

    async def _post_token(self, form: Mapping[str, str], role: str) -> dict[str, Any]:
        client = {"gateway": GATEWAY_CLIENT_ID, "service": SERVICE_CLIENT_ID}[role]
        kept = {name: value for name, value in form.items() if value}
        return await post_form(self.metadata["token_endpoint"], kept, auth=(client, self.secrets[role]))

    async def _administer(self, action: str, **content: Any) -> dict[str, Any]:
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=60) as http:
            reply = await http.post(f"{self.admin}/{action}", json=content)
        answer: dict[str, Any] = reply.json()
        if reply.status_code != 200:
            raise Refused("admin", answer["error"], reply.status_code)
        return answer


def _exchange(token: str, audience: str, scope: str) -> dict[str, str]:
    return {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": TOKEN_TYPE + "access_token",
        "audience": audience,
        "scope": scope,
    }


def _now() -> int:
    return int(clock.wall())
