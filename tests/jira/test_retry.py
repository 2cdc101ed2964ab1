"""Trouble on the way: a read may be asked again, a write is sent once (F1-F6, F8-F9)."""

import asyncio
from typing import Any

import psutil
import pytest

from gateway import limits
from gateway.clock import mono
from gateway.errors import JiraRefused, OutcomeUnknown, Unavailable
from gateway.http import Ask, Outward, OutwardError
from gateway.jira.client import JiraClient, Session
from tests.jira.conftest import Connect, grant_of
from tests.jira.server import Answer, Server, answer, drip, endless, hang_up, reset, silence

GOOD = answer({"key": "OPEN-1"})
ALL = limits.READ_RETRIES + 1


async def write(jira: Session, method: str) -> Any:
    """One write of that method."""
    if method == "DELETE":
        return await jira.delete("issue", "OPEN-1")
    return await (jira.post if method == "POST" else jira.put)("issue", "OPEN-1", json={"fields": {}})


@pytest.mark.parametrize("bad", [answer(status=502), answer(status=503), answer(status=504), hang_up, reset])
async def test_a_read_is_asked_again(connect: Connect, bad: Answer) -> None:
    """F3, F6: twice more, and the third answer is good."""
    async with Server(bad, bad, GOOD) as server:
        assert await connect(server).session(grant_of("ana")).get("issue", "OPEN-1") == {"key": "OPEN-1"}
    assert len(server.seen) == ALL


@pytest.mark.parametrize("bad", [answer(status=502), answer(status=503), answer(status=504), hang_up, reset])
async def test_a_read_gives_up(connect: Connect, bad: Answer) -> None:
    """F3, F6: no more than `READ_RETRIES` times, then Jira is unavailable."""
    async with Server(bad) as server:
        with pytest.raises(Unavailable) as down:
            await connect(server).session(grant_of("ana")).get("issue", "OPEN-1")
    assert down.value.part == "jira"
    assert len(server.seen) == ALL


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "bad", [answer(status=500), answer(status=502), answer(status=503), answer(status=408), hang_up, reset]
)
async def test_a_write_is_sent_once(connect: Connect, bad: Answer, method: str) -> None:
    """F3, F6: and since nobody knows what became of it, that is what we say."""
    async with Server(bad) as server:
        with pytest.raises(OutcomeUnknown):
            await write(connect(server).session(grant_of("ana")), method)
        await asyncio.sleep(0.01)
    assert [s.method for s in server.seen] == [method]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_write_on_a_kept_connection_is_sent_once(connect: Connect, method: str) -> None:
    """aiohttp repeats a PUT or DELETE by itself when a kept connection breaks, unless it is told not to."""
    async with Server(GOOD, hang_up, answer(status=204)) as server:
        jira = connect(server).session(grant_of("ana"))
        await jira.get("issue", "OPEN-1")
        with pytest.raises(OutcomeUnknown):
            await write(jira, method)
    assert [s.method for s in server.seen] == ["GET", method]
    assert server.connections == 1


@pytest.mark.parametrize("bad", [silence, drip])
async def test_the_total_deadline_ends_a_read(connect: Connect, bad: Answer) -> None:
    """F1, F2, F5: also when each byte comes in time; one request, no repeat beyond the deadline."""
    async with Server(bad) as server:
        began = mono()
        with pytest.raises(Unavailable):
            await connect(server, seconds=0.3).session(grant_of("ana")).get("issue", "OPEN-1")
        assert 0.25 < mono() - began < 3
    assert len(server.seen) == 1


@pytest.mark.parametrize("bad", [silence, drip])
async def test_the_total_deadline_leaves_a_write_in_doubt(connect: Connect, bad: Answer) -> None:
    """F1, F2: it was sent."""
    async with Server(bad) as server:
        with pytest.raises(OutcomeUnknown):
            await connect(server, seconds=0.3).session(grant_of("ana")).post("issue", json={})
    assert len(server.seen) == 1


async def test_repeats_share_one_deadline(connect: Connect) -> None:
    """F3: slow failures do not add up to three deadlines."""

    async def slow(seen: Any, writer: Any) -> None:
        await asyncio.sleep(0.25)
        await answer(status=503)(seen, writer)

    async with Server(slow) as server:
        began = mono()
        with pytest.raises(Unavailable):
            await connect(server, seconds=0.4).session(grant_of("ana")).get("issue", "OPEN-1")
        assert mono() - began < 2
    assert len(server.seen) <= 2


async def test_nobody_listens(outward: Outward) -> None:
    """Certainly not sent: a write is unavailable and not in doubt."""
    async with Server() as server:
        url = server.url
    jira = JiraClient(outward, url, seconds=2).session(grant_of("ana"))
    for call in (jira.get("myself"), jira.post("issue", json={}), jira.delete("issue", "OPEN-1")):
        with pytest.raises(Unavailable, match="nothing was changed"):
            await call


LIMITS = [
    ({}, "in a minute"),
    ({"Retry-After": "2"}, "in 2 seconds"),
    ({"Retry-After": "-1"}, "in a minute"),
    ({"Retry-After": "0"}, "in 1 seconds"),
    ({"Retry-After": "1000000000"}, "in 3600 seconds"),
    ({"Retry-After": "9" * 40}, "in a minute"),
    ({"Retry-After": "1e9"}, "in a minute"),
    ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "in 1 seconds"),
    ({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}, "in 3600 seconds"),
    ({"Retry-After": "Wed, 99 Oct 2099"}, "in a minute"),
]


@pytest.mark.parametrize(("headers", "wait"), LIMITS, ids=str)
@pytest.mark.parametrize("reason", ["jira-burst-based", "jira-per-issue-on-write", "jira-quota-global-based"])
async def test_limits_are_told(connect: Connect, headers: dict[str, str], wait: str, reason: str) -> None:
    """F4: one request, and the wait that Jira asks for, within reason."""
    async with Server(answer(status=429, headers={"RateLimit-Reason": reason, **headers})) as server:
        jira = connect(server).session(grant_of("ana"))
        for call in (jira.get("issue", "OPEN-1"), jira.put("issue", "OPEN-1", json={})):
            with pytest.raises(Unavailable) as limited:
                await call
            assert wait in limited.value.public
            assert reason in limited.value.private
    assert len(server.seen) == 2


async def test_a_repeat_waits_as_long_as_jira_asks(connect: Connect) -> None:
    """F4: a 503 with a long Retry-After is not asked again before it; so not at all."""
    async with Server(answer(status=503, headers={"Retry-After": "60"}), GOOD) as server:
        with pytest.raises(Unavailable):
            await connect(server).session(grant_of("ana")).get("issue", "OPEN-1")
    assert len(server.seen) == 1


HUGE = [
    answer(b" " * (limits.UPSTREAM_BYTES + 1)),
    endless,
    answer(b"\x1f\x8b" + bytes(200_000), headers={"Content-Encoding": "gzip"}),
    answer(b"{}", headers={"Content-Encoding": "br"}),
]


@pytest.mark.parametrize("bad", HUGE)
async def test_too_much_is_refused_once(connect: Connect, bad: Answer) -> None:
    """F8: compressed, too large or endless; memory stays flat, and nobody asks for it again."""
    before = psutil.Process().memory_info().rss
    async with Server(bad) as server:
        jira = connect(server).session(grant_of("ana"))
        with pytest.raises(JiraRefused):
            await jira.get("issue", "OPEN-1")
        with pytest.raises(OutcomeUnknown):
            await jira.post("issue", json={})
    assert len(server.seen) == 2
    assert psutil.Process().memory_info().rss - before < 32 * 2**20


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_pitfall_12_redirects_are_not_followed(connect: Connect, status: int) -> None:
    """F9: the grant goes nowhere else."""
    async with Server(GOOD) as elsewhere:
        location = {"Location": f"{elsewhere.url}/rest/api/3/issue/OPEN-1"}
        async with Server(answer(status=status, headers=location)) as server:
            jira = connect(server).session(grant_of("ana"))
            with pytest.raises(JiraRefused):
                await jira.get("issue", "OPEN-1")
            with pytest.raises(OutcomeUnknown):
                await jira.post("issue", json={})
        assert elsewhere.connections == 0


async def test_a_challenge_elsewhere_is_not_followed(connect: Connect) -> None:
    """F9: a 401 that names another server."""
    async with Server(GOOD) as elsewhere:
        told = {"WWW-Authenticate": f'Bearer resource_metadata="{elsewhere.url}/meta"'}
        async with Server(answer({}, status=401, headers=told)) as server:
            with pytest.raises(JiraRefused, match="sign in again"):
                await connect(server).session(grant_of("ana")).get("issue", "OPEN-1")
        assert elsewhere.connections == 0


async def test_a_cancelled_call_leaves_nothing_behind(connect: Connect) -> None:
    """The caller hung up: no repeat, no task, and the next call is well."""
    async with Server(silence, GOOD) as server:
        jira = connect(server).session(grant_of("ana"))
        before = asyncio.all_tasks()
        call = asyncio.create_task(jira.get("issue", "OPEN-1"))
        await server.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await jira.get("issue", "OPEN-1") == {"key": "OPEN-1"}
        assert len(asyncio.all_tasks() - before) <= 3  # the server's own, one a connection
    assert len(server.seen) == 2


async def test_a_closed_pool_sends_nothing() -> None:
    """After the gateway stopped."""
    with pytest.raises(OutwardError) as closed:
        await Outward().send(Ask("GET", "http://127.0.0.1:9/"))
    assert closed.value.sent is False
