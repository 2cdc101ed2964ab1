"""Security events: who is cut off by which, and what is refused (RFC 8417, RFC 8935, CAEP, RISC)."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from gateway import clock
from gateway.errors import Unavailable
from gateway.http import Outward
from gateway.identity.events import NotTaken, SecurityEvents
from gateway.identity.jwks import key_ring
from gateway.identity.profiles import profile
from gateway.identity.revocation import Revocation
from gateway.store.memory import MemoryStore
from tests.identity.server import GATEWAY, Idp, idp, private_key

US = "https://gateway.example.com/events"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"


class Bench:
    """A provider that may push, and who was cut off."""

    def __init__(self, provider: Idp, outward: Outward) -> None:
        ours = profile("rfc9068", issuer=provider.issuer, audience=GATEWAY)
        self.provider = provider
        self.cut: list[Revocation] = []
        self.down = False
        self.events = SecurityEvents([ours], key_ring([ours], outward), self._act, MemoryStore(), audience=US)

    async def _act(self, found: Iterable[Revocation]) -> None:
        if self.down:
            raise Unavailable("down", part="store")
        self.cut += found

    def person(self, sub: str = "ana") -> dict[str, Any]:
        """A subject identifier of this issuer (RFC 9493 §3.2.3)."""
        return {"format": "iss_sub", "iss": self.provider.issuer, "sub": sub}

    def token(self, kind: str, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A signed event."""
        claims: dict[str, Any] = {
            "aud": US,
            "jti": "event-1",
            "iat": int(clock.wall()),
            "sub_id": self.person(),
            "events": {kind: {}},
            **changes,
        }
        drop = dict.fromkeys(("sub", "exp", "client_id", "scope"))
        return self.provider.mint(header={"typ": "secevent+jwt", **(header or {})}, **{**drop, **claims})


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Everything running."""
    async with idp() as provider, Outward() as outward:
        yield Bench(provider, outward)


@pytest.mark.parametrize(
    "kind",
    [
        f"{CAEP}session-revoked",
        f"{CAEP}credential-change",
        f"{RISC}account-disabled",
        f"{RISC}account-purged",
        f"{RISC}sessions-revoked",
    ],
)
async def test_an_event_cuts_the_person_off(bench: Bench, kind: str) -> None:
    """What was issued until the event is refused; the reason is the event's name."""
    taken = await bench.events.take(bench.token(kind))
    assert taken == tuple(bench.cut) and len(taken) == 1
    one = taken[0]
    assert (one.kind, one.issuer, one.subject) == ("user", bench.provider.issuer, "ana")
    assert one.reason == kind.rsplit("/", 1)[1] and one.not_before <= clock.wall()


async def test_one_session_is_cut_off_alone(bench: Bench) -> None:
    """A session alone ends that sign-in and no other; named with its user it ends the user's too, for not
    every provider's tokens say which session they are of."""
    session = {"format": "opaque", "id": "s-1"}
    await bench.events.take(
        bench.token(f"{CAEP}session-revoked", sub_id={"format": "complex", "session": session})
    )
    assert [(one.kind, one.session, one.subject) for one in bench.cut] == [("session", "s-1", "")]
    both = {"format": "complex", "user": bench.person(), "session": session}
    await bench.events.take(bench.token(f"{CAEP}session-revoked", jti="event-2", sub_id=both))
    assert [one.kind for one in bench.cut] == ["session", "session", "user"]


async def test_the_old_place_of_the_subject_is_read_too(bench: Bench) -> None:
    """Drafts of CAEP carry the subject inside the event."""
    kind = f"{CAEP}credential-change"
    await bench.events.take(bench.token(kind, sub_id=None, events={kind: {"subject": bench.person("bo")}}))
    assert [one.subject for one in bench.cut] == ["bo"]


async def test_an_event_is_acted_on_once(bench: Bench) -> None:
    """A replay is taken and changes nothing."""
    token = bench.token(f"{CAEP}session-revoked")
    assert len(await bench.events.take(token)) == 1
    assert await bench.events.take(token) == ()
    assert len(bench.cut) == 1


async def test_an_event_that_could_not_be_acted_on_is_taken_when_sent_again(bench: Bench) -> None:
    """Nothing is lost while the database is away."""
    token = bench.token(f"{CAEP}session-revoked")
    bench.down = True
    with pytest.raises(Unavailable):
        await bench.events.take(token)
    bench.down = False
    assert len(await bench.events.take(token)) == 1


async def test_a_delivery_beside_one_that_is_being_acted_on_is_not_waved_through(bench: Bench) -> None:
    """Nobody hears 202 before somebody is cut off."""
    token, held = bench.token(f"{CAEP}session-revoked"), asyncio.Event()

    async def slow(found: Iterable[Revocation]) -> None:
        await held.wait()
        bench.cut += found

    bench.events._cut_off = slow
    both = [asyncio.create_task(bench.events.take(token)) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in both)
    both[0].cancel()
    held.set()
    assert len(await both[1]) == 1 and len(bench.cut) == 1


async def test_an_event_signed_with_a_key_that_replaced_another_is_taken(bench: Bench) -> None:
    """A provider that publishes a new key under the old id is understood here as it is at `/mcp`."""
    await bench.events.take(bench.token(f"{CAEP}session-revoked"))
    bench.provider.keys["ec"] = private_key("P-256", 2)
    await bench.events.take(bench.token(f"{CAEP}session-revoked", jti="event-2"))
    assert len(bench.cut) == 2


async def test_other_events_cut_nobody_off(bench: Bench) -> None:
    """A verification, or what we do not know, is taken and nothing more."""
    assert (
        await bench.events.take(
            bench.token("https://schemas.openid.net/secevent/ssf/event-type/verification")
        )
        == ()
    )
    assert bench.cut == []


@pytest.mark.parametrize(
    ("changes", "err"),
    [
        ({"iss": "https://evil.example.com"}, "invalid_issuer"),
        ({"aud": "https://other.example.com/events"}, "invalid_audience"),
        ({"aud": GATEWAY}, "invalid_audience"),
        ({"aud": None}, "invalid_audience"),
        ({"aud": 5}, "invalid_audience"),
        ({"jti": None}, "invalid_request"),
        ({"jti": 7}, "invalid_request"),
        ({"iat": None}, "invalid_request"),
        ({"iat": True}, "invalid_request"),
        ({"iat": 4_000_000_000}, "invalid_request"),
        ({"events": {}}, "invalid_request"),
        ({"events": "all"}, "invalid_request"),
        ({"sub_id": None}, "invalid_request"),
        ({"sub_id": {"format": "email", "email": "ana@example.com"}}, "invalid_request"),
        (
            {"sub_id": {"format": "iss_sub", "iss": "https://evil.example.com", "sub": "ana"}},
            "invalid_request",
        ),
        ({"header": {"typ": "at+jwt"}}, "invalid_request"),
        ({"header": {"typ": "JWT"}}, "invalid_request"),
        ({"header": {"alg": "none"}}, "invalid_request"),
        ({"header": {"kid": "other"}}, "invalid_key"),
    ],
)
async def test_a_forged_or_misdirected_event_is_refused(
    bench: Bench, changes: dict[str, Any], err: str
) -> None:
    """Nobody is cut off by it, and the provider is told which kind of mistake it is."""
    with pytest.raises(NotTaken) as refused:
        await bench.events.take(bench.token(f"{CAEP}session-revoked", **changes))
    assert refused.value.err == err and bench.cut == []


async def test_a_changed_event_is_refused(bench: Bench) -> None:
    """The signature is over all of it."""
    head, _payload, signature = bench.token(f"{CAEP}session-revoked").split(".")
    other = bench.token(f"{CAEP}session-revoked", sub_id=bench.person("bo")).split(".")[1]
    with pytest.raises(NotTaken) as refused:
        await bench.events.take(f"{head}.{other}.{signature}")
    assert refused.value.err == "authentication_failed" and bench.cut == []
    with pytest.raises(NotTaken):
        await bench.events.take("x" * 100_000)
