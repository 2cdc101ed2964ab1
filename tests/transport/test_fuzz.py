"""Malformed input of every kind: a clean refusal, nothing called, nothing kept (F30)."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import limits
from gateway.transport.envelope import Envelopes
from gateway.transport.mcp import McpEndpoint
from tests.transport.world import MODERN, TOOLS, FakeLine, ask, legacy, modern

CLEAN = {200, 202, 400, 401, 403, 404, 405, 406, 413, 415, 421}
GOOD = {
    "host": "gw.example",
    "authorization": "Bearer ana-token",
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}
Sent = tuple[bytes, dict[str, str]]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3),
    max_leaves=10,
)
METHODS = st.sampled_from(
    ["tools/call", "tools/list", "initialize", "ping", "server/discover", "x", "notifications/x"]
)
FIELDS = {
    "jsonrpc": st.just("2.0") | JSON,
    "id": st.integers(0, 3) | JSON,
    "method": METHODS | JSON,
    "params": st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON, "_meta": JSON}) | JSON,
}
SHAPED = st.fixed_dictionaries({}, optional=FIELDS).map(lambda body: json.dumps(body).encode())
VERSIONS = st.sampled_from([MODERN, "2025-11-25", "2025-03-26", "2030-01-01", "", " ", "\x80"])
HEADER = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=8)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["mcp-method", "mcp-name", "mcp-param-project", "accept", "content-length", "origin", "x"]
    ),
    HEADER | st.sampled_from(["=?base64?", "=?base64?!?=", "-1", "1e9", "9" * 30]),
    max_size=3,
)


@st.composite
def broken(draw: st.DrawFn) -> Sent:
    """A good request with bytes cut, changed or put in."""
    form = draw(st.sampled_from([modern, legacy]))
    body, headers = form("tools/call", {"name": "demo_mirror", "arguments": {"project": "A"}})
    content = bytearray(orjson.dumps(body))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content) - 1))
        match draw(st.sampled_from(["cut", "change", "insert", "repeat"])):
            case "cut":
                del content[at : at + draw(st.integers(1, 9))]
            case "change":
                content[at] = draw(st.integers(0, 255))
            case "insert":
                content[at:at] = draw(
                    st.sampled_from([b"\x00", b'"', b"{", b"}", b"[", b",", b"\\", b"\xff", b"1e999"])
                )
            case _:
                content[at:at] = content[: draw(st.integers(0, len(content)))]
        content = content or bytearray(b" ")
    return bytes(content), headers


@st.composite
def shaped(draw: st.DrawFn) -> Sent:
    """Something like a request, under some version and some headers."""
    headers = draw(HEADERS)
    if draw(st.booleans()):
        headers["mcp-protocol-version"] = draw(VERSIONS)
    return draw(SHAPED | st.binary(max_size=30) | JSON.map(lambda v: json.dumps(v).encode())), headers


@contextmanager
def quiet() -> Iterator[None]:
    """Without the log, which is not what is tested here."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def clean(status: int, body: bytes) -> None:
    """What every answer must be."""
    assert status in CLEAN, (status, body)
    assert b"Traceback" not in body and b"pydantic" not in body and b"hunter2" not in body
    if status == 200:
        told = orjson.loads(body)
        assert told["jsonrpc"] == "2.0" and ("result" in told) != ("error" in told)
        assert told.get("error", {}).get("code") != -32603
    elif body:
        assert isinstance(orjson.loads(body), dict)


def allowed(content: bytes, calls: int) -> None:
    """The line may be called by one valid JSON-RPC request for a tool, and by nothing else."""
    if calls:
        assert calls == 1
        told = orjson.loads(content)
        assert told["jsonrpc"] == "2.0" and type(told["id"]) in (int, str) and told["method"] == "tools/call"
        assert type(told["params"]["name"]) is str
        assert type(told["params"].get("arguments") or {}) is dict


@given(st.lists(broken() | shaped(), min_size=40, max_size=40))
@settings(max_examples=50, deadline=None)
def test_malformed_requests_are_refused_cleanly(batch: list[Sent]) -> None:
    """Two thousand inputs a run: never a 5xx, no internal error, no call that was not asked for."""

    async def run() -> None:
        line = FakeLine()
        endpoint = McpEndpoint(line, TOOLS, public_url="http://gw.example")
        async with endpoint.running():
            for content, headers in batch:
                line.calls.clear()
                status, body = await ask(endpoint, content, {**GOOD, **headers})
                clean(status, body)
                allowed(content, len(line.calls))

    with quiet():
        asyncio.run(run())


@pytest.mark.parametrize(
    "content",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
        + b'{"a":' * 10_000
        + b"1"
        + b"}" * 10_000
        + b"}",
        b"[" * 10_000 + b"]" * 10_000,
        b"[" + b",".join([b'{"jsonrpc":"2.0","id":1,"method":"ping"}'] * 1000) + b"]",
        b'{"jsonrpc":"2.0","id":1,"method":"' + b"a" * 200_000 + b'"}',
        b'{"jsonrpc":"2.0","id":"' + b"a" * 200_000 + b'","method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"' + b"\\u0000" * 1000 + b'"}}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1e400,"method":"ping"}',
        b"\x00" * 1000,
        b" " * limits.REQUEST_BYTES,
        b'"' + b"\\" * 200_000,
        b"x" * (limits.REQUEST_BYTES * 4 + 1),
    ],
    ids=range(12),
)
async def test_absurd_bodies(content: bytes) -> None:
    """Depth 10,000, batches, huge names, ids and numbers, 1 MiB and more: each is answered at once."""
    line = FakeLine()
    endpoint = McpEndpoint(line, TOOLS, public_url="http://gw.example")
    async with endpoint.running():
        for version in ({}, {"mcp-protocol-version": MODERN}):
            clean(*await ask(endpoint, content, {**GOOD, **version}))
    assert {c.name.strip("\x00") for c in line.calls} <= {""}


def test_what_is_remembered_of_requests_is_bounded() -> None:
    """Clients that send a new envelope with each request fill nothing."""
    envelopes = Envelopes()
    for n in range(limits.ENVELOPES_CACHED * 2 + 10):
        assert envelopes.good("2025-11-25", {"n": n, "progressToken": n})
    assert 0 < len(envelopes._known) <= limits.ENVELOPES_CACHED
    before = len(envelopes._known)
    assert envelopes.good("2025-11-25", {"n": "x" * limits.ENVELOPE_BYTES})
    assert len(envelopes._known) == before


def test_a_verdict_is_not_carried_over_to_another_version_or_envelope() -> None:
    """What was good once is good only as it was."""
    envelopes = Envelopes()
    good: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    for _ in range(2):
        assert envelopes.good(MODERN, good)
        assert not envelopes.good(
            MODERN, {**good, "io.modelcontextprotocol/clientCapabilities": {"roots": 1}}
        )
        assert not envelopes.good(MODERN, {**good, "progressToken": None, "x": 1} | {"progressToken": []})
        assert not envelopes.good(MODERN, {})
        assert envelopes.good("2025-11-25", {})
