"""What a person reads before an assistant may act as them, and what they read when it may not.

Whoever asks names itself, and anybody may call itself anything. So the page shows large what cannot be
invented: where the answer goes. The name stands small beside it, in quotation marks, cleaned of what
could rewrite the line around it (control and direction characters, piles of accents), and cut.

After a yes the browser goes back by a redirect, where `origin_of` gives an origin for the page's policy.
Where it gives none (an app's own scheme, an IPv6 address, which policies cannot name), by `closing`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs, urlsplit

from starlette.responses import HTMLResponse

from gateway import limits
from gateway.signin import pages
from gateway.signin.server import Client, assurance
from gateway.signin.server.shown import SCOPES, mixes_alphabets, origin_of, plain, shown_host
from gateway.signin.sessions import Session

KNOWN_HOSTS = frozenset(
    {
        "chatgpt.com",
        "claude.ai",
        "claude.com",
        "global.consent.azure-apim.net",
        "insiders.vscode.dev",
        "vscode.dev",
    }
)
"""Hosts of assistants whose makers document them; any other is told to be unknown."""

_REGISTRATIONS = {
    "static": "Set up by your administrators",
    "dynamic": "It registered itself",
    "document": "It publishes its own description at {host}",
}

_PERSONS = {
    "invalid_client": "This gateway does not know the assistant that sent you here. Remove the connection in "
    "your assistant and add it again: it then registers anew.",
    "invalid_redirect_uri": "The assistant asked for the answer at an address that it has not registered, so "
    "nothing was sent there. If you did not start this yourself, close this page. "
    "If you did, remove the connection in your assistant and add it again.",
    "access_denied": "This assistant may not be used here. Ask your administrators.",
    "temporarily_unavailable": "This cannot be done now. Try again in a minute.",
}
_PERSON = (
    "The assistant sent a request that cannot be read. Start again in your assistant; "
    "if it stays so, show this page to whoever looks after it."
)

_NEVER = frozenset({"javascript", "data", "vbscript", "blob", "file", "about", "filesystem", ""})


@dataclass(frozen=True, slots=True)
class Ask:
    """What one assistant asks of one person."""

    client: Client
    redirect_uri: str
    """Checked: one that the client has registered."""
    scopes: Sequence[str]
    sites: Sequence[str]
    """Names or addresses of the Jira sites that it will reach."""
    ends_at: float
    """Unix seconds when the sign-in is over at the latest."""
    flow: str
    """Comes back as the form's hidden field `flow`."""
    action: str
    """Path to which the form is sent: fields `flow`, `token`, and `answer`, which is `allow` or `refuse`."""
    again: str = ""
    """Address of ours that begins anew with another person; empty: no such link."""


def consent(session: Session, ask: Ask) -> HTMLResponse:
    """The question."""
    named = f'<p class="self">It calls itself <q><bdi>{_name(ask.client)}</bdi></q>.</p>'
    sure = assurance(ask.client, ask.redirect_uri)
    body = (
        '<section class="panel" aria-labelledby="whom"><div class="body">'
        '<p class="lead" id="whom">The answer goes to</p>'
        f'<p class="whom"><bdi>{escape(shown_host(ask.redirect_uri))}</bdi></p>{named}'
        f"{''.join(pages.notice(text) for text in warnings(ask))}"
        f'<h2>It will be able to</h2><ul class="may">{_may(ask.scopes)}</ul>'
        '<p class="lead">Always as you, and never more than you may do yourself.</p>'
        f"{pages.facts(_facts(session, ask, sure))}{_buttons(session, ask)}</div></section>"
    )
    origin = origin_of(ask.redirect_uri)
    return pages.page(
        "May this assistant use Jira as you?", body, session, form_action=[origin] if origin else []
    )


def closing(session: Session | None, to: str) -> HTMLResponse:
    """It is done; the browser opens `to`, and a link does where it does not. Raises `ValueError` for an address
    that would run in this page."""
    parts = urlsplit(to)
    if parts.scheme in _NEVER:
        raise ValueError("this is not the address of an app")
    app = parts.scheme not in ("http", "https")
    word = "Open the app" if app else "Go on"
    refused = "error" in parse_qs(parts.query)
    told = "Nothing was allowed." if refused else "You are signed in."
    hint = (
        "Your browser may ask whether it may open the app. If nothing happens, use the button."
        if app
        else "If nothing happens, use the button."
    )
    body = (
        pages.notice(f"{told} You may close this window.", "" if refused else "good")
        + f"<p>{hint}</p>"
        + f'<p class="row">{pages.link(to, word, main=True)}'
        + f"{pages.link(pages.SIGN_INS, 'See your sign-ins')}</p>"
    )
    return pages.page("Back to your assistant", body, session, refresh=f"0; url={to}")


def pending(session: Session | None, client: Client, redirect_uri: str) -> HTMLResponse:
    """The assistant waits until an administrator admits it."""
    body = (
        pages.notice("Nobody has admitted this assistant yet, so nothing was allowed.")
        + "<p>Send this to your administrators, who can admit it. Then start again in your assistant.</p>"
        + pages.facts(_known_by(client, redirect_uri))
        + "<p>For them:</p>"
        + f'<pre tabindex="0"><code>jira-agent-gateway client admit {escape(_quoted(client.id))}</code></pre>'
    )
    return pages.page("This assistant waits for your administrators", body, session, status=403)


def refused(
    session: Session | None, client: Client, redirect_uri: str, *, groups: Iterable[str] = ()
) -> HTMLResponse:
    """The administrators refused it; or it is for `groups`, and the person is in none of them."""
    wanted = ", ".join(sorted(groups))
    text = (
        f"This assistant is only for: {wanted}. You are not among them, so nothing was allowed."
        if wanted
        else "Your administrators do not allow this assistant, so nothing was allowed."
    )
    body = (
        pages.notice(text, "bad")
        + "<p>If you need it, ask them, and send them this. Nothing is to be changed in your assistant.</p>"
        + pages.facts(_known_by(client, redirect_uri))
    )
    return pages.page("This assistant may not be used here", body, session, status=403)


def oauth_error(
    error: str, developer: str, *, status: int = 400, session: Session | None = None
) -> HTMLResponse:
    """What went wrong where the answer may not be redirected (RFC 6749 §4.1.2.1).

    `error` is the code of the RFC and says what people are told; `developer` is a sentence for whoever
    wrote the assistant, and may hold what it sent.
    """
    body = (
        pages.notice(_PERSONS.get(error, _PERSON), "bad")
        + '<section class="panel" aria-labelledby="developer"><div class="head">'
        + '<h2 id="developer">For whoever wrote or set up the assistant</h2></div><div class="body">'
        + pages.facts(
            [
                ("Error", f"<code>{escape(plain(error))}</code>"),
                ("What is wrong", f"<bdi>{escape(plain(developer))}</bdi>"),
            ]
        )
        + "</div></section>"
    )
    return pages.page("The assistant could not be connected", body, session, status=status)


def warnings(ask: Ask) -> list[str]:
    """What the person should think of before saying yes."""
    host = shown_host(ask.redirect_uri)
    bare = host.partition(":")[0]
    found = []
    if urlsplit(ask.redirect_uri).scheme not in ("https", "http"):
        found.append("Any app on this device could ask under that name. Go on only if you started this now.")
    elif host == "this computer":
        found.append(
            "The answer stays on this computer, where any program could ask. "
            "Go on only if you started this now, in an assistant on this computer."
        )
    elif ask.client.registration != "static" and bare not in KNOWN_HOSTS:
        found.append(
            f"{host} is not among the assistants that this gateway knows. "
            "Go on only if you know who runs it and started this now."
        )
    if any(label.startswith("xn--") for label in bare.split(".")):
        found.append("This address is written in letters that can look like others.")
    if mixes_alphabets(ask.client.name):
        found.append("Its name mixes alphabets, as names do that imitate another's.")
    return found


def _name(client: Client) -> str:
    return escape(plain(client.name, limits.SHOWN_NAME_CHARS)) or "(nothing)"


def _may(scopes: Iterable[str]) -> str:
    known = [name for name in SCOPES if name in scopes]
    others = sorted(set(scopes) - SCOPES.keys())
    return "".join(
        [
            *(f"<li>{SCOPES[name]}</li>" for name in known),
            *(f"<li><code>{escape(plain(name))}</code></li>" for name in others),
        ]
    )


def _facts(session: Session, ask: Ask, sure: str) -> list[tuple[str, str]]:
    person = session.person
    mail = f" ({escape(person.email)})" if person.email and person.name else ""
    other = f' · <a href="{escape(ask.again)}">Not you? Sign in as someone else</a>' if ask.again else ""
    proof = {
        "attested": "Proved: only this assistant can receive the answer",
        "asserted": "Not proved: it only says so",
    }
    return [
        ("You are", f"<strong>{pages.called(session)}</strong>{mail}{other}"),
        ("Jira", escape(", ".join(ask.sites))),
        ("Ends at the latest", pages.moment(ask.ends_at)),
        *_known_by(ask.client, ask.redirect_uri)[2:],
        ("Which assistant", proof[sure]),
    ]


def _known_by(client: Client, redirect_uri: str) -> list[tuple[str, str]]:
    """How administrators know it."""
    known = _REGISTRATIONS[client.registration].format(host=shown_host(client.id))
    return [
        ("Answer goes to", f"<strong><bdi>{escape(shown_host(redirect_uri))}</bdi></strong>"),
        ("Calls itself", f"<q><bdi>{_name(client)}</bdi></q>"),
        ("Registration", escape(known)),
        ("Client id", f"<code><bdi>{escape(plain(client.id))}</bdi></code>"),
    ]


def _buttons(session: Session, ask: Ask) -> str:
    buttons = (
        '<p class="row"><button class="main" type="submit" name="answer" value="allow">Allow</button>'
        '<button type="submit" name="answer" value="refuse">Refuse</button></p>'
        f'<p class="lead">You can end it at any time under <a href="{pages.SIGN_INS}">your sign-ins</a>.</p>'
    )
    return pages.form(session, ask.action, buttons, [("flow", ask.flow)])


def _quoted(id: str) -> str:
    """For a shell: administrators will paste it."""
    return "'" + plain(id, limits.URI_CHARS).replace("'", "'\\''") + "'"
