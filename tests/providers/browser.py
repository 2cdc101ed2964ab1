"""A person's browser, played: opens an authorization request, fills in whatever pages come, lands on the
redirect. It keeps cookies, runs no script and knows no provider: a field is filled by its name.

Everything is plain http on loopback; `verify=False` spares each client 0.1 s of loading root certificates.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from html import unescape
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2

from gateway import clock
from sandbox.idp import totp
from sandbox.people import Person
from tests.providers.provider import REDIRECT, Refused, Tokens

REFRESH = re.compile(r'<meta http-equiv="refresh" content="0; ?url=([^"]*)">')
FORMS = re.compile(r"(<form [^>]*>)(.*?)</form>", re.DOTALL)

STEPS = 20
"""pages and redirects of one sign-in at most: Keycloak's longest has nine"""


class Browser:
    """One browser with its own cookies; `person` is who sits at it."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._filled: set[tuple[str, frozenset[str]]] = set()
        # Browsers count loopback as secure and send `Secure` cookies there; this jar is told to.
        policy = DefaultCookiePolicy(secure_protocols=("https", "wss", "http"))
        self._http = httpx2.AsyncClient(
            cookies=CookieJar(policy), trust_env=False, verify=False, timeout=60, follow_redirects=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def open(self, url: str) -> dict[str, str]:
        """Open `url` and go on until the redirect address: the parameters of the answer there.

        Raises `Refused` with error `login` when a page comes again with a complaint, or cannot be filled in.
        """
        landed = await self._go(await self._http.get(url), lambda url: url.startswith(REDIRECT + "?"))
        query = urlsplit(_onward(landed)).query
        return {name: values[0] for name, values in parse_qs(query).items()}

    async def visit(self, url: str, base: str) -> httpx2.Response:
        """Open `url` and go on until a page of the site at `base`, which is left as it is: that page.

        Raises `Refused` as `open` does.
        """
        return await self._go(await self._http.get(url), base=base)

    async def send(self, page: httpx2.Response, action: str) -> httpx2.Response:
        """Send the form of a site's `page` that goes to `action`, and go on to that site's next page."""
        for tag, inside in FORMS.findall(page.text):
            form = Page.of(f"{tag}{inside}</form>")
            if urlsplit(form.action).path == action:
                base = _origin(page)
                return await self._go(await self._post(page, form, form.fields, origin=base), base=base)
        raise AssertionError(f"no form goes to {action}: {Page.of(page.text).text}")

    async def _go(
        self, reply: httpx2.Response, end: Callable[[str], bool] = lambda url: False, base: str = "\n"
    ) -> httpx2.Response:
        """Follow redirects and fill in pages until a redirect that `end`s it, or a page at `base`."""
        self._filled.clear()
        for _ in range(STEPS):
            url = _onward(reply)
            if url:
                if end(url):
                    return reply
                reply = await self._http.get(url)
            elif str(reply.url).startswith(base + "/"):
                return reply
            else:
                reply = await self._fill(reply)
        raise Refused("login", "the pages lead nowhere")

    async def _fill(self, reply: httpx2.Response) -> httpx2.Response:
        page, known = Page.of(reply.text), self._answers()
        forms = [Page.of(f"{tag}{inside}</form>") for tag, inside in FORMS.findall(reply.text)]
        form = next((one for one in forms if one.fields.keys() & known.keys()), page)
        wanted = frozenset(form.fields.keys() & known.keys())
        asked = _origin(reply), wanted
        if not form.form or asked in self._filled:  # the same questions again: an answer was wrong
            raise Refused("login", page.said or f"a page that cannot be filled in: {page.text[:300]}")
        self._filled.add(asked)
        fields = {**form.fields, **{name: known[name] for name in wanted}}
        return await self._post(reply, form, fields, origin=_origin(reply))

    async def _post(
        self, reply: httpx2.Response, page: "Page", fields: Mapping[str, str], **headers: str
    ) -> httpx2.Response:
        return await self._http.post(
            urljoin(str(reply.url), page.action),
            content=urlencode(fields),
            headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
        )

    def _answers(self) -> Mapping[str, str]:
        """What the person would type, by the names that providers give to their fields."""
        person = self._person
        code = totp(person.otp_secret, clock.wall()) if person.otp_secret else ""
        return {
            **dict.fromkeys(("user", "username", "login"), person.name),
            "password": person.password,
            **dict.fromkeys(("code", "otp"), code),
            "answer": "allow",
        }


def _onward(reply: httpx2.Response) -> str:
    """Where a browser goes from there by itself: a redirect, or a page that refreshes at once; empty: nowhere."""
    found = reply.headers.get("location") if reply.is_redirect else None
    if found is None and (told := REFRESH.search(reply.text)):
        found = unescape(told[1])
    return urljoin(str(reply.url), found) if found else ""


def _origin(reply: httpx2.Response) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(str(reply.url)))


class Page(HTMLParser):
    """The first form of a page with the values it would send, and what it complains about."""

    def __init__(self) -> None:
        super().__init__()
        self.form, self.action, self.fields = False, "", dict[str, str]()
        self.text = ""
        self._alerts: list[str] = []
        self._in_form = False
        self._alert, self._depth = "", 0
        self._hidden = False

    @classmethod
    def of(cls, html: str) -> Self:
        page = cls()
        page.feed(html)
        page.text = " ".join(page.text.split())
        return page

    @property
    def said(self) -> str:
        return " ".join(" ".join(self._alerts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.form and given.get("method", "get").lower() == "post":
            self.form = self._in_form = True
            self.action = given.get("action", "")
        elif tag == "input" and self._in_form and given.get("name") and given.get("type") != "checkbox":
            self.fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self._in_form and given.get("name"):
            self.fields.setdefault(given["name"], given.get("value", ""))
        self._hidden = tag in ("script", "style")
        complains = given.get("role") == "alert" or "aria-live" in given
        if not self._alert and complains:
            self._alert, self._depth = tag, 1
        elif tag == self._alert:
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False
        if tag == self._alert:
            self._depth -= 1
            self._alert = tag if self._depth else ""
        if tag == "form":
            self._in_form = False

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.text += data + " "
        if self._alert:
            self._alerts.append(data)


async def code_flow(
    person: Person,
    metadata: Mapping[str, Any],
    *,
    client: str,
    scope: str,
    acr: str | None = None,
    resource: str | None = None,
    auth: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Tokens:
    """The authorization code flow with PKCE (RFC 7636) as `person`, from the provider's `metadata`.

    `auth` is id and secret of a confidential client (`client_secret_basic`); `headers` go to the token
    endpoint.
    `state` and `iss` (RFC 9207, where the metadata announces it) are checked. Raises `Refused`.
    """
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": REDIRECT,
        "scope": scope,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"acr_values": acr} if acr else {}),
        **({"resource": resource} if resource else {}),
    }
    async with Browser(person) as browser:
        landed = await browser.open(f"{metadata['authorization_endpoint']}?{urlencode(asked)}")
    if "error" in landed:
        raise Refused(landed["error"], landed.get("error_description", ""))
    assert landed["state"] == state
    if metadata.get("authorization_response_iss_parameter_supported"):
        assert landed["iss"] == metadata["issuer"]
    form = {
        "grant_type": "authorization_code",
        "code": landed["code"],
        "redirect_uri": REDIRECT,
        "client_id": client,
        "code_verifier": verifier,
        **({"resource": resource} if resource else {}),
    }
    answer = await post_form(metadata["token_endpoint"], form, auth=auth, headers=headers)
    return Tokens.of(answer, client)


async def refreshed(metadata: Mapping[str, Any], tokens: Tokens, **more: str) -> Tokens:
    """RFC 6749 §6, as the public client that the tokens were given to. Raises `Refused`."""
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens.refresh,
        "client_id": tokens.client,
        **more,
    }
    return Tokens.of(await post_form(metadata["token_endpoint"], form), tokens.client)


async def post_form(
    url: str,
    form: Mapping[str, str],
    *,
    auth: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """POST a form, the JSON answer back. Raises `Refused` with the OAuth error (RFC 6749 §5.2)."""
    async with httpx2.AsyncClient(auth=auth, trust_env=False, verify=False, timeout=60) as http:
        reply = await http.post(url, data=dict(form), headers=headers)
    answer: dict[str, Any] = reply.json() if reply.content else {}
    if reply.status_code >= 400:
        raise Refused(answer.get("error", ""), answer.get("error_description", ""), reply.status_code)
    return answer


async def fetched(url: str) -> dict[str, Any]:
    """The JSON object at `url`."""
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=60) as http:
        reply = await http.get(url)
    reply.raise_for_status()
    found: dict[str, Any] = reply.json()
    return found
