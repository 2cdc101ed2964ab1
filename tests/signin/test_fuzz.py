"""Malformed requests at every OAuth endpoint of a composed gateway: the RFC's error and a sentence, nothing else.

Each input is a good request with one to three things wrong. One gateway takes them all, as one would.
"""

import asyncio
import base64
import gc
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import orjson
import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from gateway import limits
from gateway.store.memory import MemoryStore
from tests.signin.assistant import BACK, Assistant, SigningWorld, code_of

AT_ONCE, EXAMPLES = 20, 75
"""inputs of one example, and examples of one endpoint: 7,500 inputs in all"""
FLAT_MIB = 48
ENTRIES_OF_ONE, BYTES_OF_ENTRY = 4, 16_384
"""what one input may leave in the store at most"""

REGISTERED = {
    *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
    *("invalid_scope", "invalid_target", "invalid_redirect_uri", "invalid_client_metadata"),
    *("access_denied", "unsupported_response_type", "interaction_required"),
}
"""RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 8707 §2, OpenID Connect Core §3.1.2.6"""
TEXT = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]+")
"""what an `error_description` may hold (RFC 6749 §5.2)"""
CLEAN = {200, 201, 204, 303, 400, 401, 403, 404, 405, 413, 421}

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Ask:
    """One request as an ASGI server hands it on."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[bytes, ...] = (b"",)
    hung_up: bool = False
    """The client goes before its body is whole."""


@dataclass
class Answer:
    """What came back; status 0: nothing."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str:
        """Its value, empty without one. No header may come twice."""
        found = [value for known, value in self.headers if known == name]
        assert len(found) <= 1, self.headers
        return found[0] if found else ""


class Errors(logging.Handler):
    """What was logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Place:
    """A gateway, a client that is registered and signed in, and a loop in which all that runs."""

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.world = SigningWorld(folder, settings={"GATEWAY__SIGNIN__REGISTRATIONS_PER_HOUR": "100000"})
        self.errors = Errors()
        self.seen: Counter[int] = Counter()

    async def start(self) -> None:
        await self.world.__aenter__()
        self.client: Assistant = await self.world.assistant()
        person = await self.world.person()
        self.spent = await code_of(person, self.client)
        self.tokens = (await self.client.redeem(self.spent)).json()
        other = await self.world.assistant(client_name="Another")
        self.code = await code_of(await self.world.person(), other, user="bo")
        self.base = self.world.sandbox.gateway_url
        self.host = urlsplit(self.base).netloc
        self.provider = urlsplit(self.world.sandbox.issuer).netloc
        assert isinstance(self.world.gateway.store, MemoryStore)
        self.store: MemoryStore = self.world.gateway.store

    async def ask(self, one: Ask) -> Answer:
        """Straight to the app: a server in front would refuse some of it."""
        answer, parts = Answer(), list(one.body)
        named = {name for name, _ in one.headers}
        headers = [*one.headers, *([] if "host" in named else [("host", self.host)])]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": one.method,
            "scheme": "http",
            "path": one.path,
            "raw_path": one.path.encode(),
            "root_path": "",
            "query_string": one.query.encode("latin-1"),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }

        async def receive() -> dict[str, Any]:
            if not parts or (one.hung_up and len(parts) == 1):
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in message["headers"]]
            else:
                answer.body += message.get("body", b"")

        await self.world.gateway.app(scope, receive, send)
        return answer

    def all(self, asked: list[Ask]) -> None:
        """Every one is answered as it must be."""

        async def work() -> list[Answer]:
            return await asyncio.gather(*(self.ask(one) for one in asked))

        for one, answer in zip(asked, self.runner.run(work()), strict=True):
            self.seen[answer.status] += 1
            assert not self.errors.lines, (one, self.errors.lines)
            if one.hung_up and answer.status == 0:
                continue
            check(self, one, answer)


def check(place: Place, one: Ask, answer: Answer) -> None:
    """A clean answer, whatever was asked."""
    told = (one, answer.status, answer.headers, answer.body[:300])
    assert answer.status in CLEAN, told
    assert b"Traceback" not in answer.body and b"gateway/" not in answer.body, told
    assert not any(re.search(r"[\r\n\x00]", value) for _, value in answer.headers), told
    answer.header("content-length")
    if location := answer.header("location"):
        checked_place(place, one, answer, location)
    kind = answer.header("content-type")
    if kind.startswith("text/html"):
        assert "default-src 'none'" in answer.header("content-security-policy"), told
        assert answer.header("x-content-type-options") == "nosniff", told
        assert answer.header("x-frame-options") == "DENY", told
        assert answer.header("cache-control") == "no-store", told
        assert b"<script" not in answer.body and b"javascript:" not in answer.body.lower(), told
    elif answer.status >= 400:
        said = orjson.loads(answer.body)
        assert answer.header("cache-control") == "no-store", told
        if "error" in said:
            assert said["error"] in REGISTERED and TEXT.fullmatch(said["error_description"]), told
        else:  # before anybody looked at what is asked: the host, the origin, the method, the place
            assert answer.status in (403, 404, 405, 421) and said["message"], told
        assert answer.status != 401 or answer.header("www-authenticate"), told


def checked_place(place: Place, one: Ask, answer: Answer, location: str) -> None:
    """To our provider, to a page of ours, or to what the client registered; an error there is well-formed."""
    to = urlsplit(location)
    assert answer.status == 303 and location.isascii(), (one, location)
    if location.startswith("/") and not location.startswith(("//", "/\\")):
        return
    if to.netloc == place.provider:
        assert to.path == "/authorize", (one, location)
        return
    assert location.startswith(f"{BACK}?"), (one, location)
    back = parse_qs(to.query, keep_blank_values=True)
    assert back["iss"] == [place.base] and "code" not in back
    assert back["error"][0] in REGISTERED and TEXT.fullmatch(back["error_description"][0]), (one, location)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One gateway for the whole file; nothing of it is counted towards a limit."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        for name in ("PAGES_PER_SOURCE", "PAGES_PER_PERSON", "TOKEN_REQUESTS_PER_MINUTE"):
            patch.setattr(limits, name, 10**9)
        made = Place(tmp_path_factory.mktemp("fuzz"), runner)
        runner.run(made.start())
        logging.getLogger().addHandler(made.errors)
        yield made
        logging.getLogger().removeHandler(made.errors)
        runner.run(made.world.__aexit__(None, None, None))


NASTY = st.sampled_from(
    ["", "%00", "%0d%0aSet-Cookie:%20a=b", "%ED%A0%80", "%ff", "%", "%zz", "%u0041", "a" * 3000, "9" * 5000, "-1",
     "%F0%9F%98%80", "%E2%80%AE", "%22%5C", "%3Cscript%3E", "https%3A%2F%2Fevil.example%2F", "%2F%2Fevil.example",
     "javascript:alert(1)", "http%3A%2F%2F127.0.0.1%3A1%40evil.example", "http%3A%2F%2F%5B%3A%3A1", "%09", "%C2%A0",
     "https%3A%2F%2F127.0.0.1%3A9%2Fclient.json", "https%3A%2F%2F%5B%3A%3A1%5D%2Fx", "null", "[]", "{}", "\xff\xfe",
     "a.b.c", "..%2F..%2F", "1e999", "%D9%A1", "x%00y", "+", "%2B%2B", "http%3A%2F%2F127.0.0.1%3A99999999%2Fcallback"]
)  # fmt: skip
ANY = NASTY | st.text(max_size=12).map(lambda text: quote(text.encode("utf-8", "surrogatepass")))
NAMES = st.sampled_from(
    ["client_id", "redirect_uri", "response_type", "scope", "state", "resource", "code_challenge", "prompt", "code",
     "code_challenge_method", "max_age", "acr_values", "login_hint", "grant_type", "refresh_token", "code_verifier",
     "client_secret", "client_assertion", "client_assertion_type", "assertion", "token", "issuer", "iss", "error",
     "request", "request_uri", "response_mode", "to", "nonce", "flow", "answer", "%00", "a%5Bb%5D", "audience"]
)  # fmt: skip


def basic(user: bytes) -> str:
    return "Basic " + base64.b64encode(user).decode()


AUTHORIZATION = st.sampled_from(
    ["Basic", "Basic ", "Basic !!!", "Basic " + "A" * 20_000, basic(b"x"), basic(b"\xff\xfe:x"), basic(b"a:b:c"),
     basic(b"%ED%A0%80:x"), basic(b"a\x00:b\x00"), basic("é:ü".encode()), "Bearer x", "Bearer", "bAsIc eDp5", "\xff",
     "DPoP a.b.c", basic(b":"), basic(b"%zz:%"), "Negotiate", basic(b"x" * 5000 + b":y")]
)  # fmt: skip
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "POST", "FOO", "get"])
FORM = "application/x-www-form-urlencoded"
KINDS = st.sampled_from(
    ["application/json", "text/plain", "", f"{FORM}; charset=utf-16", "multipart/form-data; boundary=x", "a;b;c",
     f"{FORM}, application/json", FORM.upper(), "\xff", "application/json; charset=x"]
)  # fmt: skip
HEADERS = st.one_of(
    AUTHORIZATION.map(lambda value: ("authorization", value)),
    KINDS.map(lambda value: ("content-type", value)),
    st.sampled_from(["", "abc", "-1", "9" * 40, "1e3", "٣".encode().decode("latin-1")]).map(
        lambda value: ("content-length", value)
    ),
    st.sampled_from(["https://evil.example", "null", "\xff", ""]).map(lambda value: ("origin", value)),
    st.sampled_from(["evil.example", "", "a b", "127.0.0.1"]).map(lambda value: ("host", value)),
    st.sampled_from(
        [
            "gateway-session=" + "A" * 43,
            "gateway-session=\xff",
            "=;=",
            "a" * 9000,
            "gateway-browser=x; gateway-browser=y",
        ]
    ).map(lambda value: ("cookie", value)),
    st.sampled_from(["br", "\xff", "x" * 5000]).map(lambda value: ("accept-encoding", value)),
)


@st.composite
def mangled(draw: st.DrawFn, good: Pairs) -> str:
    """The parameters of a good request, with one to three things wrong."""
    pairs = list(good)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(pairs) - 1)) if pairs else 0
        what = draw(st.sampled_from(["value", "value", "value", "drop", "twice", "add", "name"]))
        if what == "add" or not pairs:
            pairs.append((draw(NAMES), draw(ANY)))
        elif what == "value":
            pairs[at] = (pairs[at][0], draw(ANY))
        elif what == "drop":
            del pairs[at]
        elif what == "twice":
            pairs.append((pairs[at][0], draw(ANY | st.just(pairs[at][1]))))
        else:
            pairs[at] = (draw(ANY), pairs[at][1])
    text = "&".join(f"{name}={value}" for name, value in pairs)
    return draw(
        st.sampled_from([text, text, text, text[: len(text) // 2], text.replace("&", ";"), text + "&" * 99])
    )


@st.composite
def wrapped(draw: st.DrawFn, one: Ask) -> Ask:
    """The same, sometimes by another method, with other headers, or in pieces."""
    if draw(st.integers(0, 5)) == 0:
        one = replace(one, method=draw(METHODS))
    if draw(st.integers(0, 3)) == 0:
        one = replace(one, headers=(*one.headers, *draw(st.lists(HEADERS, min_size=1, max_size=3))))
    if draw(st.integers(0, 9)) == 0 and one.body[0]:
        whole = one.body[0]
        at = draw(st.integers(0, len(whole)))
        one = replace(one, body=(whole[:at], whole[at:]), hung_up=draw(st.booleans()))
    if draw(st.integers(0, 30)) == 0:
        one = replace(one, body=(b"a=" + b"x" * draw(st.sampled_from([70_000, 300_000, 2_000_000])),))
    return one


def encoded(**values: str) -> Pairs:
    """As they stand in a query."""
    return [(name, quote(value, safe="")) for name, value in values.items()]


def posting(path: str, body: str, kind: str = FORM) -> Ask:
    return Ask("POST", path, headers=(("content-type", kind),), body=(body.encode("latin-1"),))


def run(place: Place, one: st.SearchStrategy[Ask]) -> None:
    """Many at once, many times; the seed is fixed, so a failure comes again."""

    @seed(4)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # twenty inputs at once do not shrink to much, and it takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(one, min_size=AT_ONCE, max_size=AT_ONCE))
    def each(asked: list[Ask]) -> None:
        place.all(asked)

    gc.collect()
    before, entries = psutil.Process().memory_info().rss, dict(place.store._entries)
    each()
    gc.collect()
    assert psutil.Process().memory_info().rss - before < FLAT_MIB * 2**20
    left = {key: value for key, value in place.store._entries.items() if key not in entries}
    assert len(left) <= ENTRIES_OF_ONE * AT_ONCE * EXAMPLES
    assert all(len(key) + len(value[1]) <= BYTES_OF_ENTRY for key, value in left.items())


def test_bad_authorization_requests(place: Place) -> None:
    """A page, an error at the registered redirect, or the provider: nothing leads anywhere else."""
    good = encoded(**{name: v[0] for name, v in parse_qs(urlsplit(place.client.address()).query).items()})
    good += encoded(resource=place.world.url, scope="jira:read")
    run(place, mangled(good).map(lambda query: Ask("GET", "/authorize", query)).flatmap(wrapped))
    assert place.seen[303] and place.seen[400]


def test_a_request_that_is_too_long_leaves_nothing(place: Place) -> None:
    """What a state or a hint may make us keep is bounded; servers take queries of any length."""
    before = sum(len(value) for _, value in place.store._entries.values())
    for name in ("state", "prompt", "login_hint", "acr_values"):
        query = urlsplit(place.client.address(**{name: "a" * 300_000})).query
        answer = place.runner.run(place.ask(Ask("GET", "/authorize", query)))
        assert answer.status == 400 and not answer.header("location")
    assert sum(len(value) for _, value in place.store._entries.values()) - before < BYTES_OF_ENTRY


def grants(place: Place) -> st.SearchStrategy[str]:
    own = {"client_id": place.client.client_id, "resource": place.world.url}
    verifier = {"redirect_uri": BACK, "code_verifier": place.client.verifier}
    assertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    signed = place.tokens["access_token"]
    return st.one_of(
        mangled(encoded(grant_type="refresh_token", refresh_token=place.tokens["refresh_token"], **own)),
        mangled(encoded(grant_type="authorization_code", code=place.code, **own, **verifier)),
        mangled(encoded(grant_type="authorization_code", code="x" * 43, **own, **verifier)),
        mangled(encoded(grant_type=bearer, assertion=signed, **own)),
        mangled(
            encoded(
                grant_type="refresh_token",
                refresh_token="x",
                client_assertion_type=assertion,
                client_assertion=signed,
                **own,
            )
        ),
    )


def test_bad_token_requests(place: Place) -> None:
    """Codes, refresh tokens, assertions: an error of RFC 6749 §5.2."""
    run(place, grants(place).map(lambda body: posting("/token", body)).flatmap(wrapped))
    assert place.seen[401] and place.seen[400]


def test_bad_revocations(place: Place) -> None:
    """RFC 7009: 200 for what is no token, an error for who asks wrongly."""
    tokens = st.sampled_from(
        ["x", "a.b.c", place.tokens["access_token"][:-4], f"{'A' * 22}.1.{'B' * 43}.{'0' * 32}"]
    )
    bodies = tokens.flatmap(lambda token: mangled(encoded(token=token, client_id=place.client.client_id)))
    run(place, bodies.map(lambda body: posting("/revoke", body)).flatmap(wrapped))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
RAW = st.sampled_from(
    [b"", b"[]", b"null", b"NaN", b'{"a":' * 3000, b"[" * 9000, b"\xff\xfe", b'{"redirect_uris": ["\\ud800"]}',
     b'\xef\xbb\xbf{"redirect_uris": []}', b'{"a": 1, "a": 2}', b'{"redirect_uris": 1e999}', b'{"x": "' + b"a" * 20_000,
     b'{"redirect_uris": [' + b'"http://127.0.0.1/a",' * 30 + b'"http://127.0.0.1/b"]}', b'{"a": ' + b"9" * 5000 + b"}",
     '{"redirect_uris": ["http://127.0.0.1/a"]}'.encode("utf-16")]
)  # fmt: skip
URIS = st.sampled_from(
    ["http://evil.example/x", "https://a.example/b#c", "http://127.0.0.1:99999/x", "https://[::1", "", "\x00", "x:",
     "https://u:p@a.example/", "javascript:alert(1)", "https://a.example/\r\nx", "https://a.example/" + "x" * 3000,
     "https://\ud800.example/", "cursor://anysphere.cursor-mcp/oauth/callback", "http://127.0.0.1/cb", "https://é.example"]
)  # fmt: skip
MEMBERS = {
    "redirect_uris": JSON | st.lists(URIS, max_size=4) | st.just([BACK]),
    "client_name": JSON | st.sampled_from(["\x00", "a" * 5000, "\u202e", "\ud800", "<script>"]),
    "token_endpoint_auth_method": JSON | st.sampled_from(["none", "private_key_jwt", "client_secret_jwt"]),
    "jwks": JSON | st.fixed_dictionaries({"keys": st.lists(JSON, max_size=3)}),
    "grant_types": JSON | st.just(["authorization_code"]),
    "response_types": JSON | st.just(["code"]),
    "software_id": JSON,
    "scope": JSON,
    "__proto__": JSON,
}


def test_bad_registrations(place: Place) -> None:
    """RFC 7591 §3.2.2, whatever the members are; what is acceptable is registered."""
    shaped = st.fixed_dictionaries({}, optional=MEMBERS).map(lambda wish: json.dumps(wish).encode())
    good = json.dumps({"client_name": "x", "redirect_uris": [BACK]}).encode()
    cut = st.integers(0, len(good)).map(lambda at: good[:at] + good[at + 1 :])
    bodies = st.one_of(shaped, shaped, cut, RAW)
    kind = (("content-type", "application/json"),)
    run(place, bodies.map(lambda body: Ask("POST", "/register", headers=kind, body=(body,))).flatmap(wrapped))
    assert place.seen[201]


WELL_KNOWN = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
    "/mcp/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-jwks.json",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server/../token",
    "/token/",
    "//authorize",
)


def test_bad_visits(place: Place) -> None:
    """The pages of a sign-in and all well-known places: a page or a document, and nowhere a way out."""
    visits = st.one_of(
        mangled(encoded(to="/connect")).map(lambda query: Ask("GET", "/login", query)),
        mangled(encoded(state="x" * 43, code="y", iss=place.world.sandbox.issuer)).map(
            lambda query: Ask("GET", "/login/callback", query)
        ),
        mangled(encoded(flow="x" * 43, token="y", answer="allow")).map(
            lambda body: posting("/consent", body)
        ),
        mangled(encoded(token="y")).map(lambda body: posting("/login/out", body)),
        st.tuples(st.sampled_from(WELL_KNOWN), ANY).map(lambda two: Ask("GET", two[0], two[1])),
    )
    run(place, visits.flatmap(wrapped))


def test_all_that_and_the_sign_in_goes_on(place: Place) -> None:
    """After some thousand bad requests the one good client refreshes, and calls."""

    async def still() -> tuple[int, int]:
        person = await place.world.person()
        tokens = (await place.client.redeem(await code_of(person, place.client))).json()
        renewed = await place.client.refresh(tokens["refresh_token"])
        return renewed.status_code, await place.world.status(renewed.json()["access_token"])

    assert place.runner.run(still()) == (200, 200)
    assert place.world.checked().ok
