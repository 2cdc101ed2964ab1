"""Trouble on demand: what arrives at a client, and whether the effect happened behind it."""

import asyncio
from typing import Any

import httpx2
import pytest

from sandbox.jira import Asked, Fault, Kind
from sandbox.jira.toxics import Toxics
from tests.sandbox.jira.conftest import JiraServer, adf, bearer

COMMENT = {"body": adf("Did it happen?")}
PATH = "issue/OPEN-3/comment"


def happened(jira: JiraServer) -> bool:
    """Whether the comment was made."""
    return bool(jira.site.issues["OPEN-3"].comments)


REPLACED = [
    (Fault(Kind.STATUS, status=503), 503, {}, b""),
    (Fault(Kind.STATUS, status=429, headers={"Retry-After": "2", "RateLimit-Reason": "jira-burst-based"}),
     429, {"retry-after": "2", "ratelimit-reason": "jira-burst-based"}, b""),
    (Fault(Kind.LOGIN_PAGE), 200, {"content-type": "text/html;charset=UTF-8"}, b"<!DOCTYPE html>"),
    (Fault(Kind.REDIRECT, location="http://127.0.0.1:9/x"), 302, {"location": "http://127.0.0.1:9/x"}, b""),
    (Fault(Kind.OVERSIZE, size=100_000), 200, {"content-length": "100008"}, b'{"x":"xxxx'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "status", "headers", "start"), REPLACED, ids=lambda value: getattr(value, "kind", "")
)
async def test_an_answer_in_jiras_place_does_nothing(
    jira: JiraServer, fault: Fault, status: int, headers: dict[str, str], start: bytes
) -> None:
    """The answer is the fault's; the comment was not made, and the request is in the log all the same."""
    jira.faults.once(fault)
    answer = await jira.ask("bo", "POST", PATH, COMMENT)
    assert answer.status_code == status
    assert headers.items() <= dict(answer.headers).items()
    assert answer.content.startswith(start)
    assert not happened(jira)
    assert jira.log() == [("POST", "/rest/api/3/issue/OPEN-3/comment", "bo")]
    assert (await jira.ask("bo", "POST", PATH, COMMENT)).status_code == 201


async def test_an_effect_may_be_asked_for(jira: JiraServer) -> None:
    """`effect=True`: a 503 after the comment was made, as a proxy before Jira gives it."""
    jira.faults.once(Fault(Kind.STATUS, status=503, effect=True))
    assert (await jira.ask("bo", "POST", PATH, COMMENT)).status_code == 503
    assert happened(jira)


@pytest.mark.parametrize("sent", [("POST", PATH, COMMENT), ("DELETE", "issue/OPEN-31", None)])
async def test_a_reset_loses_the_answer_and_not_the_effect(jira: JiraServer, sent: Any) -> None:
    """The connection ends under the answer, even under an empty one; what was asked has happened."""
    jira.faults.once(Fault(Kind.RESET))
    with pytest.raises(httpx2.RemoteProtocolError):
        await jira.ask("ana", *sent)
    assert happened(jira) or "OPEN-31" not in jira.site.issues


async def test_truncated_json_is_complete_http(jira: JiraServer) -> None:
    """Half the body, well delivered, is no JSON."""
    jira.faults.once(Fault(Kind.TRUNCATED))
    answer = await jira.ask("bo", "GET", "issue/OPEN-3")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"JSON|Unterminated|Expecting"):
        answer.json()


async def test_a_bomb_is_small_on_the_wire(jira: JiraServer) -> None:
    """64 MiB arrive as a few kilobytes that say they are gzip."""
    jira.faults.once(Fault(Kind.GZIP_BOMB))
    client = await jira.client(bearer("bo"))
    async with client.stream("GET", "issue/OPEN-3") as answer:
        assert answer.headers["content-encoding"] == "gzip"
        packed = b"".join([part async for part in answer.aiter_raw()])
    assert len(packed) < 100_000 and packed.startswith(b"\x1f\x8b")


async def test_a_drip_is_the_whole_answer_slowly(jira: JiraServer) -> None:
    """Byte by byte, and in the end complete."""
    jira.faults.once(Fault(Kind.DRIP, seconds=0.0001))
    client = await jira.client(bearer("bo"))
    async with client.stream("GET", "issue/OPEN-3?fields=summary") as answer:
        parts = [part async for part in answer.aiter_raw(1)]
    assert b"Sign out of every device" in b"".join(parts)


async def test_a_hang_never_answers(jira: JiraServer) -> None:
    """Nothing comes until the client leaves; nothing was done."""
    jira.faults.once(Fault(Kind.HANG))
    with pytest.raises(httpx2.ReadTimeout):
        await jira.ask("bo", "POST", PATH, COMMENT, timeout=0.05)
    assert not happened(jira)


async def test_a_delay_outlives_its_client(jira: JiraServer) -> None:
    """A slow Jira does what was asked though nobody waits for it any more."""
    jira.faults.once(Fault(Kind.DELAY, seconds=0.1))
    with pytest.raises(httpx2.ReadTimeout):
        await jira.ask("bo", "POST", PATH, COMMENT, timeout=0.02)
    for _ in range(500):
        if happened(jira):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the comment was never made")


IDENTITY = [
    (Kind.SET_COOKIE, "set-cookie", "JSESSIONID=alice; Path=/"),
    (Kind.WRONG_ACCOUNT, "x-aaccountid", "712020:somebody-else"),
    (Kind.ANONYMOUS, "x-seraph-loginreason", "AUTHENTICATED_FAILED"),
]


@pytest.mark.parametrize(("kind", "header", "value"), IDENTITY)
async def test_headers_lie(jira: JiraServer, kind: Kind, header: str, value: str) -> None:
    """A cookie, another's account, and a login that failed unseen: one header says so."""
    jira.faults.once(Fault(kind))
    answer = await jira.ask("bo", "GET", "issue/OPEN-3")
    assert (answer.status_code, answer.headers.get_list(header)) == (200, [value])
    if kind is Kind.ANONYMOUS:
        assert "x-aaccountid" not in answer.headers


async def test_the_hook_knows_whom_it_hits(jira: JiraServer) -> None:
    """A hook sees method, path and subject of each request, and hits only whom it means."""
    seen: list[Asked] = []

    def only_bo(asked: Asked) -> Fault | None:
        seen.append(asked)
        return Fault(Kind.STATUS) if asked.subject == "bo" else None

    jira.faults.before = only_bo
    assert (await jira.ask("bo", "GET", "issue/OPEN-1")).status_code == 503
    assert (await jira.ask("ana", "GET", "issue/OPEN-1")).status_code == 200
    assert [asked.subject for asked in seen] == ["bo", "ana"]
    assert seen[0] == Asked("GET", "/rest/api/3/issue/OPEN-1", "bo")
    jira.faults.clear()
    assert (await jira.ask("bo", "GET", "issue/OPEN-1")).status_code == 200


async def through(toxics: Toxics, patience: float = 5.0) -> httpx2.Response:
    """The comment, made through the proxy."""
    url = f"http://127.0.0.1:{toxics.port}/rest/api/3/"
    async with httpx2.AsyncClient(
        base_url=url, headers=bearer("bo"), verify=False, trust_env=False
    ) as client:
        return await client.post(PATH, json=COMMENT, timeout=patience)


async def test_the_proxy_is_transparent_until_told_otherwise(jira: JiraServer) -> None:
    """Without a toxic the answer is Jira's, and the connection was counted."""
    async with Toxics(jira.port) as toxics:
        assert (await through(toxics)).status_code == 201
        assert toxics.connections == 1


@pytest.mark.parametrize("after", [0, 10, 300])
async def test_a_real_reset(jira: JiraServer, after: int) -> None:
    """RST before, in and after the head: the client's read fails, the comment was made."""
    async with Toxics(jira.port) as toxics:
        toxics.reset_after = after
        with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)) as broken:
            await through(toxics)
        if after == 0:
            assert broken.type is httpx2.ReadError  # ECONNRESET, not an orderly end
        assert happened(jira)


async def test_silence(jira: JiraServer) -> None:
    """A silent proxy passes the request on and keeps the answer."""
    async with Toxics(jira.port) as toxics:
        toxics.silent = True
        with pytest.raises(httpx2.ReadTimeout):
            await through(toxics, patience=0.2)
        assert happened(jira)


async def test_a_slow_line(jira: JiraServer) -> None:
    """Every byte of head and body on its own, and the answer is whole."""
    async with Toxics(jira.port) as toxics:
        toxics.byte_every = 0.00001
        assert (await through(toxics)).status_code == 201
