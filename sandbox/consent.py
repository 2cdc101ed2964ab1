"""How a person says yes to an app: a page that signs in and asks, or at once where a test says who.

`sandbox_approve=NAME` in the authorization request answers as that person without a page. A real
server has no such thing; this one listens on loopback only, and its passwords are public.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.people import Person

APPROVE = "sandbox_approve"


@dataclass(slots=True)
class App:
    """An app as it is registered: one callback, and every secret in `secrets` is good."""

    id: str
    secrets: list[str] = field(repr=False)
    callback: str
    name: str = "Jira Agent Gateway"
    scopes: frozenset[str] | None = None
    """What it may ask for; None: anything that the server offers."""
    service: str = ""
    """Name of the service account that it may act as by client credentials, where the server has that."""

    def proves(self, secret: str | None) -> bool:
        """Whether that is a secret of it."""
        return any(hmac.compare_digest(known.encode(), (secret or "").encode()) for known in self.secrets)


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid authorization request, while its person looks at the page."""

    app: App
    scopes: frozenset[str]
    state: str | None
    challenge: str | None = None
    method: str = "plain"


def person_of(people: Mapping[str, Person], user: str, password: str) -> Person | None:
    """Whose name (or e-mail address) and password these are."""
    found = next((one for one in people.values() if user in (one.name, one.email)), None)
    if found is None or not hmac.compare_digest(found.password.encode(), password.encode()):
        return None
    return found


def answer(asked: Asked, **members: str) -> Response:
    """The authorization response (RFC 6749 §4.1.2)."""
    query = {**members, **({"state": asked.state} if asked.state is not None else {})}
    joint = "&" if "?" in asked.app.callback else "?"
    return RedirectResponse(
        f"{asked.app.callback}{joint}{urlencode(query)}", 303, {"Cache-Control": "no-store"}
    )


def ask(
    transaction: str, asked: Asked, where: str, *, action: str, more: str = "", wrong: str = ""
) -> Response:
    """The page: who are you, and do you agree. `more` is HTML of fields of this server's own."""
    wishes = "".join(f"<li>{escape(scope)}</li>" for scope in sorted(asked.scopes))
    alert = f'<p role="alert" class="error">{escape(wrong)}</p>' if wrong else ""
    return _page(
        f"{where}: allow access",
        f"""<h1>{escape(where)}</h1>{alert}
<p><strong>{escape(asked.app.name)}</strong> asks for:</p><ul>{wishes}</ul>
<form method="post" action="{escape(action)}">
<input type="hidden" name="transaction" value="{escape(transaction)}">
<label>User name <input name="user" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
{more}
<button name="answer" value="allow">Accept</button>
<button name="answer" value="refuse" formnovalidate>Cancel</button>
</form>""",
        400 if wrong else 200,
    )


def refusal(why: str) -> Response:
    """A request that is not answered to its app: the person is told, as these servers do."""
    return _page(
        "Something went wrong", f'<h1>Something went wrong</h1><p role="alert">{escape(why)}</p>', 400
    )


def _page(title: str, main: str, status: int) -> Response:
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title></head><body><main>{main}</main></body></html>\n"
    )
    headers = {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
    }
    return HTMLResponse(text, status, headers)
