"""An exchange whose answer another authorization server of the same provider gives, as Okta's does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import limits
from gateway.config import Settings
from gateway.credential import GrantOrder, Parts
from gateway.credential.sources.exchange import ExchangeSource, build
from gateway.errors import ConfigError, Unauthenticated, Unavailable
from gateway.http import Outward
from gateway.identity.revocation import Revocations
from gateway.model import Account, Bearer, Caller, Effect
from gateway.providers import Providers
from gateway.store.sql import Database
from tests.identity.server import GATEWAY, JIRA, SECRET, Idp, Request, private_key, sign

PATH = "/oauth2/aus1"


class Okta(Idp):
    """A custom authorization server: its issuer has a path, its tokens name people by `uid` and have no `typ`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.keys = {"ec": private_key("P-256", number)}

    @property
    def issuer(self) -> str:
        return self.url(PATH)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        request.path = request.path.removeprefix(PATH)
        await super()._answer(request, writer)

    def token(self, scopes: list[str], audience: str, **changes: Any) -> str:
        """What it gives for ana; None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": audience,
            "sub": "ana@corp.example",
            "uid": "00uana",
            "cid": "assistant",
            "scp": scopes,
            "iat": now,
            "exp": now + 200,
            "jti": "AT.1",
            **changes,
        }
        held = {name: value for name, value in claims.items() if value is not None}
        return sign({"alg": "ES256", "kid": "ec"}, held, self.keys["ec"])


@dataclass
class TwoServers:
    """Where people sign in, and whose tokens Jira takes."""

    first: Okta
    second: Okta
    providers: Providers
    outward: Outward

    async def caller(self) -> Caller:
        token = self.first.token(["jira:read"], GATEWAY, exp=int(time.time()) + 300)
        return await self.providers.verified("/mcp").authenticate(Bearer(token))

    def source(self, **changes: Any) -> ExchangeSource:
        settings = {
            "token_endpoint": self.second.url(f"{PATH}/token"),
            "client_id": "gate way",
            "client_secret": SECRET,
            "audience": JIRA,
            "issuer": self.second.issuer,
            **changes,
        }
        return build(_settings(self.first, [settings]).jira[0].credential[0], _parts(self))  # type: ignore[arg-type]  # of `exchange`, by its settings

    async def grant(self, answer: str, **changes: Any) -> Any:
        """What the source makes of that answer."""
        self.second.faults.answer = {"access_token": answer}
        return await self.source(**changes).grant(GrantOrder(await self.caller(), Effect.READ))


def _settings(first: Okta, credential: list[Any]) -> Settings:
    return Settings.model_validate(
        {
            "server": {"public_url": GATEWAY.removesuffix("/mcp")},
            "identity": {"issuers": [{"name": "corp", "issuer": first.issuer, "profile": "okta"}]},
            "jira": [{"url": JIRA, "credential": credential}],
            "audit": {"dir": Path("a"), "second": Path("b")},
        }
    )


def _parts(two: TwoServers) -> Parts:
    async def whose(access: str) -> Account:
        raise AssertionError("nobody asks")

    return Parts(
        outward=two.outward,
        site="jira",
        site_url=JIRA,
        issuers=two.providers.issuers,
        vendors=two.providers.vendors,
        verifier=two.providers.verifier,
        whose=whose,
        connect_url="",
    )


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[TwoServers]:
    """Both running, with different keys of the same id."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Okta(61))
        second = await stack.enter_async_context(Okta(62))
        outward = await stack.enter_async_context(Outward())
        settings = _settings(first, [{"source": "exchange", **_plain(second)}])
        yield TwoServers(
            first,
            second,
            Providers(settings, outward, Revocations(Database(f"sqlite:///{tmp_path}/gateway.db"))),
            outward,
        )


def _plain(server: Okta) -> dict[str, Any]:
    return {
        "token_endpoint": server.url(f"{PATH}/token"),
        "client_id": "gate way",
        "client_secret": SECRET,
        "audience": JIRA,
    }


READ = ["read:jira-work"]


async def test_the_second_servers_token_is_believed(two: TwoServers) -> None:
    """Its `iss`, its keys, the same `uid`: the grant is the caller's, by the caller's own issuer."""
    grant = await two.grant(two.second.token(READ, JIRA, cid="gate way"))
    assert (two.first.issuer, "00uana", JIRA) == (grant.issuer, grant.subject, grant.audience)
    assert two.second.fetches == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"uid": "00ubo"}, "sub is another person"),
        ({"uid": None}, "uid is missing"),
        ({"uid": None, "sub": "gate way", "cid": "gate way"}, "sub is another person"),
        ({"iss": "https://other.test/oauth2/aus1"}, "iss is not one of ours"),
        ({"aud": GATEWAY}, "aud is somebody else"),
        ({"scp": [*READ, "admin"]}, "scope is more"),
        ({"exp": int(time.time()) + 3000}, "exp is beyond"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_a_wrong_answer_of_the_second_server_is_thrown_away(
    two: TwoServers, changes: dict[str, Any], why: str
) -> None:
    """It must be the caller's by the profile's own subject claim, for Jira, for what was asked."""
    with pytest.raises(Unavailable) as caught:
        await two.grant(two.second.token(READ, JIRA, **changes))
    assert "thrown away" in caught.value.private and why in caught.value.private


async def test_each_servers_tokens_are_signed_by_its_own_keys(two: TwoServers) -> None:
    """The first server's key signs nothing of the second's, and the first's own token is none of the second's."""
    forged = two.first.token(READ, JIRA, iss=two.second.issuer)
    own = two.first.token(READ, JIRA)
    for answer, why in ((forged, "signature"), (own, "iss is not one of ours")):
        with pytest.raises(Unavailable) as caught:
            await two.grant(answer)
        assert why in caught.value.private


async def test_without_the_setting_only_the_callers_issuer_counts(two: TwoServers) -> None:
    """The default is as before: a token of the second server is thrown away."""
    with pytest.raises(Unavailable) as caught:
        await two.grant(two.second.token(READ, JIRA), issuer=None)
    assert "iss is not one of ours" in caught.value.private
    assert await two.grant(two.first.token(READ, JIRA), issuer=None)


async def test_the_second_server_signs_in_nobody(two: TwoServers) -> None:
    """Who may exchange to it may not call with its tokens."""
    await two.grant(two.second.token(READ, JIRA))
    with pytest.raises(Unauthenticated):
        await two.providers.verified("/mcp").authenticate(Bearer(two.second.token(["jira:read"], GATEWAY)))


async def test_a_second_server_that_is_away_proves_nothing(
    two: TwoServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its keys its answer is not believed, and the person is told to try again."""
    monkeypatch.setattr(limits, "JWKS_TTL_SECONDS", 0)
    two.second.faults.metadata = {"jwks_uri": "https://elsewhere.test/keys"}
    with pytest.raises(Unavailable) as caught:
        await two.grant(two.second.token(READ, JIRA))
    assert "cannot be verified" in caught.value.private


def test_okta_names_the_org_server_as_no_second_one(two: TwoServers) -> None:
    """Its tokens are for Okta alone; the settings are refused with the reason."""
    with pytest.raises(ConfigError, match="custom authorization server"):
        two.source(issuer=two.second.url().rstrip("/"))
