"""What each assistant sends when it registers (RFC 7591) or writes into its client ID document, as sources tell it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Assistant:
    """One product."""

    name: str
    request: dict[str, Any]

    @property
    def redirects(self) -> list[str]:
        """The redirect URIs that it names."""
        named: list[str] = self.request["redirect_uris"]
        return named


def _one(name: str, *redirects: str, **more: Any) -> Assistant:
    usual = {
        "client_name": name,
        "redirect_uris": list(redirects),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    return Assistant(name, {k: v for k, v in {**usual, **more}.items() if v is not None})


ASSISTANTS = (
    _one(
        "Claude",
        "https://claude.ai/api/mcp/auth_callback",
        "https://claude.com/api/mcp/auth_callback",
        token_endpoint_auth_method="client_secret_post",  # claude-code#3515
        scope="jira:read jira:write offline_access",
    ),
    _one("Claude Code (jira)", "http://localhost/callback", "http://127.0.0.1/callback"),
    _one("Claude app, Code tab", "claude://claude.ai/mcp-auth-callback/sdk"),
    _one(
        "ChatGPT",
        "https://chatgpt.com/connector/oauth/aBc_123-xyz",
        "https://chatgpt.com/connector_platform_oauth_redirect",
    ),
    _one(
        "Visual Studio Code",
        "https://vscode.dev/redirect",
        "https://insiders.vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
        application_type="native",
        client_uri="https://code.visualstudio.com",
    ),
    _one("Cursor", "cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:8787/callback"),
    _one("Gemini CLI MCP Client", "http://localhost:41234/oauth/callback", scope="jira:read"),
    _one("Codex", "http://127.0.0.1:1455/callback"),
    _one(
        "MCP CLI Proxy",  # mcp-remote
        "http://localhost:3334/oauth/callback",
        client_uri="https://github.com/modelcontextprotocol/mcp-cli",
        software_id="2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
        software_version="0.1.38",
    ),
    _one(
        "Microsoft Copilot Studio",
        "https://global.consent.azure-apim.net/redirect/jira-20tool-5f1c",
        token_endpoint_auth_method="client_secret_post",
    ),
)
