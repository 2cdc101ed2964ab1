"""POST /register: what real assistants send, what is kept of it, and what nobody may send."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from gateway import clock, limits
from gateway.errors import Sealed, Unavailable
from gateway.jose import new_signing_key
from gateway.settings.signin import SignIn
from gateway.signin.server import assurance
from gateway.signin.server.metadata import REGISTER
from gateway.signin.server.registration import Registration
from gateway.transport.web import Guard, create_web
from sandbox.serve import Served, free_port, listen
from tests.signin.assistants import ASSISTANTS, Assistant
from tests.signin.registries import Desk, desk
from tests.signin.store import TellingStore

HERE = "http://127.0.0.1:8787/cb"
CONFIDENTIAL = ("client_secret_post", "client_secret_basic")


@dataclass
class Counter:
    """The endpoint, served; and the registry behind it."""

    desk: Desk
    store: TellingStore
    app: ASGIApp
    http: httpx2.AsyncClient

    async def register(self, **asked: Any) -> httpx2.Response:
        """As an assistant does."""
        return await self.http.post(REGISTER, json={"redirect_uris": [HERE], **asked})

    async def from_(self, source: str, **asked: Any) -> int:
        """The status for a peer of that address."""
        transport = httpx2.ASGITransport(self.app, client=(source, 1))
        async with httpx2.AsyncClient(transport=transport, base_url=self.http.base_url) as http:
            return (await http.post(REGISTER, json={"redirect_uris": [HERE], **asked})).status_code


async def serving(folder: Path, stack: AsyncExitStack, **settings: Any) -> Counter:
    """With those settings of `signin`."""
    port = free_port("127.0.0.1")
    url = f"http://127.0.0.1:{port}"
    made = await stack.enter_async_context(desk(folder, **settings))
    store = TellingStore()
    registration = Registration(
        made.registry, SignIn(**{"admission": "open", **settings}), store, Guard(url, (), ())
    )
    app = create_web({REGISTER: registration.app})
    await stack.enter_async_context(Served(app, listen("127.0.0.1", port)))
    http = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=20))
    return Counter(made, store, app, http)


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    """With the settings that are the default."""
    async with AsyncExitStack() as stack:
        yield await serving(tmp_path, stack)


@pytest.mark.parametrize("one", ASSISTANTS, ids=lambda one: one.name)
async def test_a09_real_assistants_register(counter: Counter, one: Assistant) -> None:
    """Each with all its redirects, and with a secret when it asked for one; the registry knows it."""
    reply = await counter.http.post(REGISTER, json=one.request)
    assert reply.status_code == 201, reply.text
    told = reply.json()
    assert told["redirect_uris"] == one.redirects and told["client_name"] == one.name
    assert told["token_endpoint_auth_method"] == one.request["token_endpoint_auth_method"]
    assert told["grant_types"] == ["authorization_code", "refresh_token"] and told["response_types"] == [
        "code"
    ]
    client = await counter.desk.registry.find(told["client_id"])
    assert client.redirect_uris == tuple(one.redirects) and client.registration == "dynamic"
    assert told["client_id_issued_at"] == int(client.created_at)
    confidential = one.request["token_endpoint_auth_method"] in CONFIDENTIAL
    assert ("client_secret" in told) == ("client_secret_expires_at" in told) == confidential
    if confidential:
        assert client.secret_digest == hashlib.sha256(told["client_secret"].encode()).hexdigest()
        assert told["client_secret_expires_at"] == 0
    assert told.get("software_id") == one.request.get("software_id")
    assert {assurance(client, uri) for uri in one.redirects} == {"asserted"}


async def test_a09_one_refused_redirect_does_not_kill_a_registration(tmp_path: Path) -> None:
    """Cursor's private scheme where the operator does not allow it: what is kept is what is echoed."""
    async with AsyncExitStack() as stack:
        counter = await serving(tmp_path, stack, private_schemes=())
        cursor = next(one for one in ASSISTANTS if one.name == "Cursor")
        told = (await counter.http.post(REGISTER, json=cursor.request)).json()
        assert told["redirect_uris"] == ["http://localhost:8787/callback"]
        kept = await counter.desk.registry.find(told["client_id"])
        assert kept.redirect_uris == ("http://localhost:8787/callback",)
        alone = await counter.register(redirect_uris=[cursor.redirects[0]])
        assert alone.status_code == 400 and alone.json()["error"] == "invalid_redirect_uri"
        assert "signin.private_schemes" in alone.json()["error_description"]


async def test_a09_what_is_not_kept_is_not_echoed(counter: Counter) -> None:
    """Pictures, addresses, contacts and whatever else: ignored, and no reason to refuse."""
    more = {
        "logo_uri": "https://evil.test/claude.png",
        "client_uri": "http://169.254.169.254/",
        "jwks_uri": "http://169.254.169.254/",
        "contacts": ["a@b"],
        "scope": "admin",
        "client_id": "mine",
        "client_secret": "mine",
        "registration": "static",
        "admission": "admitted",
        "owner": "me",
        "nonsense": {"a": [1]},
        "client_name": None,
    }
    told = (await counter.register(**more)).json()
    assert set(told) == {
        "client_id",
        "client_id_issued_at",
        "redirect_uris",
        "token_endpoint_auth_method",
        "grant_types",
        "response_types",
    }
    assert told["client_id"] != "mine" and told["token_endpoint_auth_method"] == "none"
    assert (await counter.desk.registry.find(told["client_id"])).owner == ""
    assert counter.desk.published.asked == []


async def test_a09_other_grants_are_left_out(counter: Counter) -> None:
    """Each client may use a code and refresh; one that wants neither is told."""
    asked = ["authorization_code", "implicit", "client_credentials"]
    told = (await counter.register(grant_types=asked, response_types=["code", "token"])).json()
    assert told["grant_types"] == ["authorization_code", "refresh_token"] and told["response_types"] == [
        "code"
    ]
    for wrong in (
        {"grant_types": ["client_credentials"]},
        {"response_types": ["token"]},
        {"grant_types": "x"},
    ):
        reply = await counter.register(**wrong)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_client_metadata")


async def test_a09_the_same_registration_gives_the_same_client(counter: Counter) -> None:
    """Also from another loopback port, which is echoed as it was asked; unless there is a secret."""
    one, two = [
        (await counter.register(redirect_uris=[f"http://localhost:{n}/cb"])).json() for n in (5001, 5002)
    ]
    assert one["client_id"] == two["client_id"] and two["redirect_uris"] == ["http://localhost:5002/cb"]
    for method in CONFIDENTIAL:
        told = [(await counter.register(token_endpoint_auth_method=method)).json() for _ in range(2)]
        assert told[0]["client_id"] != told[1]["client_id"]
        assert told[0]["client_secret"] != told[1]["client_secret"]
    many = await asyncio.gather(*(counter.register(client_name="many") for _ in range(8)))
    assert len({reply.json()["client_id"] for reply in many}) == 1


async def test_a09_a_key_of_its_own_is_kept(counter: Counter) -> None:
    """Inline only, public, and it makes no attested client of one that registered itself."""
    keys = {"keys": [new_signing_key().jwk()]}
    method = "private_key_jwt"
    told = (await counter.register(token_endpoint_auth_method=method, jwks=keys)).json()
    assert told["jwks"] == keys and "client_secret" not in told
    client = await counter.desk.registry.find(told["client_id"])
    assert client.jwks == keys and client.auth_method == method and assurance(client, HERE) == "asserted"
    other = (
        await counter.register(token_endpoint_auth_method=method, jwks={"keys": [new_signing_key().jwk()]})
    ).json()
    assert other["client_id"] != told["client_id"]


_KEY = new_signing_key().jwk()


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        [],
        {},
        {"keys": []},
        {"keys": ["x"]},
        {"keys": [{**_KEY, "d": "AAAA"}]},
        {"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]},
        {"keys": [{**_KEY, "kid": None}]},
        {"keys": [{**_KEY, "alg": "none"}]},
        {"keys": [_KEY, _KEY]},
        {"keys": [{**_KEY, "kid": str(n)} for n in range(limits.CLIENT_KEYS + 1)]},
    ],
)
async def test_keys_that_cannot_be_used_are_refused(counter: Counter, jwks: object) -> None:
    """Private ones above all: they would lie in our database and answer."""
    reply = await counter.register(token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_client_metadata")
    assert "AAAA" not in reply.text


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": HERE}, "invalid_redirect_uri"),
        ({"redirect_uris": [HERE, 1]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)", "http://evil.test/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"http://127.0.0.1/{n}" for n in range(21)]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["\ud800"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": ["none"]}, "invalid_client_metadata"),
        ({"client_name": 7}, "invalid_client_metadata"),
        ({"software_id": {}}, "invalid_client_metadata"),
    ],
)
async def test_a09_a_refusal_is_the_rfcs_error_and_a_sentence(
    counter: Counter, asked: dict[str, Any], error: str
) -> None:
    """Nothing is registered."""
    body = (
        b"\xed\xa0\x80"
        if asked.get("redirect_uris") == ["\ud800"]
        else orjson.dumps({"redirect_uris": [HERE], **asked})
    )
    reply = await counter.http.post(REGISTER, content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["error"]) == (400, error)
    assert reply.json()["error_description"].endswith(".") and reply.headers["cache-control"] == "no-store"
    assert await counter.desk.registry.listed() == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (
            b'{"redirect_uris":["' + HERE.encode() + b'"],"redirect_uris":["https://b.test/"]}',
            "application/json",
            400,
        ),
        (b"{" * 9000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"redirect_uris=" + HERE.encode(), "application/x-www-form-urlencoded", 400),
        (b" " * (limits.CLIENT_BYTES + 1), "application/json", 413),
        (b" " * (limits.REQUEST_BYTES + 1), "application/json", 413),
    ],
)
async def test_pitfall_26_bodies_that_are_no_registration(
    counter: Counter, body: bytes, kind: str, status: int
) -> None:
    """Too large, not JSON, a name twice: `invalid_client_metadata`."""
    reply = await counter.http.post(REGISTER, content=body, headers={"content-type": kind})
    assert (reply.status_code, reply.json()["error"]) == (status, "invalid_client_metadata")


async def test_pitfall_26_new_clients_of_one_source_are_counted(tmp_path: Path) -> None:
    """Of IPv6 by its /64. Who registered before may come again, for a whole company has one address."""
    async with AsyncExitStack() as stack:
        counter = await serving(tmp_path, stack, registrations_per_hour=2)
        names = [f"2001:db8:1:2::{n}" for n in (1, 2, 3)]
        assert [await counter.from_(name, client_name=name) for name in names] == [201, 201, 429]
        assert await counter.from_(names[2], client_name=names[0]) == 201
        assert await counter.from_("2001:db8:1:3::1", client_name="d") == 201
        assert await counter.from_("192.0.2.1", client_name="e") == 201
        assert (
            await counter.from_(
                "2001:db8:1:2::9", client_name="f", token_endpoint_auth_method=CONFIDENTIAL[0]
            )
            == 429
        )
        with clock.shifted(wall=3601, mono=3601):
            assert await counter.from_(names[2], client_name="g") == 201


async def test_pitfall_26_requests_of_one_source_are_counted(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are refused, or register nothing new."""
    monkeypatch.setattr(limits, "TOKEN_REQUESTS_PER_MINUTE", 3)
    replies = [await counter.register(redirect_uris=[]) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [400, 400, 400, 429]
    assert replies[3].json()["error"] == "slow_down" and int(replies[3].headers["retry-after"]) > 0


async def test_a06_any_page_may_register(counter: Counter) -> None:
    """The preflight and the answer say so; no cookie is taken or set."""
    origin = {"origin": "https://inspector.test"}
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    before = await counter.http.options(REGISTER, headers={**origin, **asks})
    reply = await counter.http.post(REGISTER, json={"redirect_uris": [HERE]}, headers=origin)
    assert before.status_code == 204 and reply.status_code == 201
    for answer in (before, reply):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers and "set-cookie" not in answer.headers
    assert "POST" in before.headers["access-control-allow-methods"]
    other = await counter.http.get(REGISTER)
    assert other.status_code == 405 and "POST" in other.headers["allow"]


async def test_pitfall_26_another_host_is_not_answered(counter: Counter) -> None:
    """A name that was bound to our address (DNS rebinding)."""
    reply = await counter.http.post(REGISTER, json={"redirect_uris": [HERE]}, headers={"host": "evil.test"})
    assert reply.status_code == 421 and await counter.desk.registry.listed() == []


async def test_what_is_down_is_told_as_such(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store, the database, the record: 503, and try again."""
    counter.store.down = True
    assert (await counter.register()).status_code == 503
    counter.store.down = False

    async def sealed(kind: str, **fields: Any) -> None:
        raise Sealed

    monkeypatch.setattr(counter.desk.registry, "_events", sealed)
    reply = await counter.register()
    assert reply.status_code == 503 and reply.json()["error"] == "temporarily_unavailable"
    assert "retry-after" in reply.headers

    async def away(*_: object) -> None:
        raise Unavailable("Away.", part="store", private="secret detail")

    monkeypatch.setattr(counter.desk.registry, "register_dynamic", away)
    reply = await counter.register()
    assert reply.status_code == 503 and "secret detail" not in reply.text


async def test_the_wait_for_an_administrator_begins_here(tmp_path: Path) -> None:
    """Where new assistants wait, they are registered all the same, as pending."""
    async with AsyncExitStack() as stack:
        counter = await serving(tmp_path, stack, admission="pending")
        told = (await counter.register()).json()
        assert (await counter.desk.registry.find(told["client_id"])).admission == "pending"
        assert counter.desk.book.kinds == ["client.registered"]


texts = st.text(max_size=30) | st.sampled_from([HERE, "none", "code", "private_key_jwt", "a" * 300])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
members = st.sampled_from(
    [
        "redirect_uris",
        "client_name",
        "jwks",
        "grant_types",
        "response_types",
        "software_id",
        "token_endpoint_auth_method",
    ]
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(members | texts, values, max_size=6))
async def test_a09_whatever_is_sent_is_answered(tmp_path: Path, asked: dict[str, Any]) -> None:
    """With a client, or with an error of the RFC and a sentence; never with a failure of ours."""
    async with desk(tmp_path) as made:
        app = Registration(made.registry, SignIn(), TellingStore(), Guard("http://gw.test", (), ())).app
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gw.test") as http:
            body = orjson.dumps(_encodable(asked))
            reply = await http.post(REGISTER, content=body, headers={"content-type": "application/json"})
        told = reply.json()
        assert reply.status_code in ((413,) if len(body) > limits.CLIENT_BYTES else (201, 400))
        if reply.status_code != 201:
            assert told["error"] in ("invalid_redirect_uri", "invalid_client_metadata")
            assert told["error_description"].isascii()
        else:
            assert set(told["redirect_uris"]) <= set(asked["redirect_uris"])


def _encodable(value: Any) -> Any:
    """Without lone surrogates, which no client can send as JSON in UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    if isinstance(value, dict):
        return {_encodable(name): _encodable(one) for name, one in value.items()}
    return value
