"""How every page looks: one frame, one stylesheet of ours, no script, nothing from anywhere else.

Every word that is not ours is escaped where it is put in. The headers hold a browser to what the pages
need: styles and forms of our own, no frames around them, nothing kept. `Referrer-Policy` is
`same-origin`: nothing leaks to others, and browsers still name the origin of our forms, which the
guard looks at (with `no-referrer` they would call it `null`).
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway import clock, limits
from gateway.errors import GatewayError
from gateway.signin.sessions import Session

_CSS = Path(__file__).with_name("style.css").read_bytes()
STYLE = f"/connect/{hashlib.sha256(_CSS).hexdigest()[:12]}.css"
"""Path of the stylesheet; another one for each content, so that it may be kept."""

SIGN_OUT = "/login/out"
ASSISTANTS = "/assistants"
SIGN_INS = "/assistants/sign-ins"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")


def page(
    title: str,
    body: str,
    session: Session | None,
    *,
    status: int = 200,
    form_action: Sequence[str] = (),
    refresh: str = "",
) -> HTMLResponse:
    """The page: `title` is text and its heading, `body` is HTML below it.

    `form_action` are origins to which the answer to a form of the page may redirect: browsers hold the
    policy against that as well (CSP 3 §6.4.2). `refresh` is what a browser does by itself: after so many
    seconds again, or `0; url=…`. Raises `ValueError` for what is not an origin.
    """
    again = f'<meta http-equiv="refresh" content="{escape(refresh)}">\n' if refresh else ""
    whole = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{again}<title>{escape(title)} – Jira Agent Gateway</title>
<link rel="stylesheet" href="{STYLE}">
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><div><strong>Jira Agent Gateway</strong>{_visitor(session)}</div></header>
<main id="main" tabindex="-1">
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
"""
    return HTMLResponse(whole, status, {**_HEADERS, "Content-Security-Policy": _policy(form_action)})


def _policy(origins: Sequence[str]) -> str:
    if not all(_ORIGIN.fullmatch(one) for one in origins):
        raise ValueError("a form leads to origins alone")
    policy = _HEADERS["Content-Security-Policy"]
    return policy.replace("form-action 'self'", " ".join(("form-action 'self'", *origins)))


def elsewhere(url: str) -> Response:
    """On to `url`, with a GET whatever came (RFC 9110 §15.4.4)."""
    return RedirectResponse(url, 303, _HEADERS)


def stylesheet() -> Response:
    """The stylesheet itself."""
    kept = f"public, max-age={limits.METADATA_FRESH_SECONDS}, immutable"
    return Response(_CSS, media_type="text/css", headers={**_HEADERS, "Cache-Control": kept})


def refusal(
    status: int, title: str, text: str, session: Session | None = None, *, again: str = ""
) -> HTMLResponse:
    """A page that says no, and what to do."""
    way = f'<p class="row"><a class="button" href="{escape(again)}">Start again</a></p>' if again else ""
    answer = page(title, notice(text, "bad") + way, session, status=status)
    if status in (429, 503):
        answer.headers["Retry-After"] = str(
            int(limits.PAGES_SECONDS) if status == 429 else limits.RETRY_AFTER_SECONDS
        )
    return answer


def problem(status: int, error: GatewayError, session: Session | None) -> HTMLResponse:
    """The page of an error of the line: its public sentence."""
    title = "Not possible at the moment" if status == 503 else "Nothing was connected"
    return refusal(status, title, error.public, session)


def notice(text: str, kind: str = "") -> str:
    """A paragraph that stands out and that screen readers announce."""
    role = "alert" if kind == "bad" else "status"
    return f'<p class="notice {kind}" role="{role}">{escape(text)}</p>'


def form(session: Session, action: str, buttons: str, fields: Iterable[tuple[str, str]] = ()) -> str:
    """A form of ours with its token; `buttons` is HTML."""
    hidden = (("token", session.form_token(action)), *fields)
    inputs = "".join(f'<input type="hidden" name="{n}" value="{escape(v)}">' for n, v in hidden)
    return f'<form method="post" action="{escape(action)}">{inputs}{buttons}</form>'


def link(url: str, text: str, *, main: bool = False) -> str:
    """A link that looks like a button."""
    return f'<a class="button{" main" if main else ""}" href="{escape(url)}">{escape(text)}</a>'


def called(session: Session) -> str:
    """The person's name for the person's own eyes, escaped."""
    person = session.person
    return escape(person.name or person.email or person.subject)


def moment(at: float) -> str:
    """A time in UTC, with what a machine can read beside it."""
    exact = clock.iso(at)
    return f'<time datetime="{exact}">{exact[:10]} {exact[11:16]} UTC</time>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names, and values that are HTML."""
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in rows)}</dl>"


def _visitor(session: Session | None) -> str:
    if session is None:
        return ""
    out = form(session, SIGN_OUT, '<button type="submit">Sign out</button>')
    return (
        f'<nav aria-label="Pages"><a href="{ASSISTANTS}">Connect</a> '
        '<a href="/connect">Jira accounts</a></nav>'
        f'<div class="who"><span>{called(session)}</span>{out}</div>'
    )
