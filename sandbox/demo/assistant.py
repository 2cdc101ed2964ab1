"""A real MCP client (the official Python SDK) that signs a person in through OAuth, and the person's browser."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from gateway.http import Outward
from sandbox.people import Person
from sandbox.visitor import Visitor

REDIRECT = "http://127.0.0.1:33418/callback"
"""Where an assistant on a desktop listens; the identity provider accepts any loopback port."""


class _Memory:
    """Tokens for the life of the demo."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """What the person does in the browser: reads the sign-in page, fills the form, lands on the redirect."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self.landed = ""
        self.pages: list[str] = []
        """Titles of the pages that came."""

    async def open(self, url: str) -> None:
        """Open the authorization request and answer it as the person."""
        async with Outward() as http:
            visitor = Visitor(http, self._person)
            self.landed = await visitor.open(url, REDIRECT)
        self.pages = visitor.pages

    async def callback(self) -> AuthorizationCodeResult:
        """What the assistant's own listener would have received."""
        query = {k: v[0] for k, v in parse_qs(urlsplit(self.landed).query).items()}
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))


class Assistant:
    """One person's assistant, connected. `steps` are the HTTP exchanges of the sign-in."""

    def __init__(self, person: Person, url: str, name: str = "Demo assistant") -> None:
        self.person = person
        self.steps: list[tuple[str, str, int]] = []
        self.hears: list[Callable[[httpx2.Response], Awaitable[None]]] = []
        """Called with each response before the SDK acts on it; to be filled before it is connected."""
        self.browser = Browser(person)
        self._url = url
        self._memory = _Memory()
        self._stack = AsyncExitStack()
        self._metadata = OAuthClientMetadata.model_validate(
            {
                "client_name": name,
                "redirect_uris": [REDIRECT],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            }
        )

    async def __aenter__(self) -> Self:
        provider = OAuthClientProvider(
            self._url, self._metadata, self._memory, self.browser.open, self.browser.callback
        )
        http = await self._stack.enter_async_context(
            httpx2.AsyncClient(
                auth=_Watched(provider, self.steps),
                event_hooks={"response": self.hears},
                trust_env=False,
                timeout=30,
            )
        )
        client = Client(streamable_http_client(self._url, http_client=http))
        self.client = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def token(self) -> str:
        """The access token, for reading its claims."""
        assert self._memory.tokens is not None
        return self._memory.tokens.access_token

    async def tools(self) -> list[str]:
        """Names of the tools that this person's assistant is offered."""
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, **arguments: Any) -> "Answered":
        """Call a tool; an error is an answer too."""
        result = await self.client.call_tool(tool, arguments)
        text = "\n".join(getattr(block, "text", "") for block in result.content)
        return Answered(
            not result.is_error, text, dict(result.structured_content or {}), dict(result.meta or {})
        )


class Answered:
    """What came back from a tool call."""

    def __init__(self, good: bool, text: str, data: dict[str, Any], meta: dict[str, Any]) -> None:
        self.good, self.text, self.data, self.meta = good, text, data, meta


class _Watched(httpx2.Auth):
    """The SDK's OAuth flow, with each exchange noted."""

    requires_response_body = True

    def __init__(self, flow: httpx2.Auth, steps: list[tuple[str, str, int]]) -> None:
        self._flow, self._steps = flow, steps

    async def async_auth_flow(self, request: httpx2.Request) -> Any:
        inner = self._flow.async_auth_flow(request)
        response = None
        try:
            wanted = await inner.asend(None)  # type: ignore[arg-type]
            while True:
                response = yield wanted
                self._steps.append((wanted.method, str(wanted.url).split("?")[0], response.status_code))
                wanted = await inner.asend(response)
        except StopAsyncIteration:
            return
        finally:
            await inner.aclose()
