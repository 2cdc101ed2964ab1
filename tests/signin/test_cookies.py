"""On https the cookies are of this very host, and out of reach of scripts and of other sites."""

import base64
from http.cookies import SimpleCookie

import httpx2
import pytest
from starlette.responses import Response

from gateway.http import Outward
from gateway.model import Person
from gateway.signin.compose import SignIn
from gateway.signin.cookies import Cookies
from gateway.signin.flows import Flows
from gateway.signin.hint import BadHint, Hints
from gateway.signin.provider import Provider
from gateway.signin.sessions import Session, Sessions
from gateway.transport.web import Guard, create_web
from tests.signin.store import TellingStore
from tests.signin.world import issuer_settings, world

URL = "https://gateway.test"


def signed(response: Response) -> SimpleCookie:
    """The cookies that a response sets."""
    jar = SimpleCookie()
    for name, value in response.raw_headers:
        if name == b"set-cookie":
            jar.load(value.decode())
    return jar


def test_pitfall_15_the_cookies_on_https() -> None:
    """`__Host-`, Secure, HttpOnly, SameSite=Lax, for the whole host, without a domain."""
    cookies, response = Cookies(URL), Response()
    cookies.keep_session(response, "s" * 43)
    cookies.keep_browser(response, "b" * 43)
    jar = signed(response)
    assert set(jar) == {"__Host-gateway-session", "__Host-gateway-browser"}
    for morsel in jar.values():
        assert morsel["secure"] and morsel["httponly"] and morsel["samesite"] == "lax"
        assert morsel["path"] == "/" and not morsel["domain"]
    assert not jar["__Host-gateway-session"]["max-age"]


def test_on_loopback_the_names_are_plain() -> None:
    """`__Host-` wants TLS, which loopback has not; the rest stays."""
    cookies, response = Cookies("http://127.0.0.1:8080"), Response()
    cookies.keep_session(response, "s" * 43)
    jar = signed(response)
    assert not jar["gateway-session"]["secure"] and jar["gateway-session"]["httponly"]


async def test_a_served_https_gateway_sets_them() -> None:
    """The whole way to the provider's address: one cookie, `__Host-`, and no other name is read."""
    async with world() as made, Outward() as outward:
        provider = Provider(issuer_settings(made.issuer), outward, redirect_uri=f"{URL}/login/callback")
        store = TellingStore()
        pages = SignIn(
            public_url=URL,
            guard=Guard(URL, (), ()),
            providers=[provider],
            store=store,
            sites=[],
            hints=made.hints,
            links=made.bench.vault.of,
            events=made.bench.parts.events,
        )
        person = Person(made.issuer, "ana", None, "Ana")
        session = await pages.sessions.begin(person)
        transport = httpx2.ASGITransport(app=create_web(pages.routes()))
        async with httpx2.AsyncClient(transport=transport, base_url=URL) as http:
            reply = await http.get("/login")
            assert reply.status_code == 303
            assert reply.headers["set-cookie"].startswith("__Host-gateway-browser=")
            plain = await http.get("/connect", headers={"cookie": f"gateway-session={session.id}"})
            assert plain.status_code == 303
            host = await http.get("/connect", headers={"cookie": f"__Host-gateway-session={session.id}"})
            assert host.status_code == 200 and "There is nothing to connect" in host.text
            assert (await http.get("/connect", headers={"host": "evil.example"})).status_code == 421


async def test_the_store_holds_no_secret_of_a_browser() -> None:
    """Who reads the store can take over neither a session nor a flow: of each secret only a digest is there."""
    store = TellingStore()
    session = await Sessions(store).begin(Person("https://idp.test", "ana"))
    state = await Flows(store).begin("login", "the-browser's-secret", {"verifier": "v"})
    assert not any(secret in str(store.kept) for secret in (session.id, state, "the-browser's-secret"))
    assert session.id not in repr(session)


async def test_a_session_that_was_ended_does_not_come_back() -> None:
    """A visit at the moment of the sign-out cannot bring it back: what it writes is not the session."""
    store = TellingStore()
    sessions = Sessions(store)
    session = await sessions.begin(Person("https://idp.test", "ana"))
    await sessions.end(session.id)
    await store.put(f"seen:{next(k for k, _ in store.kept).split(':')[1]}", b"1", 60)
    assert await sessions.of(session.id) is None


def test_form_tokens_are_of_one_form_and_one_session() -> None:
    """Another form's, another session's or no token is no token."""

    one, other = (Session(id, Person("i", "s"), 0.0) for id in ("a" * 43, "b" * 43))
    assert one.sent("/x", one.form_token("/x"))
    assert not one.sent("/y", one.form_token("/x")) and not other.sent("/x", one.form_token("/x"))
    assert not one.sent("/x", "") and not one.sent("/x", "é")


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_a_note_with_one_changed_bit_is_refused(place: int) -> None:
    """Sealed with AES-GCM: whatever is changed, or opened by another gateway's key, is refused."""
    hints = Hints(b"secret")
    note = hints.seal("jira", "https://idp.test", "ana")
    assert hints.open("jira", note) == ("https://idp.test", "ana")
    raw = bytearray(base64.urlsafe_b64decode(note + "=" * (-len(note) % 4)))
    raw[place % len(raw)] ^= 1
    changed = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    for site, text, opener in (
        ("jira", changed, hints),
        ("other", note, hints),
        ("jira", note, Hints(b"another")),
    ):
        with pytest.raises(BadHint):
            opener.open(site, text)
