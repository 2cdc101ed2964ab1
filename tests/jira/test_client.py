"""What leaves for Jira, whose answer it is, and what becomes of answers that are none."""

from typing import Any

import pytest

from gateway.errors import GatewayError, InvalidCall, JiraRefused, OutcomeUnknown, Unavailable
from gateway.http import Outward
from gateway.jira.client import JiraClient
from gateway.jira.facts import Rows
from tests.jira.conftest import Connect, grant_of
from tests.jira.server import Server, answer

ISSUE = {"key": "OPEN-1"}


async def test_a_request_goes_out_as_the_person(connect: Connect) -> None:
    """One GET below /rest/api/3/, with the grant as Bearer and nothing else of anybody."""
    async with Server(answer(ISSUE)) as server:
        jira = connect(server).session(grant_of("ana"))
        assert await jira.get("issue", "OPEN-1", params={"fields": "a b&c=d"}) == ISSUE
    (seen,) = server.seen
    assert (seen.method, seen.target) == ("GET", "/rest/api/3/issue/OPEN-1?fields=a%20b%26c%3Dd")
    assert seen.headers["Authorization"] == "Bearer grant-of-ana"
    assert seen.headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in seen.headers


async def test_writes_carry_json(connect: Connect) -> None:
    """POST, PUT and DELETE; an empty 204 is a good answer to them."""
    created = answer({"key": "OPEN-2"}, status=201)
    async with Server(created, answer(status=204)) as server:
        jira = connect(server).session(grant_of("ana"))
        assert await jira.post("issue", json={"fields": {}}) == {"key": "OPEN-2"}
        assert await jira.put("issue", "OPEN-2", json={"fields": {"summary": "ä"}}) is None
        assert await jira.delete("issue", "OPEN-2", params={"deleteSubtasks": "false"}) is None
    assert [s.method for s in server.seen] == ["POST", "PUT", "DELETE"]
    assert server.seen[1].json == {"fields": {"summary": "ä"}}
    assert server.seen[1].headers["Content-Type"] == "application/json"
    assert server.seen[2].target == "/rest/api/3/issue/OPEN-2?deleteSubtasks=false"


TRICKS = [
    "", ".", "..", "../myself", "OPEN-1/../../2", "OPEN-1?x=", "OPEN-1#", "%2e%2e", "OPEN-1%2f..", "a\\b",
    "OPEN-1;x", "OPEN-1\r\nHost: evil", "OPEN 1", "\x00", "a..b",
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_key_never_becomes_another_path(connect: Connect, trick: str) -> None:
    """F31: refused by type, and nothing is sent."""
    async with Server(answer(ISSUE)) as server:
        jira = connect(server).session(grant_of("ana"))
        with pytest.raises(InvalidCall):
            await jira.get("issue", trick)
        with pytest.raises(InvalidCall):
            await jira.put("issue", trick, json={})
    assert server.seen == []


@pytest.mark.parametrize("segment", ["@evil.example.com", "１２", "ключ", "a:b", "a+b&c"])
async def test_other_characters_stay_in_their_segment(connect: Connect, segment: str) -> None:
    """F31: what is not refused is quoted, so it is one segment of the expected path."""
    async with Server(answer(ISSUE)) as server:
        await connect(server).session(grant_of("ana")).get("issue", segment)
    path = server.seen[0].target
    assert path.startswith("/rest/api/3/issue/")
    assert path.isascii()
    assert not set("/?#@&+: ") & set(path.removeprefix("/rest/api/3/issue/"))


async def test_an_ended_grant_is_not_sent(connect: Connect) -> None:
    """Nothing derived from a token outlives it."""
    async with Server(answer(ISSUE)) as server:
        with pytest.raises(Unavailable) as refusal:
            await connect(server).session(grant_of("ana", expires_at=1.0)).get("myself")
    assert refusal.value.part == "credential"
    assert server.seen == []


STRANGERS: list[dict[str, Any]] = [
    {"account": None},
    {"account": "anonymous"},
    {"headers": {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}},
    {"headers": {"X-Seraph-LoginReason": "AUTHENTICATION_DENIED"}},
    {"headers": {"x-seraph-loginreason": "OK, AUTHENTICATED_FAILED"}},
    {"account": None, "status": 404},
    {"account": None, "status": 400},
    {"status": 401, "headers": {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}},
]


@pytest.mark.parametrize("told", STRANGERS, ids=str)
async def test_an_anonymous_answer_is_not_an_empty_result(connect: Connect, told: dict[str, Any]) -> None:
    """An expired credential makes Jira answer "nothing found" with 200; we say that it was not them."""
    async with Server(answer({"issues": [], "isLast": True}, **told)) as server:
        with pytest.raises(Unavailable) as refusal:
            await connect(server).session(grant_of("ana")).find("search", "jql", json={}, form=Rows)
    assert refusal.value.part == "credential"
    assert "sign in again" in refusal.value.public


async def test_a_person_stays_one_account(connect: Connect) -> None:
    """The first account of (issuer, subject) is remembered; another one later is refused."""
    async with Server(answer(ISSUE), answer(ISSUE, account="712020:bo")) as server:
        client = connect(server)
        await client.session(grant_of("ana")).get("issue", "OPEN-1")
        with pytest.raises(Unavailable, match="did not answer as you"):
            await client.session(grant_of("ana")).get("issue", "OPEN-1")
        assert await client.session(grant_of("bo")).get("issue", "OPEN-1") == ISSUE
        other_issuer = grant_of("ana", issuer="https://other.example.com")
        assert await client.session(other_issuer).get("issue", "OPEN-1") == ISSUE


async def test_a_refusal_does_not_teach_an_account(connect: Connect) -> None:
    """Only a good answer is believed when an account is first learnt."""
    async with Server(answer({}, status=404, account="712020:x"), answer(ISSUE)) as server:
        jira = connect(server).session(grant_of("ana"))
        with pytest.raises(JiraRefused):
            await jira.get("issue", "OPEN-1")
        assert await jira.get("issue", "OPEN-1") == ISSUE


async def test_a_write_that_jira_did_as_somebody_else_is_in_doubt(connect: Connect) -> None:
    """It happened, but not as it should: never reported as undone."""
    async with Server(answer(ISSUE), answer(status=204, account="712020:bo")) as server:
        jira = connect(server).session(grant_of("ana"))
        await jira.get("issue", "OPEN-1")
        with pytest.raises(OutcomeUnknown, match="not as you"):
            await jira.put("issue", "OPEN-1", json={})


SECRET = b"private words of somebody"
NOT_JSON = [
    answer(b"<!DOCTYPE html><html>" + SECRET, kind="text/html;charset=UTF-8"),
    answer(b'{"key": "' + SECRET, kind="application/json"),
    answer(b'{"key": "' + SECRET + b'", "n": NaN}', kind="application/json"),
    answer(b'"' + SECRET + b'"', kind="application/json"),
    answer(b'{"key": "' + SECRET + b'\xff"}', kind="application/json"),
    answer(b'{"key": "' + SECRET + b'"}', kind="application/json;charset=ISO-8859-1"),
    answer(b'{"key": "' + SECRET + b'"}{}', kind="application/json"),
    answer(b"[" * 5_000 + b"]" * 5_000, kind="application/json"),
    answer(b'{"key": "' + SECRET + b'"}', kind="text/plain"),
]


@pytest.mark.parametrize("reply", [*NOT_JSON, answer(status=204), answer(b"")])
async def test_what_is_not_one_json_document_is_not_jiras_answer(connect: Connect, reply: Any) -> None:
    """F7: login page, truncation, NaN, charset; the body is never passed on."""
    async with Server(reply) as server:
        with pytest.raises(JiraRefused) as refusal:
            await connect(server).session(grant_of("ana")).get("issue", "OPEN-1")
    told = f"{refusal.value.public} {refusal.value.private} {refusal.value!r} {refusal.value.__cause__!r}"
    assert SECRET.decode() not in told
    assert len(server.seen) == 1


@pytest.mark.parametrize("reply", NOT_JSON)
async def test_a_write_with_an_unreadable_answer_is_in_doubt(connect: Connect, reply: Any) -> None:
    """F7: it was sent, and nobody knows; the POST left exactly once."""
    async with Server(reply) as server:
        with pytest.raises(OutcomeUnknown):
            await connect(server).session(grant_of("ana")).post("issue", json={})
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "text", [b'{ "key" : "OPEN-1" }\n', b'{"key":"\\u004fPEN-1"}', b'{"key":"X","key":"OPEN-1"}']
)
async def test_other_spellings_of_json_are_read(connect: Connect, text: bytes) -> None:
    """White space and escapes are Jira's own affair; of two equal names the last one counts."""
    async with Server(answer(text)) as server:
        assert await connect(server).session(grant_of("ana")).get("issue", "OPEN-1") == ISSUE


async def test_a_session_shows_no_secret(connect: Connect) -> None:
    """F36: neither printed, nor in an error, nor in the text of a failure."""
    async with Server(answer({}, status=500)) as server:
        client = connect(server)
        jira = client.session(grant_of("ana"))
        with pytest.raises(GatewayError) as failure:
            await jira.post("issue", json={})
    shown = f"{jira!r} {client!r} {vars(client)!r} {failure.value!r} {failure.value.private}"
    assert "grant-of-ana" not in shown


@pytest.mark.parametrize(
    "url", ["", "jira.example.com", "ftp://x", "https://x?a=b", "https://x#y", "https://u@x"]
)
async def test_a_base_url_is_plain(outward: Outward, url: str) -> None:
    """Anything else would let requests go astray."""
    with pytest.raises(ValueError, match="URL"):
        JiraClient(outward, url)


async def test_a_cloud_path_and_a_browse_address(outward: Outward) -> None:
    """Requests may go to api.atlassian.com/ex/jira/{id} while people browse elsewhere."""
    async with Server(answer(ISSUE)) as server:
        client = JiraClient(outward, f"{server.url}/ex/jira/11/", site="https://acme.atlassian.net/")
        jira = client.session(grant_of("ana"))
        await jira.get("myself")
    assert server.seen[0].target == "/ex/jira/11/rest/api/3/myself"
    assert jira.site == "https://acme.atlassian.net"


async def test_a_page_token_is_bound_to_its_person_and_query(connect: Connect) -> None:
    """JIRA.md 7.4(e): nobody else's, no other query's, no other gateway's; and it shows nothing."""
    async with Server() as server:
        client = connect(server)
        ana, bo = client.session(grant_of("ana")), client.session(grant_of("bo"))
        token = ana.page_token("project = OPEN", "upstream-token")
        assert ana.open_page("project = OPEN", token) == "upstream-token"
        assert "upstream" not in token
        flipped = ("B" if token[20] == "A" else "A").join((token[:20], token[21:]))
        stranger = connect(server).session(grant_of("ana"))
        for session, query, given in (
            (bo, "project = OPEN", token),
            (ana, "project = VAULT", token),
            (ana, "project = OPEN", flipped),
            (ana, "project = OPEN", token[:-4]),
            (ana, "project = OPEN", "upstream-token"),
            (ana, "project = OPEN", "é"),
            (ana, "project = OPEN", ""),
            (stranger, "project = OPEN", token),
            (client.session(grant_of("ana", issuer="https://other.example.com")), "project = OPEN", token),
        ):
            with pytest.raises(InvalidCall, match="`next` does not belong"):
                session.open_page(query, given)


async def test_replicas_with_one_key_share_page_tokens(outward: Outward) -> None:
    """Any replica answers the next page, if the operator gives them one key."""
    one, two = (JiraClient(outward, "http://127.0.0.1:9", page_key=bytes(32)) for _ in range(2))
    token = one.session(grant_of("ana")).page_token("q", "t")
    assert two.session(grant_of("ana")).open_page("q", token) == "t"
    with pytest.raises(ValueError, match="32 bytes"):
        JiraClient(outward, "http://127.0.0.1:9", page_key=b"short")


async def test_accounts_are_per_person_under_load(connect: Connect) -> None:
    """Answers of two people in turn, over the same kept connections, never mix (F10: nor do cookies)."""

    async def by_token(seen: Any, writer: Any) -> None:
        who = seen.headers["Authorization"].removeprefix("Bearer grant-of-")
        told = {"Set-Cookie": f"JSESSIONID={who}; Path=/"}
        await answer({"name": who}, account=f"712020:{who}", headers=told)(seen, writer)

    async with Server(by_token) as server:
        client = connect(server)
        for who in ("ana", "bo") * 10:
            assert (await client.session(grant_of(who)).get("myself"))["name"] == who
    assert server.connections == 1
    assert not [s for s in server.seen if "Cookie" in s.headers]
