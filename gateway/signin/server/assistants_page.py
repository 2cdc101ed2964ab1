"""The Connect page, as HTML: one address, a tab for each assistant, and how far the person's own ones have come.

Tabs are radio buttons that style sheets follow, so they need no script: arrow keys move between them, and
screen readers tell which of how many is chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from gateway import limits
from gateway.signin import pages
from gateway.signin.server import Client
from gateway.signin.server.guide import Guide, server_name
from gateway.signin.sessions import Session


@dataclass(frozen=True, slots=True)
class Address:
    """One Jira site as assistants reach it."""

    site: str
    url: str


@dataclass(frozen=True, slots=True)
class Come:
    """How far the person's assistants of one kind have come. Unix seconds; None: not yet."""

    found: float | None = None
    signed: float | None = None
    called: float | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is left to do."""
        return None not in (self.found, self.signed, self.called)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page tells one person."""

    guides: Sequence[Guide]
    addresses: Sequence[Address]
    site: Address
    chosen: str
    """Slug of the open tab."""
    come: Mapping[str, Come] = field(default_factory=dict)
    """By slug."""
    linked: bool | None = None
    """Whether the person's Jira account is connected; None: this site needs no such thing."""
    watches: int = 0
    """How often the page will still look by itself."""
    admin: bool = False
    sign_ins: bool = True
    """Whether assistants sign in with us, so that there is a page of them."""


_CHECKED = {
    "ran": "Checked by running it",
    "read": "From its maker's documentation, not run here",
    "not": "Not checked",
}


def connect(session: Session, shown: Shown) -> HTMLResponse:
    """The page."""
    tabs = "".join(_tab(guide, shown) for guide in shown.guides)
    body = (
        '<p class="lead">An assistant acts in Jira as you, with no more rights than you have.'
        f"{_sign_ins(shown)}</p>"
        f"{_addresses(shown)}"
        f'<fieldset class="tabs"><legend>Which assistant?</legend>{tabs}</fieldset>'
        "<p>Another one? Any assistant that speaks MCP over HTTP needs the address alone.</p>"
        f"{issue_form(session) if shown.admin else ''}"
    )
    again = _here(shown, watch=shown.watches - 1)
    refresh = f"{limits.WATCH_SECONDS}; url={again}" if shown.watches else ""
    return pages.page("Connect your assistant to Jira", body, session, refresh=refresh)


def _sign_ins(shown: Shown) -> str:
    link = f'<a href="{pages.SIGN_INS}">your sign-ins</a>'
    return f" What is signed in as you stands under {link}." if shown.sign_ins else ""


def _addresses(shown: Shown) -> str:
    several = ""
    if len(shown.addresses) > 1:
        links = "".join(_site(one, one == shown.site) for one in shown.addresses)
        several = f'<nav aria-label="Jira sites"><ul class="sites">{links}</ul></nav>'
    return (
        f'{several}<div class="panel"><div class="body"><p class="lead" id="address">The address'
        f"{f' of {escape(shown.site.site)}' if several else ''}; one click selects all of it</p>"
        f'<p class="address"><code aria-labelledby="address">{escape(shown.site.url)}</code></p></div></div>'
    )


def _site(address: Address, here: bool) -> str:
    current = ' aria-current="true"' if here else ""
    to = f"{pages.ASSISTANTS}?{urlencode({'site': address.site})}"
    return f'<li><a href="{to}"{current}>{escape(address.site)}</a></li>'


def _tab(guide: Guide, shown: Shown) -> str:
    open = " checked" if guide.slug == shown.chosen else ""
    come = shown.come.get(guide.slug, Come())
    mark = '<span class="tick"> ✓<span class="unseen"> signed in</span></span>' if come.signed else ""
    return (
        f'<input type="radio" name="assistant" id="tab-{guide.slug}"{open}>'
        f'<label for="tab-{guide.slug}">{escape(guide.title)}{mark}</label>'
        f'<section class="panel" aria-label="{escape(guide.title)}"><div class="body">'
        f"{_how(guide, shown)}{_list(guide, come, shown)}</div></section>"
    )


def _how(guide: Guide, shown: Shown) -> str:
    name = server_name(shown.site.site, only=shown.site == shown.addresses[0])
    steps = "".join(f"<li>{escape(step)}</li>" for step in guide.steps)
    lead = f"<p>{escape(guide.lead)}</p>" if guide.lead else ""
    link = guide.one_click(name, shown.site.url)
    button = f'<p class="row">{pages.link(link, f"Add to {guide.title}", main=True)}</p>' if link else ""
    paste = ""
    if guide.paste:
        label = f'<p class="lead" id="paste-{guide.slug}">{escape(guide.where)}</p>'
        text = escape(guide.filled(name, shown.site.url))
        paste = f'{label}<pre class="paste" tabindex="0" aria-labelledby="paste-{guide.slug}">{text}</pre>'
    source = f'<p class="self">{_CHECKED[guide.checked]}: {escape(guide.source)}</p>'
    return f"{lead}<ol>{steps}</ol>{button}{paste}{source}"


def _list(guide: Guide, come: Come, shown: Shown) -> str:
    rows = []
    if shown.sign_ins:
        rows.append(("It found this gateway, and is known here", _done(come.found)))
        rows.append(("You signed in with it", _done(come.signed)))
    if shown.linked is not None:
        site = escape(shown.site.site)
        to_do = f'<a href="/connect/{site}">connect it now</a>'
        rows.append(
            ("Your Jira account is connected", _pill("good", "done") if shown.linked else _pill("", to_do))
        )
    asked = _done(come.called) if shown.sign_ins else _pill("", "try it")
    rows.append(("You asked: “Which issues are assigned to me?”", asked))
    lines = "".join(f"<li><span>{text}</span> {mark}</li>" for text, mark in rows)
    return (
        f'<h2>How far it is</h2><ol class="check">{lines}</ol>'
        f'<div class="row">{pages.link(_here(shown, guide.slug), "Look again")}{_watch(guide, come, shown)}</div>'
    )


def _watch(guide: Guide, come: Come, shown: Shown) -> str:
    if come.whole or not shown.sign_ins:
        return ""
    if shown.watches:
        return f'<span role="status">Looking every {limits.WATCH_SECONDS} seconds.</span>' + pages.link(
            _here(shown, guide.slug), "Stop"
        )
    minutes = limits.WATCHES * limits.WATCH_SECONDS // 60
    return pages.link(_here(shown, guide.slug, limits.WATCHES), f"Keep looking for {minutes} minutes")


def _here(shown: Shown, slug: str = "", watch: int = 0) -> str:
    asked = {
        "site": shown.site.site,
        "client": slug or shown.chosen,
        **({"watch": watch} if watch > 0 else {}),
    }
    return f"{pages.ASSISTANTS}?{urlencode(asked)}"


def _done(at: float | None) -> str:
    return _pill("good", f"done {pages.moment(at)}") if at is not None else _pill("", "not yet")


def _pill(kind: str, text: str) -> str:
    return f'<span class="pill {kind}">{text}</span>'


def issue_form(session: Session) -> str:
    """For administrators: a client id for an assistant that cannot register by itself."""
    inputs = (
        '<p><label for="name">Its name</label><input id="name" name="name" required maxlength="60"></p>'
        '<p><label for="redirects">Its redirect addresses, one on each line</label>'
        '<textarea id="redirects" name="redirects" rows="3" required spellcheck="false"></textarea></p>'
        '<p><label for="owner">Who answers for it (an e-mail address)</label>'
        '<input id="owner" name="owner" required maxlength="200"></p>'
        '<p><input type="checkbox" id="secret" name="secret" value="yes">'
        '<label for="secret">It keeps a secret (programs on servers do, apps on computers cannot)</label></p>'
        '<p class="row"><button type="submit">Issue a client id</button></p>'
    )
    return (
        '<details class="panel"><summary>For administrators: issue a client id</summary>'
        '<div class="body"><p>For an assistant that cannot register by itself. It is admitted at once.</p>'
        f"{pages.form(session, pages.ASSISTANTS, inputs)}</div></details>"
    )


def issued(session: Session, client: Client, secret: str) -> HTMLResponse:
    """The new client; its secret is shown once."""
    rows = [("Client id", f'<code class="whole">{escape(client.id)}</code>')]
    if secret:
        rows.append(("Client secret", f'<code class="whole">{escape(secret)}</code>'))
    rows.append(("Redirects", "<br>".join(f"<code>{escape(one)}</code>" for one in client.redirect_uris)))
    once = (
        "<p>The secret is shown this once. Keep it where only the assistant reads it.</p>" if secret else ""
    )
    body = (
        pages.notice("The client id is issued, and admitted.", "good")
        + pages.facts(rows)
        + once
        + f'<p class="row">{pages.link(pages.ASSISTANTS, "Back")}</p>'
    )
    return pages.page("A client id is issued", body, session)
