"""The acceptance suite: what a person sees, the same through every provider, each really running.

A scenario's figure in the table is what this provider does there: which life a token has, and when a
person who has left is refused.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway import clock
from gateway.credential import GrantOrder
from gateway.model import Bearer, Caller, Effect, Grant
from sandbox.people import PEOPLE
from tests.providers.browser import code_flow
from tests.providers.place import Place
from tests.providers.provider import READ, WRITE, Refused
from tests.providers.tokens import unverified

BOTH_MODES = pytest.mark.parametrize("mode", ["resource", "signin"], indirect=True)
pytestmark = [pytest.mark.asyncio(loop_scope="session"), BOTH_MODES]

Show = Callable[..., None]
LIVES = {"resource": 900.0, "signin": 1800.0}
"""seconds that an access token lives at most, by who issues it"""
NO_SESSIONS = ("sandbox",)
"""Providers that have no session to look at: whoever signed out is exchanged for until the token ends."""


@pytest.fixture
def show(record_property: Callable[[str, object], None], place: Place) -> Show:
    """`show(scenario)`, and later `show(shown=…)`: this test's row in the table."""
    record_property("provider", place.provider.name)
    record_property("mode", place.mode)
    record_property("source", "exchange")

    def tell(scenario: str = "", *, shown: str = "") -> None:
        record_property(*(("scenario", scenario) if scenario else ("shown", shown)))

    return tell


async def known(place: Place, token: str) -> Caller:
    """Who the gateway takes the bearer of `token` for."""
    return await place.gateway.line.identity.authenticate(Bearer(token))


async def grant(place: Place, token: str, effect: Effect = Effect.READ) -> Grant:
    """The credential that a call of that effect goes to Jira with."""
    return await place.exchange.grant(GrantOrder(await known(place, token), effect))


async def test_sign_in(place: Place, show: Show) -> None:
    """Each person signs in through the provider's own page; the gateway knows who came, in which groups."""
    show("sign in")
    for user in ("ana", "bo", "hana"):
        tokens = await place.provider.token(user)
        caller = await known(place, tokens.access)
        assert (caller.issuer, caller.subject) == (place.provider.issuer, place.provider.subject(user))
        assert caller.client == place.provider.assistant
        assert caller.groups == set(PEOPLE[user].groups)
        assert caller.scopes >= {"jira:read", "jira:write"}
        assert caller.email in (None, PEOPLE[user].email)
        assert tokens.life <= LIVES[place.mode]
    show(shown=f"code flow with PKCE; the access token lives {round(tokens.life, -1):.0f} s")


async def test_a_wrong_password_signs_nobody_in(place: Place, show: Show) -> None:
    """The page complains, and no code comes."""
    show("wrong password")
    forgetful = replace(PEOPLE["bo"], password="wrong")
    with pytest.raises(Refused) as refused:
        await code_flow(
            forgetful,
            place.provider.metadata,
            client=place.provider.assistant,
            scope=READ,
            resource=place.url,
        )
    assert refused.value.error == "login"
    show(shown=f"“{refused.value.description}”")


async def test_call(place: Place, show: Show) -> None:
    """Who am I, search, get and create through the whole gateway, at a Jira that verifies each token."""
    show("call")
    ana = (await place.provider.token("ana")).access
    assert (await place.call(ana, "jira_whoami")).data["email"] == PEOPLE["ana"].email
    found = await place.call(ana, "jira_search", jql="project = OPEN ORDER BY key")
    assert {row["key"].split("-")[0] for row in found.data["issues"]} == {"OPEN"}
    assert (await place.call(ana, "jira_get_issue", key="OPEN-2")).data["key"] == "OPEN-2"
    made = await place.call(
        ana, "jira_create_issue", project="OPEN", issue_type="Task", summary="As Ana", description="y"
    )
    issue = place.jira.site.issues[made.data["key"]]
    assert issue.reporter == "ana"
    records = place.records()
    assert {r["subject"] for r in records if r.get("tool")} == {place.provider.subject("ana")}
    assert ana.rsplit(".", 1)[1] not in str(records)
    show(shown="whoami, search, get, create as the caller; the record names her and holds no token")


async def test_two_people_at_once(place: Place, show: Show) -> None:
    """Calls of two people, interleaved: each reaches Jira as the one who asked."""
    show("two people at once")
    users = ("ana", "bo") * 5
    tokens = {user: (await place.provider.token(user)).access for user in set(users)}
    for user in set(users):
        place.forget(user)
    answers = await asyncio.gather(*(place.call(tokens[user], "jira_whoami") for user in users))
    assert [told.data["email"] for told in answers] == [PEOPLE[user].email for user in users]
    show(shown="10 calls, each as its own person")


async def test_exchange(place: Place, show: Show) -> None:
    """The token for Jira is the caller's, for Jira alone, with less for a read, and not used for longer."""
    show("exchange")
    token = (await place.provider.token("ana")).access
    place.forget("ana")
    caller = await known(place, token)
    read, write = await grant(place, token), await grant(place, token, Effect.WRITE)
    for one in (read, write):
        claims = unverified(one.secret.reveal())
        assert claims["sub"] == caller.subject
        assert claims["aud"] in (place.provider.jira_audience, [place.provider.jira_audience])
        assert one.expires_at <= caller.expires_at
        assert one.secret.reveal() != token
        assert claims["jti"] == one.id != caller.token_id
    worth = [await place.provider.jira_claims(one.secret.reveal()) for one in (read, write)]
    assert [frozenset(claims["scope"].split()) for claims in worth if claims] == [
        {"read:jira-work"},
        {"read:jira-work", "write:jira-work"},
    ]
    assert await place.provider.jira_claims(token) is None
    left = round(read.expires_at - clock.wall(), -1)
    show(shown=f"sub kept, aud {claims['aud']}, read cannot write; lives {left:.0f} s")


async def test_an_exchanged_token_is_of_no_use_at_the_gateway(place: Place, show: Show) -> None:
    """It is for Jira: presented to us it is a stranger's, as are ID and refresh tokens. We give no ID tokens."""
    show("other tokens at the gateway")
    tokens = await place.provider.token("ana")
    assert bool(tokens.id) is (place.mode == Place.mode)
    for other in ((await grant(place, tokens.access)).secret.reveal(), tokens.id, tokens.refresh):
        assert not other or (await place.call(other, "jira_whoami")).status == 401
    show(shown="Jira's, ID and refresh token: 401 each")


async def test_refresh(place: Place, show: Show) -> None:
    """A refresh gives another access token of the same person, and the call goes on."""
    show("refresh")
    tokens = await place.provider.token("bo")
    renewed = await place.provider.refresh(tokens)
    assert renewed.access != tokens.access
    assert renewed.refresh not in ("", tokens.refresh)
    assert (await known(place, renewed.access)).subject == place.provider.subject("bo")
    assert (await place.call(renewed.access, "jira_whoami")).data["email"] == PEOPLE["bo"].email
    show(shown="another token of the same person; the refresh token rotates")


async def test_step_up(place: Place, show: Show) -> None:
    """A write with a reading token: 403 names all scopes that it needs; with these it is done."""
    show("step up: scope")
    arguments = {"key": "OPEN-2", "body": "Stepped up."}
    before = len(place.jira.requests)
    reading = await place.provider.token("ana", READ)
    asked = await place.call(reading.access, "jira_comment", **arguments)
    assert asked.status == 403
    assert 'error="insufficient_scope"' in asked.challenge
    named = re.search(r'scope="([^"]+)"', asked.challenge)
    assert named is not None
    assert set(named[1].split()) >= {"jira:read", "jira:write"}
    assert len(place.jira.requests) == before
    stepped = await place.provider.token("ana", f"openid {named[1]}")
    assert (await place.call(stepped.access, "jira_comment", **arguments)).result
    show(shown=f"403 insufficient_scope, scope=“{named[1]}”; with them it is done")


async def test_second_factor(place: Place, show: Show) -> None:
    """Asked for, it is done, and the token says so in `acr` and `amr`; the call goes on with it."""
    show("step up: second factor")
    tokens = await place.provider.token("lee", acr=place.provider.mfa)
    caller = await known(place, tokens.access)
    assert caller.acr == place.provider.mfa
    assert "otp" in caller.amr
    assert (await place.call(tokens.access, "jira_whoami")).data["email"] == PEOPLE["lee"].email
    show(shown=f"acr {caller.acr}, amr {' '.join(sorted(caller.amr))}")


async def test_sign_out(place: Place, show: Show) -> None:
    """After it nothing is refreshed; where the provider has sessions, nothing is exchanged either."""
    show("sign out")
    tokens = await place.provider.token("hana")
    assert (await place.call(tokens.access, "jira_whoami")).result
    await place.provider.sign_out("hana")
    place.forget("hana")
    seen = await place.call(tokens.access, "jira_whoami")
    with clock.shifted(wall=place.unasked), pytest.raises(Refused) as refused:
        await place.provider.refresh(tokens)
    assert refused.value.error == "invalid_grant"
    after = await place.call(tokens.access, "jira_whoami")
    when = "at once" if not place.unasked else f"within {place.unasked:.0f} s, and with it every call"
    if place.provider.name in NO_SESSIONS:
        assert seen.result
        assert after.status == (200 if place.mode == Place.mode else 401)
        ends = "when the token ends" if place.mode == Place.mode else "or until it is refreshed"
        show(shown=f"refresh refused {when}; a call within {tokens.life:.0f} s, {ends}")
    else:
        assert (seen.status, after.status) == (401, 401)
        show(shown=f"exchange refused at once, refresh {when}; {kept(place)}")


async def test_disabled(place: Place, show: Show) -> None:
    """Whoever is switched off can neither sign in, nor refresh, nor be exchanged for; switched on, all works."""
    show("be disabled")
    tokens = await place.provider.token("bo", WRITE)
    place.forget("bo")
    held = await grant(place, tokens.access)
    await place.provider.disable("bo")
    try:
        with pytest.raises(Refused) as refused:
            await place.provider.token("bo")
        assert refused.value.error in ("login", "access_denied")
        place.forget("bo")
        before = len(place.jira.requests)
        assert (await place.call(tokens.access, "jira_whoami")).status == 401
        with clock.shifted(wall=place.unasked), pytest.raises(Refused) as refused:
            await place.provider.refresh(tokens)
        assert refused.value.error == "invalid_grant"
        assert (await place.call(tokens.access, "jira_whoami")).status == 401
        assert len(place.jira.requests) == before
    finally:
        await place.provider.enable("bo")
    again = await place.provider.token("bo")
    assert (await place.call(again.access, "jira_whoami")).result
    assert held.expires_at - clock.wall() <= unverified(tokens.access)["exp"] - clock.wall()
    when = f"refresh within {place.unasked:.0f} s" if place.unasked else "refresh at once"
    show(shown=f"sign-in and exchange refused at once, {when}; {kept(place)}")


def kept(place: Place) -> str:
    """For how long a call still goes through with a grant that was had before."""
    grants = [one for _, one in place.exchange.kept._grants._entries.values()]
    longest = max(one.expires_at - clock.wall() for one in grants)
    return f"with a grant had before, a call within {round(longest, -1):.0f} s"
