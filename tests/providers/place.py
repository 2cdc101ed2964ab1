"""A whole gateway between one provider and a sandbox Jira that trusts this provider's tokens.

assistant ──token──> gateway ──exchange──> provider
                        └──exchanged token──> Jira, which verifies it with the provider's keys
"""

import itertools
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx2

from gateway.app import Gateway
from gateway.config import load, shipped_policies
from gateway.credential.sources.exchange import ExchangeSource
from sandbox.jira import create_app
from sandbox.run import roles_toml
from sandbox.serve import Served, free_port, listen
from tests.providers.provider import GatewaySettings, Parties, Provider
from tests.speaking import exchange_of, recorded, tool_call


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one call, whatever its form."""

    status: int
    challenge: str
    """`WWW-Authenticate`"""
    body: dict[str, Any]

    @property
    def result(self) -> dict[str, Any]:
        """The tool's result; it must have succeeded."""
        assert self.status == 200, (self.status, self.challenge, self.body)
        result: dict[str, Any] = self.body["result"]
        assert not result.get("isError"), result
        return result

    @property
    def data(self) -> dict[str, Any]:
        """The structured content of a success."""
        data: dict[str, Any] = self.result["structuredContent"]
        return data

    @property
    def refusal(self) -> str:
        """The text of a tool result that is an error."""
        assert self.status == 200, (self.status, self.challenge, self.body)
        assert self.body["result"].get("isError"), self.body
        return str(self.body["result"]["content"][0]["text"])


class Front:
    """`async with Front(folder, public_url, text) as front`: a gateway of these settings, served on loopback."""

    def __init__(self, folder: Path, public_url: str, text: str) -> None:
        self.folder = folder
        self.public_url = public_url
        self.url = f"{public_url}/mcp"
        self._text = text
        self._ids = itertools.count(1)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            config = self.folder / "gateway.toml"
            config.write_text(self._text)
            self.settings = load(config, {})
            self.gateway = Gateway(self.settings)
            served = Served(self.gateway.app, listen("127.0.0.1", self.settings.server.port))
            await stack.enter_async_context(served)
            self.http = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=60))
            self._stack.push_async_exit(stack.pop_all())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @property
    def exchange(self) -> ExchangeSource:
        """The credential source, where it exchanges."""
        return exchange_of(self.gateway)

    async def call(self, bearer: str, tool: str, **arguments: Any) -> Answer:
        """One tools/call over HTTP, in the modern era."""
        message, headers = tool_call(next(self._ids), bearer, tool, arguments)
        reply = await self.http.post(self.url, json=message, headers=headers)
        body = reply.json() if reply.content else {}
        return Answer(reply.status_code, reply.headers.get("www-authenticate", ""), body)

    def records(self) -> list[dict[str, Any]]:
        """The record, oldest first."""
        return recorded(self.settings.audit.dir)


class Place(Front):
    """`async with Place(folder, make) as place`: provider, Jira and gateway, served on loopback.

    The rules in force are those of `policies`, a copy of those that ship with the gateway.
    """

    mode = "resource"
    """Where assistants sign in: at the provider, whose tokens are presented; or at the gateway (`signin`)."""
    unasked = 0.0
    """Seconds after a sign-in or refresh in which another refresh does not ask the provider."""

    def __init__(self, folder: Path, make: Callable[[Parties], Provider]) -> None:
        public_url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
        super().__init__(folder, public_url, "")
        self.policies = folder / "policies"
        self._make = make
        self.provider: Provider

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            sock = listen("127.0.0.1", 0)
            self.jira_url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            parties = Parties(gateway=self.url, jira=self.jira_url, folder=self.folder)
            self.provider = await stack.enter_async_context(self._make(parties))
            jira = create_app(self.provider.jira_claims, base_url=self.jira_url)
            self.jira = jira.state
            await stack.enter_async_context(Served(jira, sock))
            shutil.copytree(shipped_policies(), self.policies)
            self._text = toml(self.provider.settings(), self.public_url, self.jira_url, self.policies)
            self._stack.push_async_exit(stack.pop_all())
        try:
            return await super().__aenter__()
        except BaseException:
            await self._stack.aclose()
            raise

    def beside(self, folder: Path, **changes: Any) -> Front:
        """Another gateway between the two; `changes` are of the provider's settings (`GatewaySettings`)."""
        public_url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
        settings = replace(self.provider.settings(), **changes)
        return Front(folder, public_url, toml(settings, public_url, self.jira_url, self.policies))

    def forget(self, user: str) -> None:
        """Drop the kept grants of `user`, so that the next call exchanges."""
        self.exchange.forget(self.provider.issuer, self.provider.subject(user))


def toml(provider: GatewaySettings, public_url: str, jira_url: str, policies: Path) -> str:
    """The gateway.toml of a gateway that exchanges, between `provider` and the Jira at `jira_url`."""
    text = json.dumps  # a JSON string, and a list of them, is also TOML
    resource = f"resource = {text(provider.resource)}" if provider.resource else ""
    secret = f"client_secret = {text(provider.client_secret)}" if provider.client_secret else ""
    return f"""\
{trust(provider, public_url)}

[jira]
url = {text(jira_url)}
name = "sandbox"

[jira.credential]
source = "exchange"
token_endpoint = {text(provider.token_endpoint)}
client_id = {text(provider.client_id)}
client_auth = {text(provider.client_auth)}
audience = {text(provider.jira_audience)}
read_scope = {text(provider.read_scope)}
write_scope = {text(provider.write_scope)}
harmless_scopes = {text(provider.harmless_scopes)}
outlives = {provider.outlives}
{resource}
{secret}
{provider.more}

[policy]
dir = {text(str(policies))}

{RECORD}"""


def trust(provider: GatewaySettings, public_url: str) -> str:
    """The part of a gateway.toml that says where the gateway is and whom it believes."""
    text = json.dumps
    return f"""\
[server]
public_url = {text(public_url)}
port = {public_url.rsplit(":", 1)[1]}

[[identity.issuers]]
issuer = {text(provider.issuer)}
profile = {text(provider.profile)}
audience = {text(provider.audience)}
beside = {text(provider.beside)}
id_jag = {text(provider.id_jag)}
{roles_toml()}"""


def signs_in(login: Mapping[str, Any]) -> str:
    """The part that says with which client the gateway signs people in, and where it keeps what it is given."""
    told = "\n".join(f"{name} = {json.dumps(value)}" for name, value in login.items())
    return f"""
[identity.issuers.login]
{told}

[database]
url = "sqlite:///gateway.db"

[vault]
key_secret = "k1:{"A" * 43}="

"""


SIGNIN = """
[signin]
mode = "signin"
admission = "open"
"""
"""Assistants sign in at the gateway; any may ask people."""

RECORD = """
[audit]
dir = "data/audit"
second = "data/audit-checkpoints"
"""
