"""Sign-ins with assistants: everybody sees and ends their own; administrators, everybody's."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from gateway import clock
from gateway.cli import main
from gateway.errors import Unauthenticated
from gateway.identity.revocation import Revocations
from gateway.model import Caller, Secret
from gateway.signin.server.sessions_page import HERE, idle
from tests.signin import rooms
from tests.signin.rooms import House
from tests.signin.world import heading, said
from tests.test_config import GOOD


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """`leads`, and so Ana, may administer; Bo may not."""
    async with rooms.house(tmp_path, admin_roles=("leads",)) as made:
        yield made


async def test_a_person_sees_their_own_and_nobody_elses(house: House) -> None:
    """Host, client, since when, last used, when it ends."""
    await house.signed_in("bo", "dyn-bo", "chatgpt.com")
    await house.signed_in("ana", "dyn-ana", "claude.ai")
    told = said(await (await house.world.browser()).open(HERE, user="bo"))
    for fact in ("chatgpt.com", "dyn-bo", "Signed in", "less than a minute ago", "Ends at the latest"):
        assert fact in told
    assert "dyn-ana" not in told and "Everybody" not in told


async def test_a_person_ends_one(house: House) -> None:
    """That one and no other; the next page says what it means."""
    gone, stays = await house.signed_in("bo", "a"), await house.signed_in("bo", "b")
    browser = await house.world.browser()
    page = await browser.open(HERE, user="bo")
    after = await browser.follow(await browser.fill(page, HERE, family=gone))
    assert heading(after) == "Ended"
    assert await house.living() == {stays} and house.ended.told == [(gone, "person")]


async def test_a_person_ends_all_of_their_own(house: House) -> None:
    """And leaves those of others alone."""
    others = await house.signed_in("ana", "x")
    for client in ("a", "b"):
        await house.signed_in("bo", client)
    browser = await house.world.browser()
    page = await browser.open(HERE, user="bo")
    assert "End all of them" in page.text
    await browser.fill(page, HERE, family="", all="yes")
    assert await house.living() == {others}


async def test_nobody_ends_anothers(house: House) -> None:
    """Whoever guesses an id learns nothing, and ends nothing; nor does the administrators' page open."""
    hers = await house.signed_in("ana", "a")
    await house.signed_in("bo", "b")
    browser = await house.world.browser()
    page = await browser.open(HERE, user="bo")
    real = await browser.fill(page, HERE, family=hers)
    invented = await browser.fill(page, HERE, family="n" * 22)
    assert (real.status_code, real.headers["location"]) == (
        invented.status_code,
        invented.headers["location"],
    )
    assert hers in await house.living() and house.ended.told == []
    assert (await browser.open(f"{HERE}?of=all")).status_code == 403


async def test_administrators_see_and_end_everybodys(house: House) -> None:
    """Found by person, assistant or host; the record says who ended it."""
    his = await house.signed_in("bo", "dyn-bo", "chatgpt.com")
    await house.signed_in("hana", "dyn-hana", "claude.ai")
    browser = await house.world.browser()
    assert "Everybody's sign-ins" in said(await browser.open(HERE))
    assert "2 found" in said(await browser.open(f"{HERE}?of=all"))
    page = await browser.open(f"{HERE}?of=all&find=CHATGPT")
    assert "1 found" in said(page) and "dyn-hana" not in page.text
    await browser.fill(page, HERE, family=his)
    assert house.ended.told == [(his, "administrator ana")]


async def test_pitfall_12_a_form_of_another_page_ends_nothing(house: House) -> None:
    """Without the token of this session, or from another origin, it is refused."""
    his = await house.signed_in("bo")
    browser = await house.world.browser()
    page = await browser.open(HERE, user="bo")
    assert (await browser.fill(page, HERE, family=his, token="0" * 64)).status_code == 403
    token = re.findall(r'name="token" value="(\w+)"', page.text.split("<main")[1])[0]
    kind = {"content-type": "application/x-www-form-urlencoded", "origin": "https://evil.example"}
    body = f"token={token}&family={his}"
    assert (await browser.http.post(house.world.url + HERE, content=body, headers=kind)).status_code == 403
    assert await house.living() == {his}


async def test_a_hostile_name_stays_text(house: House) -> None:
    """As the assistant calls itself, in quotation marks, escaped, without what turns the line around."""
    name = "Claude\u202e</q><script>"
    made = await house.desk.registry.add_static("x", ["https://x.example/cb"])
    await house.signed_in("bo", made.client.id, "x.example\u202e<b>")
    page = (await (await house.world.browser()).open(HERE, user="bo")).text
    assert "\u202e" not in page and "<b>" not in page and "x.example&lt;b&gt;" in page
    assert name not in page


async def test_who_is_not_signed_in_signs_in_first(house: House) -> None:
    """And comes back to the page."""
    browser = await house.world.browser()
    reply = await browser.get(HERE)
    assert reply.status_code == 303 and reply.headers["location"].startswith(
        "/login?to=%2Fassistants%2Fsign-ins"
    )
    assert heading(await browser.open(HERE)) == "Your sign-ins with assistants"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "less than a minute"), (61, "1 minute"), (7_300, "2 hours"), (90_000, "1 day"), (9e5, "10 days")],
)
def test_idle_in_one_unit(seconds: float, told: str) -> None:
    """The largest that fits."""
    assert idle(seconds) == told


async def test_the_command_lists_and_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a browser: all of a person; a revocation is written, so that access tokens end as well."""
    (tmp_path / "secret").write_text("s3cret\n")
    config = tmp_path / "gateway.toml"
    config.write_text(f'{GOOD}\n[database]\nurl = "sqlite:///{tmp_path}/gateway.db"\n')

    async def run(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, ["session", *words, "--config", str(config)])
        return code, capsys.readouterr().out

    async with rooms.house(tmp_path) as house:
        his, hers = await house.signed_in("bo", "dyn-bo"), await house.signed_in("ana", "dyn-ana")
        code, out = await run("list", "--user", "bo", "--json")
        assert code == 0 and [one["id"] for one in orjson.loads(out)] == [his]
        assert "2 sign-ins" in (await run("list"))[1]
        code, out = await run("end", "--user", "bo", "--json")
        assert code == 0 and orjson.loads(out) == {"ended": [his]}
        assert (await run("end", his))[0] == 1
        assert await house.living() == {hers}
        revocations = Revocations(house.desk.database)
        await revocations.load()
        with pytest.raises(Unauthenticated):
            revocations.check(caller(his))
        revocations.check(caller(hers))


def caller(family: str) -> Caller:
    """Somebody with a token of that sign-in, a minute old."""
    return Caller(
        issuer="https://login.corp.test",
        subject="bo",
        client="dyn",
        scopes=frozenset(),
        expires_at=4e9,
        token=Secret("t"),
        family=family,
        issued_at=clock.wall() - 60.0,
    )
