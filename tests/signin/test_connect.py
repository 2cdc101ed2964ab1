"""A person connects a Jira account in the browser, sees it, and ends it; nobody connects for somebody else."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway import clock, limits
from gateway.errors import Unavailable
from gateway.model import Account
from sandbox.people import PEOPLE
from tests.signin import world as worlds
from tests.signin.world import World, account, heading, said


async def test_the_whole_way(world: World) -> None:
    """From the assistant's address over sign-in and Jira to `Connected`, on record, and shown under /connect."""
    browser = await world.browser()
    page = await browser.open(world.invitation("ana"))
    assert heading(page) == "Connect Jira: jira" and "Ana Alvarez" in said(page)
    finished = await browser.follow(await browser.agree(page, account("ana")))
    assert heading(finished) == "Connected"
    assert "as Ana Alvarez" in said(finished) and "You may close this window" in said(finished)
    assert "code=" not in str(finished.url)
    assert world.linked() == {"ana": PEOPLE["ana"].account_id}
    [made] = world.told("link.made")
    assert (made["issuer"], made["subject"]) == (world.issuer, "ana")
    listed = said(await browser.open("/connect"))
    for fact in ("connected", PEOPLE["ana"].account_id, "read:jira-work", "Last used", "Ends", "Disconnect"):
        assert fact in listed


async def test_a_person_connects_without_an_assistants_address(world: World) -> None:
    """Who opens the page of the own accord connects for himself."""
    browser = await world.browser()
    page = await browser.open(f"/connect/{worlds.SITE}", user="bo")
    await browser.agree(page, account("bo"))
    assert world.linked() == {"bo": PEOPLE["bo"].account_id}


async def test_the_scopes_of_writes_are_asked_for_only_when_a_write_needs_them(world: World) -> None:
    """`?scope=write` of the assistant's address survives the sign-in and reaches Jira; without it reads suffice."""
    browser = await world.browser()
    reads = browser.to_jira(await browser.open(world.invitation("ana")))
    assert "write:jira-work" not in reads["scope"]
    writes = await browser.open(world.invitation("ana", query="?scope=write"))
    assert "write:jira-work" in browser.to_jira(writes)["scope"] and "read and change" in said(writes)
    await browser.agree(writes, account("ana"))
    [link] = world.bench.vault.links.values()
    assert "write:jira-work" in link.tokens.scopes
    assert 'href="/connect/jira?scope=write">Renew it now' in (await browser.open("/connect")).text


async def test_disconnecting_destroys_the_grant(world: World) -> None:
    """The button of the page ends it here, and that is on record; the site shows as not connected."""
    browser = await world.browser()
    await browser.agree(await browser.open(world.invitation("ana")), account("ana"))
    listed = await browser.open("/connect")
    after = await browser.follow(await browser.fill(listed, f"/connect/{worlds.SITE}"))
    assert heading(after) == "Disconnected" and "remove it at id.atlassian.com" in said(after)
    assert "not connected" in said(await browser.open("/connect"))
    assert world.linked() == {} and len(world.told("link.ended")) == 1


async def test_an_ended_grant_says_why(world: World) -> None:
    """A tombstone of the vault shows with its reason and the way to connect once more."""
    browser = await world.browser()
    await browser.agree(await browser.open(world.invitation("ana")), account("ana"))
    [(key, link)] = world.bench.vault.links.items()
    await world.bench.vault.end(key, link.generation, "revoked")
    listed = said(await browser.open("/connect"))
    assert "ended" in listed and "Jira withdrew it" in listed
    assert "Renew it now" not in listed and "Remove" in listed


async def test_pitfall_02_a_flow_of_another_browser_is_refused(world: World) -> None:
    """Mallory's authorization request, opened by Bo, ends at our callback: the code is sent nowhere."""
    mallory, bo = await world.browser(), await world.browser()
    begun = await mallory.open(f"/connect/{worlds.SITE}", user="mallory")
    await bo.open(f"/connect/{worlds.SITE}", user="bo")
    refused = await bo.get(mallory.agreed(begun, account("bo")))
    assert refused.status_code == 400 and heading(refused) == "This connection cannot be finished"
    assert world.linked() == {} and world.bench.server.forms == []


async def test_pitfall_03_the_address_of_somebody_else_connects_nothing(world: World) -> None:
    """Ana's address in Bo's browser: 403 with what to do, nothing begun, nothing stored, and that is on record."""
    bo = await world.browser()
    refused = await bo.open(world.invitation("ana"), user="bo")
    assert refused.status_code == 403 and heading(refused) == "This address is not yours"
    assert "sign out here" in said(refused) and "Continue to Jira" not in refused.text
    assert "ana" not in said(refused).replace("another", "").lower()
    assert world.linked() == {} and not any(key.startswith("flow:connect") for key, _ in world.store.kept)
    [told] = world.told("link.refused")
    assert told["subject"] == "bo" and told["site"] == worlds.SITE
    out = await bo.follow(await bo.fill(refused, "/login/out"))
    assert heading(out) == "Signed out"
    assert heading(await bo.open(world.invitation("ana"), user="ana")) == "Connect Jira: jira"


async def test_pitfall_03_a_swap_of_the_person_mid_flow_is_refused(world: World) -> None:
    """Begun as Ana, finished in the same browser as Bo: refused before the code is sent anywhere."""
    browser = await world.browser()
    begun = await browser.open(world.invitation("ana"))
    await browser.fill(begun, "/login/out")
    await browser.open("/connect", user="bo")
    refused = await browser.agree(begun, account("bo"))
    assert refused.status_code == 403 and heading(refused) == "Somebody else began this"
    assert world.linked() == {} and world.bench.server.forms == []
    assert [told["subject"] for told in world.told("link.refused")] == ["bo"]


async def test_pitfall_03_a_browser_that_signed_out_finishes_nothing(world: World) -> None:
    """Without a session nothing is redeemed."""
    browser = await world.browser()
    begun = await browser.open(world.invitation("ana"))
    await browser.fill(begun, "/login/out")
    refused = await browser.agree(begun, account("ana"))
    assert refused.status_code == 400 and world.bench.server.forms == []


async def test_an_address_tells_nothing_of_the_person(world: World) -> None:
    """The note is sealed, different each time, bound to its site, and not even its length tells the name."""
    first, second = world.invitation("ana"), world.invitation("ana")
    assert first != second
    assert not re.search(r"ana|127\.0\.0\.1.*127", first.split("?")[1])
    assert urlsplit(first).path == "/connect/jira" and list(parse_qs(urlsplit(first).query)) == ["for"]


@pytest.mark.parametrize("note", ["", "x", "A" * 60, "A" * 61, "A" * 2000, "é" * 50])
async def test_a_note_that_is_not_ours_is_refused(world: World, note: str) -> None:
    """A note that cannot be opened is no missing note: nobody connects with it."""
    browser = await world.browser()
    page = await browser.open(f"/connect/{worlds.SITE}?for={note}")
    assert page.status_code == 400 and heading(page) == "This address is no longer good"
    assert browser.visited == [f"/connect/{worlds.SITE}?for={note}"]


async def test_a_note_for_another_site_is_refused(world: World) -> None:
    """What was made for one site opens no other."""
    note = world.hints.seal("other", world.issuer, "ana")
    page = await (await world.browser()).open(f"/connect/{worlds.SITE}?for={note}")
    assert page.status_code == 400


async def test_pitfall_04_the_account_of_somebody_else_is_refused(world: World) -> None:
    """Jira says another e-mail address than the provider: nothing is kept, and it is on record."""
    browser = await world.browser()
    page = await browser.open(world.invitation("ana"))
    refused = await browser.agree(page, account("bo"))
    assert refused.status_code == 403 and heading(refused) == "Nothing was connected"
    assert world.linked() == {} and len(world.told("link.refused")) == 1
    assert PEOPLE["bo"].email not in refused.text


async def test_an_account_is_confirmed_on_our_page() -> None:
    """Where the rule wants the person's word, the page names the account, and `yes` connects it."""
    async with worlds.world(match="confirm") as world:
        browser = await world.browser()
        page = await browser.open(world.invitation("ana"))
        asked = await browser.agree(page, Account("acc-7", "", "<Ana> A."))
        assert heading(asked) == "Is this your Jira account?" and "acc-7" in said(asked)
        assert "<Ana>" not in asked.text and "<Ana> A." in html.unescape(asked.text)
        assert "ana" not in world.linked() or world.told("link.made") == []
        finished = await browser.follow(await browser.fill(asked, "/callback", answer="mine"))
        assert heading(finished) == "Connected"
        assert world.linked() == {"ana": "acc-7"} and len(world.told("link.made")) == 1


async def test_an_account_that_is_not_mine_is_forgotten() -> None:
    """`No` connects nothing and leaves no tokens waiting; the same form cannot be sent again."""
    async with worlds.world(match="confirm") as world:
        browser = await world.browser()
        asked = await browser.agree(await browser.open(world.invitation("ana")), account("bo"))
        refused = await browser.fill(asked, "/callback", answer="not")
        assert refused.status_code == 400 and "your own account" in said(refused)
        assert world.linked() == {} and world.told("link.made") == []
        again = await browser.fill(asked, "/callback", answer="mine")
        assert again.status_code == 400 and world.linked() == {}


async def test_a_confirmation_is_bound_to_its_browser_and_its_person() -> None:
    """Neither another browser nor another person in the same one may say yes."""
    async with worlds.world(match="confirm") as world:
        ana, bo = await world.browser(), await world.browser()
        asked = await ana.agree(await ana.open(world.invitation("ana")), account("ana"))
        await bo.open("/connect", user="bo")
        assert (await bo.fill(asked, "/callback", answer="mine")).status_code == 403
        await ana.fill(asked, "/login/out")
        await ana.open("/connect", user="bo")
        assert (await ana.fill(asked, "/callback", answer="mine")).status_code == 403
        assert world.told("link.made") == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("access_denied", "administrators block this app"),
        ("unauthorized_client", "not accept this gateway's app as it is set up (unauthorized_client)"),
        ("server_error", "Try again in a minute"),
        ("<script>", "(no code)"),
    ],
)
async def test_an_error_from_jira_says_what_to_do(world: World, error: str, words: str) -> None:
    """Each error code has its sentence; what else the query says is nowhere on the page."""
    browser = await world.browser()
    asked = browser.to_jira(await browser.open(world.invitation("ana")))
    answer = {"state": asked["state"], "error": error, "error_description": "Call 555-0100 now"}
    page = await browser.get("/connect/jira/callback", params=answer)
    assert page.status_code == 400 and words in said(page)
    assert "555" not in page.text and "<script" not in page.text


async def test_a_vault_that_is_down_says_so(world: World) -> None:
    """503 with a sentence; nothing is shown and nothing is begun."""
    browser = await world.browser()
    await browser.open("/connect")
    world.bench.vault.broken = True
    page = await browser.get("/connect")
    assert page.status_code == 503 and page.headers["retry-after"] and "vault" in said(page)


async def test_a_store_that_is_down_lets_nobody_in(world: World) -> None:
    """Neither counted nor signed in: 503 on every page, with what to do."""
    browser = await world.browser()
    await browser.open("/connect")
    world.store.down = True
    for path in ("/connect", f"/connect/{worlds.SITE}", "/login"):
        page = await browser.get(path)
        assert page.status_code == 503 and "try again in a minute" in said(page)


async def test_a_flow_ends_after_ten_minutes_and_at_its_first_use(world: World) -> None:
    """An answer that comes late, or twice, is worth nothing."""
    browser = await world.browser()
    page = await browser.open(world.invitation("ana"))
    back = browser.agreed(page, account("ana"))
    with clock.shifted(mono=limits.FLOW_SECONDS, wall=limits.FLOW_SECONDS):
        assert (await browser.get(back)).status_code == 400
    page = await browser.open(world.invitation("ana"))
    back = browser.agreed(page, account("ana"))
    assert (await browser.get(back)).status_code == 303
    assert (await browser.get(back)).status_code == 400
    assert len(world.told("link.made")) == 1


async def test_two_tabs_connect_side_by_side(world: World) -> None:
    """A second tab does not end what the first began."""
    browser = await world.browser()
    first = await browser.open(world.invitation("ana"))
    second = await browser.open(world.invitation("ana"))
    assert (await browser.agree(second, account("ana"))).status_code == 303
    assert (await browser.agree(first, account("ana"))).status_code == 303


async def test_pitfall_16_each_flow_has_its_own_verifier(world: World) -> None:
    """The code of one flow goes to Jira with that flow's verifier only, which no cookie and no page holds."""
    browser = await world.browser()
    pages = [await browser.open(world.invitation("ana")) for _ in range(2)]
    asked = [browser.to_jira(page) for page in pages]
    assert asked[0]["code_challenge"] != asked[1]["code_challenge"]
    assert {a["code_challenge_method"] for a in asked} == {"S256"}
    await browser.agree(pages[0], account("ana"))
    [form] = world.bench.server.forms
    verifier = form["code_verifier"]
    assert len(verifier) >= 43 and all(verifier not in page.text for page in pages)
    assert verifier not in "".join(cookie.value or "" for cookie in browser.http.cookies.jar)


async def test_a_jira_that_does_not_answer_connects_nothing(world: World) -> None:
    """The person is told to try again; nothing is kept."""
    browser = await world.browser()
    page = await browser.open(world.invitation("ana"))
    world.bench.server.wrong.token = (500, {})
    assert (await browser.agree(page, account("ana"))).status_code == 503
    assert world.linked() == {}


async def test_a_record_that_cannot_be_written_connects_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the source raises becomes a page with its public sentence and nothing of its private one."""

    async def down(*args: object, **more: object) -> Account:
        raise Unavailable("Try again later.", part="vault", private="password=hunter2")

    browser = await world.browser()
    page = await browser.open(world.invitation("ana"))
    monkeypatch.setattr(world.bench.source, "complete", down)
    answer = await browser.agree(page, account("ana"))
    assert answer.status_code == 503 and "Try again later." in said(answer) and "hunter2" not in answer.text


async def test_a_person_who_cannot_sign_in_here_is_told_whom_to_ask(world: World) -> None:
    """The assistant's provider has no `login`: nobody is sent to another one, to be refused afterwards."""
    page = await (await world.browser()).open(world.invitation("ana", issuer="https://other.test"))
    assert page.status_code == 400 and "https://other.test" in said(page) and "operator" in said(page)
