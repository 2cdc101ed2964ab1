"""The pages about connections."""

from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

from starlette.responses import Response

from gateway.credential.vault import LinkHead
from gateway.errors import ConfirmationNeeded
from gateway.signin import pages
from gateway.signin.sessions import Session
from gateway.signin.sites import LinkedSite

DAY = 86_400.0

DECLINED = {
    "access_denied": "Jira was told to refuse: by you, or because your Jira administrators block this app. "
    "If you agreed, ask them to allow it. Nothing was connected.",
    "server_error": "Jira's sign-in failed. Try again in a minute; nothing was connected.",
    "temporarily_unavailable": "Jira's sign-in is busy. Try again in a minute; nothing was connected.",
}
"""Error codes of an authorization response (RFC 6749 §4.1.2.1) -> what to do."""

MISCONFIGURED = (
    "Jira does not accept this gateway's app as it is set up ({error}). Tell the operator of the gateway; "
    "nothing was connected."
)

_ENDED = {
    "revoked": "Jira withdrew it, for example because you removed the app or changed your password.",
    "rotation_lost": "Its renewal was interrupted, and Jira no longer takes what we hold.",
    "expired": "It reached its longest life.",
    "mismatch": "The account is not yours by this gateway's rules.",
    "cut_off": "It was ended by your company.",
}


def overview(session: Session, sites: Sequence[LinkedSite], heads: Sequence[LinkHead]) -> Response:
    """All sites, and what is connected at each."""
    lead = (
        '<p class="lead">Assistants act in Jira as you, with no more rights than you have. '
        "Here is what you allowed, and here you end it.</p>"
    )
    panels = "".join(_panel(session, site, _of(site, heads)) for site in sites)
    return pages.page("Your connections", lead + (panels or _nothing()), session)


def disconnected(session: Session, site: LinkedSite) -> Response:
    """It is ended here; where it is ended at Jira too."""
    body = pages.notice(f"Jira ({site.name}) is disconnected: what this gateway held is destroyed.", "good")
    if site.linking.apps_url:
        body += (
            "<p>Jira still lists this gateway among your apps. To end that too, remove it at "
            f'<a href="{escape(site.linking.apps_url)}">{escape(str(urlsplit(site.linking.apps_url).netloc))}</a>.</p>'
        )
    way = pages.link("/connect", "See your connections")
    return pages.page("Disconnected", f'{body}<p class="row">{way}</p>', session)


def start(
    session: Session, site: LinkedSite, way: str, heads: Sequence[LinkHead], *, write: bool
) -> Response:
    """Before the way to Jira: who, what, and where it leads."""
    what = (
        "read and change in Jira what you may read and change" if write else "read in Jira what you may read"
    )
    there = str(urlsplit(way).netloc)
    body = (
        f'<p class="lead">{escape(site.url)}</p>'
        f"<p>You are signed in as <strong>{pages.called(session)}</strong>. Your assistants will be able to "
        f"{what}, and nothing that you may not do yourself. You can end it here at any time.</p>"
        f"<p>The next page is Jira's own, at <strong>{escape(there)}</strong>. "
        "Agree there with <em>your own</em> Jira account.</p>"
        f'<p class="row">{pages.link(way, "Continue to Jira", main=True)}'
        f"{pages.link('/connect', 'Not now')}</p>"
    )
    if any(not head.ended for head in _of(site, heads)):
        body = pages.notice("This site is connected already. Going on renews it.") + body
    return pages.page(f"Connect Jira: {site.name}", body, session)


def confirmation(session: Session, action: str, state: str, asked: ConfirmationNeeded) -> Response:
    """Is that account yours?"""
    named = f"<strong>{escape(asked.name)}</strong> " if asked.name else ""
    buttons = (
        '<p class="row"><button class="main" type="submit" name="answer" value="mine">Yes, it is mine</button>'
        '<button type="submit" name="answer" value="not">No, it is not</button></p>'
    )
    body = (
        f"<p>Jira says that this account agreed: {named}<code>{escape(asked.account)}</code>.</p>"
        f"<p>You are signed in here as <strong>{pages.called(session)}</strong>. "
        "Your assistants will act in Jira as that account, so say yes only if it is your own.</p>"
        + pages.form(session, action, buttons, [("flow", state)])
    )
    return pages.page("Is this your Jira account?", body, session)


def done(session: Session, site: LinkedSite, account: str) -> Response:
    """It is connected."""
    who = f" as {account}" if account else ""
    body = (
        pages.notice(f"Jira ({site.name}) is connected{who}.", "good")
        + "<p>You may close this window. Go back to your assistant and ask again.</p>"
        f'<p class="row">{pages.link("/connect", "See your connections")}</p>'
    )
    return pages.page("Connected", body, session)


def another_person(session: Session) -> Response:
    """The address was made for somebody else than the browser's person (MCP, client/elicitation, "Phishing")."""
    out = pages.form(session, pages.SIGN_OUT, '<button class="main" type="submit">Sign out</button>')
    text = (
        "This address was made for another person, so nothing was connected. If somebody sent it to you, "
        "close this page. If it is from your own assistant, sign out here, then open it again and sign in as the "
        "person whom the assistant is signed in as."
    )
    body = (
        pages.notice(text, "bad")
        + f"<p>You are signed in as <strong>{pages.called(session)}</strong>.</p>"
        + f'<div class="row">{out}{pages.link("/connect", "See your own connections")}</div>'
    )
    return pages.page("This address is not yours", body, session, status=403)


def _of(site: LinkedSite, heads: Sequence[LinkHead]) -> list[LinkHead]:
    """The site's own, and that of its second app (`NAME/write`)."""
    return [head for head in heads if head.key.upstream in (site.name, f"{site.name}/write")]


def _panel(session: Session, site: LinkedSite, heads: Sequence[LinkHead]) -> str:
    live = [head for head in heads if not head.ended]
    here, mark = f"/connect/{site.name}", escape(site.name)
    writes = any(_writes(head) for head in heads)
    ways = "" if live else pages.link(here + _SCOPE[writes], "Connect", main=True)
    if heads:
        word = "Disconnect" if live else "Remove"
        button = f'<button class="end" type="submit" aria-label="{word} {mark}">{word}</button>'
        ways += pages.form(session, here, button)
    facts = (
        "".join(_facts(site, head) for head in heads) or "<p>Your assistants cannot use this Jira yet.</p>"
    )
    return (
        f'<section class="panel" aria-labelledby="site-{mark}"><div class="head"><h2 id="site-{mark}">{mark}</h2>'
        f'{_pill(live, heads)}<span class="lead">{escape(site.url)}</span></div>'
        f'<div class="body">{facts}<div class="row">{ways}</div></div></section>'
    )


def _pill(live: Sequence[LinkHead], heads: Sequence[LinkHead]) -> str:
    if live:
        return '<span class="pill good">connected</span>'
    return '<span class="pill bad">ended</span>' if heads else '<span class="pill">not connected</span>'


def _facts(site: LinkedSite, head: LinkHead) -> str:
    rows = [
        ("Account", f"<code>{escape(head.account)}</code>"),
        ("Allowed", escape(", ".join(sorted(head.scopes)) or "nothing")),
        ("Connected", pages.moment(head.linked_at)),
        ("Last used", pages.moment(head.used_at)),
    ]
    if head.ended:
        rows.append(("Ended", escape(_ENDED.get(head.ended, "It no longer works.")) + " Connect once more."))
    elif site.linking.lasts_days is not None:
        again = f'<a href="/connect/{escape(site.name)}{_SCOPE[_writes(head)]}">Renew it now</a>'
        rows.append(("Ends", f"{pages.moment(head.linked_at + site.linking.lasts_days * DAY)} · {again}"))
    return pages.facts(rows)


_SCOPE = {True: "?scope=write", False: ""}


def _writes(head: LinkHead) -> bool:
    """Whether it can write; renewed for less, it would be less. Both kinds of Jira name such scopes so."""
    return any("write" in scope.lower() for scope in head.scopes)


def _nothing() -> str:
    return "<p>There is nothing to connect: signing in is all that this gateway needs of you.</p>"
