"""Which redirect URIs may be registered, and which are the same."""

from typing import Any

import pytest

from sandbox.idp import redirects

GOOD = [
    "http://127.0.0.1/callback",
    "http://127.0.0.1:33418/",
    "http://127.0.0.1",
    "http://localhost:3334/oauth/callback",
    "http://localhost/callback?tab=1",
    "http://[::1]:1/callback",
    "http://127.0.0.1:65535/x",
    "vscode://vscode.github-authentication/did-authenticate",
    "vscode-insiders://vscode.mcp/callback",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "claude://claude.ai/mcp-auth-callback/sdk",
    "https://vscode.dev/redirect",
    "https://insiders.vscode.dev/redirect",
]

BAD: list[Any] = [
    "",
    "x",
    "https://evil.example/callback",
    "https://vscode.dev/redirect/",
    "https://vscode.dev/redirect?x=1",
    "https://vscode.dev.evil.example/redirect",
    "https://vscode.dev@evil.example/redirect",
    "http://vscode.dev/redirect",
    "http://127.0.0.2/callback",
    "http://127.1/callback",
    "http://2130706433/callback",
    "http://0.0.0.0/callback",
    "http://10.0.0.1/callback",
    "http://127.0.0.1.evil.example/callback",
    "http://localhost.evil.example/callback",
    "http://127.0.0.1@evil.example/callback",
    "http://127.0.0.1:80@evil.example/callback",
    "http://user@127.0.0.1/callback",
    "http://127.0.0.1:0/callback",
    "http://127.0.0.1:65536/callback",
    "http://127.0.0.1:080/callback",
    "http://127.0.0.1:/callback",
    "http://127.0.0.1/callback#fragment",
    "http://127.0.0.1\\@evil.example/callback",
    "http://127.0.0.1/\r\nX: y",
    "http://127.0.0.1/callback\n",
    " http://127.0.0.1/callback",
    "http://127.0.0.1/ä",
    "http:/127.0.0.1/callback",
    "http:127.0.0.1",
    "https://127.0.0.1/callback",
    "//127.0.0.1/callback",
    "HTTP://127.0.0.1/callback",
    "http://LOCALHOST/callback",
    "javascript:alert(1)",
    "javascript://127.0.0.1/%0aalert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "cursor:",
    "cursor://",
    "cursor:alert(1)",
    "cursors://anysphere.cursor-mcp/x",
    "cursor://user@host/x",
    "http://127.0.0.1/" + "x" * 2_000,
    "http://127.0.0.1/\ud800",
    None,
    7,
    ["http://127.0.0.1/"],
]


@pytest.mark.parametrize("uri", GOOD)
def test_the_redirects_of_assistants_are_acceptable(uri: str) -> None:
    """Loopback on any port, and the schemes and pages of VS Code, Cursor and Claude."""
    assert redirects.acceptable(uri)


@pytest.mark.parametrize("uri", BAD, ids=lambda uri: repr(uri)[:50])
def test_no_other_redirect_is_acceptable(uri: Any) -> None:
    """What is not on the list of good forms is refused, however it is spelt."""
    assert not redirects.acceptable(uri)


@pytest.mark.parametrize(
    ("registered", "asked", "same"),
    [
        ("http://127.0.0.1/callback", "http://127.0.0.1:5000/callback", True),
        ("http://127.0.0.1:1/callback", "http://127.0.0.1/callback", True),
        ("http://localhost/callback", "http://localhost:5000/callback", True),
        ("http://[::1]:9/callback", "http://[::1]:5000/callback", True),
        ("http://127.0.0.1", "http://127.0.0.1:5000/", True),
        ("http://127.0.0.1/?a=1", "http://127.0.0.1:5000?a=1", True),
        ("http://127.0.0.1/callback", "http://localhost:5000/callback", False),
        ("http://127.0.0.1/callback", "http://[::1]:5000/callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1/callback/", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1/callback?x=1", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1/Callback", False),
        ("http://127.0.0.1/callback", "http://127.0.0.1:99999/callback", False),
        ("cursor://a.b/c", "cursor://a.b/c", True),
        ("cursor://a.b/c", "cursor://a.b:1/c", False),
        ("https://vscode.dev/redirect", "https://vscode.dev:443/redirect", False),
    ],
)
def test_only_the_port_of_loopback_is_free(registered: str, asked: str, same: bool) -> None:
    """RFC 8252 §7.3: any port on loopback, and everything else exactly as registered."""
    assert redirects.matches(registered, asked) is same
