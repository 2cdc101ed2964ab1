"""A browser is signed in at the company's provider, and nobody can bring it there, back, or in, but itself."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import httpx2
import orjson
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway import clock, limits
from sandbox.people import PEOPLE
from tests.signin import world as worlds
from tests.signin.world import Browser, World, heading, said


async def at_provider(browser: Browser, url: str = "/login") -> httpx2.Response:
    """The provider's page to which a sign-in leads."""
    reply = await browser.get(url)
    assert reply.status_code == 303, reply.text
    return await browser.get(reply.headers["location"])


async def answered(browser: Browser, page: httpx2.Response, user: str = "ana") -> str:
    """Sign in there; the address to which the provider sends the browser back."""
    reply = await browser.fill(page, user=user, password=PEOPLE[user].password, answer="allow")
    return str(reply.headers["location"])


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def test_a_person_signs_in_and_out(world: World) -> None:
    """The page greets the person whom the provider named; after the sign-out it asks again. Both are on record."""
    browser = await world.browser()
    page = await browser.open("/connect", user="bo")
    assert heading(page) == "Your connections" and "Bo Berg" in page.text
    out = await browser.follow(await browser.fill(page, "/login/out"))
    assert heading(out) == "Signed out"
    assert (await browser.get("/connect")).headers["location"].startswith("/login?")
    assert [told["subject"] for told in world.told("signin.made")] == ["bo"]
    assert [told["subject"] for told in world.told("signin.ended")] == ["bo"]


async def test_the_request_is_what_openid_connect_and_pkce_ask_for(world: World) -> None:
    """Code flow, S256, state and nonce of 256 bits, our client, our address; the verifier is nowhere outside."""
    browser = await world.browser()
    page = await at_provider(browser)
    asked = query(str(page.url))
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{world.url}/login/callback" and asked["scope"] == "openid email profile"
    assert len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43 and len(asked["code_challenge"]) == 43
    assert "prompt" not in asked
    [kept] = [orjson.loads(value) for key, value in world.store.kept if key.startswith("flow:login")]
    cookies = "".join(cookie.value or "" for cookie in browser.http.cookies.jar)
    for secret in (kept["facts"]["verifier"], kept["facts"]["nonce"], asked["state"]):
        assert secret not in cookies
    assert asked["state"] not in str(world.store.kept)


async def test_sign_in_again_asks_who_it_is(world: World) -> None:
    """After a sign-out the provider is asked not to take the same person silently."""
    page = await at_provider(await world.browser(), "/login?again=1")
    assert query(str(page.url))["prompt"] == "login"


GOOD = ["/connect", "/connect/jira"]
EVIL = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/connect",
    "http:evil.example",
    "javascript:alert(1)",
    "/connect@evil.example",
    "@evil.example",
    "/connect/../../evil",
    "/connect/jira/",
    "/connect/jira\r\nLocation: https://evil.example",
    "/connect\x00",
    "/connect?x=//evil.example",
    "/connect#@evil.example",
    " /connect",
    "/CONNECT",
    "/connect/other",
    "/login/out",
    "",
    "/%2Fevil.example",
    "/connect/jira;evil",
]


@pytest.mark.parametrize("to", EVIL)
async def test_pitfall_13_no_open_redirect(world: World, to: str) -> None:
    """`to` is a page of ours letter for letter, or the sign-in does not even begin."""
    browser = await world.browser()
    reply = await browser.get(f"/login?to={quote(to, safe='')}")
    assert reply.status_code == 400 and "location" not in reply.headers
    assert not world.store.kept


@pytest.mark.parametrize("to", GOOD)
async def test_pitfall_13_a_page_of_ours_is_returned_to(world: World, to: str) -> None:
    """The redirect after a sign-in is relative, and leads to that page."""
    browser = await world.browser()
    back = await answered(browser, await at_provider(browser, f"/login?to={quote(to, safe='')}"))
    assert (await browser.get(back)).headers["location"] == to


@pytest.mark.parametrize("redirect_uri", ["https://evil.example/x", "//evil.example", "javascript:alert(1)"])
async def test_pitfall_13_a_wish_for_another_redirect_uri_changes_nothing(
    world: World, redirect_uri: str
) -> None:
    """What a query asks of the provider or of Jira is not passed on: `redirect_uri` is ours alone."""
    browser = await world.browser()
    asked = quote(redirect_uri, safe="")
    page = await at_provider(browser, f"/login?redirect_uri={asked}&scope=write")
    assert query(str(page.url))["redirect_uri"] == f"{world.url}/login/callback"
    assert query(str(page.url))["scope"] == "openid email profile"
    await browser.get(await answered(browser, page))
    connect = await browser.open(f"/connect/jira?redirect_uri={asked}")
    assert browser.to_jira(connect)["redirect_uri"] == f"{world.url}/connect/jira/callback"


@pytest.mark.parametrize("named", ["https://evil.example", "", None])
async def test_pitfall_14_the_answer_of_another_provider_is_refused(world: World, named: str | None) -> None:
    """`iss` wrong, empty or missing, though advertised: the code is sent nowhere (RFC 9207)."""
    browser = await world.browser()
    back = query(await answered(browser, await at_provider(browser)))
    back = {**back, "iss": named} if named is not None else {k: v for k, v in back.items() if k != "iss"}
    reply = await browser.get("/login/callback", params=back)
    assert reply.status_code == 400 and heading(reply) == "You were not signed in"
    assert world.idps[0].counts["token"] == 0 and world.told("signin.made") == []


async def test_pitfall_14_one_provider_cannot_answer_for_the_other() -> None:
    """With two providers: a code of the second, in the flow of the first, is never sent to the first."""
    async with worlds.world(providers=2) as world:
        browser, issuers = await world.browser(), [quote(idp.issuer, safe="") for idp in world.idps]
        first = query(str((await at_provider(browser, f"/login?issuer={issuers[0]}")).url))
        second = await at_provider(browser, f"/login?issuer={issuers[1]}")
        back = query(await answered(browser, second))
        reply = await browser.get("/login/callback", params={**back, "state": first["state"]})
        assert reply.status_code == 400
        assert [idp.counts["token"] for idp in world.idps] == [0, 0]


async def test_pitfall_15_a_sign_in_makes_a_new_session(world: World) -> None:
    """Fixation: the id from before is not the one after, and is worth nothing afterwards."""
    attacker, browser = await world.browser(), await world.browser()
    await attacker.open("/connect", user="mallory")
    planted = {cookie.name: cookie.value or "" for cookie in attacker.http.cookies.jar}
    for name, value in planted.items():
        browser.http.cookies.set(name, value, domain="127.0.0.1")
    page = await at_provider(browser)
    back = await browser.get(await answered(browser, page))
    fresh = re.search(r"gateway-session=([^;]+)", back.headers["set-cookie"])
    assert fresh and fresh[1] != planted["gateway-session"]
    assert (await attacker.get("/connect")).status_code == 303  # the session that was there is over


async def test_pitfall_15_cookies_before_the_sign_in_sign_nobody_in(world: World) -> None:
    """The cookie that marks the browser is no session, even after its browser has signed in."""
    browser, thief = await world.browser(), await world.browser()
    await at_provider(browser)
    [cookie] = browser.http.cookies.jar
    await browser.open("/connect")
    for name in ("gateway-browser", "gateway-session"):
        thief.http.cookies.set(name, cookie.value or "", domain="127.0.0.1")
    assert (await thief.get("/connect")).status_code == 303


async def test_pitfall_15_the_state_is_good_once_for_ten_minutes_in_its_browser(world: World) -> None:
    """Another browser, a second time, or too late: the code is sent nowhere."""
    browser, other = await world.browser(), await world.browser()
    back = await answered(browser, await at_provider(browser))
    await at_provider(other)
    assert (await other.get(back)).status_code == 400
    assert (await browser.get(back)).status_code == 400  # the state was burnt by the attempt
    back = await answered(browser, await at_provider(browser))
    with clock.shifted(mono=limits.FLOW_SECONDS, wall=0):
        assert (await browser.get(back)).status_code == 400
    assert world.idps[0].counts["token"] == 0
    back = await answered(browser, await at_provider(browser))
    assert (await browser.get(back)).status_code == 303
    assert (await browser.get(back)).status_code == 400
    assert world.idps[0].counts["token"] == 1


async def test_two_tabs_sign_in_side_by_side(world: World) -> None:
    """The second tab's sign-in does not end the first one's."""
    browser = await world.browser()
    first, second = await at_provider(browser), await at_provider(browser)
    assert (await browser.get(await answered(browser, second))).status_code == 303
    assert (await browser.get(await answered(browser, first))).status_code == 303
    assert heading(await browser.open("/connect")) == "Your connections"


async def test_pitfall_15_a_form_of_another_page_does_nothing(world: World) -> None:
    """Sign-out and disconnect want the token of our own page, for that very form and session."""
    browser = await world.browser()
    page = await browser.open("/connect")
    token = re.findall(r'name="token" value="([^"]*)"', page.text)[0]
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in ("", "token=", f"token={token[:-1]}x", "token=" + "0" * 64, f"token={token}&token={token}"):
        for path in ("/login/out", "/connect/jira", "/connect/jira/callback"):
            if body != f"token={token}" or path != "/login/out":
                reply = await browser.http.post(world.url + path, content=body, headers=kind)
                assert reply.status_code in (400, 403)
    reply = await browser.http.post(f"{world.url}/connect/jira", content=f"token={token}", headers=kind)
    assert reply.status_code == 403  # the token of another form
    foreign = {**kind, "origin": "https://evil.example"}
    reply = await browser.http.post(f"{world.url}/login/out", content=f"token={token}", headers=foreign)
    assert reply.status_code == 403
    assert heading(await browser.open("/connect")) == "Your connections"


async def test_pitfall_15_a_code_of_another_sign_in_is_refused(world: World) -> None:
    """Code injection: Mallory's code in Ana's flow fails at the provider (PKCE) and, were it not, at the nonce."""
    mallory, browser = await world.browser(), await world.browser()
    stolen = query(await answered(mallory, await at_provider(mallory), "mallory"))
    own = query(str((await at_provider(browser)).url))
    reply = await browser.get("/login/callback", params={**stolen, "state": own["state"]})
    assert reply.status_code == 400 and world.told("signin.made") == []
    assert world.idps[0].counts["token"] == 1


async def test_pitfall_16_the_nonce_holds_where_a_provider_ignores_pkce(world: World) -> None:
    """A token endpoint that takes any verifier: the ID token of another sign-in is still refused."""
    tokens: list[dict[str, Any]] = []

    async def careless(endpoint: str, request: Request) -> Response | None:
        return JSONResponse(tokens[0]) if endpoint == "token" and tokens else None

    mallory, browser, idp = await world.browser(), await world.browser(), world.idps[0]
    stolen = query(await answered(mallory, await at_provider(mallory), "mallory"))
    sign_in = idp.codes.get(stolen["code"])
    assert sign_in is not None
    own = await at_provider(browser)
    tokens.append(forged(idp, sign_in.sign_in.nonce or ""))
    idp.faults.hook = careless
    reply = await browser.get("/login/callback", params={**stolen, "state": query(str(own.url))["state"]})
    assert reply.status_code == 400 and world.told("signin.made") == []


async def test_a_session_ends_when_idle_and_after_a_working_day(world: World) -> None:
    """30 minutes without a visit; 8 hours in any case."""
    browser = await world.browser()
    await browser.open("/connect")
    idle = limits.SESSION_IDLE_SECONDS
    with clock.shifted(mono=idle - 10, wall=idle - 10):
        assert (await browser.get("/connect")).status_code == 200
        with clock.shifted(mono=idle - 10, wall=idle - 10):
            assert (await browser.get("/connect")).status_code == 200
    with clock.shifted(mono=3 * idle, wall=3 * idle):
        assert (await browser.get("/connect")).status_code == 303
    await browser.open("/connect")
    for step in range(34):
        with clock.shifted(mono=step * idle / 2, wall=step * idle / 2):
            last = (await browser.get("/connect")).status_code
            if step * idle / 2 < limits.SESSION_SECONDS - 10:
                assert last == 200
    assert last == 303


async def test_a_person_who_was_cut_off_is_signed_out(world: World) -> None:
    """A revocation ends every browser of the person, or of the provider's session, from the next visit on."""
    ana, bo = await world.browser(), await world.browser()
    await ana.open("/connect", user="ana")
    await bo.open("/connect", user="bo")
    world.cut_off.add("ana")
    assert [(await b.get("/connect")).status_code for b in (ana, bo)] == [303, 200]
    world.cut_off.add("unknown")
    reply = await bo.get("/connect")
    assert reply.status_code == 503 and "cannot be checked" in said(reply)


async def test_with_several_providers_the_person_chooses() -> None:
    """A page names each; the choice, the page afterwards and the note survive; who signs in is that issuer's."""
    async with worlds.world(providers=2) as world:
        browser = await world.browser()
        page = await browser.open("/connect")
        assert heading(page) == "Where do you sign in?" and "corp" in said(page) and "partner" in said(page)
        chosen = re.findall(r'<li><a class="button" href="([^"]*)"', page.text)[1].replace("&amp;", "&")
        page = await browser.open(chosen)
        assert heading(page) == "Your connections"
        assert [told["issuer"] for told in world.told("signin.made")] == [world.idps[1].issuer]


async def test_the_same_name_at_another_provider_is_another_person() -> None:
    """Ana of the partner is not Ana of the company, whose address refuses her; a note leads to its own provider."""
    async with worlds.world(providers=2) as world:
        browser = await world.browser()
        await browser.open(f"/login?issuer={quote(world.idps[1].issuer, safe='')}")
        assert (await browser.get(world.invitation("ana"))).status_code == 403
        fresh = await world.browser()
        page = await fresh.open(world.invitation("ana", issuer=world.idps[1].issuer))
        assert heading(page) == "Connect Jira: jira"
        assert any(url.startswith(world.idps[1].issuer) for url in fresh.visited)
        assert not any(url.startswith(world.idps[0].issuer) for url in fresh.visited)


async def test_the_provider_says_no(world: World) -> None:
    """A person who refuses at the provider reads what happened and can begin again."""
    browser = await world.browser()
    page = await at_provider(browser)
    reply = await browser.get((await browser.fill(page, answer="refuse")).headers["location"])
    assert reply.status_code == 400 and "access_denied" in said(reply) and "Start again" in said(reply)


@pytest.mark.parametrize("endpoint", ["metadata", "token", "jwks"])
async def test_a_provider_that_is_down(world: World, endpoint: str) -> None:
    """503 with what to do, wherever it fails; afterwards it works again."""
    browser, faults = await world.browser(), world.idps[0].faults
    faults.only, faults.status = frozenset({endpoint}), 503
    reply = await browser.get("/login")
    if endpoint != "metadata":
        page = await browser.get(reply.headers["location"])
        reply = await browser.get(await answered(browser, page))
    assert reply.status_code == 503 and "cannot be reached" in said(reply)
    faults.status = None
    with clock.shifted(mono=limits.JWKS_COOLDOWN_SECONDS):
        assert heading(await browser.open("/connect")) == "Your connections"


METADATA_LIES: list[Mapping[str, Any]] = [
    {"issuer": "https://evil.example"},
    {"issuer": None},
    {"token_endpoint": "https://evil.example/token"},
    {"token_endpoint": "http://10.0.0.1/token"},
    {"token_endpoint": None},
    {"authorization_endpoint": "javascript:alert(1)"},
]


@pytest.mark.parametrize("lies", METADATA_LIES)
async def test_metadata_that_lies_is_not_believed(world: World, lies: Mapping[str, Any]) -> None:
    """Another issuer, or endpoints elsewhere: nobody is sent anywhere, and our secret stays here."""

    async def lying(endpoint: str, request: Request) -> Response | None:
        if endpoint != "metadata":
            return None
        origin = world.issuer
        truth = {
            "issuer": origin,
            "authorization_endpoint": f"{origin}/authorize",
            "token_endpoint": f"{origin}/token",
            "jwks_uri": f"{origin}/jwks",
        }
        return JSONResponse({**truth, **lies})

    world.idps[0].faults.hook = lying
    assert (await (await world.browser()).get("/login")).status_code == 503


async def test_pitfall_26_strangers_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of its source a stranger gets 429 and begins nothing; a signed-in person has an own count."""
    monkeypatch.setattr(limits, "PAGES_PER_SOURCE", 12)
    monkeypatch.setattr(limits, "PAGES_PER_PERSON", 5)
    browser, stranger = await world.browser(), await world.browser()
    await browser.open("/connect")
    statuses = [(await stranger.get("/login")).status_code for _ in range(12)]
    assert statuses[0] == 303 and statuses[-1] == 429
    flows = len(world.store.kept)
    refused = await stranger.get("/login")
    assert refused.headers["retry-after"] and "Wait a minute" in said(refused)
    assert len(world.store.kept) == flows
    assert (await browser.get("/connect")).status_code == 200
    assert [(await browser.get("/connect")).status_code for _ in range(5)][-1] == 429
    with clock.shifted(mono=limits.PAGES_SECONDS):
        assert (await stranger.get("/login")).status_code == 303


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1"])
async def test_pitfall_26_the_host_is_pinned(world: World, host: str) -> None:
    """A name that was rebound to us gets 421 on every path, and nothing is begun."""
    for path in (
        "/login",
        "/login/callback",
        "/login/out",
        "/connect",
        "/connect/jira",
        "/connect/jira/callback",
    ):
        reply = await (await world.browser()).get(path, headers={"host": host})
        assert reply.status_code == 421 and not world.store.kept


async def test_pitfall_26_bodies_and_queries_are_limited(world: World) -> None:
    """A form is small and a form; a query is read in one way or not at all."""
    browser = await world.browser()
    await browser.open("/connect")
    kind = {"content-type": "application/x-www-form-urlencoded"}
    big = b"token=" + b"x" * (limits.FORM_BYTES + 1)
    for body, headers in ((big, kind), (b"{}", {"content-type": "application/json"}), (b"a=%ff", kind)):
        reply = await browser.http.post(f"{world.url}/login/out", content=body, headers=headers)
        assert reply.status_code == 400
    assert (await browser.get("/login?to=/connect&to=//evil.example")).status_code == 400
    assert (await browser.http.put(f"{world.url}/login")).status_code == 405
    assert (await browser.http.head(f"{world.url}/login/callback")).status_code == 405


async def test_every_page_holds_the_browser_to_what_it_needs(world: World) -> None:
    """No script, nothing from elsewhere, no frames, nothing kept, nothing told to other hosts; on errors too."""
    browser = await world.browser()
    await browser.open("/connect")
    for path in ("/connect", "/connect/jira", "/login/out", "/connect/jira/done", "/connect/jira/callback"):
        page = await browser.get(path)
        policy = page.headers["content-security-policy"]
        assert (
            "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["x-content-type-options"] == "nosniff"
        for forbidden in ("<script", " style=", "onclick", 'src="', "//cdn"):
            assert forbidden not in page.text
        assert page.text.count("<h1>") == 1 and '<html lang="en">' in page.text
    style = re.search(r'<link rel="stylesheet" href="([^"]*)"', page.text)
    assert style and style[1].startswith("/")
    css = await browser.get(urljoin(world.url, style[1]))
    assert css.headers["content-type"].startswith("text/css") and "url(" not in css.text


async def test_what_people_are_called_is_escaped() -> None:
    """A name at the provider is text on our pages."""
    async with worlds.world() as world:
        name = '<img src=x onerror="alert(1)">'
        idp = world.idps[0]
        idp.people = {
            **idp.people,
            "ana": type(PEOPLE["ana"])(**{**vars_of(PEOPLE["ana"]), "display_name": name}),
        }
        page = await (await world.browser()).open("/connect")
        assert "<img" not in page.text and "&lt;img" in page.text


def vars_of(person: Any) -> dict[str, Any]:
    return {name: getattr(person, name) for name in type(person).__dataclass_fields__}


def forged(idp: Any, nonce: str, /, **claims: Any) -> dict[str, Any]:
    """A token answer with an ID token for that nonce, signed by the provider."""
    now = int(clock.wall())
    whole = {
        "iss": idp.issuer,
        "sub": "mallory",
        "aud": worlds.LOGIN["client_id"],
        "iat": now,
        "exp": now + 300,
        "nonce": nonce,
        **claims,
    }
    signed = {name: value for name, value in whole.items() if value is not None}
    return {"access_token": "opaque", "token_type": "Bearer", "id_token": idp.sign(signed, {"typ": "JWT"})}
