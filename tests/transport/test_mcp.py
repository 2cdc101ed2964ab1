"""Both protocol eras on one URL, stateless, over one line."""

import re
from typing import Any

import orjson
import pytest
from mcp_types.methods import validate_server_result

from gateway import limits
from gateway.transport.catalogue import Catalogue
from tests.transport.world import HANDSHAKE, INITIALIZE, MODERN, NAMES, REFUSALS, TOOLS, World, legacy, modern

CALL = {"name": "demo_echo", "arguments": {"value": 1}}
NO_ANSWER_IN_A_RESULT = {"step-up", "weak", "conditional", "expired", "identity-down"}


def error_of(answer: Any) -> int:
    """The JSON-RPC error code of an answer."""
    return int(answer.json()["error"]["code"])


async def test_a_modern_call_reaches_the_line_and_comes_back(world: World) -> None:
    """2026-07-28: one POST, no handshake, no session; text beside the structured answer."""
    answer = await world.modern("tools/call", CALL)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store" and "mcp-session-id" not in answer.headers
    result = answer.json()["result"]
    validate_server_result("tools/call", MODERN, result)
    assert result["structuredContent"] == {"tool": "demo_echo", "arguments": {"value": 1}}
    assert result["content"] == [{"type": "text", "text": "demo_echo done"}]
    assert result["resultType"] == "complete" and result["isError"] is False
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "jira-agent-gateway"
    (request,) = world.line.calls
    assert (request.name, request.arguments, request.protocol) == ("demo_echo", {"value": 1}, MODERN)
    assert request.source == "127.0.0.1" and re.fullmatch("[0-9a-f]{12}", request.call_id)


@pytest.mark.parametrize("version", HANDSHAKE)
async def test_each_handshake_revision_is_served_without_a_session(world: World, version: str) -> None:
    """initialize, initialized, ping, list and call, each request on its own."""
    body, headers = legacy("initialize", {**INITIALIZE, "protocolVersion": version}, version=version)
    del headers["mcp-protocol-version"]
    answer = await world.post(body, headers)
    result = answer.json()["result"]
    validate_server_result("initialize", version, result)
    assert result["protocolVersion"] == version and result["capabilities"] == {
        "tools": {"listChanged": False}
    }
    assert "mcp-session-id" not in answer.headers
    note = await world.post(
        {"jsonrpc": "2.0", "method": "notifications/initialized"}, {"mcp-protocol-version": version}
    )
    assert (note.status_code, note.content) == (202, b"")
    assert (await world.post(*legacy("ping", version=version))).json()["result"] == {}
    listed = (await world.post(*legacy("tools/list", version=version))).json()["result"]
    validate_server_result("tools/list", version, listed)
    called = (await world.post(*legacy("tools/call", CALL, version=version))).json()["result"]
    validate_server_result("tools/call", version, called)
    assert "resultType" not in called and "ttlMs" not in listed
    assert world.line.calls[-1].protocol == version


async def test_an_unknown_revision_is_offered_our_latest(world: World) -> None:
    """Version negotiation of the handshake era."""
    body, _ = legacy("initialize", {**INITIALIZE, "protocolVersion": "1999-01-01"})
    assert (await world.post(body)).json()["result"]["protocolVersion"] == "2025-11-25"


async def test_no_version_header_means_2025_03_26_and_the_same_line(world: World) -> None:
    """Leaving the header out reaches no other code: the line decides as always."""
    body, _ = legacy("tools/call", {"name": "demo_fail", "arguments": {"how": "denied"}})
    result = (await world.post(body)).json()["result"]
    assert result["isError"] is True
    assert world.line.calls[-1].protocol == "2025-03-26"


@pytest.mark.parametrize("claimed", [None, *HANDSHAKE])
async def test_a_modern_body_cannot_escape_the_header_checks(world: World, claimed: str | None) -> None:
    """A body with the 2026-07-28 envelope is held to its headers whatever version the header names."""
    body, _ = modern("tools/call", CALL)
    answer = await world.post(body, {"mcp-protocol-version": claimed} if claimed else {})
    assert (answer.status_code, error_of(answer)) == (400, -32020)
    assert world.line.calls == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mcp-method": "tools/list"}, -32020),
        ({"mcp-method": None}, -32020),
        ({"mcp-method": "Tools/Call"}, -32020),
        ({"mcp-name": "demo_delete"}, -32020),
        ({"mcp-name": None}, -32020),
        ({"mcp-name": "=?base64?!!!?="}, -32020),
        ({"mcp-protocol-version": "2027-01-01"}, -32020),
    ],
)
async def test_headers_must_mirror_the_body(world: World, change: dict[str, str | None], code: int) -> None:
    """SEP-2243: a proxy that routes by header and we who read the body see the same call."""
    body, headers = modern("tools/call", CALL)
    changed = {k: v for k, v in {**headers, **change}.items() if v is not None}
    answer = await world.post(body, changed)
    assert (answer.status_code, error_of(answer), answer.json()["id"]) == (400, code, 1)
    assert world.line.calls == []


@pytest.mark.parametrize(
    "name", ["demo_echo  ", "\tdemo_echo", "=?base64?ZGVtb19lY2hv?=", "=?base64?ZGVtb19lY2hv?= "]
)
async def test_white_space_and_base64_in_headers_are_undone(world: World, name: str) -> None:
    """The mirrored name is compared after trimming and decoding."""
    body, headers = modern("tools/call", CALL)
    padded = {k: f" {v}\t " for k, v in headers.items()} | {"mcp-name": name}
    raw = [(k.encode(), v.encode()) for k, v in padded.items()]
    own = [(b"authorization", b"Bearer ana-token"), (b"content-type", b"application/json \t")]
    assert await raw_status(world, [*raw, *own], orjson.dumps(body)) == 200


async def raw_status(world: World, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    """POST with header bytes exactly as given; the client library would refuse to send some."""
    import asyncio

    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    lines = [(b"host", world.url[7:].encode()), (b"content-length", b"%d" % len(body)), *headers]
    writer.write(
        b"POST /mcp HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body
    )
    status = (await reader.readline()).split()[1]
    writer.close()
    await writer.wait_closed()
    return int(status)


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name"])
async def test_a_repeated_routing_header_is_refused(world: World, name: str) -> None:
    """Even with equal values: readers of the first and of the last must not be able to disagree."""
    body, headers = modern("tools/call", CALL)
    lines = [(k.encode(), v.encode()) for k, v in headers.items()] + [(name.encode(), headers[name].encode())]
    own = [(b"authorization", b"Bearer ana-token"), (b"content-type", b"application/json")]
    assert await raw_status(world, [*lines, *own], orjson.dumps(body)) == 400
    assert world.line.calls == []


@pytest.mark.parametrize(
    ("arguments", "header", "status"),
    [({"project": "A"}, "A", 200), ({"project": "A"}, "VAULT", 400), ({"project": "A"}, None, 400),
     ({}, "A", 400), ({}, None, 200), ({"project": "ä"}, "=?base64?w6Q=?=", 200)],
)  # fmt: skip
async def test_mirrored_arguments_must_equal_their_headers(
    world: World, arguments: dict[str, str], header: str | None, status: int
) -> None:
    """A property marked `x-mcp-header` is mirrored in Mcp-Param-*."""
    body, headers = modern("tools/call", {"name": "demo_mirror", "arguments": arguments})
    if header is not None:
        headers["mcp-param-project"] = header
    answer = await world.post(body, headers)
    assert answer.status_code == status
    assert len(world.line.calls) == (1 if status == 200 else 0)


async def test_an_unserved_version_is_told_what_is_served(world: World) -> None:
    """-32022 with the list, for requests and notifications."""
    body, headers = modern("tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": "2030-01-01"}})
    answer = await world.post(body, {**headers, "mcp-protocol-version": "2030-01-01"})
    assert (answer.status_code, error_of(answer)) == (400, -32022)
    assert answer.json()["error"]["data"] == {"supported": [MODERN], "requested": "2030-01-01"}
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    answer = await world.post(note, {"mcp-protocol-version": "2030-01-01"})
    assert (answer.status_code, error_of(answer)) == (400, -32022)


@pytest.mark.parametrize(
    "meta",
    [None, {}, [], {"io.modelcontextprotocol/protocolVersion": MODERN},
     {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": []},
     {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
      "io.modelcontextprotocol/clientInfo": {"name": 1}},
     {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
      "progressToken": []}],
)  # fmt: skip
async def test_a_bad_envelope_is_invalid_params(world: World, meta: Any) -> None:
    """400 and -32602; nothing of it is echoed."""
    body, headers = modern("tools/call", CALL)
    body["params"]["_meta"] = meta
    answer = await world.post(body, headers)
    assert (answer.status_code, error_of(answer)) == (400, -32602)
    assert "pydantic" not in answer.text and world.line.calls == []


@pytest.mark.parametrize("form", [modern, legacy])
async def test_tools_list_shows_what_the_caller_may_use(world: World, form: Any) -> None:
    """Fixed order, private, and another list for another person."""
    ana = (await world.post(*form("tools/list"))).json()["result"]
    bo = (await world.post(*form("tools/list"), token="bo-token")).json()["result"]
    assert [t["name"] for t in ana["tools"]] == sorted(NAMES)
    assert [t["name"] for t in bo["tools"]] == sorted(NAMES - {"demo_delete"})
    first = ana["tools"][0]
    assert (
        first["annotations"]["destructiveHint"] is True
        and first["inputSchema"]["additionalProperties"] is False
    )
    assert {"title", "description", "outputSchema"} <= first.keys()
    if form is modern:
        validate_server_result("tools/list", MODERN, ana)
        assert (ana["cacheScope"], ana["ttlMs"], ana["resultType"]) == (
            "private",
            limits.TOOLS_FRESH_MS,
            "complete",
        )


async def test_a_hidden_tool_that_is_called_anyway_goes_down_the_line(world: World) -> None:
    """Hiding is courtesy; the line decides, records and refuses."""
    await world.modern("tools/call", {"name": "demo_delete"}, token="bo-token")
    assert [c.name for c in world.line.calls] == ["demo_delete"]


@pytest.mark.parametrize("form", [modern, legacy])
async def test_there_is_one_page_of_tools(world: World, form: Any) -> None:
    """A cursor that we never gave is invalid params."""
    assert error_of(await world.post(*form("tools/list", {"cursor": "x"}))) == -32602


async def test_discover_tells_versions_and_capabilities(world: World) -> None:
    """The 2026-07-28 replacement of the handshake: tools, and nothing that we do not serve."""
    result = (await world.modern("server/discover")).json()["result"]
    validate_server_result("server/discover", MODERN, result)
    assert result["supportedVersions"] == [MODERN] and result["cacheScope"] == "private"
    assert result["capabilities"] == {"tools": {"listChanged": False}}


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD"])
async def test_only_post_is_served(world: World, method: str) -> None:
    """No stream and no session to end: 405 (the SDK would open an idle stream for ever)."""
    headers = {"authorization": "Bearer ana-token", "accept": "text/event-stream", "mcp-session-id": "x"}
    answer = await world.http.request(method, world.url + "/mcp", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("form", [modern, legacy])
async def test_sessions_of_others_are_ignored(world: World, form: Any) -> None:
    """A session id or event id from another server changes nothing: any replica answers."""
    body, headers = form("tools/call", CALL)
    answer = await world.post(body, {**headers, "mcp-session-id": "abc", "last-event-id": "1"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "method", ["notifications/cancelled", "notifications/progress", "notifications/x", "tools/call"]
)
@pytest.mark.parametrize("version", [None, "2025-06-18", MODERN])
async def test_messages_without_id_are_accepted_and_dropped(
    world: World, method: str, version: str | None
) -> None:
    """202 and nothing more: nobody can call a tool, or cancel another's call, without being answered."""
    body = {"jsonrpc": "2.0", "method": method, "params": CALL}
    answer = await world.post(body, {"mcp-protocol-version": version} if version else {})
    assert (answer.status_code, answer.content) == (202, b"")
    assert world.line.calls == []


@pytest.mark.parametrize(
    "method", ["prompts/list", "resources/read", "logging/setLevel", "subscriptions/listen", "x/y"]
)
@pytest.mark.parametrize(("form", "status"), [(modern, 404), (legacy, 200)])
async def test_unknown_methods_are_not_found(world: World, method: str, form: Any, status: int) -> None:
    """Only tools are offered; 2026-07-28 says so in the status as well."""
    params = {"uri": "x:y", "level": "info", "notifications": {}}
    body, headers = form(method, params)
    answer = await world.post(body, {**headers, "mcp-name": "x:y"})
    assert (answer.status_code, error_of(answer)) == (status, -32601)


@pytest.mark.parametrize("how", sorted(REFUSALS.keys() - NO_ANSWER_IN_A_RESULT))
@pytest.mark.parametrize("form", [modern, legacy])
@pytest.mark.parametrize("extra", [{}, {"extra": 1}])
async def test_a_refusal_is_a_result_that_says_what_to_do(
    world: World, how: str, form: Any, extra: Any
) -> None:
    """One sentence for the model with the call's id, facts for programs in `_meta`; both paths alike."""
    body, headers = form("tools/call", {"name": "demo_fail", "arguments": {"how": how}, **extra})
    answer = await world.post(body, headers)
    result, problem = answer.json()["result"], REFUSALS[how]
    validate_server_result("tools/call", MODERN if form is modern else "2025-11-25", result)
    call_id = world.line.calls[-1].call_id
    assert answer.status_code == 200 and result["isError"] is True
    assert result["content"] == [{"type": "text", "text": f"{problem.public} (call {call_id})"}]
    assert result["_meta"]["jira-agent-gateway/error"] == {
        "code": problem.code, "rules": list(problem.rules), "call": call_id, "retryable": problem.retryable,
    }  # fmt: skip
    assert not problem.private or problem.private not in answer.text


@pytest.mark.parametrize(("form", "status"), [(modern, 400), (legacy, 200)])
@pytest.mark.parametrize("extra", [{}, {"extra": 1}])
async def test_an_unknown_tool_is_a_protocol_error(world: World, form: Any, status: int, extra: Any) -> None:
    """-32602, after the line has seen and recorded it."""
    answer = await world.post(*form("tools/call", {"name": "nope", **extra}))
    assert (answer.status_code, error_of(answer)) == (status, -32602)
    assert [c.name for c in world.line.calls] == ["nope"]


@pytest.mark.parametrize("form", [modern, legacy])
@pytest.mark.parametrize("extra", [{}, {"extra": 1}])
async def test_an_unexpected_failure_tells_only_its_id(
    world: World, form: Any, extra: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """-32603 with the id under which the operator finds the cause; never the cause, never a traceback."""
    body, headers = form("tools/call", {"name": "demo_fail", "arguments": {"how": "?"}, **extra}, id="mine")
    answer = await world.post(body, headers)
    call_id = world.line.calls[-1].call_id
    assert (error_of(answer), answer.json()["id"]) == (-32603, "mine")
    assert call_id in answer.text and "hunter2" not in answer.text and "Traceback" not in answer.text
    assert f"call {call_id} failed unexpectedly" in caplog.text and "hunter2" in caplog.text


async def test_a_listing_that_fails_is_an_internal_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No list is shown when it cannot be known what the caller may see."""

    def broken(caller: Any) -> frozenset[str]:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(world.line, "visible", broken)
    for form in (modern, legacy):
        answer = await world.post(*form("tools/list", id="mine"))
        assert (error_of(answer), answer.json()["id"]) == (-32603, "mine") and "hunter2" not in answer.text


async def test_bodies_beyond_the_limit_are_413(world: World) -> None:
    """The limit itself is served; one byte more is not, declared or streamed."""
    body, headers = modern("tools/call", {"name": "demo_echo", "arguments": {"text": ""}})
    room = limits.REQUEST_BYTES - len(orjson.dumps(body))
    body["params"]["arguments"]["text"] = "x" * room
    assert (await world.post(body, headers)).status_code == 200
    body["params"]["arguments"]["text"] += "x"
    assert (await world.post(body, headers)).status_code == 413

    async def pieces() -> Any:
        for _ in range(2):
            yield b"x" * (limits.REQUEST_BYTES // 2 + 1)

    own = {"authorization": "Bearer ana-token", "content-type": "application/json"}
    answer = await world.http.post(world.url + "/mcp", content=pieces(), headers=own)
    assert answer.status_code == 413
    assert len(world.line.calls) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content-type": "text/plain"}, 415), ({"content-type": "application/json; charset=utf-8"}, 200),
     ({"content-type": "application/jsonx"}, 415), ({"content-encoding": "gzip"}, 415),
     ({"accept": "text/html"}, 406), ({"accept": "text/event-stream"}, 406), ({"accept": "*/*"}, 200),
     ({"accept": "application/*;q=0.5"}, 200), ({"accept": "application/json"}, 200)],
)  # fmt: skip
async def test_media_types(world: World, headers: dict[str, str], status: int) -> None:
    """JSON in and JSON out; compressed bodies are not read."""
    body, own = modern("tools/call", CALL)
    assert (await world.post(body, {**own, **headers})).status_code == status


async def test_a_client_response_is_not_a_request(world: World) -> None:
    """We send no requests, so a response is dropped (handshake era) or refused (2026-07-28)."""
    body = {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert (await world.post(body)).status_code == 202
    answer = await world.post(body, {"mcp-protocol-version": MODERN})
    assert (answer.status_code, error_of(answer)) == (400, -32600)


async def test_progress_tokens_and_traces_are_accepted(world: World) -> None:
    """They differ from call to call and change nothing."""
    for token in ("t", 7):
        meta = {
            "progressToken": token,
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }
        assert (await world.modern("tools/call", {**CALL, "_meta": meta})).status_code == 200
        assert (await world.legacy("tools/call", {**CALL, "_meta": meta})).status_code == 200


def test_lists_are_made_once_for_each_era_and_visible_set() -> None:
    """Kept as bytes, and not without bound."""
    catalogue = Catalogue(TOOLS)
    one = catalogue.tool_list(NAMES, modern=True)
    assert catalogue.tool_list(frozenset(NAMES), modern=True) is one
    assert catalogue.tool_list(NAMES, modern=False) != one
    for n in range(limits.LISTINGS_CACHED + 1):
        catalogue.tool_list(frozenset({"demo_echo", str(n)}), modern=True)
    assert catalogue.tool_list(NAMES, modern=True) is not one
