"""The sandbox's own identity provider behind the face of a `Provider`."""

from contextlib import AsyncExitStack
from typing import Any, Self

from sandbox.idp import ACR_MFA, GATEWAY_CLIENT_ID, GATEWAY_CLIENT_SECRET, Idp, create_app
from sandbox.idp.exchange import GRANT_TYPE
from sandbox.idp.idjag import ID_JAG, ID_TOKEN, id_token
from sandbox.serve import Served, listen
from tests.providers.browser import code_flow, fetched, post_form, refreshed
from tests.providers.provider import ASSISTANT, WRITE, GatewaySettings, Parties, Tokens


class SandboxProvider:
    """A `Provider` (see `provider.py`), in this event loop; `idp` has its knobs."""

    assistant = ASSISTANT
    name = "sandbox"
    mfa = ACR_MFA

    def __init__(self, parties: Parties) -> None:
        self.parties = parties
        self.jira_audience = parties.jira
        self.issuer = ""
        self.idp: Idp
        self.metadata: dict[str, Any] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        sock = listen("127.0.0.1", 0)
        self.issuer = f"http://127.0.0.1:{sock.getsockname()[1]}"
        app = create_app(
            issuer=self.issuer,
            gateway_resource=self.parties.gateway,
            jira_audience=self.jira_audience,
            people=self.parties.people,
        )
        self.idp = app.state.idp
        await self._stack.enter_async_context(Served(app, sock))
        self.metadata = await fetched(f"{self.issuer}/.well-known/openid-configuration")
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def settings(self) -> GatewaySettings:
        return GatewaySettings(
            issuer=self.issuer,
            profile="rfc9068",
            audience=self.parties.gateway,
            token_endpoint=self.metadata["token_endpoint"],
            client_id=GATEWAY_CLIENT_ID,
            client_secret=GATEWAY_CLIENT_SECRET,
            jira_audience=self.jira_audience,
        )

    async def login(self, public_url: str, *, chain: bool = False) -> dict[str, Any]:
        """The gateway's client, whose answers may go to any port of loopback."""
        scopes = ["openid", "email", "profile", "jira:read", "jira:write"]
        return {"client_id": GATEWAY_CLIENT_ID, "client_secret": GATEWAY_CLIENT_SECRET, "scopes": scopes}

    async def token(
        self, user: str, scope: str = WRITE, *, acr: str | None = None, client: str = ASSISTANT
    ) -> Tokens:
        """`acr` changes nothing: whoever has a second factor is asked for it at every sign-in."""
        return await code_flow(
            self.parties.people[user],
            self.metadata,
            client=client,
            scope=scope,
            acr=acr,
            resource=self.parties.gateway,
        )

    async def refresh(self, tokens: Tokens) -> Tokens:
        return await refreshed(self.metadata, tokens, resource=self.parties.gateway)

    async def sign_out(self, user: str) -> None:
        """Its sign-ins have no sessions; their refresh tokens end."""
        for _, link in self.idp.refresh._links._items.values():
            if link.family.sign_in.subject == user:
                link.family.revoked = True

    async def partner(self, issuer: str, client: str) -> None:
        """From now on assertions are also for that authorization server, and for its client `client`."""
        self.idp.partners[issuer] = client

    async def vouched(self, user: str, issuer: str, resource: str) -> str:
        """An ID-JAG about `user`, of a fresh sign-in, for a partner. Raises `Refused`."""
        form = {
            "grant_type": GRANT_TYPE,
            "requested_token_type": ID_JAG,
            "subject_token": id_token(self.idp, user, GATEWAY_CLIENT_ID),
            "subject_token_type": ID_TOKEN,
            "audience": issuer,
            "resource": resource,
            "scope": "jira:read jira:write",
        }
        auth = (GATEWAY_CLIENT_ID, GATEWAY_CLIENT_SECRET)
        answer = await post_form(self.metadata["token_endpoint"], form, auth=auth)
        return str(answer["access_token"])

    async def disable(self, user: str) -> None:
        self.idp.disabled.add(user)

    async def enable(self, user: str) -> None:
        self.idp.disabled.discard(user)

    def subject(self, user: str) -> str:
        return user

    async def jira_claims(self, token: str) -> dict[str, Any] | None:
        return await self.idp.jira_claims(token)
