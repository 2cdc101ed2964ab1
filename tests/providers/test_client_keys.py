"""How the gateway proves itself to the provider when it exchanges: by its own keys (RFC 7523), which roll, and
by a secret that is changed while people call."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from gateway.cli import main
from gateway.credential.client import OAuthClient
from gateway.credential.keys import KEY_FILE, roll
from sandbox.people import PEOPLE
from tests.providers.keycloak import GATEWAY, REALM
from tests.providers.keycloak_process import ADMIN, SECRET
from tests.providers.oidc_provider import GATEWAY_KEY_CLIENT_ID, OidcProvider
from tests.providers.place import Front, Place
from tests.providers.provider import GatewaySettings, Parties
from tests.providers.test_acceptance import Show, show
from tests.providers.test_keycloak import client, keycloak

__all__ = ["show"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_KEYCLOAK = pytest.mark.parametrize("provided", ["keycloak"], indirect=True)
JWKS = "/.well-known/jwks.json"


class ByKey(OidcProvider):
    """It knows the gateway by the keys that the gateway publishes."""

    def __init__(self, parties: Parties) -> None:
        jwks = parties.gateway.removesuffix("/mcp") + JWKS
        super().__init__(parties, client_keys={"jwks_uri": jwks})

    def settings(self) -> GatewaySettings:
        return replace(
            super().settings(),
            client_id=GATEWAY_KEY_CLIENT_ID,
            client_auth="private_key_jwt",
            client_secret="",
            more=f'client_audience = "{self.issuer}"',
        )


async def calls_as_ana(front: Front, token: str, subject: str) -> None:
    """A call that exchanges, and is answered as ana."""
    issuer = front.settings.identity.issuers[0].issuer
    front.exchange.forget(issuer, subject)
    assert (await front.call(token, "jira_whoami")).data["email"] == PEOPLE["ana"].email


async def rolled(front: Front) -> tuple[str, str]:
    """The key that signed and the one that signs, after `secrets roll-key` was run beside the gateway."""
    before = front.gateway.keys.signing.kid
    await asyncio.to_thread(roll, front.settings.audit.dir / KEY_FILE)
    async with asyncio.timeout(60):
        while front.gateway.keys.signing.kid == before:  # noqa: ASYNC110 - it looks at the file once a second
            await asyncio.sleep(0.02)
    return before, front.gateway.keys.signing.kid


async def published(front: Front) -> list[str]:
    """Ids of the keys that anybody can fetch."""
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
        keys = (await http.get(front.public_url + JWKS)).json()["keys"]
    assert not any("d" in key for key in keys)
    return [key["kid"] for key in keys]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A gateway that has no secret at oidc-provider."""
    async with Place(tmp_path_factory.mktemp("by-key"), ByKey) as made:
        yield made


async def test_by_key_at_oidc_provider(keyed: Place, record_property: Callable[[str, object], None]) -> None:
    """Exchanges with an assertion; the key rolls, and the next call is signed by one that was published before."""
    for name, value in (("provider", keyed.provider.name), ("source", "exchange")):
        record_property(name, value)
    record_property("scenario", "private_key_jwt")
    assert isinstance(keyed.provider, OidcProvider)
    token = (await keyed.provider.token("ana")).access
    known = await published(keyed)
    await calls_as_ana(keyed, token, "ana")
    before, after = await rolled(keyed)
    assert [before, after] == known  # so a provider that keeps our keys for a while has the new one already
    await calls_as_ana(keyed, token, "ana")
    await rolled(keyed)  # this one it has never seen: it fetches our keys again
    await keyed.provider.forget_client_keys()
    await calls_as_ana(keyed, token, "ana")
    assert before not in await published(keyed)
    record_property("shown", "no secret; the key rolls twice between calls, and each call is answered")


@AT_KEYCLOAK
async def test_by_key_at_keycloak(place: Place, show: Show, tmp_path: Path) -> None:
    """The same with `Signed JWT` and our JWKS URL at its client; the old secret is worth nothing then."""
    show("private_key_jwt")
    provider = keycloak(place)
    token = (await provider.token("ana")).access
    front = place.beside(tmp_path, client_auth="private_key_jwt", client_secret="")
    signed = client(
        GATEWAY,
        clientAuthenticatorType="client-jwt",
        attributes={
            "use.jwks.url": "true",
            "jwks.url": front.public_url + JWKS,
            "token.endpoint.auth.signing.alg": "ES256",
        },
    )
    async with front, signed(provider):
        await calls_as_ana(front, token, provider.subject("ana"))
        before, after = await rolled(front)
        await calls_as_ana(front, token, provider.subject("ana"))
        assert (before != after) and after in await published(front)
        place.forget("ana")
        assert "No Jira credential" in (await place.call(token, "jira_whoami")).refusal
    place.forget("ana")
    assert (await place.call(token, "jira_whoami")).result
    show(shown="no secret; the key rolls between calls, and each call is answered")


@asynccontextmanager
async def changing(place: Place, folder: Path) -> AsyncIterator[Front]:
    """A gateway whose secret at Keycloak is in files, and may be changed by `secrets rotate`."""
    provider = keycloak(place)
    path = await provider.admin.client(GATEWAY)
    base = provider.issuer.removesuffix(f"/realms/{REALM}")
    (folder / "current").write_text(SECRET)
    (folder / "next").write_text("")
    more = f"""client_secret_file = "current"
next_client_secret_file = "next"

[jira.credential.rotation]
provider = "keycloak"
api = "{base}/admin/realms/{REALM}"
id = "{path.removeprefix("/clients/")}"
api_secret = "{SECRET}"
admin_client_id = "{ADMIN}"
token_endpoint = "{base}/realms/master/protocol/openid-connect/token"
"""
    async with client(GATEWAY)(provider), place.beside(folder, client_secret="", more=more) as front:
        yield front


async def command(front: Front, *arguments: str) -> int:
    """`jira-agent-gateway secrets …`, as an operator runs it beside the gateway."""
    config = str(front.folder / "gateway.toml")
    return await asyncio.to_thread(main, ["secrets", *arguments, "--config", config])


@AT_KEYCLOAK
async def test_a_secret_changes_while_people_call(place: Place, show: Show, tmp_path: Path) -> None:
    """Without a rotation policy the old secret ends at once: the next one is tried, promoted, and made the current."""
    show("the client's secret is changed")
    provider = keycloak(place)
    token, ana = (await provider.token("ana")).access, provider.subject("ana")
    async with changing(place, tmp_path) as front:
        await calls_as_ana(front, token, ana)
        assert await command(front, "rotate", "sandbox.exchange") == 0
        made = (tmp_path / "next").read_text().strip()
        assert made not in ("", SECRET)
        await _taken(front, token, ana)
        oauth = _client(front)
        assert oauth.in_use() == "next"
        assert (
            await command(front, "rotate", "sandbox.exchange", "--finish") == 0
        )  # Keycloak has no older one
        assert (tmp_path / "current").read_text().strip() == made
        await calls_as_ana(front, token, ana)
        assert made not in json.dumps(front.records())
    place.forget("ana")
    assert (await place.call(token, "jira_whoami")).result
    show(
        shown="the refused secret gives way to the next in the same call; `--finish` where no old one is left"
    )


@AT_KEYCLOAK
async def test_an_audience_that_is_refused_promotes_nothing(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """`invalid_client` of Jira's client comes with 400: the next secret is not shown to anybody for it."""
    provider = keycloak(place)
    token = (await provider.token("ana")).access
    (tmp_path / "next").write_text("not-known-there")
    front = place.beside(tmp_path, jira_audience="nobody", more='next_client_secret_file = "next"')
    async with front:
        assert "No Jira credential" in (await front.call(token, "jira_whoami")).refusal
    assert "client id of Jira's client" in caplog.text  # of the first answer; a second one would be a 401


async def _taken(front: Front, token: str, subject: str) -> None:
    """Until the gateway has read the file with the next secret, calls are refused; then they are answered."""
    oauth = _client(front)
    async with asyncio.timeout(60):
        while len(oauth.secrets()) < 2:  # noqa: ASYNC110 - it looks at the file once a second
            await asyncio.sleep(0.02)
    await calls_as_ana(front, token, subject)


def _client(front: Front) -> OAuthClient:
    """The gateway's own client at the provider."""
    return front.exchange._endpoint.client
