"""The authorization endpoint: what is refused where, and what the page is made of."""

import re

import pytest

from tests.sandbox.idp.conftest import REDIRECT, Assistant, answered

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"client_id": "jira-agent-gateway"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:43210/elsewhere"},
        {"redirect_uri": "http://127.0.0.1:43210/callback#x"},
        {"redirect_uri": "http://127.0.0.1:43210@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "https://127.0.0.1:43210/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "//127.0.0.1/callback"},
        {"redirect_uri": "cursor://anysphere.cursor-mcp/oauth/callback"},
    ],
)
async def test_nothing_is_sent_to_an_address_in_doubt(assistant: Assistant, wrong: dict[str, str]) -> None:
    """A client or redirect that does not fit is told to the person, and nobody is redirected."""
    reply = await assistant.web.get(assistant.url(**wrong))
    assert reply.status_code == 400
    assert "location" not in reply.headers
    assert 'role="alert"' in reply.text


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 44}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"resource": "https://evil.example/mcp"}, "invalid_target"),
        ({"resource": "http://127.0.0.1:3/mcp/other"}, "invalid_target"),
        ({"resource": "http://127.0.0.1:3"}, "invalid_target"),
        ({"resource": "http://[::1/mcp"}, "invalid_target"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"request_uri": "https://x.example"}, "request_uri_not_supported"),
    ],
)
async def test_other_mistakes_are_told_to_the_assistant(
    assistant: Assistant, wrong: dict[str, str | None], error: str
) -> None:
    """The error comes back at the registered redirect, with state and issuer (RFC 6749 §4.1.2.1)."""
    reply = await assistant.web.get(assistant.url(**wrong))
    assert reply.status_code == 303
    assert reply.headers["location"].startswith(REDIRECT + "?")
    answer = answered(reply.headers["location"])
    assert (answer["error"], answer["state"], answer["iss"]) == (error, assistant.state, assistant.idp.issuer)
    assert "code" not in answer


async def test_a_parameter_sent_twice_is_refused(assistant: Assistant) -> None:
    """RFC 6749 §3.1: two client ids or states are an attack on one of the two readers."""
    reply = await assistant.web.get(assistant.url() + "&state=other")
    assert reply.status_code == 400
    assert "location" not in reply.headers


async def test_every_one_of_several_resources_must_be_the_gateway(assistant: Assistant) -> None:
    """RFC 8707 allows several; one that is not ours spoils the request."""
    reply = await assistant.web.get(assistant.url() + "&resource=https%3A%2F%2Fevil.example")
    assert answered(reply.headers["location"])["error"] == "invalid_target"
    ours = await assistant.web.get(assistant.url() + "&resource=http%3A%2F%2F127.0.0.1%3A3%2Fmcp%2F")
    assert ours.status_code == 200


async def test_the_redirect_keeps_its_own_query(assistant: Assistant) -> None:
    """Parameters of a registered redirect stay (RFC 6749 §3.1.2)."""
    uri = "http://127.0.0.1:9/back?tab=7"
    client = (await assistant.web.post("/register", json={"redirect_uris": [uri]})).json()
    assistant.client_id = client["client_id"]
    answer = await assistant.answer(redirect_uri=uri)
    assert answer["tab"] == "7"
    assert answer["code"]


async def test_the_page_runs_nothing_and_loads_nothing(assistant: Assistant) -> None:
    """A strict content security policy, no script, no frame, no cache, no referrer."""
    reply = await assistant.web.get(assistant.url())
    csp = reply.headers["content-security-policy"]
    assert csp.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in csp
    assert "base-uri 'none'" in csp
    assert "form-action 'self' http://127.0.0.1:43210;" in csp
    assert "unsafe" not in csp
    assert "<script" not in reply.text
    assert not re.search(r"\s(?:on\w+|style|src)=", reply.text)
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in reply.headers


async def test_the_page_can_be_used_by_everyone(assistant: Assistant) -> None:
    """Language, title, one heading, a label for each field, and autocomplete for password managers."""
    text = (await assistant.web.get(assistant.url())).text
    assert '<html lang="en">' in text
    assert text.count("<h1>") == 1
    fields = re.findall(r'<input id="(\w+)"', text)
    assert fields == ["user", "password", "code"]
    assert all(f'<label for="{field}">' in text for field in fields)
    assert re.findall(r'autocomplete="([\w-]+)"', text) == ["username", "current-password", "one-time-code"]


@pytest.mark.parametrize(
    ("uri", "told", "source"),
    [
        ("http://localhost:8/cb", "a program on this computer (localhost:8)", "http://localhost:8"),
        ("http://[::1]:8/cb", "a program on this computer ([::1]:8)", "http:"),
        (
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "the cursor application on this computer",
            "cursor:",
        ),
        ("https://vscode.dev/redirect", "vscode.dev", "https://vscode.dev"),
    ],
)
async def test_the_page_names_who_gets_the_answer(
    assistant: Assistant, uri: str, told: str, source: str
) -> None:
    """The person sees where the answer goes, and the browser lets the form lead there and nowhere else."""
    client = (await assistant.web.post("/register", json={"redirect_uris": [uri]})).json()
    reply = await assistant.web.get(assistant.url(client_id=client["client_id"], redirect_uri=uri))
    assert f"<strong>{told}</strong>" in reply.text
    assert f"form-action 'self' {source};" in reply.headers["content-security-policy"]


async def test_foreign_words_are_escaped(assistant: Assistant) -> None:
    """Names, hints and typed user names cannot become markup, nor turn the text around."""
    name = '"><script>alert(1)</script>\u202e\u0000\n  Claude'
    wish = {"redirect_uris": [REDIRECT], "client_name": name}
    client = (await assistant.web.post("/register", json=wish)).json()
    url = assistant.url(client_id=client["client_id"], login_hint='"><b>')
    text = (await assistant.web.get(url)).text
    assert "<script" not in text
    assert "<b>" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
    assert 'value="&quot;&gt;&lt;b&gt;"' in text
