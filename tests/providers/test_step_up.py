"""Step-up authentication (RFC 9470) end to end: a rule wants a second factor or a newer sign-in, our challenge
names it, the provider asks the person for it, and the call is done.

The official SDK's client signs in again at any 401, but passes `acr_values` and `max_age` of a challenge on to
nobody. Whoever builds an assistant on it adds them where the SDK hands over the address of the authorization
request (its `redirect_handler`): that is what `Adding` does, and everything else is the SDK's own doing.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from gateway import clock
from sandbox.people import PEOPLE
from tests.providers.place import Answer, Place
from tests.providers.provider import READ, WRITE, Refused
from tests.providers.test_acceptance import BOTH_MODES, Show, known, show
from tests.providers.test_sdk import AtTheBrowser, assistant
from tests.providers.tokens import unverified

__all__ = ["show"]

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("provided", ["keycloak", "oidc-provider"], indirect=True),
    BOTH_MODES,
]

COMMENT = {"key": "OPEN-2", "body": "From a new sign-in."}
MFA = """
@id("mfa-to-open")
@reason("Opening an issue needs a second factor.")
@step_up("{acr}")
forbid (principal, action == Jira::Action::"jira_get_issue", resource)
unless {{ principal.mfa }};
"""
FRESH = """
@id("fresh-to-comment")
@reason("Comments need a sign-in of the last minute.")
@max_age("60")
forbid (principal, action == Jira::Action::"jira_comment", resource)
unless {{
  principal has authTime && context.call.now.durationSince(principal.authTime) <= duration("1m")
}};
"""


CASES = """
people: {default: {groups: [staff]}}
assistants: {default: {}}
issues: {}
inputs: {}
cases:
  - {name: staff search, tool: jira_search, expect: {decision: allow}}
"""


@asynccontextmanager
async def rule(place: Place, text: str) -> AsyncIterator[None]:
    """One more rule in force, with cases that agree, as an operator puts it there while the gateway runs."""
    cases, aside = place.policies / "tests", place.folder / "cases"
    file = place.policies / "50-step-up.cedar"
    async with taken_up(place):
        cases.rename(aside)
        cases.mkdir()
        (cases / "own.yaml").write_text(CASES)
        file.write_text(text.format(acr=place.provider.mfa))
    try:
        yield
    finally:
        async with taken_up(place):
            file.unlink()
            shutil.rmtree(cases)
            aside.rename(cases)


@asynccontextmanager
async def taken_up(place: Place) -> AsyncIterator[None]:
    """After the block, until the gateway decides by what the block has changed."""
    policy = place.gateway.sites[0].policy
    before = policy.digest
    yield
    async with asyncio.timeout(120):
        while policy.digest == before:  # noqa: ASYNC110 - the gateway tells nobody when it has looked
            await asyncio.sleep(0.05)


def challenged(answer: Answer) -> dict[str, str]:
    """The parameters of our challenge (RFC 9470 §3)."""
    assert answer.status == 401, answer
    told = dict(re.findall(r'(\w+)="([^"]*)"', answer.challenge))
    assert told["error"] == "insufficient_user_authentication", answer.challenge
    return told


async def test_a_second_factor(place: Place, show: Show) -> None:
    """A search goes on without it; opening is challenged, and done after a sign-in with these `acr_values`."""
    show("step up: a rule wants a second factor")
    async with rule(place, MFA):
        weak = await place.provider.token("lee", READ)
        assert (await known(place, weak.access)).acr != place.provider.mfa
        assert (await place.call(weak.access, "jira_search", jql="project = OPEN")).result
        before = len(place.jira.requests)
        told = challenged(await place.call(weak.access, "jira_get_issue", key="OPEN-2"))
        assert told["acr_values"] == place.provider.mfa
        assert "resource_metadata" in told and "second factor" in told["error_description"]
        assert len(place.jira.requests) == before
        strong = await place.provider.token("lee", READ, acr=told["acr_values"])
        assert (await place.call(strong.access, "jira_get_issue", key="OPEN-2")).data["key"] == "OPEN-2"
        challenged(await place.call(weak.access, "jira_get_issue", key="OPEN-2"))
    asked = [record["outcome"] for record in place.records() if "mfa-to-open" in str(record)]
    assert asked == ["insufficient_user_authentication"] * 2
    show(shown=f"401 insufficient_user_authentication, acr_values=“{told['acr_values']}”; with it it is done")


async def test_who_has_no_second_factor(place: Place, show: Show) -> None:
    """Nothing else that she can do at the provider lifts the refusal."""
    show("step up: nobody without a second factor")
    async with rule(place, MFA):
        tokens = await place.provider.token("ana", READ)
        told = challenged(await place.call(tokens.access, "jira_get_issue", key="OPEN-2"))
        with pytest.raises(Refused):
            await place.provider.token("ana", READ, acr=told["acr_values"])
        renewed = await place.provider.refresh(tokens)
        challenged(await place.call(renewed.access, "jira_get_issue", key="OPEN-2"))
    show(shown="the provider lets her not through, and a refreshed token is no stronger")


async def test_a_newer_sign_in(place: Place, show: Show) -> None:
    """`max_age`: an old sign-in is challenged though its token is good; a new one does, a refreshed token does not."""
    show("step up: a rule wants a newer sign-in")
    async with rule(place, FRESH):
        tokens = await place.provider.token("ana", WRITE)
        with clock.shifted(wall=90):
            told = challenged(await place.call(tokens.access, "jira_comment", **COMMENT))
            assert (told["max_age"], told.get("acr_values")) == ("60", None)
            renewed = await place.provider.refresh(tokens)
            challenged(await place.call(renewed.access, "jira_comment", **COMMENT))
        newer = await place.provider.token("ana", WRITE)
        assert unverified(newer.access)["auth_time"] >= unverified(tokens.access)["auth_time"]
        assert (await place.call(newer.access, "jira_comment", **COMMENT)).result
    show(shown="401 insufficient_user_authentication, max_age=“60”; a refreshed token keeps its auth_time")


class Adding(AtTheBrowser):
    """A careful assistant's hook: the SDK's authorization request, with what the last challenge named.

    `openid` too: `acr_values` and `max_age` are OpenID Connect's, and a provider may insist on it.
    """

    named: Mapping[str, str] = {}

    async def heard(self, response: httpx2.Response) -> None:
        challenge = response.headers.get("www-authenticate", "")
        if 'error="insufficient_user_authentication"' in challenge:
            self.named = dict(re.findall(r'(acr_values|max_age)="([^"]*)"', challenge))

    async def open(self, url: str) -> None:
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query))
        scopes = dict.fromkeys(["openid", *asked["scope"].split()])
        query = urlencode({**asked, "scope": " ".join(scopes), **self.named})
        await super().open(parts._replace(query=query).geturl())


async def test_the_sdk_steps_up(place: Place, show: Show) -> None:
    """Its token of a password meets the rule: from our 401 it signs lee in with a second factor; it is done."""
    show("SDK: step up to a second factor")
    weak = await place.provider.token("lee", READ)
    async with rule(place, MFA):
        async with assistant(place, "lee", weak.access, Adding(PEOPLE["lee"])) as (one, opened):
            told = await one.call("jira_get_issue", key="OPEN-2")
            assert told.good, told.text
            assert told.data["key"] == "OPEN-2"
        assert len(opened) == 1
        assert parse_qs(urlsplit(opened[0]).query)["acr_values"] == [place.provider.mfa]
        claims = unverified(one.token)
        assert (claims["acr"], "otp" in claims["amr"]) == (place.provider.mfa, True)
    show(
        shown="from our 401 one sign-in with its acr_values (added in the redirect handler); the call is done"
    )
