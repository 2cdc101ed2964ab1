"""A grant that a person linked: given to that person alone, renewed, ended, and put on record."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, limits
from gateway.credential import Linking, Parts
from gateway.credential.linked import ENDS, LinkedSource
from gateway.credential.sealed import SealedVault
from gateway.credential.vault import LinkKey
from gateway.errors import ConfigError, ConfirmationNeeded, ConsentRequired, LinkRefused, Sealed, Unavailable
from gateway.model import Account, Caller, Effect, Grant
from gateway.store.sql import Database
from tests.credential.conformance import Conformance
from tests.credential.linking import (
    CALLBACK,
    CLIENTS,
    CONNECT,
    ISSUER,
    OTHER,
    PLACES,
    WRITER,
    LinkBench,
    account_of,
    link_bench,
)
from tests.credential.sealing import local


@pytest.fixture(params=sorted(PLACES))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[LinkBench]:
    """Each kind of Jira with one app; ana and bo are not linked yet."""
    async with link_bench(request.param) as made:
        yield made


@pytest.fixture(params=sorted(PLACES))
async def two_apps(request: pytest.FixtureRequest) -> AsyncIterator[LinkBench]:
    """The same with an app of its own for writes."""
    async with link_bench(request.param, write=WRITER) as made:
        yield made


@dataclass
class LinkedParty:
    """A `Party` whose grants come from a vault."""

    bench: LinkBench

    @property
    def source(self) -> LinkedSource:
        return self.bench.source

    async def caller(self, name: str) -> Caller:
        return self.bench.caller(name)

    def owner(self, grant: Grant) -> str:
        return self.bench.server.accesses[grant.secret.reveal()].id.removeprefix("acc-")

    def secrets(self) -> list[str]:
        sent = [value for form in self.bench.server.forms for value in form.values()]
        server = self.bench.server
        return [*server.accesses, *server.refreshes, *(v for v in sent if "canary" in v), "canary-token"]

    def slow(self, seconds: float) -> None:
        self.bench.server.delay = seconds
        self.bench.vault.slow = seconds / 10

    async def down(self) -> None:
        for key in self.bench.vault.links:
            self.bench.aged(key.subject, key.upstream)
        await self.bench.server.stop()

    async def withdraw(self, name: str) -> None:
        await self.bench.vault.unlink(LinkKey(ISSUER, name, "jira"))


class TestConformance(Conformance):
    """With one app that may read and write."""

    @pytest.fixture
    async def party(self, bench: LinkBench) -> LinkedParty:
        """Ana and bo are linked for writing."""
        for name in ("ana", "bo"):
            await bench.connect(bench.person(name), write=True)
        return LinkedParty(bench)


class TestConformanceOfTwoApps(Conformance):
    """With one app for reads and one for writes."""

    @pytest.fixture
    async def party(self, two_apps: LinkBench) -> LinkedParty:
        """Ana and bo are linked at both."""
        for name in ("ana", "bo"):
            for write in (False, True):
                await two_apps.connect(two_apps.person(name), write=write)
        return LinkedParty(two_apps)


class SealedParty(LinkedParty):
    """The same on a vault that seals, in a database."""

    def slow(self, seconds: float) -> None:
        self.bench.server.delay = seconds

    async def down(self) -> None:
        for name in ("ana", "bo"):
            link = await self.bench.vault.read(LinkKey(ISSUER, name, "jira"))
            stale = replace(link.tokens, expires_at=clock.wall() - 1)
            await self.bench.vault.replace(link.key, link.generation, stale)
        await self.bench.server.stop()


class TestConformanceOnASealedVault(Conformance):
    """With the vault of the gateway."""

    @pytest.fixture
    async def party(self, tmp_path: Path) -> AsyncIterator[SealedParty]:
        """Ana and bo are linked for writing, in SQLite."""
        async with Database(f"sqlite:///{tmp_path}/gateway.db") as database:
            vault = SealedVault(database, local())
            await vault.start()
            async with link_bench("atlassian", vault=vault) as bench:
                for name in ("ana", "bo"):
                    await bench.connect(bench.person(name), write=True)
                yield SealedParty(bench)


async def consent_required(
    bench: LinkBench, caller: Caller | None = None, effect: Effect = Effect.READ
) -> Any:
    """What the person is told when there is no live link."""
    with pytest.raises(ConsentRequired) as caught:
        await bench.grant(caller, effect)
    assert caught.value.url.startswith(CONNECT)
    assert "in your browser, then repeat this call." in caught.value.public
    return caught.value


async def refused(bench: LinkBench, *args: Any, **kwargs: Any) -> LinkRefused:
    """Why a connection was refused; nothing is kept, and that is on record."""
    before = dict(bench.vault.links)
    with pytest.raises(LinkRefused) as caught:
        await bench.connect(*args, **kwargs)
    assert before == bench.vault.links
    assert bench.told("link.refused")[-1]["reason"] == caught.value.private
    assert "corp.test" not in caught.value.public + caught.value.private
    return caught.value


async def test_it_is_a_linking(bench: LinkBench) -> None:
    """The pages of the browser need only the face (mypy holds it)."""
    page: Linking = bench.source
    assert page.authorize_url(state="s", challenge="c", redirect_uri=CALLBACK)


# before and after a link


async def test_without_a_link_the_person_is_sent_to_connect(bench: LinkBench) -> None:
    """In a sentence that says what to do, with our address and nothing of Jira's."""
    told = await consent_required(bench)
    assert (told.url, told.code) == (CONNECT, "consent_required")
    assert told.public == f"{ENDS['']} in your browser, then repeat this call."
    assert bench.server.requests == []


async def test_a_linked_person_reads(bench: LinkBench) -> None:
    """The grant names its account, its scopes, its source and its generation."""
    assert account_of("ana") == await bench.connect()
    grant = await bench.grant()

    link = bench.stored()
    assert link is not None
    assert (grant.account, grant.id, grant.audience) == ("acc-ana", "jira#1", bench.parts.site_url)
    assert grant.scopes == link.tokens.scopes
    assert grant.source in PLACES
    assert not grant.broad
    assert bench.told("link.made") == [
        {
            "issuer": ISSUER,
            "subject": "ana",
            "upstream": "jira",
            "source": grant.source,
            "account": "acc-ana",
            "scopes": " ".join(sorted(link.tokens.scopes)),
        }
    ]


async def test_a_grant_ends_with_the_callers_token(bench: LinkBench) -> None:
    """The link outlives the caller's token; what is given for a call does not."""
    await bench.connect()
    caller = bench.caller(seconds=60)
    assert caller.expires_at == (await bench.grant(caller)).expires_at
    link = bench.stored()
    assert link is not None
    assert link.tokens.expires_at == (await bench.grant()).expires_at


async def test_the_first_consent_is_for_reading(bench: LinkBench) -> None:
    """A write needs a second one, whose address says so; then also reads carry what can write, and say so."""
    await bench.connect()
    assert not (await bench.grant()).broad
    told = await consent_required(bench, effect=Effect.WRITE)
    assert (f"{CONNECT}?scope=write", True) == (told.url, "reading only" in told.public)

    await bench.connect(write=True)
    assert not (await bench.grant(effect=Effect.WRITE)).broad
    assert not (await bench.grant(effect=Effect.DESTROY)).broad
    assert (await bench.grant()).broad


async def test_two_apps_keep_reads_narrow(two_apps: LinkBench) -> None:
    """Each has its own link, client and scopes; no read carries a token that can write."""
    await two_apps.connect()
    told = await consent_required(two_apps, effect=Effect.WRITE)
    assert told.url == f"{CONNECT}?scope=write"
    await two_apps.connect(write=True)
    read, write = await two_apps.grant(), await two_apps.grant(effect=Effect.WRITE)

    assert (read.broad, write.broad) == (False, False)
    assert (read.id, write.id) == ("jira#1", "jira/write#1")
    assert read.scopes != write.scopes
    assert [form["client_id"] for form in two_apps.server.forms] == ["reader", "writer"]
    assert {"jira", "jira/write"} == set(two_apps.refresher.servers)


async def test_an_unused_link_for_writing_reads_nothing(two_apps: LinkBench) -> None:
    """Who connected the writing app only is sent to connect the reading one."""
    await two_apps.connect(write=True)
    assert (await consent_required(two_apps)).url == CONNECT


# renewal


async def test_an_old_access_token_is_renewed(bench: LinkBench) -> None:
    """Nobody notices: the same account, the next generation, the scopes of before where none are named."""
    await bench.connect()
    first = await bench.grant()
    bench.aged()
    bench.source.forget(ISSUER, "ana")
    bench.server.wrong.answer = {"scope": None}

    second = await bench.grant()

    assert ("jira#2", first.scopes, first.account) == (second.id, second.scopes, second.account)
    assert bench.server.forms[-1]["grant_type"] == "refresh_token"
    assert len(bench.server.looks) == 3  # at the link, and once for each generation


async def test_whose_it_is_is_asked_once_a_generation(bench: LinkBench) -> None:
    """The vault is looked at each minute, Jira only when the token is another."""
    await bench.connect()
    bench.server.looks.clear()
    for minute in range(5):
        with clock.shifted(wall=minute * (limits.LINK_LOOK_SECONDS + 1)):
            await bench.grant()
    assert len(bench.server.looks) == 1
    assert len(bench.vault.touched) == 5


async def test_another_replica_refreshed(bench: LinkBench) -> None:
    """Within a minute the new token is used here too, long before the old one dies."""
    await bench.connect()
    first = await bench.grant()
    await bench.refresher.renew(LinkKey(ISSUER, "ana", "jira"), 1)
    assert first.secret.reveal() == (await bench.grant()).secret.reveal()
    with clock.shifted(wall=limits.LINK_LOOK_SECONDS + 1):
        assert (await bench.grant()).id == "jira#2"


async def test_a_second_link_is_not_taken_for_the_first(bench: LinkBench) -> None:
    """Disconnected and connected again elsewhere, the generation is 1 again and the token another."""
    await bench.connect()
    first = await bench.grant()
    with clock.shifted(wall=limits.LINK_LOOK_SECONDS + 1):
        other = bench.remade()
        await other.unlink(bench.person())
        code = bench.server.code(account_of("ana"), " ".join(first.scopes))
        await other.complete(bench.person(), code=code, verifier="v", redirect_uri=CALLBACK)
        second = await bench.grant()
    assert first.id == second.id
    assert first.secret.reveal() != second.secret.reveal()


async def test_what_jira_refused_is_renewed_once(bench: LinkBench) -> None:
    """The refused generation says which; when somebody renewed it meanwhile, nothing is asked."""
    await bench.connect()
    first = await bench.grant()
    many = await asyncio.gather(*(bench.grant(refused=first) for _ in range(50)))
    assert {"jira#2"} == {grant.id for grant in many}
    assert len(bench.server.forms) == 2


async def test_a_refresher_that_gives_the_refused_one_again(bench: LinkBench) -> None:
    """It is not used; the call fails rather than to try it a second time."""
    await bench.connect()
    first = await bench.grant()

    async def again(key: LinkKey, generation: int) -> Any:
        return bench.stored()

    bench.refresher.renew = again  # type: ignore[method-assign]
    with pytest.raises(Unavailable) as caught:
        await bench.grant(refused=first)
    assert "was not renewed" in caught.value.private


@pytest.mark.parametrize(
    ("change", "why"),
    [({"key": LinkKey(ISSUER, "bo", "jira")}, "another person's"), ({}, "has ended already")],
    ids=["another person's", "ended"],
)
async def test_a_refresher_that_lies_is_not_believed(bench: LinkBench, change: Any, why: str) -> None:
    """Another person's link, or one that has ended, is no grant (pitfall 5)."""
    await bench.connect()
    bench.aged()
    found = bench.stored()
    assert found is not None

    async def lie(key: LinkKey) -> Any:
        return replace(found, **change)

    bench.refresher.fresh = lie  # type: ignore[method-assign]
    with pytest.raises(Unavailable) as caught:
        await bench.grant()
    assert why in caught.value.private


# ends


@pytest.mark.parametrize("reason", ["revoked", "rotation_lost", "expired", "mismatch"])
async def test_an_ended_link_says_why(bench: LinkBench, reason: str) -> None:
    """Each end has its own sentence, and the same way out."""
    await bench.connect()
    await bench.vault.end(LinkKey(ISSUER, "ana", "jira"), 1, reason)
    told = await consent_required(bench)
    assert told.public.startswith(ENDS[reason])
    assert reason in told.private
    await bench.connect()
    assert (await bench.grant()).id == "jira#2"


async def test_an_end_of_another_name_is_told_too(bench: LinkBench) -> None:
    """Whatever a vault calls it."""
    await bench.connect()
    await bench.vault.end(LinkKey(ISSUER, "ana", "jira"), 1, "something_new")
    assert "connect it again" in (await consent_required(bench)).public


async def test_a_dead_refresh_token_ends_the_link(bench: LinkBench) -> None:
    """The provider says so; the person connects again."""
    await bench.connect()
    bench.aged()
    bench.server.refreshes.clear()
    assert (await consent_required(bench)).public.startswith(ENDS["revoked"])


async def test_a_vault_that_is_down_is_no_missing_link(bench: LinkBench) -> None:
    """Nobody is sent to the browser because the vault cannot be read."""
    await bench.connect()
    bench.vault.broken = True
    with pytest.raises(Unavailable) as caught:
        await bench.grant()
    assert caught.value.part == "vault"


async def test_jira_that_cannot_say_whose_it_is(bench: LinkBench) -> None:
    """Then nothing is given; the link stays."""
    await bench.connect()
    bench.server.wrong.myself_status = 503
    with pytest.raises(Unavailable):
        await bench.grant()
    bench.server.wrong.myself_status = 200
    assert (await bench.grant()).id == "jira#1"


async def test_a_process_that_begins_with_a_token_that_jira_refuses(bench: LinkBench) -> None:
    """The one from the vault is renewed once, in the same call; a Jira that refuses that too is what is wrong."""
    await bench.connect()
    bench.server.accesses.clear()
    assert (await bench.grant()).id == "jira#2"
    bench.server.wrong.myself_status = 401
    bench.source.forget(ISSUER, "ana")
    with pytest.raises(Unavailable):
        await bench.grant()
    assert [form["grant_type"] for form in bench.server.forms[1:]] == ["refresh_token"] * 2


async def test_a_note_of_use_that_fails_stops_nobody(bench: LinkBench) -> None:
    """When it was used is only for show."""
    await bench.connect()

    async def broken(key: LinkKey) -> None:
        raise Unavailable("no", part="vault")

    bench.vault.touch = broken
    assert await bench.grant()


# whose account


async def test_another_account_after_a_refresh_ends_the_link(bench: LinkBench) -> None:
    """Jira answers as somebody else: refused, recorded, tokens destroyed (pitfall 4)."""
    await bench.connect()
    bench.aged()
    bench.server.wrong.myself = account_of("bo")
    with pytest.raises(LinkRefused) as caught:
        await bench.grant()
    assert "connect your own" in caught.value.public
    assert bench.stored() is None
    assert [event["reason"] for event in bench.told("link.ended")] == ["mismatch"]
    assert [event["account"] for event in bench.told("link.refused")] == ["acc-bo"]
    assert (await consent_required(bench)).public.startswith(ENDS["mismatch"])


async def test_another_person_on_a_kept_grant_ends_the_link(bench: LinkBench) -> None:
    """The rule is asked at each call, of what the token of today says."""
    await bench.connect()
    await bench.grant()
    assert await bench.grant(bench.caller(email=None))
    with pytest.raises(LinkRefused):
        await bench.grant(bench.caller(email="someone.else@corp.test"))
    await consent_required(bench)


async def test_an_account_with_another_address_is_not_linked(bench: LinkBench) -> None:
    """Ana consents while Jira knows the browser as bo (pitfall 4)."""
    assert "differ" in (await refused(bench, account=account_of("bo"))).private
    await consent_required(bench)


async def test_one_account_is_one_persons(bench: LinkBench) -> None:
    """Whoever comes second is refused, also at another provider and with the same address."""
    await bench.connect()
    elsewhere = bench.person(issuer=OTHER)
    assert "another person" in (await refused(bench, elsewhere)).private
    assert await bench.grant()

    bench.source = bench.remade(shared_accounts=True)
    await bench.connect(elsewhere)
    assert {"acc-ana"} == {link.account for link in bench.vault.links.values()}


async def test_a_refused_account_takes_nothing_away(bench: LinkBench) -> None:
    """Who tries another's account keeps the link that they have."""
    theirs = Account("acc-x", "ana@corp.test")
    await bench.connect(bench.person(issuer=OTHER), account=theirs)
    await bench.connect()
    assert "another person" in (await refused(bench, account=theirs)).private
    assert (await bench.grant()).account == "acc-ana"


async def test_two_who_link_one_account_at_the_same_moment(bench: LinkBench) -> None:
    """Each looks again after keeping; never do both have it."""
    bench.vault.slow = 0.005
    answers = await asyncio.gather(
        bench.connect(), bench.connect(bench.person(issuer=OTHER)), return_exceptions=True
    )
    assert LinkRefused in {type(answer) for answer in answers}
    assert len(bench.vault.links) <= 1


async def test_reading_and_writing_are_one_account(two_apps: LinkBench) -> None:
    """A person whose rule would allow two accounts still has one at a site."""
    two_apps.source = two_apps.remade(match="confirm")
    one, two = account_of("ana"), account_of("bo")
    with pytest.raises(ConfirmationNeeded):
        await two_apps.connect(account=one)
    await two_apps.connect(account=one, confirmed=one.id)
    assert "two accounts" in (await refused(two_apps, account=two, write=True)).private
    await two_apps.connect(account=one, write=True)  # known from the other link: not asked again
    assert two_apps.stored(upstream="jira/write")


# the person's word


async def test_the_first_link_waits_for_the_persons_word(bench: LinkBench) -> None:
    """Nothing is used before; the word ends it without another code; later links are the same account."""
    bench.source = bench.remade(match="confirm")
    account = Account("acc-7", "", "Ana A.")
    with pytest.raises(ConfirmationNeeded) as caught:
        await bench.connect(account=account)
    assert (caught.value.account, caught.value.name) == ("acc-7", "Ana A.")
    await consent_required(bench)
    assert bench.told("link.made") == []

    confirmed = await bench.source.complete(
        bench.person(), code="", verifier="", redirect_uri=CALLBACK, confirmed="acc-7"
    )
    assert confirmed == account
    assert (await bench.grant()).account == "acc-7"
    assert [key.upstream for key in bench.vault.links] == ["jira"]

    await bench.connect(account=account)
    assert "another account" in (await refused(bench, account=Account("acc-8"))).private


async def test_a_word_for_another_account_is_refused(bench: LinkBench) -> None:
    """What the browser sends back is not believed, and the waiting tokens are gone."""
    bench.source = bench.remade(match="confirm")
    with pytest.raises(ConfirmationNeeded):
        await bench.connect(account=Account("acc-7"))
    for why in ("another account", "nothing waits"):
        with pytest.raises(LinkRefused) as caught:
            await bench.connect(confirmed="acc-8")
        assert why in caught.value.private
    assert bench.vault.links == {}


async def test_nobody_confirms_for_another(bench: LinkBench) -> None:
    """Tokens wait under the name of the person who came with the code."""
    bench.source = bench.remade(match="confirm")
    with pytest.raises(ConfirmationNeeded):
        await bench.connect(account=Account("acc-7"))
    with pytest.raises(LinkRefused):
        await bench.connect(bench.person("mallory"), confirmed="acc-7")
    assert await bench.connect(confirmed="acc-7")


async def test_a_late_word_is_none(bench: LinkBench) -> None:
    """After ten minutes the person starts again."""
    bench.source = bench.remade(match="confirm")
    with pytest.raises(ConfirmationNeeded):
        await bench.connect(account=Account("acc-7"))
    with clock.shifted(wall=limits.LINK_CONFIRM_SECONDS + 1), pytest.raises(LinkRefused):
        await bench.connect(confirmed="acc-7")
    assert bench.vault.links == {}


async def test_the_last_link_after_its_end_counts(bench: LinkBench) -> None:
    """A person who must connect again cannot come back as another account."""
    bench.source = bench.remade(match="confirm")
    with pytest.raises(ConfirmationNeeded):
        await bench.connect(account=Account("acc-7"))
    await bench.connect(confirmed="acc-7")
    await bench.vault.end(LinkKey(ISSUER, "ana", "jira"), 1, "revoked")
    assert "another account" in (await refused(bench, account=Account("acc-8"))).private
    await bench.connect(account=Account("acc-7"))


# what may go wrong on the way


async def test_a_code_is_good_once(bench: LinkBench) -> None:
    """A second use, or a wrong one, is refused with what to do."""
    told = await refused(bench, scope="")
    assert "agree to everything" in told.public
    with pytest.raises(LinkRefused) as caught:
        await bench.source.complete(bench.person(), code="canary-stolen", verifier="v", redirect_uri=CALLBACK)
    assert "connect once more" in caught.value.public


async def test_less_than_asked_is_refused(bench: LinkBench) -> None:
    """A person who unticked a right is told so."""
    scope = "read:jira-user" if bench.source._terms.source == "atlassian" else "NOTHING"
    assert "granted: " in (await refused(bench, scope=scope)).private


async def test_no_lasting_access_is_refused(bench: LinkBench) -> None:
    """Without a refresh token the link would end within the hour."""
    bench.server.wrong.answer = {"refresh_token": None}
    assert "no refresh token" in (await refused(bench)).private


async def test_jira_down_at_the_link(bench: LinkBench) -> None:
    """Nothing is kept, and the person may try again."""
    bench.server.wrong.myself_status = 500
    with pytest.raises(Unavailable):
        await bench.connect()
    assert bench.vault.links == {}


async def connect_unrecorded(bench: LinkBench) -> None:
    """Connect while the record is closed."""

    async def sealed(kind: str, **fields: object) -> None:
        raise Sealed("disk full")

    parts = replace(bench.parts, events=sealed)
    bench.source = LinkedSource(bench.source._terms, parts, bench.refresher)
    with pytest.raises(Sealed):
        await bench.connect()


async def test_a_link_that_cannot_be_put_on_record_is_none(bench: LinkBench) -> None:
    """Nothing is linked that is not written down."""
    await connect_unrecorded(bench)
    assert bench.vault.links == {}


async def test_a_connection_that_cannot_be_renewed_on_record_is_as_it_was(bench: LinkBench) -> None:
    """Who connects once more while the record is closed keeps what they had."""
    await bench.connect()
    (before,) = bench.vault.links.values()
    await connect_unrecorded(bench)
    (after,) = bench.vault.links.values()
    assert after.tokens.refresh is not None and before.tokens.refresh is not None
    assert after.tokens.refresh.reveal() == before.tokens.refresh.reveal()


async def test_disconnecting(bench: LinkBench) -> None:
    """The row goes at once, here too, and that is on record once."""
    await bench.connect()
    await bench.grant()
    for _ in range(2):
        await bench.source.unlink(bench.person())
    await consent_required(bench)
    assert [event["reason"] for event in bench.told("link.ended")] == ["disconnected"]


async def test_disconnecting_reaches_everything(two_apps: LinkBench) -> None:
    """Both links, and what waits for a word; nobody else's."""
    await two_apps.connect()
    await two_apps.connect(write=True)
    await two_apps.connect(two_apps.person("bo"))
    two_apps.source = two_apps.remade(match="confirm")
    with pytest.raises(ConfirmationNeeded):
        await two_apps.connect(two_apps.person("cy"))
    await two_apps.source.unlink(two_apps.person("cy"))
    await two_apps.source.unlink(two_apps.person())
    assert [key.subject for key in two_apps.vault.links] == ["bo"]


async def test_without_a_vault_there_is_no_source(bench: LinkBench) -> None:
    """`check` says what to set."""
    bench.parts = replace(bench.parts, refresher=None)
    with pytest.raises(ConfigError, match=re.escape("vault.key_file")):
        _rebuilt(bench, bench.parts)


def _rebuilt(bench: LinkBench, parts: Parts) -> LinkedSource:
    from gateway.credential.linked import refresher_of

    return LinkedSource(bench.source._terms, parts, refresher_of(parts))


async def test_the_state_names_the_place(bench: LinkBench) -> None:
    """For `/readyz`: where tokens come from, and nothing secret."""
    ready, line = bench.source.state()
    assert ready
    assert bench.server.url("") in line
    assert CLIENTS["reader"] not in line
