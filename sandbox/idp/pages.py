"""The pages that a person sees: no script, nothing loaded, every foreign word escaped."""

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

from sandbox.idp import redirects
from sandbox.idp.records import AuthRequest

_STYLE = """
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif; }
body { max-width: 26rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.2; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input, button { padding: .6rem; font: inherit; border: 1px solid #767676; border-radius: .3rem; }
input { box-sizing: border-box; width: 100%; }
button { margin: 1.5rem .5rem 0 0; }
button[value=allow] { background: #0b57d0; border-color: #0b57d0; color: #fff; }
:focus-visible { outline: 3px solid #f29900; outline-offset: 2px; }
.error { padding: .6rem .8rem; border-left: .4rem solid #c5221f; background: #c5221f1a; }
.note, small { font-size: .9rem; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_MEANING = {
    "jira:read": "read in Jira what you may read",
    "jira:write": "change in Jira what you may change",
    "offline_access": "stay signed in until you disconnect it",
    "profile": "know your name",
    "email": "know your e-mail address",
}


def _page(title: str, main: str, *, status: int, form_action: str = "'none'") -> HTMLResponse:
    text = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{main}\n</main>\n</body>\n</html>\n"
    )
    csp = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {form_action}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        "Content-Security-Policy": csp,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return HTMLResponse(text, status, headers)


def refusal(why: str, status: int = 400) -> HTMLResponse:
    """A request that cannot be answered to its client, because the client or its address is in doubt."""
    main = f'<h1>This sign-in cannot go on</h1>\n<p role="alert" class="error">{escape(why)}</p>'
    return _page("This sign-in cannot go on", main, status=status)


def sign_in(
    transaction: str, asked: AuthRequest, client_name: str, *, user: str = "", error: str = ""
) -> HTMLResponse:
    """The page that asks for name, password and perhaps a code, and says who will get what."""
    meanings = [_MEANING[scope] for scope in asked.scopes if scope in _MEANING]
    wishes = "".join(f"<li>{meaning}</li>" for meaning in meanings) or "<li>know who you are</li>"
    alert = f'<p role="alert" id="error" class="error">{escape(error)}</p>\n' if error else ""
    described = ' aria-describedby="error" aria-invalid="true"' if error else ""
    main = f"""<h1>Sign in to the sandbox</h1>
{alert}<p><strong>{escape(client_name)}</strong> (the name that it gave itself) wants to:</p>
<ul>{wishes}</ul>
<p>The answer goes to <strong>{escape(redirects.destination(asked.redirect_uri))}</strong>.</p>
<form method="post" action="/authorize">
<input type="hidden" name="transaction" value="{escape(transaction)}">
<label for="user">User name</label>
<input id="user" name="user" value="{escape(user)}" autocomplete="username"
  autocapitalize="none" spellcheck="false" required{described}>
<label for="password">Password</label>
<input id="password" name="password" type="password"
  autocomplete="current-password" required{described}>
<label for="code">One-time code <small>(only if your account has one)</small></label>
<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="7">
<button type="submit" name="answer" value="allow">Sign in and allow</button>
<button type="submit" name="answer" value="refuse" formnovalidate>Refuse</button>
</form>
<p class="note">A sandbox for trials: its accounts are made up,
and <code>jira-agent-gateway sandbox</code> prints them.</p>"""
    title = "Error: sign in to the sandbox" if error else "Sign in to the sandbox"
    target = f"'self' {redirects.form_source(asked.redirect_uri)}"
    return _page(title, main, status=400 if error else 200, form_action=target)
