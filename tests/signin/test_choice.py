"""At which of several providers somebody signs in."""

import re
from collections.abc import AsyncIterator
from html import unescape
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError
from starlette.responses import Response

from gateway.http import Outward
from gateway.settings.identity import Identity
from gateway.signin.choice import Choice, choice_from
from gateway.signin.provider import Provider
from gateway.signin.web import Visit
from tests.signin.world import TLS, issuer_settings

CORP, PARTNER = "https://corp.test", "https://partner.test"
MCP = "https://gateway.test/mcp"


@pytest.fixture
async def outward() -> AsyncIterator[Outward]:
    """A pool that nobody uses: choosing asks nobody."""
    async with Outward(tls=TLS) as pool:
        yield pool


def providers(outward: Outward) -> list[Provider]:
    """Two of them."""
    both = [issuer_settings(CORP, "corp"), issuer_settings(PARTNER, "partner")]
    return [Provider(one, outward, redirect_uri="https://gateway.test/login/callback") for one in both]


def visit(**query: str) -> Visit:
    """A browser comes to /authorize."""
    return Visit("/authorize", query, {}, None, "", None)


def chosen(choice: Choice, resource: str = MCP, **query: str) -> str:
    """The issuer; empty for the page."""
    found = choice.for_assistant(visit(**query), resource)
    return "" if isinstance(found, Response) else found.issuer


def text(found: Provider | Response) -> str:
    """The page."""
    assert isinstance(found, Response)
    return bytes(found.body).decode()


async def test_the_domain_of_the_address_leads_to_its_provider(outward: Outward) -> None:
    """Whatever its case; a subdomain, a lookalike and what is no address lead to the page."""
    choice = Choice(providers(outward), domains={CORP: ["corp.com"], PARTNER: ["partner.com", "partner.org"]})

    assert chosen(choice, login_hint="ana@corp.com") == CORP
    assert chosen(choice, login_hint="Bo@PARTNER.org") == PARTNER
    for strange in ("", "corp.com", "@corp.com", "ana@evil-corp.com", "ana@eu.corp.com", "ana@corp.com@x.y"):
        assert chosen(choice, login_hint=strange) == ""


async def test_what_was_picked_counts_before_the_address(outward: Outward) -> None:
    """And what is none of ours leads to the page, never elsewhere."""
    choice = Choice(providers(outward), domains={CORP: ["corp.com"]})

    assert chosen(choice, issuer=PARTNER, login_hint="ana@corp.com") == PARTNER
    assert chosen(choice, issuer="https://evil.test") == ""


async def test_a_site_leads_to_its_own_provider(outward: Outward) -> None:
    """A site that serves one provider's people asks nobody, and no address leads to another one there."""
    choice = Choice(
        providers(outward), domains={CORP: ["corp.com"]}, sites={f"{MCP}/two": frozenset({PARTNER})}
    )

    assert chosen(choice, f"{MCP}/two") == PARTNER
    assert chosen(choice, f"{MCP}/two", login_hint="ana@corp.com") == PARTNER
    assert chosen(choice, f"{MCP}/two", issuer=CORP) == PARTNER
    assert chosen(choice) == ""


async def test_the_page_is_the_same_for_everybody(outward: Outward) -> None:
    """Who exists and who does not cannot be told apart by it, nor what domains there are by an unknown one."""
    choice = Choice(providers(outward), domains={CORP: ["corp.com"]})
    page = text(choice.for_assistant(visit(state="s", login_hint="ana@nowhere.com"), MCP))

    assert page == text(choice.for_assistant(visit(state="s", login_hint="nobody@else.org"), MCP))
    assert "corp.com" not in page and "nowhere.com" not in page
    assert 'role="alert"' in page
    assert 'role="alert"' not in text(choice.for_assistant(visit(state="s"), MCP))


async def test_the_page_leads_back_with_the_same_request(outward: Outward) -> None:
    """By its links and by its form; every word of the request is escaped."""
    choice = Choice(providers(outward), domains={CORP: ["corp.com"]})
    asked = {"client_id": "c", "state": '"><script>alert(1)</script>', "code_challenge": "x"}
    page = text(choice.for_assistant(visit(**asked, login_hint="a@b.c"), MCP))

    assert "<script>" not in page
    links = [urlsplit(unescape(one)) for one in re.findall(r'<li><a class="button" href="([^"]*)"', page)]
    assert [one.path for one in links] == ["/authorize", "/authorize"]
    sent = [{name: value[0] for name, value in parse_qs(one.query).items()} for one in links]
    assert sent == [{**asked, "issuer": CORP}, {**asked, "issuer": PARTNER}]
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    assert {name: unescape(value) for name, value in hidden} == asked
    assert '<label for="address">' in page and 'type="email"' in page


async def test_without_domains_nobody_is_asked_for_an_address(outward: Outward) -> None:
    """It would lead nowhere."""
    assert "e-mail" not in text(Choice(providers(outward)).for_assistant(visit(), MCP))


async def test_the_settings_say_which_site_serves_whom(outward: Outward) -> None:
    """Sites by the providers that their credentials name; one that names none serves all."""
    issuers = [issuer_settings(CORP, "corp", email_domains=["Corp.com"]), issuer_settings(PARTNER, "partner")]
    sites: Any = {
        MCP: SimpleNamespace(credential=[SimpleNamespace(issuers=())]),
        f"{MCP}/two": SimpleNamespace(credential=[SimpleNamespace(issuers=("partner",))]),
    }
    choice = choice_from(issuers, providers(outward), sites)

    assert chosen(choice, login_hint="ana@corp.com") == CORP
    assert chosen(choice) == ""
    assert chosen(choice, f"{MCP}/two") == PARTNER


@pytest.mark.parametrize("domain", ["corp", "https://corp.com", "ana@corp.com", "corp.com/", " corp.com", ""])
def test_a_domain_is_a_domain(domain: str) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(ValidationError):
        issuer_settings(CORP, "corp", email_domains=[domain])


def test_a_domain_leads_to_one_provider() -> None:
    """Two that claim it are a mistake of the settings."""
    both = [
        {"issuer": CORP, "email_domains": ["corp.com"]},
        {"issuer": PARTNER, "email_domains": ["CORP.com"]},
    ]
    with pytest.raises(ValidationError, match="listed twice"):
        Identity.model_validate({"issuers": both})
