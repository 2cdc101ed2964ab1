"""`doctor` against the real Keycloak: one thing is broken at a time, and its line says which and where to click.

The realm is changed for the length of a test, as in `test_keycloak.py`, and put back.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway import clock
from gateway.config import load
from gateway.doctor import Line
from gateway.doctor.idp import look
from gateway.doctor.user import draw
from gateway.model import Bearer, Effect
from gateway.settings import Settings
from tests.doctor.clinic import wrong
from tests.providers.keycloak import GATEWAY, JIRA
from tests.providers.place import Place
from tests.providers.provider import ASSISTANT
from tests.providers.test_keycloak import REFUSED, Row, keycloak, without_scope

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("provided", ["keycloak"], indirect=True),
]

LOGIN = "jira-agent-gateway-login"
SECRET = "login-only"
LOGS_IN = f"""
[identity.issuers.login]
client_id = "{LOGIN}"
client_secret = "{SECRET}"
scopes = ["openid", "email"]

[jira]
"""


def settings(place: Place, *changes: tuple[str, str]) -> Settings:
    """The gateway's, with other texts in them; each must be there."""
    text = (place.folder / "gateway.toml").read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    file = place.folder / "changed.toml"
    file.write_text(text)
    return load(file, {})


async def lines(place: Place, token: str | None, *changes: tuple[str, str]) -> Mapping[str, Line]:
    """By what was looked at."""
    bearer = None if token is None else Bearer(token)
    (report,) = await look(settings(place, *changes), None, bearer)
    assert report.page == "docs/identity/keycloak.md"
    return {line.what: line for line in report.lines}


async def token(place: Place, user: str = "ana") -> str:
    """As an assistant gets it."""
    return (await place.provider.token(user)).access


@asynccontextmanager
async def login_client(place: Place, **members: Any) -> AsyncIterator[None]:
    """The client of the page docs/identity/keycloak.md."""
    admin = keycloak(place).admin
    callback = f"{place.public_url}/login/callback"
    client = {"clientId": LOGIN, "secret": SECRET, "redirectUris": [callback], "publicClient": False}
    scopes = ["basic", "email"]
    await admin.post("/clients", {**client, "defaultClientScopes": scopes, **members})
    try:
        yield
    finally:
        await admin.delete(await admin.client(LOGIN))


async def test_nothing_is_wrong(place: Place) -> None:
    """The realm of deploy/keycloak as it is: every line that can be looked at is good, with and without a token."""
    found = await lines(place, await token(place))
    assert not wrong(found)
    assert "at+jwt" in found["token: kind"].found and GATEWAY in found["token: audience"].found
    assert "staff" in found["roles"].found and "jira:write" in found["exchange (sandbox, write)"].found
    assert found["clock"].state == "good"  # by the exchanged token: Keycloak sends no `Date`
    found = await lines(place, None)
    assert not wrong(found)
    assert "takes our client" in found["exchange (sandbox)"].found and found["clock"].state == "note"


SEEN_WITHOUT_A_TOKEN = {
    "exchange is switched off",
    "the gateway's secret is wrong",
}
"""Keycloak looks at these before the token that is presented."""


@pytest.mark.parametrize("why", [why for why in REFUSED if "audience mapper" not in why])
async def test_each_refusal_has_its_line(place: Place, why: str) -> None:
    """What Keycloak answered, word by word, and what to click; no other line but those of the same exchange."""
    row: Row = REFUSED[why]
    changes = [
        (f'audience = "{JIRA}"\nread', f'audience = "{wanted}"\nread') for wanted in row.settings.values()
    ]
    async with row.change(keycloak(place)):
        bearer = (await place.provider.token(row.user, row.scope)).access
        found = await lines(place, bearer, *changes)
        early = await lines(place, None, *changes)
    broken = wrong(found)
    what = f"exchange (sandbox, {row.effect.name.lower()})"
    others = {"exchange (sandbox, read)", "exchange (sandbox, write)"}
    others |= {"groups"} if row.user == "mallory" else set()  # who is in none
    assert what in broken and broken <= others
    assert row.answer[2] in found[what].found and found[what].do
    assert wrong(early) == ({"exchange (sandbox)"} if why in SEEN_WITHOUT_A_TOKEN else set())


CLICKS = {
    "no such audience": "Client ID of Jira's client",
    "the person has no role at Jira": "Role mapping",
    "exchange is switched off": "Standard Token Exchange",
    "the gateway's client is public": "Client authentication",
    "the gateway's secret is wrong": "Credentials",
    "consent is wanted": "Consent required",
}


@pytest.mark.parametrize("why", CLICKS)
async def test_where_to_click(place: Place, why: str) -> None:
    """The name of the switch in the admin console."""
    row = REFUSED[why]
    changes = [
        (f'audience = "{JIRA}"\nread', f'audience = "{wanted}"\nread') for wanted in row.settings.values()
    ]
    async with row.change(keycloak(place)):
        found = await lines(place, await token(place, row.user), *changes)
    assert row.effect is Effect.READ
    assert CLICKS[why] in found["exchange (sandbox, read)"].do


async def test_no_audience_mapper(place: Place) -> None:
    """The token is for nobody: its audience is wrong, and so is the verdict."""
    async with without_scope(ASSISTANT, GATEWAY, "default")(keycloak(place)):
        found = await lines(place, await token(place))
    assert wrong(found) == {"token: audience", "token: verdict"}
    assert "Audience" in found["token: audience"].do and GATEWAY in found["token: audience"].found


async def test_another_audience_in_the_settings(place: Place) -> None:
    """Both are printed."""
    found = await lines(place, await token(place), (f'audience = "{GATEWAY}"', 'audience = "another"'))
    assert wrong(found) == {"token: audience", "token: verdict"}
    assert GATEWAY in found["token: audience"].found and "another" in found["token: audience"].found


async def test_no_groups_mapper(place: Place) -> None:
    """The gateway lets the token in, but it gives no role."""
    async with without_scope(ASSISTANT, "groups", "default")(keycloak(place)):
        found = await lines(place, await token(place))
    assert wrong(found) == {"groups"}
    assert "Group Membership" in found["groups"].do


async def test_another_realm_or_host(place: Place) -> None:
    """A realm that is not there is 404; another name of the same host is another issuer."""
    issuer = place.provider.issuer
    found = await lines(place, None, (f'issuer = "{issuer}"', f'issuer = "{issuer}-x"'))
    assert "status 404" in found["metadata"].found and "realms/REALM" in found["metadata"].do
    other = issuer.replace("127.0.0.1", "localhost")
    found = await lines(place, None, (f'issuer = "{issuer}"', f'issuer = "{other}"'))
    assert "another host" in found["issuer"].found and "--hostname" in found["issuer"].do
    found = await lines(place, None, (f'issuer = "{issuer}"', f'issuer = "{issuer}/"'))
    assert "the last slash" in found["issuer"].found and wrong(found) == {"issuer"}


async def test_the_clock(place: Place) -> None:
    """Ours is two minutes ahead of Keycloak's: seen in the token that it has just made."""
    bearer = await token(place)
    with clock.shifted(wall=120):
        found = await lines(place, bearer)
    assert "clock" in wrong(found) and "behind ours" in found["clock"].found


async def test_an_id_token_is_told_as_one(place: Place) -> None:
    """It has the shape of an access token but for a few claims."""
    tokens = await place.provider.token("ana")
    found = await lines(place, tokens.id)
    assert {"token: kind", "token: verdict"} & wrong(found) and "token: claims" in wrong(found)
    assert "ID token" in found["token: claims"].do


async def test_who_signed_out_is_told(place: Place) -> None:
    """The token still verifies; only the exchange knows."""
    bearer = await token(place, "hana")
    await place.provider.sign_out("hana")
    found = await lines(place, bearer)
    assert wrong(found) == {"exchange (sandbox, read)", "exchange (sandbox, write)"}
    assert "sign in again" in found["exchange (sandbox, read)"].do


async def test_the_login_client(place: Place) -> None:
    """Registered as the page says it is good; then another address, another secret, nobody."""
    logs_in = ("\n[jira]\n", LOGS_IN)
    found = await lines(place, None, logs_in)
    assert wrong(found) == {"sign-in: redirect URI", "sign-in: client"}
    async with login_client(place):
        found = await lines(place, None, logs_in)
        assert not wrong(found) and found["sign-in: client"].state == "good"
        strange = ('scopes = ["openid", "email"]', 'scopes = ["openid", "profile"]')
        found = await lines(place, None, logs_in, strange)
        assert (
            wrong(found) == {"sign-in: redirect URI"}
            and "invalid_scope" in found["sign-in: redirect URI"].found
        )
        found = await lines(place, None, logs_in, (SECRET, "another"))
        assert wrong(found) == {"sign-in: client"} and "Credentials" in found["sign-in: client"].do
    async with login_client(place, redirectUris=["https://elsewhere.example/*"]):
        found = await lines(place, None, logs_in)
        assert wrong(found) == {"sign-in: redirect URI"}
        assert "redirect_uri" in found["sign-in: redirect URI"].found
        assert "Valid redirect URIs" in found["sign-in: redirect URI"].do


async def test_introspection(place: Place) -> None:
    """With the gateway's client, and with a wrong secret."""
    table = f"""
[identity.issuers.introspection]
endpoint = "{place.provider.metadata["introspection_endpoint"]}"
client_id = "{GATEWAY}"
client_secret = "{place.provider.settings().client_secret}"

[jira]
"""
    found = await lines(place, None, ("\n[jira]\n", table))
    assert found["introspection"].state == "good"
    found = await lines(place, None, ("\n[jira]\n", table.replace('client_secret = "', 'client_secret = "x')))
    assert wrong(found) == {"introspection"} and "status 401" in found["introspection"].found


async def test_a_person_side_by_side(place: Place) -> None:
    """By e-mail, with Keycloak's groups on the one side and Jira's on the other."""
    portrait = await draw(settings(place), "ana@sandbox.example.com", Bearer(await token(place)))
    assert portrait.good and portrait.jira is not None, portrait.lines
    assert {row.name for row in portrait.groups if row.sent and row.jira} == {
        "developers",
        "finance",
        "leads",
        "staff",
    }
    assert portrait.jira.projects["OPEN"]["BROWSE_PROJECTS"]
