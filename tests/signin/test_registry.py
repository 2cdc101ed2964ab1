"""The registry: who is in it, how long, by whose word, and what of a document is believed."""

import asyncio
import hashlib
import math
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, limits
from gateway.signin.server import Client, UnknownClient, assurance, client_rows
from gateway.signin.server.clients import Terms, Unacceptable, printable
from gateway.signin.server.consents import Consents
from gateway.signin.server.documents import DocumentUnavailable
from gateway.store.sql import insert
from tests.signin.registries import CODE, Desk, desk, document

CLAUDE = "https://claude.ai/api/mcp/auth_callback"
WISH = Client("", "dynamic", "Cursor", ("http://localhost:8787/callback",))
DAY = 86_400.0


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Desk]:
    """Open to all, as a demo is."""
    async with desk(tmp_path) as built:
        yield built


@pytest.fixture(params=["sqlite", "postgresql"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    """On each kind of database: they settle races in different ways."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    async with desk(tmp_path, url) as built:
        yield built


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Desk]:
    """Where new assistants wait."""
    async with desk(tmp_path, admission="pending") as built:
        yield built


async def test_a11_a_static_client_is_issued_and_admitted(guarded: Desk) -> None:
    """Its id and secret are random; of the secret only a digest is kept, and it is told once."""
    terms = Terms("it@corp.test", ["jira-users", "jira-admins"], clock.wall() + DAY)
    issued = await guarded.registry.add_static(
        "Reports", [CLAUDE], auth_method="client_secret_post", terms=terms, by="ana"
    )
    assert issued.secret is not None and len(issued.secret.reveal()) >= 43
    client = await guarded.registry.find(issued.client.id)
    assert client == issued.client
    assert (
        client.admission == "admitted"
        and client.registration == "static"
        and client.redirect_uris == (CLAUDE,)
    )
    assert client.groups == {"jira-users", "jira-admins"} and client.owner == "it@corp.test"
    assert client.secret_digest == hashlib.sha256(issued.secret.reveal().encode()).hexdigest()
    assert issued.secret.reveal() not in repr(issued)
    again = await guarded.registry.add_static("Reports", [CLAUDE], auth_method="client_secret_post")
    assert again.client.id != client.id and again.secret is not None
    assert again.secret.reveal() != issued.secret.reveal()
    assert guarded.book.events[0] == (
        "client.registered",
        {
            "client": client.id,
            "registration": "static",
            "name": "Reports",
            "admission": "admitted",
            "by": "ana",
            "owner": "it@corp.test",
        },
    )


async def test_a11_what_cannot_work_is_told(made: Desk) -> None:
    """A redirect that is not taken, none at all, keys without their method, a group that is two words."""
    add = made.registry.add_static
    for wrong in (
        add("x", ["http://corp.test/cb"]),
        add("x", []),
        add("x", [CLAUDE], auth_method="private_key_jwt"),
        add("x", [CLAUDE], jwks={"keys": []}),
        add("x", [CLAUDE], terms=Terms(groups=["two words"])),
    ):
        with pytest.raises(Unacceptable, match=r"\.$"):
            await wrong
    assert await made.registry.listed() == [] and made.book.events == []


async def test_a09_the_same_again_is_the_same_client(made: Desk) -> None:
    """By name, redirects, software, keys and method; on loopback the port makes no other one."""
    first = (await made.registry.register_dynamic(WISH, "s")).client
    again = replace(WISH, redirect_uris=("http://localhost:50123/callback",))
    assert (await made.registry.register_dynamic(again, "s")).client.id == first.id
    assert await made.registry.same(again, "s") is not None
    others = [
        (replace(WISH, name="Cursor 2"), "s"),
        (WISH, "t"),
        (replace(WISH, redirect_uris=(*WISH.redirect_uris, CLAUDE)), "s"),
        (replace(WISH, redirect_uris=("http://127.0.0.1:8787/callback",)), "s"),
        (replace(WISH, auth_method="private_key_jwt", jwks={"keys": [{"kid": "a"}]}), "s"),
        (replace(WISH, auth_method="private_key_jwt", jwks={"keys": [{"kid": "b"}]}), "s"),
    ]
    ids = {(await made.registry.register_dynamic(wish, software)).client.id for wish, software in others}
    assert len(ids | {first.id}) == len(others) + 1
    assert made.book.kinds == ["client.registered"] * (len(others) + 1)


async def test_a09_nobody_is_given_another_clients_secret(made: Desk) -> None:
    """Who registers with the same words gets a client and a secret of its own, and the first stays good."""
    wish = replace(WISH, auth_method="client_secret_post")
    one, two = [await made.registry.register_dynamic(wish) for _ in range(2)]
    assert one.client.id != two.client.id and one.secret is not None and two.secret is not None
    assert one.client.secret_digest != two.client.secret_digest
    assert await made.registry.same(wish) is None
    assert (await made.registry.find(one.client.id)).secret_digest == one.client.secret_digest


async def test_a09_of_many_identical_registrations_at_once_there_is_one_client(both: Desk) -> None:
    """On any replica."""
    replicas = [both.registry, both.another(), both.another()]
    issued = await asyncio.gather(*(replicas[n % 3].register_dynamic(WISH) for n in range(12)))
    assert len({one.client.id for one in issued}) == 1
    assert len(await both.registry.listed()) == 1 and both.book.kinds == ["client.registered"]


async def test_a09_unused_clients_are_forgotten_after_thirty_days(made: Desk) -> None:
    """Those that came by themselves; not those that are used, were refused, or that somebody vouches for."""
    add = made.registry.register_dynamic
    idle, used, no = [(await add(replace(WISH, name=name))).client.id for name in ("idle", "used", "no")]
    static = (await made.registry.add_static("s", [CLAUDE])).client.id
    owned, seen = "https://owned.test/client", (await made.registry.find(CODE)).id
    await made.registry.admit(owned, Terms(owner="ana"))
    await made.registry.refuse(no)
    with clock.shifted(wall=29 * DAY):
        await made.registry.used(used)
        assert await made.registry.forget_unused() == 0
    with clock.shifted(wall=31 * DAY):
        assert await made.registry.forget_unused() == 2
        assert {client.id for client in await made.registry.listed()} == {used, no, static, owned}
        with pytest.raises(UnknownClient):
            await made.registry.find(idle)
        assert (await made.registry.find(seen)).id == CODE  # it introduces itself again
        assert (await made.registry.register_dynamic(replace(WISH, name="idle"))).client.id == idle


async def test_a09_no_client_is_forgotten_before_its_refresh_tokens_are(tmp_path: Path) -> None:
    """Where sign-ins may rest for ninety days, clients may too."""
    async with desk(tmp_path, refresh_days=90) as made:
        await made.registry.register_dynamic(WISH)
        with clock.shifted(wall=89 * DAY):
            assert await made.registry.forget_unused() == 0
        with clock.shifted(wall=91 * DAY):
            assert await made.registry.forget_unused() == 1


async def test_documents_that_were_admitted_stay_where_others_wait(guarded: Desk) -> None:
    """An administrator's word is not forgotten; what nobody looked at is."""
    await guarded.registry.admit(CODE)
    guarded.published.known["https://b.test/c"] = document("https://b.test/c")
    await guarded.registry.find("https://b.test/c")
    with clock.shifted(wall=31 * DAY):
        assert await guarded.registry.forget_unused() == 1
        assert [client.id for client in await guarded.registry.listed()] == [CODE]


async def test_new_assistants_wait_where_the_settings_say_so(guarded: Desk) -> None:
    """Registered by itself or by a document; an administrator admits one, and refuses one for good."""
    dynamic = (await guarded.registry.register_dynamic(WISH)).client
    assert dynamic.admission == "pending"
    assert (await guarded.registry.find(CODE)).admission == "pending"
    admitted = await guarded.registry.admit(dynamic.id, Terms("ana", ["jira-users"]), "root")
    assert (admitted.admission, admitted.owner, admitted.groups) == (
        "admitted",
        "ana",
        frozenset({"jira-users"}),
    )
    assert await guarded.registry.find(dynamic.id) == admitted
    refused = await guarded.registry.refuse(dynamic.id, "root")
    assert (refused.admission, refused.owner) == ("refused", "ana")
    again = (await guarded.registry.register_dynamic(WISH)).client
    assert (again.id, again.admission) == (dynamic.id, "refused")
    assert guarded.book.kinds[-2:] == ["client.admitted", "client.refused"]
    assert guarded.book.events[-1][1]["by"] == "root"


async def test_a_document_may_be_admitted_before_it_is_seen(guarded: Desk) -> None:
    """The administrator knows the address from its vendor; nothing is fetched for that."""
    await guarded.registry.admit(CODE, Terms("ana"))
    assert guarded.published.asked == []
    found = await guarded.registry.find(CODE)
    assert (found.admission, found.owner, found.name) == ("admitted", "ana", "Claude Code")
    with pytest.raises(UnknownClient):
        await guarded.registry.admit("dynamic-unknown")


async def test_a_refused_document_is_not_fetched(made: Desk) -> None:
    """Nor one whose time is over."""
    await made.registry.refuse(CODE)
    assert (await made.registry.find(CODE)).admission == "refused"
    await made.registry.admit(CODE, Terms(expires_at=clock.wall() - 1))
    with pytest.raises(UnknownClient):
        await made.registry.find(CODE)
    assert made.published.asked == []


async def test_an_expired_client_is_unknown_until_it_is_prolonged(made: Desk) -> None:
    """It registers anew, and is then a new client in all but its id."""
    id = (await made.registry.register_dynamic(WISH)).client.id
    await made.registry.admit(id, Terms("ana", expires_at=clock.wall() + 10))
    assert (await made.registry.find(id)).owner == "ana"
    with clock.shifted(wall=11):
        with pytest.raises(UnknownClient):
            await made.registry.find(id)
        assert await made.registry.same(WISH) is None
        assert (await made.registry.peek(id)) is not None
        await made.registry.admit(id, Terms(expires_at=math.inf))
        assert (await made.registry.find(id)).expires_at is None
        await made.registry.admit(id, Terms(expires_at=clock.wall() - 1))
        renewed = (await made.registry.register_dynamic(WISH)).client
        assert (renewed.id, renewed.owner, renewed.expires_at) == (id, "", None)


async def test_a17_a_revoked_client_is_unknown_and_so_is_what_people_allowed_it(made: Desk) -> None:
    """The same words bring back the same id, but no consent."""
    id = (await made.registry.register_dynamic(WISH)).client.id
    consents, here = Consents(made.database), ("this computer", "https://gw.test/mcp")
    for client in (id, "other"):
        await consents.give("https://idp.test", "ana", client, *here, frozenset({"jira:read"}))
    assert await made.registry.revoke(id, "root") and not await made.registry.revoke(id, "root")
    with pytest.raises(UnknownClient):
        await made.registry.find(id)
    assert made.book.kinds == ["client.registered", "client.revoked"]
    assert (await made.registry.register_dynamic(WISH)).client.id == id
    assert await consents.given("https://idp.test", "ana", id, *here) == frozenset()
    assert await consents.given("https://idp.test", "ana", "other", *here)


@pytest.mark.parametrize("id", ["", "nobody", "a\nb", "ä", "\x00", "x" * 2001, "\ud800", "http://a.test/c"])
async def test_what_cannot_be_a_client_is_unknown(made: Desk, id: str) -> None:
    """With a sentence, and nothing is fetched."""
    with pytest.raises(UnknownClient, match=r"\.$"):
        await made.registry.find(id)
    assert await made.registry.peek(id) is None
    assert made.published.asked == []


async def test_a07_a_fresh_document_is_not_fetched_again(made: Desk) -> None:
    """On no replica; afterwards it is, and what it says now counts, but for what was decided here."""
    first = await made.registry.find(CODE)
    assert await made.another().find(CODE) == first and made.published.asked == [CODE]
    await made.registry.admit(CODE, Terms("ana", ["jira-users"]))
    made.published.known[CODE] = document(CODE, "https://claude.ai/cb", name="New")
    with clock.shifted(wall=599):
        assert (await made.registry.find(CODE)).name == "Claude Code"
    with clock.shifted(wall=601):
        found = await made.registry.find(CODE)
    assert (found.name, found.redirect_uris) == ("New", ("https://claude.ai/cb",))
    assert (found.owner, found.groups, found.created_at) == (
        "ana",
        frozenset({"jira-users"}),
        first.created_at,
    )
    assert made.published.asked == [CODE, CODE] and made.book.kinds.count("client.registered") == 1
    assert assurance(found, "https://claude.ai/cb") == "attested"


async def test_a07_the_last_good_copy_serves_while_the_document_cannot_be_had(made: Desk) -> None:
    """For a week, with a pause between two tries; a client that was never seen has none."""
    first = await made.registry.find(CODE)
    made.published.known[CODE] = DocumentUnavailable("It cannot be had.")
    with clock.shifted(wall=601):
        assert await made.registry.find(CODE) == first
        assert await made.registry.find(CODE) == first
        assert made.published.asked == [CODE, CODE]
    with clock.shifted(wall=6 * DAY):
        assert await made.registry.find(CODE) == first
    with clock.shifted(wall=8 * DAY), pytest.raises(DocumentUnavailable):
        await made.registry.find(CODE)
    made.published.known[other := "https://b.test/c"] = DocumentUnavailable("It cannot be had.")
    with pytest.raises(DocumentUnavailable):
        await made.registry.find(other)
    await made.registry.admit(other)
    with pytest.raises(DocumentUnavailable):
        await made.registry.find(other)


async def test_pitfall_11_a_bad_document_replaces_nothing(made: Desk) -> None:
    """Nor is it used: the client is unknown while it says so, and the good copy is there afterwards."""
    first = await made.registry.find(CODE)
    made.published.known[CODE] = UnknownClient("Another client_id.")
    with clock.shifted(wall=601):
        with pytest.raises(UnknownClient, match="Another client_id"):
            await made.registry.find(CODE)
        assert await made.registry.peek(CODE) == first
        made.published.known[CODE] = DocumentUnavailable("It cannot be had.")
        assert await made.registry.find(CODE) == first


async def test_of_many_first_sights_of_a_document_one_is_on_record(both: Desk) -> None:
    """Whatever replica sees it."""
    replicas = [both.registry, both.another(), both.another()]
    found = await asyncio.gather(*(replicas[n % 3].find(CODE) for n in range(9)))
    assert {client.id for client in found} == {CODE}
    assert both.book.kinds == ["client.registered"]


async def test_a09_who_was_quicker_by_a_moment_wins(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two replicas that both saw nothing and write at the same instant: one client each time, on record once."""
    barrier = threading.Barrier(2, timeout=20)

    def together(table: Any) -> Any:
        barrier.wait()
        return insert(table)

    async with desk(tmp_path, postgres_url) as one, desk(tmp_path, postgres_url) as two:
        monkeypatch.setattr(client_rows, "insert", together)
        issued = await asyncio.gather(*(each.registry.register_dynamic(WISH) for each in (one, two)))
        found = await asyncio.gather(*(each.registry.find(CODE) for each in (one, two)))
        assert issued[0].client.id == issued[1].client.id and found[0] == found[1]
        assert len(await one.registry.listed()) == 2
        assert one.book.kinds + two.book.kinds == ["client.registered"] * 2


async def test_a08_redirects_that_the_settings_no_longer_allow_are_gone(made: Desk) -> None:
    """Of every kind of client, whatever stands in its row or document."""
    uris = ("cursor://x/cb", "javascript://x/cb", "http://evil.test/cb", CLAUDE)
    made.published.known[CODE] = document(CODE, *uris)
    dynamic = (await made.registry.register_dynamic(replace(WISH, redirect_uris=uris))).client.id
    strict = made.another(private_schemes=())
    for id in (CODE, dynamic):
        assert (await made.registry.find(id)).redirect_uris == ("cursor://x/cb", CLAUDE)
        assert (await strict.find(id)).redirect_uris == (CLAUDE,)


async def test_use_is_noted_once_an_hour(made: Desk) -> None:
    """By one replica or several."""
    id = (await made.registry.register_dynamic(WISH)).client.id
    assert (await made.registry.find(id)).used_at == 0.0
    await made.registry.used(id)
    first = (await made.registry.find(id)).used_at
    assert first > 0
    with clock.shifted(wall=limits.CLIENT_TOUCH_SECONDS - 60):
        await made.registry.used(id)
        await made.another().used(id)
        assert (await made.registry.find(id)).used_at == first
    with clock.shifted(wall=limits.CLIENT_TOUCH_SECONDS + 60):
        await made.registry.used(id)
        assert (await made.registry.find(id)).used_at > first
    await made.registry.used("nobody")


async def test_a_restart_forgets_nobody(tmp_path: Path) -> None:
    """Every field of every kind comes back as it was."""
    jwks = {"keys": [{"kid": "a", "kty": "EC"}]}
    async with desk(tmp_path) as made:
        await made.registry.add_static("s", [CLAUDE], auth_method="private_key_jwt", jwks=jwks)
        await made.registry.register_dynamic(WISH)
        await made.registry.find(CODE)
        before = await made.registry.listed()
    async with desk(tmp_path) as made:
        assert await made.registry.listed() == before and len(before) == 3
        assert [await made.registry.find(client.id) for client in before] == before


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("  Claude\r\n\tCode ", "Claude Code"),
        ("a\x1b[31mb\x00", "a [31mb"),
        ("ab\u202egnp.exe\u200b", "ab gnp.exe"),
        ("\ud800x", "x"),
        ("é" * 500, "é" * 100),
    ],
)
def test_a_name_is_one_plain_line(given: str, shown: str) -> None:
    """A stranger wrote it, and it is shown to people and operators."""
    assert printable(given) == shown
