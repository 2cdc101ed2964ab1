"""Where assistants sign in at the gateway, with Keycloak behind it: what its sign-in client must have, and its session.

The realm is changed for the length of a test through the admin API, and put back.
"""

import pytest

from gateway import clock
from tests.providers.keycloak import SIGN_IN, Keycloak
from tests.providers.place import Place
from tests.providers.provider import Refused
from tests.providers.test_acceptance import Show, known, show
from tests.providers.test_keycloak import client, without_scope
from tests.providers.test_signing import signing

__all__ = ["show"]

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("mode", ["signin"], indirect=True),
    pytest.mark.parametrize("provided", ["keycloak"], indirect=True),
]


def keycloak(place: Place) -> Keycloak:
    """The one behind the gateway."""
    found = signing(place).provider.inner
    assert isinstance(found, Keycloak)
    return found


def sign_in_client(place: Place) -> str:
    """The client id of the gateway's own client there."""
    return f"{SIGN_IN}-{place.settings.server.port}"


NEEDS = {
    "jira-agent-gateway": "audience mapper",
    "groups": "No rule allows this",
}


@pytest.mark.parametrize("scope", NEEDS)
async def test_what_the_sign_in_client_needs(place: Place, scope: str) -> None:
    """People come in without it, and no call reaches Jira; the person or the operator learns why."""
    before = len(place.jira.requests)
    async with without_scope(sign_in_client(place), scope, "default")(keycloak(place)):
        tokens = await place.provider.token("ana")
        told = (await place.call(tokens.access, "jira_whoami")).refusal
    assert NEEDS[scope] in f"{told} {place.exchange.kept.problem}"
    assert len(place.jira.requests) == before


@pytest.mark.parametrize(("scope", "kind"), [("email", "default"), ("jira:write", "optional")])
async def test_a_scope_of_the_login_that_the_client_lacks(
    place: Place, scope: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can sign in; the assistant is told that it is not its doing, and the log has Keycloak's word."""
    async with without_scope(sign_in_client(place), scope, kind)(keycloak(place)):
        with pytest.raises(Refused, match="server_error: The company's sign-in answered invalid_scope"):
            await place.provider.token("ana")
    assert "sent the browser back with the error invalid_scope" in caplog.text


async def test_without_the_scope_acr_no_second_factor_is_seen(place: Place) -> None:
    """Keycloak asks for it and does not say so: a rule that wants it never gets it."""
    it = keycloak(place)
    async with without_scope(sign_in_client(place), "acr", "default")(it):
        tokens = await place.provider.token("lee", acr=it.mfa)
    assert (await known(place, tokens.access)).acr is None
    assert (await known(place, (await place.provider.token("lee", acr=it.mfa)).access)).acr == it.mfa


async def test_without_refresh_tokens_a_sign_in_is_short(place: Place) -> None:
    """It ends with Keycloak's access token: nobody could ask for the person again."""
    off = client(sign_in_client(place), attributes={"use.refresh.tokens": "false"})
    async with off(keycloak(place)):
        tokens = await place.provider.token("bo")
        assert tokens.life <= 300
        with clock.shifted(wall=301), pytest.raises(Refused, match="invalid_grant"):
            await place.provider.refresh(tokens)


async def test_the_sign_in_ends_with_the_session(place: Place, show: Show) -> None:
    """Idle for as long as its session may be, the sign-in is over; a refresh before that makes it go on."""
    show("SSO session idle")
    admin = keycloak(place).admin
    before = await admin.change("", ssoSessionIdleTimeout=120)
    try:
        idle, used = await place.provider.token("bo"), await place.provider.token("bo")
        assert idle.life <= 120
        with clock.shifted(wall=61):
            used = await place.provider.refresh(used)
        with clock.shifted(wall=125):
            with pytest.raises(Refused, match="invalid_grant"):
                await place.provider.refresh(idle)
            used = await place.provider.refresh(used)
        with clock.shifted(wall=250), pytest.raises(Refused, match="invalid_grant"):
            await place.provider.refresh(used)
    finally:
        await admin.change("", ssoSessionIdleTimeout=before["ssoSessionIdleTimeout"])
    show(shown="idle for as long as Keycloak's session may be: over; each refresh begins that time anew")
