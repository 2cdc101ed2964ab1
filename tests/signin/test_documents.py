"""Client ID metadata documents, from a real TLS server on loopback (A7, IDENTITY.md §6 #11)."""

import asyncio
import json
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from gateway import clock, limits
from gateway.http import Reply
from gateway.public import Internet
from gateway.signin.server import UnknownClient
from gateway.signin.server.documents import Document, Documents, DocumentUnavailable
from tests.authority import Authority
from tests.identity.server import Loopback, Request, jwk, private_key, respond

LEAST, MOST = limits.CLIENT_DOCUMENT_FRESH
REDIRECTS = ["https://assistant.example/callback", "http://127.0.0.1/callback"]


class Site:
    """An assistant's site: what it says at `/client.json`, and what else at other paths."""

    def __init__(self) -> None:
        self.server = Loopback(self._answer)
        self.status = 200
        self.headers: dict[str, str] = {"Content-Type": "application/json"}
        self.body: bytes | None = None
        self.changes: dict[str, Any] = {}
        self.keys: Any = {"keys": [jwk(private_key("P-256"), "one")]}
        self.key_headers: dict[str, str] = {"Content-Type": "application/json"}
        self.key_status = 200
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.server.port}"

    @property
    def id(self) -> str:
        return f"{self.origin}/client.json"

    @property
    def fetches(self) -> int:
        return len(self.server.requests)

    def document(self) -> dict[str, Any]:
        """A good one, with `changes`; None leaves a member out."""
        good = {
            "client_id": self.id,
            "client_name": "Assistant",
            "redirect_uris": REDIRECTS,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        return {name: value for name, value in {**good, **self.changes}.items() if value is not None}

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        await self.gate.wait()
        if request.path == "/jwks":
            respond(writer, self.keys, self.key_status, self.key_headers)
        else:
            body = self.document() if self.body is None else self.body
            respond(writer, body, self.status, self.headers)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One for all: making keys takes a moment."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def site(authority: Authority) -> AsyncIterator[Site]:
    """Running."""
    made = Site()
    made.server = Loopback(made._answer, tls=authority.server("localhost"))
    async with made.server:
        yield made
        made.gate.set()


@pytest.fixture
async def documents(site: Site, authority: Authority) -> AsyncIterator[Documents]:
    """The site is a private host, for it is on loopback."""
    place = f"localhost:{site.server.port}"
    async with Internet(private_hosts=[place], private_ca_file=authority.file) as internet:
        yield Documents(internet)


async def refusal(documents: Documents, client_id: str) -> UnknownClient:
    """The error of a fetch."""
    with pytest.raises(UnknownClient) as refused:
        await documents.fetch(client_id)
    return refused.value


async def test_a07_a_document_is_a_client(site: Site, documents: Documents) -> None:
    """What it says that matters, and nothing that it claims besides."""
    site.changes = {
        "client_name": "Ass\u202eistant\x00",
        "logo_uri": "https://x.example/l.png",
        "owner": "me",
    }
    found = await documents.fetch(site.id)
    assert found.client.id == site.id and found.client.registration == "document"
    assert found.client.redirect_uris == tuple(REDIRECTS) and found.client.auth_method == "none"
    assert found.client.grant_types == {"authorization_code", "refresh_token"}
    assert found.client.name == "Assistant" and found.client.jwks is None and not found.client.owner
    [request] = site.server.requests
    assert (request.method, request.path, request.headers["accept"]) == (
        "GET",
        "/client.json",
        "application/json",
    )


async def test_a07_what_may_be_left_out(site: Site, documents: Documents) -> None:
    """Name, grants and method; without a method it is public, for it cannot share a secret with us."""
    site.changes = dict.fromkeys(
        ("client_name", "grant_types", "response_types", "token_endpoint_auth_method")
    )
    site.headers["Content-Type"] = "Application/JSON; charset=utf-8"
    found = (await documents.fetch(site.id)).client
    assert found.auth_method == "none" and "refresh_token" in found.grant_types and found.name == ""


ODD = {
    "http": "http://localhost:{port}/client.json",
    "root": "https://localhost:{port}/",
    "no path": "https://localhost:{port}",
    "slashes": "https://localhost:{port}//",
    "query": "https://localhost:{port}/client.json?x=1",
    "empty query": "https://localhost:{port}/client.json?",
    "fragment": "https://localhost:{port}/client.json#x",
    "empty fragment": "https://localhost:{port}/client.json#",
    "user": "https://me@localhost:{port}/client.json",
    "password": "https://me:pw@localhost:{port}/client.json",
    "dot": "https://localhost:{port}/./client.json",
    "dots": "https://localhost:{port}/a/../client.json",
    "last dots": "https://localhost:{port}/client.json/..",
    "escaped dots": "https://localhost:{port}/a/%2E%2e/client.json",
    "half escaped": "https://localhost:{port}/a/.%2e/client.json",
    "bad escape": "https://localhost:{port}/%zz",
    "backslash": "https://localhost:{port}\\client.json",
    "space": "https://localhost:{port}/client json",
    "newline": "https://localhost:{port}/client.json\n",
    "not ASCII": "https://localhost:{port}/clïent.json",
    "long": "https://localhost:{port}/" + "x" * limits.URI_CHARS,
    "another port": "https://localhost:1/client.json",
    "address": "https://127.0.0.1:{port}/client.json",
    "metadata": "https://169.254.169.254/latest/meta-data",
    "no host": "https:///client.json",
    "a name": "assistant",
    "nothing": "",
}


@pytest.mark.parametrize("kind", ODD)
async def test_a07_the_form_of_the_id(site: Site, documents: Documents, kind: str) -> None:
    """https, a path, no query, no tricks; nothing is fetched from another form."""
    why = await refusal(documents, ODD[kind].format(port=site.server.port))
    assert type(why) is UnknownClient and str(why).endswith(".")
    assert site.server.connections == 0


async def test_a07_the_id_is_the_documents_own_address(site: Site, documents: Documents) -> None:
    """Letter for letter, or any page that somebody can upload to would speak for its site."""
    for said in (site.id + "/", site.id.upper(), "https://assistant.example/client.json", 7, None):
        site.changes = {"client_id": said}
        assert "letter for letter" in str(await refusal(Documents(documents._internet), site.id))


BAD: dict[str, dict[str, Any]] = {
    "a secret": {"client_secret": "s"},
    "the end of a secret": {"client_secret_expires_at": 0},
    "basic": {"token_endpoint_auth_method": "client_secret_basic"},
    "post": {"token_endpoint_auth_method": "client_secret_post"},
    "secret jwt": {"token_endpoint_auth_method": "client_secret_jwt"},
    "tls": {"token_endpoint_auth_method": "tls_client_auth"},
    "method of another type": {"token_endpoint_auth_method": ["none"]},
    "no redirects": {"redirect_uris": None},
    "empty redirects": {"redirect_uris": []},
    "redirects as text": {"redirect_uris": "https://assistant.example/callback"},
    "redirects of another type": {"redirect_uris": ["https://assistant.example/callback", 7]},
    "too many redirects": {"redirect_uris": ["https://a.example/"] * (limits.REDIRECTS_PER_CLIENT + 1)},
    "a long redirect": {"redirect_uris": ["https://a.example/" + "x" * limits.URI_CHARS]},
    "grants as text": {"grant_types": "authorization_code"},
    "keys without": {"token_endpoint_auth_method": "private_key_jwt"},
    "keys twice": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [jwk(private_key("P-256"), "one")]},
        "jwks_uri": "https://localhost/jwks",
    },
    "no keys": {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
    "keys of another type": {"token_endpoint_auth_method": "private_key_jwt", "jwks": [1]},
    "a symmetric key": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]},
    },
    "a private key": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [jwk(private_key("P-256"), "one", d="AAAA")]},
    },
    "one name for two keys": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [jwk(private_key("P-256", n), "one") for n in (1, 2)]},
    },
    "keys elsewhere": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://keys.example/jwks",
    },
    "keys inside": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://169.254.169.254/jwks",
    },
    "keys by http": {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://localhost/jwks"},
    "keys of no address": {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": 7},
}


@pytest.mark.parametrize("kind", BAD)
async def test_a07_a_document_that_is_not_good(site: Site, documents: Documents, kind: str) -> None:
    """Said in a sentence, and not as if it could not be had: no copy may serve in its place."""
    site.changes = BAD[kind]
    why = await refusal(documents, site.id)
    assert type(why) is UnknownClient and str(why).endswith(".") and site.fetches == 1


BODIES = {
    "not JSON": b"<html>",
    "a list": b"[]",
    "a text": b'"x"',
    "nothing": b"",
    "a name twice": b'{"client_id": "ID", "redirect_uris": ["https://a.example/"], "client_id": "ID"}',
    "two objects": b"{}{}",
    "NaN": b'{"client_id": NaN}',
    "not UTF-8": b'{"client_id": "\xff"}',
    "deep": b'{"a":' * 800 + b"1" + b"}" * 800,
}


@pytest.mark.parametrize("kind", BODIES)
async def test_pitfall_11_poisoned_content(site: Site, documents: Documents, kind: str) -> None:
    """Only one strict JSON object is read."""
    site.body = BODIES[kind].replace(b"ID", site.id.encode())
    assert type(await refusal(documents, site.id)) is UnknownClient


@pytest.mark.parametrize(
    "kind", ["text/html", "text/plain", "application/jsonp", "image/svg+xml", "", "json"]
)
async def test_pitfall_11_poisoned_kind(site: Site, documents: Documents, kind: str) -> None:
    """What people upload to a site is seldom sent as JSON."""
    site.headers["Content-Type"] = kind
    assert type(await refusal(documents, site.id)) is UnknownClient


async def test_a07_too_large_or_compressed(site: Site, documents: Documents) -> None:
    """5 KB, to the byte; that, and 3 s, are the caps."""
    assert (limits.CLIENT_DOCUMENT_BYTES, limits.CLIENT_DOCUMENT_SECONDS) == (5 * 1024, 3.0)
    site.body = json.dumps(site.document()).encode().ljust(limits.CLIENT_DOCUMENT_BYTES)
    assert (await documents.fetch(site.id)).client.id == site.id
    site.body += b" "
    assert type(await refusal(documents, site.id)) is UnknownClient
    site.body, site.headers["Content-Encoding"] = b"", "gzip"
    assert type(await refusal(documents, site.id + "2")) is UnknownClient


@pytest.mark.parametrize(
    ("status", "gone"), [(404, True), (410, True), (302, False), (403, False), (503, False)]
)
async def test_a07_absent_or_unavailable(site: Site, documents: Documents, status: int, gone: bool) -> None:
    """A document that its owner took away is gone; any other trouble may pass. No redirect is followed."""
    site.status, site.headers["Location"] = status, site.origin + "/elsewhere"
    why = await refusal(documents, site.id)
    assert isinstance(why, DocumentUnavailable) is not gone and str(status) in str(why)
    assert site.fetches == 1


async def test_a07_nobody_there(site: Site, documents: Documents) -> None:
    """Cannot be had; the text is the same for a name that leads inside, the operator's log knows more."""
    await site.server.stop()
    why = await refusal(documents, site.id)
    assert isinstance(why, DocumentUnavailable) and str(site.server.port) in why.private

    async def inside(name: str) -> list[str]:
        return ["10.0.0.1"]

    async with Internet(resolve=inside) as internet:
        other = await refusal(Documents(internet), "https://inside.example/client.json")
    assert isinstance(other, DocumentUnavailable) and str(other) == str(why)


async def test_a07_slow(site: Site, documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for document and keys together."""
    monkeypatch.setattr(limits, "CLIENT_DOCUMENT_SECONDS", 0.3)
    site.gate.clear()
    assert isinstance(await refusal(documents, site.id), DocumentUnavailable)


async def test_keys_in_the_document(site: Site, documents: Documents) -> None:
    """Those that we can verify with, and no others."""
    good = jwk(private_key("RSA"), "two")
    site.changes = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [{"kty": "oct", "k": "AA", "kid": "bad"}, good, "x"]},
    }
    found = (await documents.fetch(site.id)).client
    assert found.auth_method == "private_key_jwt" and found.jwks == {"keys": [good]}
    assert site.fetches == 1


async def test_keys_beside_the_document(site: Site, documents: Documents) -> None:
    """Of the same origin; what changes first says how long both are fresh."""
    site.changes = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": site.origin + "/jwks"}
    site.headers["Cache-Control"] = "max-age=7200"
    site.key_headers["Cache-Control"] = "max-age=900"
    found = await documents.fetch(site.id)
    assert found.client.jwks == site.keys and found.fresh_seconds == 900
    assert [r.path for r in site.server.requests] == ["/client.json", "/jwks"]


async def test_keys_in_the_clear(site: Site, documents: Documents) -> None:
    """The same host without TLS is no place for keys, and that is the document's fault."""
    site.changes = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": site.origin.replace("https", "http") + "/jwks",
    }
    assert type(await refusal(documents, site.id)) is UnknownClient and site.fetches == 1


async def test_keys_that_cannot_be_had(site: Site, documents: Documents) -> None:
    """Without its keys a document is not had."""
    site.changes = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": site.origin + "/jwks"}
    site.key_status = 500
    assert isinstance(await refusal(documents, site.id), DocumentUnavailable)
    site.key_status, site.keys = 200, {"keys": ["x" * limits.CLIENT_KEYS_BYTES]}
    assert type(await refusal(Documents(documents._internet), site.id)) is UnknownClient


FRESH = [
    ({}, LEAST),
    ({"Cache-Control": "max-age=3600"}, 3600),
    ({"Cache-Control": "public, Max-Age=3600, must-revalidate"}, 3600),
    ({"Cache-Control": "max-age=600, s-maxage=1200"}, 1200),
    ({"Cache-Control": "max-age=0"}, LEAST),
    ({"Cache-Control": "max-age=99999999"}, MOST),
    ({"Cache-Control": "max-age=" + "9" * 400}, LEAST),
    ({"Cache-Control": "max-age=3600, no-store"}, LEAST),
    ({"Cache-Control": "no-cache"}, LEAST),
    ({"Cache-Control": "private, max-age=3600"}, LEAST),
    ({"Cache-Control": "x-max-age=3600"}, LEAST),
    ({"Cache-Control": "max-age=3600", "Age": "600"}, 3000),
    ({"Cache-Control": "max-age=3600", "Age": "-1"}, 3600),
    ({"Cache-Control": "max-age=3600", "Expires": formatdate(0, usegmt=True)}, 3600),
    ({"Date": formatdate(1_000_000, usegmt=True), "Expires": formatdate(1_003_600, usegmt=True)}, 3600),
    ({"Expires": "0"}, LEAST),
    ({"Expires": "Thu, 01 Jan 99999 00:00:00 GMT"}, LEAST),
    ({"Date": "?", "Expires": formatdate(1, usegmt=True)}, LEAST),
]


@pytest.mark.parametrize(("headers", "seconds"), FRESH)
async def test_a07_freshness(
    site: Site, documents: Documents, headers: dict[str, str], seconds: float
) -> None:
    """By the answer's own headers, with a floor and a ceiling."""
    site.headers.update(headers)
    assert (await documents.fetch(site.id)).fresh_seconds == seconds


async def test_many_at_once_make_one_fetch(site: Site, documents: Documents) -> None:
    """However many people sign in at that moment."""
    site.gate.clear()
    waiting = [asyncio.create_task(documents.fetch(site.id)) for _ in range(20)]
    await site.asked.wait()
    site.gate.set()
    found: list[Document] = await asyncio.gather(*waiting)
    assert site.fetches == 1 and len({id(one) for one in found}) == 1
    await documents.fetch(site.id)  # when to fetch again is the registry's to say
    assert site.fetches == 2


@pytest.mark.parametrize("status", [404, 503])
async def test_a_failure_is_not_tried_again_at_once(site: Site, documents: Documents, status: int) -> None:
    """The same answer for some seconds, so that nobody makes us knock all the time; then it is tried again."""
    site.status = status
    first = await refusal(documents, site.id)
    for _ in range(5):
        again = await refusal(documents, site.id)
        assert type(again) is type(first) and str(again) == str(first)
    assert site.fetches == 1
    site.status = 200
    with clock.shifted(wall=limits.CLIENT_DOCUMENT_RETRY_SECONDS + 1):
        assert (await documents.fetch(site.id)).client.id == site.id
    assert site.fetches == 2


async def test_invented_paths_at_one_host_make_no_flood(site: Site, documents: Documents) -> None:
    """So many a minute from one host, whatever the path."""
    site.status = 404
    for number in range(limits.CLIENT_DOCUMENTS_A_MINUTE + 5):
        last = await refusal(documents, f"{site.origin}/{number}")
    assert isinstance(last, DocumentUnavailable)
    assert site.fetches == limits.CLIENT_DOCUMENTS_A_MINUTE
    site.status = 200
    with clock.shifted(mono=61):
        assert (await documents.fetch(site.id)).client.id == site.id


class Told:
    """An internet that answers the same to everybody."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def refusal(self, url: str) -> str:
        """As the guard's."""
        return Internet().refusal(url)

    async def get(self, url: str, **_: Any) -> Reply:
        """200, as JSON."""
        return Reply(200, CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json"})), self.body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ("redirect_uris", "client_name", "jwks", "jwks_uri", "grant_types", "token_endpoint_auth_method")
)


@settings(max_examples=200, deadline=None)
@given(said=st.dictionaries(MEMBERS, JSON), method=st.sampled_from(["none", "private_key_jwt", ""]))
def test_whatever_a_document_says(said: dict[str, Any], method: str) -> None:
    """It is a client or an `UnknownClient`, and never another error."""
    own = "https://assistant.example/c"
    document = {"token_endpoint_auth_method": method, **said, "client_id": own}
    internet: Any = Told(json.dumps(document).encode())
    try:
        found = asyncio.run(Documents(internet).fetch(own))
    except UnknownClient as why:
        assert str(why).endswith(".")
    else:
        assert all(isinstance(uri, str) for uri in found.client.redirect_uris)
