"""Jira Cloud: what Atlassian does differently, in its requests and in its answers."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway import clock, limits
from gateway.credential.renewal import Ambiguous, ClientRefused, GrantDead, TryLater
from gateway.credential.sources.atlassian import LASTS_DAYS
from gateway.credential.vault import LinkKey
from gateway.errors import ConfigError, ConsentRequired, LinkRefused, Unavailable
from gateway.model import Secret
from tests.credential.linking import (
    CALLBACK,
    CLIENTS,
    CLOUD,
    ISSUER,
    SITE,
    WRITER,
    LinkBench,
    account_of,
    link_bench,
)

READ = "read:jira-user read:jira-work"
OLD = Secret("canary-refresh-of-before")


@pytest.fixture
async def cloud() -> AsyncIterator[LinkBench]:
    """A Cloud site with one app."""
    async with link_bench("atlassian") as made:
        yield made


def test_the_vendors_addresses_are_the_defaults() -> None:
    """Only tests set others."""
    from gateway.credential.sources.atlassian import Settings

    settings = Settings.model_validate({"client_id": "a", "client_secret": "b", "site_url": SITE})
    assert settings.authorization_server == "https://auth.atlassian.com"
    assert settings.api == "https://api.atlassian.com"
    assert settings.client_auth == "client_secret_post"


@pytest.mark.parametrize(("write", "scopes"), [(False, READ), (True, f"{READ} write:jira-work")])
async def test_the_authorization_request(cloud: LinkBench, write: bool, scopes: str) -> None:
    """As the vendor documents it, with state and PKCE S256, and nothing secret in it."""
    url = cloud.source.authorize_url(state="st ate", challenge="ch", redirect_uri=CALLBACK, write=write)
    assert url.startswith(cloud.server.url("/authorize?"))
    assert dict(parse_qsl(urlsplit(url).query, strict_parsing=True)) == {
        "audience": "api.atlassian.com",
        "prompt": "consent",
        "client_id": "reader",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": f"offline_access {scopes}",
        "state": "st ate",
        "code_challenge": "ch",
        "code_challenge_method": "S256",
    }


async def test_the_second_app_has_its_own_request() -> None:
    """Its client id, and the scopes of writes."""
    async with link_bench("atlassian", write=WRITER) as bench:
        url = bench.source.authorize_url(state="s", challenge="c", redirect_uri=CALLBACK, write=True)
        asked = dict(parse_qsl(urlsplit(url).query))
        assert asked["client_id"] == "writer"
        assert "write:jira-work" in asked["scope"]


async def test_code_and_refresh_requests(cloud: LinkBench) -> None:
    """The client proves itself in the body."""
    await cloud.connect()
    link = cloud.stored()
    assert link is not None and link.tokens.refresh is not None
    await cloud.refresher.renew(link.key, 1)
    client = {"client_id": "reader", "client_secret": CLIENTS["reader"]}
    first, second = cloud.server.forms
    assert first == {
        "grant_type": "authorization_code",
        "code": "canary-code-1",
        "redirect_uri": CALLBACK,
        "code_verifier": "canary-verifier",
        **client,
    }
    assert second == {
        "grant_type": "refresh_token",
        "refresh_token": link.tokens.refresh.reveal(),
        **client,
    }


INVALID_GRANT = {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, INVALID_GRANT, GrantDead),
        (400, INVALID_GRANT, GrantDead),
        (401, INVALID_GRANT, GrantDead),
        (401, {"error": "access_denied", "error_description": "Unauthorized"}, ClientRefused),
        (401, {"error": "invalid_client"}, ClientRefused),
        (400, {"error": "invalid_client"}, ClientRefused),
        (429, b"", TryLater),
        (429, INVALID_GRANT, TryLater),
        (503, b"<html>", TryLater),
        (500, {"error": "server_error"}, TryLater),
        (500, INVALID_GRANT, TryLater),
        (400, {"error": "invalid_request"}, TryLater),
        (403, {"error": "something_new"}, TryLater),
        (500, b"<html>", Ambiguous),
        (502, b"", Ambiguous),
        (504, b"<html>", Ambiguous),
        (403, b"<html>", Ambiguous),
        (302, b"", Ambiguous),
        (200, b"<html>", Ambiguous),
        (200, [], Ambiguous),
        (200, {}, Ambiguous),
        (200, {"access_token": ""}, Ambiguous),
        (200, {"access_token": "two words"}, Ambiguous),
        (200, {"access_token": "a\r\nX: y"}, Ambiguous),
        (200, {"access_token": 7}, Ambiguous),
        (200, {"access_token": "a", "token_type": "DPoP"}, Ambiguous),
    ],
)
async def test_what_an_answer_to_a_refresh_means(
    cloud: LinkBench, status: int, body: Any, kind: type[Exception]
) -> None:
    """The grant is dead only when Atlassian says so; what is unreadable decides nothing."""
    cloud.server.wrong.token = (status, body)
    with pytest.raises(kind) as caught:
        await cloud.refresher.servers["jira"].refresh(OLD)
    assert type(caught.value) is kind
    assert OLD.reveal() not in str(caught.value)
    assert len(cloud.server.forms) == 1


async def test_an_answer_that_does_not_come(cloud: LinkBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a timeout the token may be spent; when no connection was made it is not."""
    monkeypatch.setattr(limits, "EXCHANGE_SECONDS", 0.2)
    cloud.server.wrong.hang = True
    with pytest.raises(Ambiguous):
        await cloud.refresher.servers["jira"].refresh(OLD)
    await cloud.server.stop()
    with pytest.raises(TryLater):
        await cloud.refresher.servers["jira"].refresh(OLD)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (3600, 3600),
        (60.5, 60.5),
        (10**9, limits.TOKEN_LIFE_SECONDS),
        (None, limits.LINK_LIFE_UNTOLD_SECONDS),
        ("3600", limits.LINK_LIFE_UNTOLD_SECONDS),
        (True, limits.LINK_LIFE_UNTOLD_SECONDS),
        (-1, limits.LINK_LIFE_UNTOLD_SECONDS),
    ],
)
async def test_a_strange_life_loses_no_grant(cloud: LinkBench, told: Any, seconds: float) -> None:
    """The old refresh token is spent: the new one is kept, and renewed soon."""
    cloud.server.wrong.token = (200, {"access_token": "a", "refresh_token": "r", "expires_in": told})
    before = clock.wall()
    tokens = await cloud.refresher.servers["jira"].refresh(OLD)
    assert before + seconds <= tokens.expires_at <= clock.wall() + seconds
    assert tokens.refresh is not None
    assert tokens.refresh.reveal() == "r"
    assert tokens.scopes == frozenset()


async def test_without_a_new_refresh_token_the_old_one_stays(cloud: LinkBench) -> None:
    """RFC 6749 §6."""
    cloud.server.wrong.token = (200, {"access_token": "a", "expires_in": 60})
    assert (await cloud.refresher.servers["jira"].refresh(OLD)).refresh is OLD


async def test_a_secret_is_changed_without_a_moment_of_failure() -> None:
    """Two secrets: the next one is used as soon as Atlassian refuses the other."""
    changing = {"client_secret": "canary-old-secret", "next_client_secret": CLIENTS["reader"]}
    async with link_bench("atlassian", **changing) as bench:
        await bench.connect()
        assert ["canary-old-secret", CLIENTS["reader"]] == [
            form["client_secret"] for form in bench.server.forms
        ]
        await bench.refresher.renew(LinkKey(ISSUER, "ana", "jira"), 1)
        assert [form["client_secret"] for form in bench.server.forms[2:]] == [CLIENTS["reader"]]


async def test_a_client_that_is_refused_is_the_operators(cloud: LinkBench) -> None:
    """The person is not sent to connect again, and nothing is lost."""
    await cloud.connect()
    cloud.aged()
    cloud.server.wrong.token = (401, {"error": "access_denied", "error_description": "Unauthorized"})
    with pytest.raises(Unavailable):
        await cloud.grant()
    with pytest.raises(Unavailable):
        await cloud.connect()
    cloud.server.wrong.token = None
    assert (await cloud.grant()).id == "jira#2"


@pytest.mark.parametrize("status", [400, 403])
async def test_a_code_that_is_not_good_is_the_persons(cloud: LinkBench, status: int) -> None:
    """They connect once more; an answer of another kind is not theirs to mend."""
    cloud.server.wrong.token = (status, INVALID_GRANT)
    with pytest.raises(LinkRefused):
        await cloud.connect()
    cloud.server.wrong.token = (200, b"<html>")
    with pytest.raises(Unavailable):
        await cloud.connect()
    await cloud.server.stop()
    with pytest.raises(Unavailable):
        await cloud.connect()


# the site


async def test_the_site_is_chosen_by_its_address(cloud: LinkBench) -> None:
    """Never the first of those that the grant reaches; letter case and order do not matter."""
    cloud.server.wrong.sites = [
        {"id": "99999999-0000-0000-0000-000000000000", "url": "https://acme.atlassian.test.evil"},
        {"id": CLOUD, "url": SITE.upper()},
    ]
    assert await cloud.connect()


@pytest.mark.parametrize(
    ("sites", "count"),
    [
        ([], 0),
        ([{"id": CLOUD, "url": "https://other.atlassian.test"}], 1),
        ([{"id": "1", "url": "https://secret-name.atlassian.test"}, {"id": "2", "url": SITE + ".evil"}], 2),
        ([{"id": "1", "url": "https://acme.atlassian.test@evil.test"}], 1),
        (["no", 7, None], 0),
    ],
)
async def test_a_grant_for_other_sites_is_refused(cloud: LinkBench, sites: Any, count: int) -> None:
    """Told how many it reaches, not which."""
    cloud.server.wrong.sites = sites
    with pytest.raises(LinkRefused) as caught:
        await cloud.connect()
    assert f"reaches {count} sites" in caught.value.private
    assert "choose that site" in caught.value.public
    assert "secret-name" not in caught.value.public + caught.value.private
    assert cloud.vault.links == {}
    assert cloud.server.looks == []


async def test_a_cloud_id_of_another_site_is_the_operators(cloud: LinkBench) -> None:
    """`jira.url` and `site_url` must be one site; no request goes to the wrong one."""
    cloud.server.wrong.sites = [{"id": "99999999-0000-0000-0000-000000000000", "url": SITE}]
    with pytest.raises(Unavailable) as caught:
        await cloud.connect()
    assert "jira.url" in caught.value.private
    assert cloud.server.looks == []


@pytest.mark.parametrize("sites", [{"error": "no"}, "x"])
async def test_sites_that_cannot_be_read(cloud: LinkBench, sites: Any) -> None:
    """Then nothing is linked."""
    cloud.server.wrong.sites = sites
    with pytest.raises(Unavailable):
        await cloud.connect()
    assert cloud.vault.links == {}


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.atlassian.net",
        "https://api.atlassian.com/ex/jira/",
        "https://api.atlassian.com/ex/jira/short",
        "https://api.atlassian.com/ex/jira/11111111-2222-3333-4444-555555555555/rest",
        "https://api.atlassian.com.evil.test/ex/jira/11111111-2222-3333-4444-555555555555",
    ],
)
async def test_the_address_of_the_site_is_not_that_of_its_api(cloud: LinkBench, url: str) -> None:
    """`check` says what `jira.url` must be, and where the cloud id is found."""
    from dataclasses import replace

    from gateway.credential.sources import atlassian

    settings = atlassian.Settings.model_validate({"client_id": "a", "client_secret": "b", "site_url": SITE})
    with pytest.raises(ConfigError, match="tenant_info"):
        atlassian.build(settings, replace(cloud.parts, site_url=url))
    good = f"https://api.atlassian.com/ex/jira/{CLOUD}"
    assert atlassian.build(settings, replace(cloud.parts, site_url=good))


# a year


async def test_a_grant_that_ends_after_a_year_says_so(cloud: LinkBench) -> None:
    """Atlassian ends it however often it was refreshed; the person is not told that they revoked it."""
    await cloud.connect()
    cloud.server.refreshes.clear()
    with clock.shifted(wall=LASTS_DAYS * 86_400), pytest.raises(ConsentRequired) as caught:
        await cloud.grant()
    assert "greatest age" in caught.value.public


async def test_check_tells_of_reads_that_could_write(cloud: LinkBench) -> None:
    """One app: a note; two: none."""
    from gateway.credential.sources.atlassian import Settings

    good = {"client_id": "a", "client_secret": "b", "site_url": SITE}
    assert "broad" in Settings.model_validate(good).notes()[0]
    assert Settings.model_validate({**good, "write": WRITER}).notes() == []


async def test_unknown_accounts_are_not_guessed(cloud: LinkBench) -> None:
    """An account that hides its address is not linked by address; the operator is told what else there is."""
    account = account_of("ana")
    with pytest.raises(LinkRefused) as caught:
        await cloud.connect(account=type(account)(account.id, "", account.name))
    assert "does not show its e-mail address" in caught.value.public
