"""The Connect page: one address, what to type where, and ticks for what was really seen."""

import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import pytest_asyncio

from gateway import clock, limits
from gateway.errors import Unavailable
from gateway.signin.server.guide import guides, server_name, which
from gateway.signin.server.progress import Progress
from gateway.signin.sessions import Session
from gateway.store.memory import MemoryStore
from tests.signin import rooms
from tests.signin.rooms import CLAUDE_CODE, House
from tests.signin.world import heading, said

GUIDES = guides()


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """`leads`, and so Ana, may administer; Bo may not."""
    async with rooms.house(tmp_path, admin_roles=("leads",)) as made:
        yield made


def panel(page: str, slug: str) -> str:
    """What the tab of that assistant holds."""
    return page.split(f'for="tab-{slug}"')[1].split("<section")[1].split("</section>")[0]


def ticks(page: str, slug: str) -> list[bool]:
    """The check list of that assistant."""
    return ["pill good" in line for line in re.findall(r"<li><span>.*?</li>", panel(page, slug))]


async def test_the_public_address_leads_to_the_connect_page(house: House) -> None:
    """Who types it into a browser signs in, and is where they want to be."""
    page = await (await house.world.browser()).open("/")
    assert heading(page) == "Connect your assistant to Jira"
    assert f">{house.world.url}/mcp</code>" in page.text


async def test_each_assistant_has_its_tab_and_one_is_open(house: House) -> None:
    """Radio buttons of one group, each with its own label; the address stands whole in every text to paste."""
    page = (await (await house.world.browser()).open("/assistants")).text
    assert re.findall(r'type="radio" name="assistant" id="tab-([\w-]+)"', page) == [g.slug for g in GUIDES]
    assert [g.slug for g in GUIDES if f'for="tab-{g.slug}"' not in page] == []
    assert page.count(" checked>") == 1
    for guide in GUIDES:
        assert not guide.paste or f"{house.world.url}/mcp" in panel(page, guide.slug)


async def test_the_lines_for_claude_code_are_those_that_its_command_takes(house: House) -> None:
    """Letter for letter, since they are pasted."""
    page = (await (await house.world.browser()).open("/assistants")).text
    url = f"{house.world.url}/mcp"
    line = f"claude mcp add --transport http --scope user jira {url}\nclaude mcp login jira"
    assert f">{line}</pre>" in panel(page, "claude-code")


def test_one_click_links_hold_the_address() -> None:
    """VS Code: JSON, percent-encoded; Cursor: a name, and JSON in base 64."""
    by = {guide.slug: guide for guide in GUIDES}
    url = "https://gw.corp.test/mcp/ops"
    vscode = by["vscode"].one_click("jira-ops", url)
    assert vscode.startswith("vscode:mcp/install?%7B")
    assert json.loads(unquote(vscode.partition("?")[2])) == {"name": "jira-ops", "type": "http", "url": url}
    cursor = urlsplit(by["cursor"].one_click("jira-ops", url))
    told = parse_qs(cursor.query)
    assert (cursor.scheme, cursor.netloc, cursor.path) == (
        "cursor",
        "anysphere.cursor-deeplink",
        "/mcp/install",
    )
    assert told["name"] == ["jira-ops"] and json.loads(base64.b64decode(told["config"][0])) == {"url": url}
    assert not by["codex"].one_click("jira", url)


@pytest.mark.parametrize(
    "guide", [g for g in GUIDES if g.where.endswith("json") or "JSON" in g.where], ids=str
)
def test_json_to_paste_is_json(guide: object) -> None:
    """And names the address."""
    from_file = next(one for one in GUIDES if one is guide)
    assert "https://gw.corp.test/mcp" in json.dumps(
        json.loads(from_file.filled("jira", "https://gw.corp.test/mcp"))
    )


def test_each_guide_says_how_it_is_known() -> None:
    """Run, read or neither, and where; nothing is claimed without a source."""
    assert all(guide.source and guide.steps for guide in GUIDES)
    assert {guide.checked for guide in GUIDES} <= {"ran", "read", "not"}
    assert {guide.slug for guide in GUIDES if guide.checked == "ran"} == {
        "claude-code",
        "gemini-cli",
        "codex",
    }


def test_names_leave_room_for_the_tools() -> None:
    """Server and tool name together at most 60 characters: the longest tool name has 40."""
    assert server_name("jira", only=True) == "jira"
    assert len(server_name("a-very-long-name-of-a-site", only=False)) <= 20


@pytest.mark.parametrize(
    ("id", "host", "name", "slug"),
    [
        (CLAUDE_CODE, "this computer", "", "claude-code"),
        ("https://claude.ai/x", "claude.ai", "Cursor", "claude"),
        ("dyn", "chatgpt.com", "Claude", "chatgpt"),
        ("dyn", "the app that opens cursor: links", "", "cursor"),
        ("dyn", "this computer", "Gemini CLI MCP Client", "gemini-cli"),
        ("dyn", "this computer", "MCP CLI Proxy", "mcp-remote"),
        ("dyn", "evil.example", "", None),
    ],
)
def test_what_cannot_be_invented_decides_first(id: str, host: str, name: str, slug: str | None) -> None:
    """Id before host before name."""
    found = which(GUIDES, id, host, name)
    assert (found.slug if found else None) == slug


async def test_ticks_turn_green_as_the_own_assistant_comes_in(house: House) -> None:
    """Nothing; it came as far as the sign-in; it is signed in; it called. Another person's change nothing."""
    browser = await house.world.browser()

    async def seen() -> list[bool]:
        return ticks((await browser.open("/assistants")).text, "claude-code")

    other = await house.signed_in("bo", CLAUDE_CODE, "this computer")
    await house.progress.called(other)
    assert await seen() == [False, False, False, False]
    await house.progress.asked(house.world.issuer, "ana", CLAUDE_CODE)
    assert await seen() == [True, False, False, False]
    family = await house.signed_in("ana", CLAUDE_CODE, "this computer")
    assert await seen() == [True, True, False, False]
    await house.progress.called(family)
    assert await seen() == [True, True, False, True]


async def test_the_tab_of_the_assistant_that_came_is_open(house: House) -> None:
    """Unless another one is asked for; an unknown one opens the first."""
    browser = await house.world.browser()
    await house.signed_in("ana", "dyn-9", "chatgpt.com")
    assert 'id="tab-chatgpt" checked' in (await browser.open("/assistants")).text
    assert 'id="tab-codex" checked' in (await browser.open("/assistants?client=codex")).text
    assert 'id="tab-chatgpt" checked' in (await browser.open("/assistants?client=%22x")).text


async def test_watching_is_asked_for_and_ends(house: House) -> None:
    """A refresh by itself only on request, counted down, and none once all is done."""
    browser = await house.world.browser()
    await browser.open("/assistants")
    assert "http-equiv" not in (await browser.open("/assistants?client=codex")).text
    page = (await browser.open("/assistants?client=codex&watch=9999")).text
    assert "http-equiv" not in page
    page = (await browser.open("/assistants?client=codex&watch=999")).text
    assert (
        f'content="{limits.WATCH_SECONDS}; url=/assistants?site=jira&amp;client=codex&amp;watch={limits.WATCHES - 1}"'
        in page
    )
    assert (
        "watch"
        not in re.findall(
            r'http-equiv="refresh" content="(.*?)"',
            (await browser.open("/assistants?client=codex&watch=1")).text,
        )[0]
    )
    await house.progress.called(await house.signed_in("ana", CLAUDE_CODE, "this computer"))
    assert "http-equiv" not in (await browser.open("/assistants?client=claude-code&watch=5")).text


async def test_several_sites_each_have_their_address(tmp_path: Path) -> None:
    """The first one's is shown until another is chosen; one that needs no linking has no such step."""
    async with rooms.house(tmp_path, sites=("jira", "ops")) as made:
        browser = await made.world.browser()
        assert f">{made.world.url}/mcp</code>" in (await browser.open("/assistants")).text
        page = (await browser.open("/assistants?site=ops")).text
        assert f">{made.world.url}/mcp/ops</code>" in page and 'aria-current="true">ops</a>' in page
        assert "jira-ops" in panel(page, "codex") and "Your Jira account is connected" not in page


async def test_where_assistants_sign_in_at_the_provider_nothing_is_claimed(tmp_path: Path) -> None:
    """The lines to paste and the Jira account, but no ticks for what is not seen, and no link to nowhere."""
    async with rooms.house(tmp_path, signin=False, admin_roles=("leads",)) as made:
        page = (await (await made.world.browser()).open("/assistants")).text
        assert ticks(page, "codex") == [False, False] and "try it" in panel(page, "codex")
        assert "/assistants/sign-ins" not in page and "issue a client id" not in page
        assert "Keep looking" not in page


async def test_a11_administrators_issue_client_ids_on_the_page(house: House) -> None:
    """The id, and its secret this once; it is admitted, on record with who issued it, and works at once."""
    browser = await house.world.browser()
    page = await browser.open("/assistants")
    fields = {
        "name": "Reporter",
        "redirects": "https://reporter.example/cb",
        "owner": "o@corp.test",
        "secret": "yes",
    }
    done = await browser.fill(page, "/assistants", **fields)
    assert heading(done) == "A client id is issued"
    [id, secret] = re.findall(r'<code class="whole">(.*?)</code>', done.text)
    client = await house.desk.registry.find(id)
    assert (client.owner, client.admission, client.auth_method) == (
        "o@corp.test",
        "admitted",
        "client_secret_basic",
    )
    assert secret and secret not in repr(house.desk.book.events)
    assert any("ana" in str(told) for _, told in house.desk.book.events)


async def test_others_see_no_form_and_are_refused(house: House) -> None:
    """Bo is no administrator: neither the form nor a form that he makes himself."""
    browser = await house.world.browser()
    page = await browser.open("/assistants", user="bo")
    assert "issue a client id" not in page.text
    [id] = [cookie.value for cookie in browser.http.cookies.jar if cookie.name.endswith("gateway-session")]
    token = Session(id or "", rooms.session().person, 0.0).form_token("/assistants")
    body = f"token={token}&name=x&owner=x&redirects=https://x.example/cb"
    kind = {"content-type": "application/x-www-form-urlencoded", "origin": house.world.url}
    reply = await browser.http.post(f"{house.world.url}/assistants", content=body, headers=kind)
    assert (
        reply.status_code == 403
        and "Only administrators" in reply.text
        and await house.desk.registry.listed() == []
    )


async def test_nobody_administers_where_no_role_is_set(tmp_path: Path) -> None:
    """The default, whatever groups people have."""
    async with rooms.house(tmp_path) as made:
        assert "issue a client id" not in (await (await made.world.browser()).open("/assistants")).text


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"name": "x", "owner": "", "redirects": "https://x.example/cb"}, "Say its name"),
        ({"name": "x", "owner": "o", "redirects": "javascript:alert(1)"}, "is not taken as a redirect URI"),
        ({"name": "x", "owner": "o", "redirects": ""}, "needs a redirect URI"),
    ],
)
async def test_a_client_that_is_not_acceptable_is_not_issued(
    house: House, fields: dict[str, str], why: str
) -> None:
    """The page says why, and nothing was made."""
    browser = await house.world.browser()
    reply = await browser.fill(await browser.open("/assistants"), "/assistants", **fields)
    assert reply.status_code == 400 and why in said(reply)
    assert await house.desk.registry.listed() == []


class Away(MemoryStore):
    """A store that does not answer."""

    async def get(self, key: str) -> bytes | None:
        raise Unavailable("away", part="store")

    async def add(self, key: str, value: bytes, seconds: float) -> bool:
        raise Unavailable("away", part="store")


async def test_a_store_that_is_away_stops_no_call_and_no_page() -> None:
    """Ticks are a comfort: without them everything goes on."""
    progress = Progress(Away())
    await progress.asked("i", "ana", "c")
    await progress.called("f")
    assert await progress.asking("i", "ana") == {} and (await progress.calls("f")).first is None


async def test_the_first_call_stays_and_the_last_is_noted_once_a_minute() -> None:
    """Most calls are not written."""
    progress = Progress(MemoryStore())
    await progress.called("f")
    first = (await progress.calls("f")).first
    with clock.shifted(wall=30.0):
        await progress.called("f")
        assert (await progress.calls("f")).last == first
    with clock.shifted(wall=90.0):
        await progress.called("f")
        calls = await progress.calls("f")
    assert first is not None and calls.first == first and (calls.last or 0.0) > first + 80.0
