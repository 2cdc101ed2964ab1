"""Keycloak, really running: the pinned release with the realm of `deploy/keycloak` and the sandbox's people.

    install.sh                      brings and builds it, once a checkout
    deploy/keycloak/realm.json      imported as a company would, plus `_people`
    parties.folder/keycloak         its home for this run: its log is there

Its scopes at Jira have the names of the gateway's own (`jira:read`), because its enforcer lets an
exchange keep or drop scopes but not rename them; `jira_claims` plays the part of Jira that maps them.
"""

import json
from pathlib import Path
from typing import Any, Self

import httpx2

from gateway.signin.login import CALLBACK
from gateway.signin.pages import SIGN_OUT
from sandbox.idp.exchange import JIRA_SCOPES
from sandbox.people import Person
from tests.providers.browser import code_flow, fetched, refreshed
from tests.providers.keycloak_process import ADMIN, SECRET, Process
from tests.providers.provider import ASSISTANT, WRITE, GatewaySettings, Parties, Tokens
from tests.providers.tokens import Keys

ROOT = Path(__file__).resolve().parents[2]
REALM = "jira-agents"
GATEWAY = "jira-agent-gateway"
SIGN_IN = "jira-agent-gateway-sign-in"
JIRA = "jira"
OTP_POLICY = {
    "otpPolicyType": "totp",  # without it an import takes none of these
    "otpPolicyAlgorithm": "HmacSHA1",
    "otpPolicyDigits": 6,
    "otpPolicyPeriod": 30,
    "otpPolicyLookAheadWindow": 1,
    "otpPolicyCodeReusable": True,
}
"""lee signs in more often than once in 30 seconds"""
JIRA_TOKEN_SECONDS = 60.0
"""`access.token.lifespan` of the gateway's client in the realm file"""


class Keycloak:
    """A `Provider` (see `provider.py`), with the administrator's hands in `admin`."""

    assistant = ASSISTANT
    mfa = "urn:jira-agents:mfa"
    jira_audience = JIRA

    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self.name = self.issuer = ""
        self.metadata: dict[str, Any] = {}
        self.admin: Admin
        self._keys: Keys
        self._subjects: dict[str, str] = {}
        self._id_tokens: dict[str, list[str]] = {}
        self._process = Process(parties.folder / "keycloak")

    async def __aenter__(self) -> Self:
        base = await self._process.start(self.realm())
        self.name = f"Keycloak {self._process.version}"
        self.issuer = f"{base}/realms/{REALM}"
        self.metadata = await fetched(f"{self.issuer}/.well-known/openid-configuration")
        self._keys = Keys(self.metadata["jwks_uri"])
        self.admin = Admin(base)
        self._subjects = {user["username"]: user["id"] for user in await self.admin.get("/users")}
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._process.stop()

    def realm(self) -> dict[str, Any]:
        """The realm file with the sandbox's people in it."""
        realm: dict[str, Any] = json.loads((ROOT / "deploy/keycloak/realm.json").read_text("utf-8"))
        people = self.parties.people.values()
        # The file's own group gives the role; here `staff` does, as a company's own group would.
        names = sorted({name for person in people for name in person.groups})
        realm["groups"] = [
            {"name": name, "clientRoles": {JIRA: ["user"]} if name == "staff" else {}} for name in names
        ]
        realm["users"] = [_user(person) for person in people]
        realm |= OTP_POLICY
        return realm

    def settings(self) -> GatewaySettings:
        return GatewaySettings(
            issuer=self.issuer,
            profile="keycloak",
            audience=GATEWAY,
            token_endpoint=self.metadata["token_endpoint"],
            client_id=GATEWAY,
            client_secret=SECRET,
            jira_audience=JIRA,
            read_scope="jira:read",
            write_scope="jira:read jira:write",
            outlives=JIRA_TOKEN_SECONDS,
        )

    async def login(self, public_url: str, *, chain: bool = False) -> dict[str, Any]:
        """The realm file's client for this, copied for each gateway because their ports differ."""
        name = f"{SIGN_IN}-{public_url.rsplit(':', 1)[1]}"
        known = await self.admin.get(await self.admin.client(SIGN_IN))
        client = {
            **{member: value for member, value in known.items() if member not in ("id", "protocolMappers")},
            "clientId": name,
            "secret": SECRET,
            "redirectUris": [public_url + CALLBACK],
            "attributes": {**known["attributes"], "post.logout.redirect.uris": public_url + SIGN_OUT},
        }
        await self.admin.post("/clients", client)
        scopes = ["openid", "email", "jira:read", "jira:write"]
        return {"client_id": name, "client_secret": SECRET, "scopes": scopes}

    async def token(
        self, user: str, scope: str = WRITE, *, acr: str | None = None, client: str = ASSISTANT
    ) -> Tokens:
        tokens = await code_flow(
            self.parties.people[user], self.metadata, client=client, scope=scope, acr=acr
        )
        self._id_tokens.setdefault(user, []).append(tokens.id)
        return tokens

    async def refresh(self, tokens: Tokens) -> Tokens:
        return await refreshed(self.metadata, tokens)

    async def sign_out(self, user: str) -> None:
        """OpenID Connect RP-Initiated Logout 1.0 §2, of every session of `user` whose ID token is here; of the
        others, whose ID token the gateway has, as an administrator does."""
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            for token in self._id_tokens.pop(user, []):
                where = self.metadata["end_session_endpoint"]
                (await http.get(where, params={"id_token_hint": token})).raise_for_status()
        await self.admin.post(f"/users/{self.subject(user)}/logout")

    async def disable(self, user: str) -> None:
        await self.admin.change(f"/users/{self.subject(user)}", enabled=False)

    async def enable(self, user: str) -> None:
        await self.admin.change(f"/users/{self.subject(user)}", enabled=True)

    def subject(self, user: str) -> str:
        return self._subjects[user]

    async def jira_claims(self, token: str) -> dict[str, Any] | None:
        claims = await self._keys.claims(token, issuer=self.issuer, audience=JIRA)
        if claims is None or claims.get("typ") != "Bearer":
            return None
        names = {subject: name for name, subject in self._subjects.items()}
        scopes = {worth for held in claims["scope"].split() for worth in JIRA_SCOPES.get(held, ())}
        return {**claims, "sub": names.get(claims["sub"]), "scope": " ".join(sorted(scopes))}


class Admin:
    """The administrator of one realm, through the admin REST API. Raises `httpx2.HTTPStatusError`."""

    def __init__(self, base: str) -> None:
        self._base = base

    async def get(self, path: str) -> Any:
        """The JSON at `path` below the realm."""
        return (await self._send("GET", path)).json()

    async def change(self, path: str, **members: Any) -> dict[str, Any]:
        """Replace `members` of the object at `path`, and leave the rest; the object as it was before."""
        before: dict[str, Any] = await self.get(path)
        await self._send("PUT", path, {**before, **members})
        return before

    async def post(self, path: str, body: Any = None) -> None:
        """POST `body` as JSON to `path`."""
        await self._send("POST", path, body)

    async def put(self, path: str, body: Any = None) -> None:
        """PUT `body` as JSON to `path`."""
        await self._send("PUT", path, body)

    async def delete(self, path: str) -> None:
        """DELETE `path`."""
        await self._send("DELETE", path)

    async def client(self, client_id: str) -> str:
        """The path of the client with that client id."""
        return f"/clients/{(await self.get(f'/clients?clientId={client_id}'))[0]['id']}"

    async def _send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            form = {"grant_type": "client_credentials"}
            where = f"{self._base}/realms/master/protocol/openid-connect/token"
            answer = (await http.post(where, data=form, auth=(ADMIN, SECRET))).raise_for_status()
            reply = await http.request(
                method,
                f"{self._base}/admin/realms/{REALM}{path}",
                json=body,
                headers={"Authorization": f"Bearer {answer.json()['access_token']}"},
            )
        return reply.raise_for_status()


def _user(person: Person) -> dict[str, Any]:
    first, _, last = person.display_name.partition(" ")
    credentials: list[dict[str, Any]] = [{"type": "password", "value": person.password}]
    if person.otp_secret:
        how = {
            "subType": "totp",
            "algorithm": "HmacSHA1",
            "digits": 6,
            "period": 30,
            "secretEncoding": "BASE32",
        }
        credentials.append(
            {
                "type": "otp",
                "secretData": json.dumps({"value": person.otp_secret}),
                "credentialData": json.dumps({**how, "counter": 0}),
            }
        )
    return {
        "username": person.name,
        "enabled": True,
        "email": person.email,
        "emailVerified": True,
        "firstName": first,
        "lastName": last,
        "groups": list(person.groups),
        "credentials": credentials,
    }
