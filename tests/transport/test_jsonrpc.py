"""JSON-RPC is read strictly: what two parsers could read differently is refused."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import limits
from gateway.transport import jsonrpc
from gateway.transport.jsonrpc import Malformed

GOOD: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def refused(body: bytes) -> Malformed:
    """The refusal of `body`."""
    with pytest.raises(Malformed) as caught:
        jsonrpc.read(body)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"nul", b'{"a":}', b"\xff", b"\xef\xbb\xbf{}", b'{"id":NaN}', b'{"id":Infinity}',
        b'{"id":-Infinity}', b'{"a":"\\ud800"}', b'{"a":"\x01"}', b"{'a':1}", b'{"a":1,}', b"{}{}",
        b'{"a":01}', b"// x\n{}", b'{"a":' * 2000 + b"1" + b"}" * 2000, b"[" * 100_000,
    ],
)  # fmt: skip
def test_invalid_json_is_a_parse_error(body: bytes) -> None:
    """-32700, with no id, and no word of the body in the text."""
    problem = refused(body)
    assert (problem.code, problem.id, problem.text) == (-32700, None, "The body is not valid JSON.")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null", b"true", orjson.dumps([GOOD, GOOD])])
def test_only_one_object_is_a_message(body: bytes) -> None:
    """Batches were removed in 2025-06-18."""
    assert refused(body).code == -32600


@pytest.mark.parametrize("id", [None, True, 1.5, [], {}, 2**64])
def test_an_id_is_a_string_or_an_integer(id: Any) -> None:
    """Anything else could not be sent back as it came."""
    problem = refused(json.dumps({**GOOD, "id": id}).encode())
    assert (problem.code, problem.id) == (-32600, None)


@pytest.mark.parametrize("id", [0, -1, 2**63 - 1, "", "x" * 1000, "\u20ac\n"])
def test_an_id_comes_back_as_it_was(id: Any) -> None:
    """Byte for byte in meaning: same type, same value."""
    message = jsonrpc.read(orjson.dumps({**GOOD, "id": id}))
    assert message.id is not None and message.id == id and type(message.id) is type(id)
    assert orjson.loads(jsonrpc.result(id, b"{}"))["id"] == id


@pytest.mark.parametrize(
    "change",
    [{"jsonrpc": "1.0"}, {"jsonrpc": 2.0}, {"jsonrpc": None}, {"method": 1}, {"method": ""}, {"method": None},
     {"params": []}, {"params": "x"}, {"params": 0}],
)  # fmt: skip
def test_a_wrong_form_keeps_its_id(change: dict[str, Any]) -> None:
    """The client can tell which of its requests was wrong."""
    problem = refused(orjson.dumps({**GOOD, **change}))
    assert (problem.code, problem.id) == (-32600, 1)


def test_depth_is_capped() -> None:
    """`limits.JSON_DEPTH` levels are read, one more is not."""

    def nested(levels: int) -> bytes:
        inner: Any = 1
        for n in range(levels - 1):
            inner = [inner] if n % 2 else {"a": inner}
        return orjson.dumps({**GOOD, "params": inner if isinstance(inner, dict) else {"a": inner}})

    assert jsonrpc.read(nested(limits.JSON_DEPTH - 1)).id == 1
    assert refused(nested(limits.JSON_DEPTH + 1)).code == -32600


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\\u0061me":"b"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a:b\\":\\\\":[{"k" : 1, "k":2}],"t":"::\\"::"}}',
    ],
)
def test_a_member_named_twice_is_refused(body: bytes) -> None:
    """First-copy and last-copy readers would decide on different calls (RFC 7493 §2.3)."""
    assert "twice" in refused(body).text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text()
    | st.sampled_from([":", '":"', '\\"', "\\"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_good_messages_are_never_taken_for_duplicates(value: Any, spaced: bool) -> None:
    """Colons, quotes and backslashes inside strings do not confuse the count."""
    whole = {**GOOD, "params": {"a": value}}
    body = json.dumps(whole, indent=1 if spaced else None, ensure_ascii=spaced).encode(
        "utf-8", "surrogatepass"
    )
    try:
        message = jsonrpc.read(body)
    except Malformed as problem:
        assert problem.code == -32700 or "deeper" in problem.text
    else:
        assert message.params == {"a": value}


def test_responses_and_notifications_are_told_apart() -> None:
    """By the presence of `id` and `method`, as JSON-RPC 2.0 §4 does."""
    note = jsonrpc.read(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    assert note.id is None and note.method
    response = jsonrpc.read(b'{"jsonrpc":"2.0","id":7,"result":{}}')
    assert response.id == 7 and not response.method
    assert refused(b'{"jsonrpc":"2.0","id":7}').code == -32600
    assert refused(b'{"jsonrpc":"2.0","id":7,"result":{},"error":{}}').code == -32600


def test_errors_have_data_only_when_there_is_some() -> None:
    """The shape of JSON-RPC 2.0 §5.1."""
    assert orjson.loads(jsonrpc.error(None, -32700, "x")) == {
        "jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "x"},
    }  # fmt: skip
    assert orjson.loads(jsonrpc.error("a", 1, "x", {"b": 1}))["error"]["data"] == {"b": 1}
