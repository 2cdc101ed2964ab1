"""Jira Data Center: what its OAuth 2.0 provider does differently."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.credential.sources.datacenter import CONTAINS
from gateway.errors import ConsentRequired, LinkRefused
from gateway.model import Effect
from tests.credential.linking import CALLBACK, CLIENTS, WRITER, LinkBench, link_bench


@pytest.fixture
async def jira() -> AsyncIterator[LinkBench]:
    """A Data Center with one incoming link."""
    async with link_bench("datacenter") as made:
        yield made


@pytest.mark.parametrize(("write", "scope"), [(False, "READ"), (True, "WRITE")])
async def test_the_authorization_request(jira: LinkBench, write: bool, scope: str) -> None:
    """At the site itself, one scope that contains the lesser, always with PKCE S256."""
    url = jira.source.authorize_url(state="s", challenge="ch", redirect_uri=CALLBACK, write=write)
    assert url.startswith(f"{jira.parts.site_url}/rest/oauth2/latest/authorize?")
    assert dict(parse_qsl(urlsplit(url).query, strict_parsing=True)) == {
        "client_id": "reader",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": scope,
        "state": "s",
        "code_challenge": "ch",
        "code_challenge_method": "S256",
    }


async def test_a_refresh_repeats_the_redirect_uri(jira: LinkBench) -> None:
    """Without it the provider answers a bare `invalid_grant`."""
    await jira.connect()
    link = jira.stored()
    assert link is not None and link.tokens.refresh is not None
    await jira.refresher.renew(link.key, 1)
    assert [request.path for request in jira.server.requests if request.method == "POST"] == [
        "/rest/oauth2/latest/token"
    ] * 2
    assert jira.server.forms[-1] == {
        "grant_type": "refresh_token",
        "refresh_token": link.tokens.refresh.reveal(),
        "redirect_uri": CALLBACK,
        "client_id": "reader",
        "client_secret": CLIENTS["reader"],
    }


async def test_a_code_is_redeemed_in_the_request_that_brings_it(jira: LinkBench) -> None:
    """It lives ten seconds: the token endpoint is asked before anything else."""
    await jira.connect()
    assert [request.method for request in jira.server.requests] == ["POST", "GET"]


async def test_a_refresh_token_is_used_once(jira: LinkBench) -> None:
    """Whatever happens, no token goes to the token endpoint a second time."""
    await jira.connect()
    for _ in range(5):
        jira.aged()
        jira.source.forget(jira.caller().issuer, "ana")
        await jira.grant()
    sent = [form["refresh_token"] for form in jira.server.forms if "refresh_token" in form]
    assert len(sent) == len(set(sent)) == 5


@pytest.mark.parametrize("scope", ["WRITE", "ADMIN", "SYSTEM_ADMIN"])
async def test_scopes_contain_each_other(jira: LinkBench, scope: str) -> None:
    """Who may write may read; a read with such a token says that it is broad."""
    await jira.connect(scope=scope)
    assert (await jira.grant()).broad
    write = await jira.grant(effect=Effect.WRITE)
    assert write.broad is (scope != "WRITE")
    assert {"READ", "WRITE"} <= write.scopes
    assert scope in CONTAINS


async def test_an_answer_without_scope_is_what_was_asked(jira: LinkBench) -> None:
    """RFC 6749 §5.1; reading is not taken for writing by it."""
    jira.server.wrong.answer = {"scope": None}
    await jira.connect()
    assert (await jira.grant()).scopes == {"READ"}
    with pytest.raises(ConsentRequired):
        await jira.grant(effect=Effect.WRITE)


async def test_reading_is_not_enough_for_a_write(jira: LinkBench) -> None:
    """A consent to less than was asked is none."""
    with pytest.raises(LinkRefused):
        await jira.connect(write=True, scope="READ")


async def test_two_incoming_links() -> None:
    """One for reads and one for writes, each with its client."""
    async with link_bench("datacenter", write=WRITER) as bench:
        await bench.connect()
        await bench.connect(write=True)
        assert (await bench.grant()).scopes == {"READ"}
        assert [form["client_id"] for form in bench.server.forms] == ["reader", "writer"]
