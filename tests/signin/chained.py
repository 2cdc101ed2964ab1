"""A chain on the sandbox's provider: people who signed in there, a sealed vault, and what the provider was shown."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from gateway import clock
from gateway.credential import GrantOrder
from gateway.credential.client import OAuthClient
from gateway.credential.endpoint import TokenEndpoint
from gateway.credential.pace import Pace
from gateway.credential.refresh import VaultRefresher
from gateway.credential.sealed import SealedVault
from gateway.credential.sources.exchange import ExchangeSource, Settings
from gateway.credential.vault import Link, LinkKey
from gateway.http import Outward
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import profile
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Caller, Effect, Grant, Secret
from gateway.signin.idtoken import SignedIn
from gateway.signin.login import CALLBACK
from gateway.signin.provider import Provider
from gateway.signin.server.chain import Chain
from gateway.store.memory import MemoryStore
from gateway.store.sql import Database
from sandbox import idp as sandbox_idp
from sandbox.idp.otp import totp
from sandbox.people import PEOPLE
from tests.credential.sealing import local
from tests.signin.world import TLS, _idp, browser, issuer_settings

HERE = "http://127.0.0.1:1"
JIRA = "http://127.0.0.1:1"
"""What the sandbox's provider exchanges for."""
OURS = "an-access-token-of-ours"
SCOPES = ("openid", "email", "profile", "jira:read", "jira:write")
LOGIN = {
    "client_id": sandbox_idp.GATEWAY_CLIENT_ID,
    "client_secret": sandbox_idp.GATEWAY_CLIENT_SECRET,
    "scopes": SCOPES,
}


@dataclass
class Chained:
    """One provider and two replicas of a gateway that share database and store."""

    idp: sandbox_idp.Idp
    provider: Provider
    chain: Chain
    other: Chain
    """The other replica's."""
    vault: SealedVault
    refresher: VaultRefresher
    source: ExchangeSource
    stack: AsyncExitStack
    shown: list[str] = field(default_factory=list)
    """Every token that the provider was ever sent."""
    refreshes: list[str] = field(default_factory=list)
    """The refresh tokens among them."""

    async def sign_in(self, user: str = "ana") -> SignedIn:
        """Somebody signs in at the provider, through a browser."""
        visitor = await browser(self.stack, HERE)
        departure = await self.provider.begin()
        page = await visitor.get(departure.address("state"))
        person = PEOPLE[user]
        second = {"code": totp(person.otp_secret, clock.wall())} if person.otp_secret else {}
        reply = await visitor.fill(page, user=user, password=person.password, answer="allow", **second)
        answer = dict(parse_qsl(urlsplit(reply.headers["location"]).query))
        return await self.provider.finish(answer, nonce=departure.nonce, verifier=departure.verifier)

    async def kept(self, family: str = "f1", user: str = "ana") -> SignedIn:
        """A sign-in with an assistant."""
        who = await self.sign_in(user)
        await self.chain.keep(family, who)
        return who

    def key(self, family: str = "f1", user: str = "ana") -> LinkKey:
        """Where its grant lies."""
        return LinkKey(self.idp.issuer, user, f"signin/{self.provider.name}", tenant=family)

    async def link(self, family: str = "f1", user: str = "ana") -> Link:
        """The grant as it lies there."""
        link = await self.vault.read(self.key(family, user))
        assert link is not None
        return link

    def caller(self, family: str = "f1", user: str = "ana") -> Caller:
        """Who comes with an access token of ours, which lives for half an hour."""
        return Caller(
            issuer=self.idp.issuer,
            subject=user,
            client="assistant",
            scopes=frozenset({"jira:read"}),
            expires_at=clock.wall() + 1800,
            token=Secret(OURS),
            family=family,
        )

    async def grant(self, caller: Caller) -> Grant:
        """A grant at Jira, by exchange."""
        return await self.source.grant(GrantOrder(caller, Effect.READ))


Listen = Callable[[str, Request], object]


async def _overhear(chained: Chained, endpoint: str, request: Request) -> Response | None:
    if request.method == "POST" and endpoint in ("token", "revoke"):
        sent = dict(parse_qsl((await request.body()).decode()))
        found = [sent[name] for name in ("subject_token", "refresh_token", "token", "code") if name in sent]
        chained.shown += found
        if endpoint == "token" and sent.get("grant_type") == "refresh_token":
            chained.refreshes.append(sent["refresh_token"])
    return None


@asynccontextmanager
async def chained(folder: Path, *, pace: Pace | None = None) -> AsyncIterator[Chained]:
    """Everything running."""
    async with AsyncExitStack() as stack:
        idp = await _idp(stack, f"{HERE}/mcp")
        outward = await stack.enter_async_context(Outward(tls=TLS))
        settings = issuer_settings(
            idp.issuer, "corp", roles=[{"group": "leads", "role": "lead"}], login=LOGIN
        )
        provider = Provider(settings, outward, redirect_uri=HERE + CALLBACK)
        database = await stack.enter_async_context(Database(f"sqlite:///{folder}/gateway.db"))
        vault, store = SealedVault(database, local()), MemoryStore()
        await vault.start()
        quick = pace or Pace(backoff_first=0.01, backoff_most=0.02)
        refresher, second = (VaultRefresher(vault, store, pace=quick) for _ in range(2))
        chain, other = Chain([provider], refresher), Chain([provider], second)
        source = _source(idp, outward, chain)
        made = Chained(idp, provider, chain, other, vault, refresher, source, stack)

        async def overhear(endpoint: str, request: Request) -> Response | None:
            return await _overhear(made, endpoint, request)

        idp.faults.hook = overhear
        yield made


def _source(idp: sandbox_idp.Idp, outward: Outward, chain: Chain) -> ExchangeSource:
    ours = profile("rfc9068", issuer=idp.issuer, audience=f"{HERE}/mcp")
    verify = TokenAuthenticator([ours.towards(JIRA)], key_ring([ours], outward)).authenticate
    settings = Settings.model_validate(
        {"token_endpoint": f"{idp.issuer}/token", "audience": JIRA, **LOGIN_OF_SOURCE}
    )
    endpoint = TokenEndpoint(outward, settings.token_endpoint, OAuthClient(settings))
    return ExchangeSource(settings, idp.issuer, endpoint, verify, subject=chain.presented)


LOGIN_OF_SOURCE = {name: LOGIN[name] for name in ("client_id", "client_secret")}
