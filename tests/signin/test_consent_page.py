"""The question before an assistant may act as a person: nothing in it is taken from the asker's word alone."""

import re
from html.parser import HTMLParser

import pytest
from starlette.responses import HTMLResponse

from gateway.signin import pages
from gateway.signin.server import consent_page
from gateway.signin.server.shown import mixes_alphabets, origin_of, plain, shown_host
from tests.signin.rooms import CLAUDE_CODE, Asked, ask, client, session


def text(page: HTMLResponse) -> str:
    """The HTML."""
    return bytes(page.body).decode()


def policy(page: HTMLResponse) -> dict[str, str]:
    """The content security policy by directive."""
    return dict(
        part.strip().partition(" ")[::2] for part in page.headers["content-security-policy"].split(";")
    )


class Tree(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, page: HTMLResponse) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text(page))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


PAGES = {
    "consent": consent_page.consent(session(), ask()),
    "closing": consent_page.closing(session(), "cursor://app/callback?code=c"),
    "pending": consent_page.pending(session(), client(), "https://helper.example/cb"),
    "refused": consent_page.refused(None, client(), "https://helper.example/cb"),
    "error": consent_page.oauth_error("invalid_client", "no such client"),
}


def test_a10_the_host_stands_large_and_the_name_small() -> None:
    """The heading of the question is where the answer goes; the name is marked as the client's own word."""
    shown = text(
        consent_page.consent(session(), ask(Asked(client(name="Claude"), "https://evil.example/cb")))
    )
    assert '<p class="whom"><bdi>evil.example</bdi></p>' in shown
    assert "It calls itself <q><bdi>Claude</bdi></q>" in shown
    assert "Claude" not in re.findall(r"<h1>.*?</h1>|<title>.*?</title>", shown)[0]


def test_the_form_carries_its_token_and_its_flow() -> None:
    """Only a page of ours, shown in this session, can send the answer; nothing of the client is in the form."""
    asked = ask()
    shown = text(consent_page.consent(session(), asked))
    assert f'name="token" value="{session().form_token(asked.action)}"' in shown
    assert 'name="flow" value="flow-1"' in shown and 'action="/consent"' in shown
    assert re.findall(r'name="answer" value="(\w+)"', shown) == ["allow", "refuse"]


def test_scopes_are_told_in_words() -> None:
    """What is asked stands there in words, and a scope without words as it is, escaped."""
    shown = text(consent_page.consent(session(), ask(scopes=["jira:read", "<x>"])))
    assert "Read what you can read in Jira" in shown and "&lt;x&gt;" in shown
    assert "Create and change" not in shown and "Stay signed in" not in shown


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            Asked(client(id=CLAUDE_CODE, registration="document"), "http://localhost:1/cb"),
            "any program could",
        ),
        (Asked(client(), "http://[::1]:1/cb"), "any program could"),
        (Asked(client(), "cursor://x/cb"), "Any app on this device"),
        (Asked(client(), "https://helper.example/cb"), "is not among the assistants that this gateway knows"),
        (Asked(client(), "https://claude.ai.helper.example/cb"), "claude.ai.helper.example is not among"),
        (Asked(client(registration="static"), "https://xn--clude-hye.ai/cb"), "can look like others"),
        (Asked(client(name="Cl\u0430ude"), "https://claude.ai/cb"), "mixes alphabets"),
    ],
)
def test_the_person_is_warned(asked: Asked, said: str) -> None:
    """Of what could be somebody else than it says."""
    assert said in text(consent_page.consent(session(), ask(asked)))


def test_a_known_host_and_one_that_administrators_set_up_need_no_warning() -> None:
    """A warning that always stands there is read by nobody."""
    known = Asked(
        client(id="https://claude.ai/c", registration="document", name="Claude"), "https://claude.ai/cb"
    )
    assert consent_page.warnings(ask(known)) == []
    assert "Proved: only this assistant" in text(consent_page.consent(session(), ask(known)))
    assert consent_page.warnings(ask(Asked(client(registration="static")))) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\u202egnp.exe", "gnp.exe"),
        ("Claude\u2066 by\u2069 x", "Claude by x"),
        ("a\u200bb\ufeffc\x00d", "abcd"),
        ("two\nlines\u2028three", "two lines three"),
        ("Z" + "\u0301" * 40, "\u0179\u0301\u0301"),
        ("n" * 200, "n" * 59 + "…"),
        ("", ""),
    ],
)
def test_pitfall_25_a_name_changes_nothing_around_it(name: str, shown: str) -> None:
    """No control, direction or invisible character of it gets through, nor more than a line, nor markup."""
    assert plain(name, 60) == shown
    page = consent_page.consent(session(), ask(Asked(client(name=name))))
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\x00\u2028]", text(page))
    assert not [tag for tag, _ in Tree(page).tags if tag in ("script", "img", "iframe", "object")]


def test_a_host_of_another_alphabet_is_shown_as_it_is_looked_up() -> None:
    """`сlaude.ai` with a Cyrillic first letter cannot look like the other one."""
    assert shown_host("https://\u0441laude.ai/cb") == "xn--laude-0ye.ai"
    assert (
        mixes_alphabets("Cl\u0430ude")
        and not mixes_alphabets("助手 Claude")
        and not mixes_alphabets("Claude")
    )


@pytest.mark.parametrize(
    ("redirect", "origin"),
    [
        ("https://claude.ai/api/mcp/auth_callback", "https://claude.ai"),
        ("http://localhost:3334/cb", "http://localhost:3334"),
        ("http://127.0.0.1:5/cb", "http://127.0.0.1:5"),
        ("http://[::1]:5/cb", ""),
        ("cursor://x/cb", ""),
        ("https://a;script-src */cb", ""),
        ("https://user@claude.ai/cb", "https://claude.ai"),
    ],
)
def test_the_policy_names_the_origin_of_the_redirect_and_nothing_else(redirect: str, origin: str) -> None:
    """`form-action` is widened by exactly that origin, where it can be named; a directive cannot be smuggled in."""
    assert origin_of(redirect) == origin
    found = policy(consent_page.consent(session(), ask(Asked(client(), redirect))))
    assert found["form-action"] == " ".join(filter(None, ("'self'", origin)))
    assert found["default-src"] == "'none'" and "script-src" not in found


@pytest.mark.parametrize("origin", ["*", "https:", "https://a b", "https://a;x", "javascript:", "https://a/"])
def test_a_page_takes_only_origins(origin: str) -> None:
    """What is not one ends in an error, not in the header."""
    with pytest.raises(ValueError, match="origins"):
        pages.page("t", "", None, form_action=[origin])


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_page_is_strict(page: HTMLResponse) -> None:
    """No script, no inline style, no event attribute, nothing from elsewhere, nothing kept, no frame."""
    assert policy(page)["default-src"] == "'none'" and page.headers["cache-control"] == "no-store"
    for tag, attributes in Tree(page).tags:
        assert tag not in ("script", "style", "iframe", "img")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert tag != "link" or attributes["href"] == pages.STYLE


def test_closing_opens_the_app_and_says_what_to_do_if_it_does_not() -> None:
    """A private scheme is followed by a refresh and by a link; both lead to the very same address."""
    to = 'cursor://anysphere.cursor-mcp/oauth/callback?code=a&state="><b>'
    tags = Tree(consent_page.closing(session(), to)).tags
    [refresh] = [a["content"] for tag, a in tags if tag == "meta" and a.get("http-equiv") == "refresh"]
    [link] = [a["href"] for tag, a in tags if tag == "a" and "main" in (a.get("class") or "")]
    assert (refresh, link) == (f"0; url={to}", to)
    assert "You may close this window" in text(PAGES["closing"])


def test_closing_after_a_refusal_does_not_say_that_somebody_is_signed_in() -> None:
    """The same page carries the no to the app."""
    shown = text(consent_page.closing(session(), "cursor://x/cb?error=access_denied"))
    assert "Nothing was allowed" in shown and "You are signed in." not in shown


@pytest.mark.parametrize(
    "to", ["javascript:alert(1)", "data:text/html,x", "JAVASCRIPT:x", "/login", "vbscript:x"]
)
def test_pitfall_11_nothing_that_would_run_here_is_opened(to: str) -> None:
    """An address without an app of its own is refused."""
    with pytest.raises(ValueError, match="address of an app"):
        consent_page.closing(session(), to)


def test_a_client_that_waits_tells_what_to_send_to_whom() -> None:
    """The command for the administrator is whole, and safe to paste."""
    shown = text(consent_page.pending(session(), client(id="a'; rm -rf ~ #"), "https://helper.example/cb"))
    assert "client admit &#x27;a&#x27;\\&#x27;&#x27;; rm -rf ~ #&#x27;" in shown
    assert "Send this to your administrators" in shown and "helper.example" in shown


def test_a_refused_client_says_for_whom_it_is() -> None:
    """Roles where it is for some; the administrators' no otherwise."""
    some = text(consent_page.refused(session(), client(), "https://h.example/cb", groups=["finance", "hr"]))
    assert "only for: finance, hr" in some
    assert "Your administrators do not allow" in text(PAGES["refused"])


def test_an_error_that_may_not_be_redirected_speaks_to_both() -> None:
    """The person hears what to do; the developer what was wrong, escaped; and nobody is sent anywhere."""
    page = consent_page.oauth_error("invalid_redirect_uri", "https://evil.example/<b> is none of them")
    shown = text(page)
    assert page.status_code == 400 and "location" not in page.headers
    assert "nothing was sent there" in shown and "https://evil.example/&lt;b&gt; is none" in shown
    assert "evil.example" not in [a.get("href") for _, a in Tree(page).tags]
