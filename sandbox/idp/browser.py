"""A person at a browser, played: opens the sign-in page, fills it in, and returns where it led.

The demo's assistant and the tests sign in with it, so they use the very page that people see.
"""

import re
from html import unescape
from urllib.parse import urlencode, urljoin

from gateway.http import Ask, Outward, Reply

_FORM = re.compile(r'<form method="post" action="([^"]+)">')
_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')
_ERROR = re.compile(r'role="alert"[^>]*>([^<]*)<')


class SignInRefused(Exception):
    """The provider did not let this person in; the text is what the page says."""


async def open_page(http: Outward, url: str) -> Reply:
    """The sign-in page of an authorization URL (or the redirect that it answers with)."""
    return await http.send(Ask("GET", url))


async def submit(http: Outward, url: str, page: Reply, **fields: str) -> Reply:
    """Send the page's form with `fields` (`user`, `password`, `code`, `answer`)."""
    text = page.body.decode()
    action, transaction = _FORM.search(text), _TRANSACTION.search(text)
    if action is None or transaction is None:
        raise SignInRefused(said(page))
    form = {"transaction": unescape(transaction[1]), "answer": "allow", **fields}
    return await http.send(
        Ask(
            "POST",
            urljoin(url, unescape(action[1])),
            {"Content-Type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(),
        )
    )


async def sign_in(http: Outward, url: str, *, user: str, password: str, code: str = "") -> str:
    """Go through the page at the authorization URL `url`; the redirect with the answer in its query.

    `code` is the one-time code of people who have a second factor. Raises `SignInRefused`, `OutwardError`.
    """
    page = await open_page(http, url)
    if page.status == 303:
        return page.headers["Location"]
    reply = await submit(http, url, page, user=user, password=password, code=code)
    if reply.status != 303:
        raise SignInRefused(said(reply))
    return reply.headers["Location"]


def said(page: Reply) -> str:
    """The error text of a page, for a person."""
    found = _ERROR.search(page.body.decode(errors="replace"))
    return unescape(found[1]) if found else f"The page answered with status {page.status}."
