"""A person's browser, played: follows redirects, keeps cookies, fills in the pages that come, allows what is asked.

It knows no site: a field is filled by its name and a page is agreed to by its first button, so it goes through
the gateway's pages and the sandbox's alike. It runs no script. The answer to an assistant is read from the
redirect that leads there, which is not followed: a hosted assistant's address is not ours to call.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import CookieError, SimpleCookie
from typing import Self
from urllib.parse import urlencode, urljoin, urlsplit

from gateway.doctor import wrong
from gateway.doctor.clients.speech import Stopped
from gateway.errors import ConfigError
from gateway.http import Ask, Outward, OutwardError, Reply
from sandbox.idp.browser import SignInRefused
from sandbox.people import PEOPLE, Person

STEPS = 20
"""pages and redirects of one sign-in at most"""

QUESTIONS = {"user", "username", "login", "password", "answer"}
"""names of fields by which a form asks a person"""


class Visitor:
    """One browser with its own cookies; `person` sits at it."""

    def __init__(self, http: Outward, person: Person) -> None:
        self._http = http
        self._person = person
        self._cookies: dict[str, dict[str, str]] = {}
        self.pages: list[str] = []
        """The titles of the pages that were met, in order."""

    async def open(self, url: str, until: str) -> str:
        """Open `url` and go on to a redirect that leads to `until`; that address with the answer in its query.

        Raises `SignInRefused` with what a page complains of, or when the pages lead nowhere; `OutwardError`.
        """
        ask, filled = Ask("GET", url), set[str]()
        for _ in range(STEPS):
            reply = await self._send(ask)
            if reply.status in (301, 302, 303, 307, 308) and "Location" in reply.headers:
                to = urljoin(ask.url, reply.headers["Location"])
                if to.startswith((f"{until}?", f"{until}&")):
                    return to
                ask = Ask("GET", to)
                continue
            page = Page.of(reply)
            self.pages.append(page.title)
            back = next((link for link in page.links if link.startswith(f"{until}?")), None)
            if back is not None:  # to an app's own scheme: a link, where a redirect cannot be
                return back
            ask, filled = self._filled(ask.url, page, filled)
        raise SignInRefused("The pages lead nowhere.")

    def _filled(self, url: str, page: "Page", before: set[str]) -> tuple[Ask, set[str]]:
        """The page's form, sent; and the forms that were. Raises `SignInRefused`."""
        found = page.question
        key = f"{page.title} {found.action.split('?')[0]}" if found else ""
        if found is None or key in before:  # the same questions again: an answer was wrong
            raise SignInRefused(page.said or f"The page «{page.title}» asks nothing that can be answered.")
        person = self._person
        known = {**dict.fromkeys(("user", "username", "login"), person.name), "password": person.password}
        fields = {name: known.get(name, value) for name, value in found.fields.items()}
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
        ask = Ask("POST", urljoin(url, found.action), headers, urlencode(fields).encode())
        return ask, {*before, key}

    async def _send(self, ask: Ask) -> Reply:
        site = self._cookies.setdefault(urlsplit(ask.url).netloc, {})
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in site.items())} if site else {}
        reply = await self._http.send(Ask(ask.method, ask.url, {**ask.headers, **cookies}, ask.body))
        for line in reply.headers.getall("Set-Cookie", ()):
            site.update(_cookie(line))
        return reply


def opener(http: Outward, name: str) -> Callable[[str, str], Awaitable[str]]:
    """For `doctor --client … --user NAME`: the browser of one of the sandbox's people, which stays open.

    Raises `ConfigError` for nobody's name.
    """
    if name not in PEOPLE:
        raise ConfigError([f"--user: the sandbox has {', '.join(PEOPLE)}."])
    browser = Visitor(http, PEOPLE[name])

    async def open_it(url: str, until: str) -> str:
        try:
            return await browser.open(url, until)
        except (SignInRefused, OutwardError) as refused:
            raise Stopped(
                wrong("sign in: answer", refused, "What the page says is for the person.")
            ) from refused

    return open_it


@dataclass
class Form:
    """Where it goes, and what it would send."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """The forms and links of a page, its title, and what it complains of."""

    def __init__(self) -> None:
        super().__init__()
        self.title, self.said = "", ""
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._form: Form | None = None
        self._reading = ""

    @classmethod
    def of(cls, reply: Reply) -> Self:
        """The page of that answer."""
        page = cls()
        page.feed(reply.body.decode("utf-8", "replace"))
        return page

    @property
    def question(self) -> Form | None:
        """The form that asks who the person is, or whether they allow it."""
        return next((one for one in self.forms if one.fields.keys() & QUESTIONS), None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A form, its fields, a link; whose text comes next."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        elif tag == "a":
            self.links.append(given.get("href", ""))
        elif self._form is not None and given.get("name") and given.get("type") != "checkbox":
            self._form.fields.setdefault(given["name"], given.get("value", ""))
        if tag == "title" or given.get("role") == "alert":
            self._reading = "title" if tag == "title" else "said"

    def handle_endtag(self, tag: str) -> None:
        """The end of a form or of a text."""
        self._form = None if tag == "form" else self._form
        self._reading = ""

    def handle_data(self, data: str) -> None:
        """A title or a complaint."""
        if self._reading:
            setattr(self, self._reading, f"{getattr(self, self._reading)} {data}".strip())


def _cookie(line: str) -> dict[str, str]:
    try:
        return {name: one.value for name, one in SimpleCookie(line).items()}
    except CookieError:
        return {}
