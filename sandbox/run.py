"""The sandbox as one thing: its Jira and its identity provider, served on loopback in this event loop.

async with Sandbox() as sandbox:
    sandbox.jira_url, sandbox.issuer, sandbox.gateway_resource
    sandbox.token("ana")                    # an access token for the gateway
    sandbox.idp.faults.status = 503         # and every other knob

With `Sandbox(datacenter=True)` there is a Jira Data Center besides, with the same people and issues.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import State

from gateway.config import TOOL_MODULES
from sandbox import idp as provider
from sandbox.datacenter import DataCenter
from sandbox.datacenter import create_app as create_datacenter
from sandbox.jira import beside
from sandbox.loopback import require_loopback
from sandbox.people import PEOPLE, Person
from sandbox.serve import Served, free_port, listen

DEFAULT_PORT_BASE = 8140
"""Where the commands expect a sandbox when nobody says otherwise: its Jira here, the others above."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base URLs of the parties, without a last slash."""

    jira: str
    issuer: str
    gateway: str
    datacenter: str = ""
    """Empty when there is none."""

    @classmethod
    def at(cls, port_base: int, host: str = "127.0.0.1") -> "Addresses":
        """Jira at `port_base`, the identity provider one above, the gateway two above."""
        return cls.of((port_base, port_base + 1, port_base + 2), host)

    @classmethod
    def of(cls, ports: Sequence[int], host: str) -> "Addresses":
        name = f"[{host}]" if ":" in host else host
        return cls(*(f"http://{name}:{port}" for port in ports))

    @property
    def resource(self) -> str:
        """What people type into their assistant, and the audience of its tokens."""
        return f"{self.gateway}/mcp"


def roles_toml(people: Mapping[str, Person] = PEOPLE) -> str:
    """The `roles` of an issuer in gateway.toml that make each group of `people` the role of its name."""
    groups = dict.fromkeys(group for person in people.values() for group in person.groups)
    rules = "".join(f'  {{ group = "{group}", role = "{group}" }},\n' for group in groups)
    return f"roles = [  # policies know these only; a group without a rule gives nothing\n{rules}]"


def config_toml(addresses: Addresses, *, signin: bool = False) -> str:
    """A complete gateway.toml for a sandbox at `addresses`; every path is relative to the file.

    With `signin`, assistants sign in at the gateway, and people at the provider behind it.
    """
    place = urlsplit(addresses.gateway)
    return f"""\
# Settings of a gateway in front of the sandbox.
[server]
public_url = "{addresses.gateway}"
host = "{place.hostname}"
port = {place.port}

[[identity.issuers]]
issuer = "{addresses.issuer}"
profile = "rfc9068"
audience = "{addresses.resource}"
{roles_toml()}
{_LOGIN if signin else ""}
[jira]
url = "{addresses.jira}"
name = "sandbox"

[jira.credential]
source = "exchange"
token_endpoint = "{addresses.issuer}/token"
client_id = "{provider.GATEWAY_CLIENT_ID}"
# Public, like every secret of the sandbox. Elsewhere write `client_secret_file = "secrets/…"` instead.
client_secret = "{provider.GATEWAY_CLIENT_SECRET}"
audience = "{addresses.jira}"
read_scope = "read:jira-work"
write_scope = "read:jira-work write:jira-work"
{_REST}{_SIGNIN if signin else ""}"""


_REST = f"""
[policy]
# dir = "policies"   # your own rules; without it, those that ship with the gateway

[audit]
dir = "data/audit"
second = "data/audit-checkpoints"

[tools]
modules = {json.dumps(TOOL_MODULES)}
"""

_LOGIN = f"""
[identity.issuers.login]  # the gateway's own client there; what an exchange needs is asked at the sign-in
client_id = "{provider.GATEWAY_CLIENT_ID}"
client_secret = "{provider.GATEWAY_CLIENT_SECRET}"
scopes = ["openid", "email", "profile", "jira:read", "jira:write"]
"""

_SIGNIN = f"""
[signin]
mode = "signin"
provider_tokens = "all"  # what `sandbox token` prints
admission = "open"  # any assistant may ask people; elsewhere an administrator admits each (`client admit`)

[database]
url = "sqlite:///data/gateway.db"

[vault]  # where the provider's grants are kept; elsewhere `key_file`, which `vault rotate` makes
key_secret = "sandbox:{"A" * 43}="
"""


class Sandbox:
    """A running sandbox. `port_base` fixes the ports; without it free ones are found.

    `jira_url`, `issuer`, `gateway_url` (the gateway's public URL, without `/mcp`) and `gateway_resource`
    are known inside the `async with` block, as are `idp` (its knobs) and `jira` (the app's state).
    With `datacenter`, `datacenter_url`, `datacenter` (its knobs) and `datacenter_jira` (its Jira's state) too.
    Raises `ValueError` for a host off loopback, and `OSError` when a port is taken.
    """

    gateway_client_id = provider.GATEWAY_CLIENT_ID
    gateway_client_secret = provider.GATEWAY_CLIENT_SECRET

    def __init__(
        self,
        port_base: int | None = None,
        *,
        host: str = "127.0.0.1",
        people: Mapping[str, Person] = PEOPLE,
        datacenter: bool = False,
    ) -> None:
        self.host = require_loopback(host)
        self.people = people
        self._port_base = port_base
        self._running = AsyncExitStack()
        self.addresses: Addresses
        self.idp: provider.Idp
        self.jira: State
        self.datacenter: DataCenter
        self.datacenter_jira: State
        self._beside = datacenter

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as starting:
            offsets = (0, 1, 3) if self._beside else (0, 1)  # two above is the gateway's
            sockets = [starting.enter_context(closing(self._listen(offset))) for offset in offsets]
            jira_port, idp_port, *more = (sock.getsockname()[1] for sock in sockets)
            gateway_port = free_port(self.host) if self._port_base is None else self._port_base + 2
            self.addresses = Addresses.of((jira_port, idp_port, gateway_port, *more), self.host)
            servers = [Served(app, sock) for app, sock in zip(self._apps(), sockets, strict=True)]
            for server in servers:
                await starting.enter_async_context(server)
            for server in servers:
                starting.callback(server.stop)  # runs first, so that both end at the same time
            self._running = starting.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.idp.faults.hang = 0
        await self._running.aclose()

    def _apps(self) -> list[Starlette]:
        from sandbox.jira import create_app as create_jira  # late: the provider is of use without it

        idp_app = provider.create_app(
            issuer=self.issuer,
            gateway_resource=self.gateway_resource,
            jira_audience=self.jira_url,
            people=self.people,
        )
        self.idp = idp_app.state.idp
        jira_app = create_jira(base_url=self.jira_url, people=self.people, verify=self.idp.jira_claims)
        self.jira = jira_app.state
        return [jira_app, idp_app, *([self._datacenter()] if self._beside else [])]

    def _datacenter(self) -> Starlette:
        link = beside.link(self.gateway_url)
        app = create_datacenter([link], base_url=self.datacenter_url, people=self.people)
        self.datacenter, self.datacenter_jira = app.state.datacenter, app.state.jira
        return app

    def _listen(self, offset: int) -> socket.socket:
        port = 0 if self._port_base is None else self._port_base + offset
        return listen(self.host, port)

    @property
    def jira_url(self) -> str:
        return self.addresses.jira

    @property
    def datacenter_url(self) -> str:
        return self.addresses.datacenter

    @property
    def issuer(self) -> str:
        return self.addresses.issuer

    @property
    def gateway_url(self) -> str:
        return self.addresses.gateway

    @property
    def gateway_resource(self) -> str:
        return self.addresses.resource

    @property
    def users(self) -> dict[str, dict[str, Any]]:
        """By user name: what a person needs to sign in and to know whom they play."""
        return {
            person.name: {
                "name": person.display_name,
                "email": person.email,
                "password": person.password,
                "groups": list(person.groups),
                "otp_secret": person.otp_secret,
            }
            for person in self.people.values()
        }

    @property
    def clients(self) -> dict[str, str]:
        """Client id -> name."""
        return self.idp.clients.names()

    def token(
        self, user: str, client: str = provider.DEMO_CLIENT_ID, scope: str = "openid jira:read jira:write"
    ) -> str:
        """An access token for the gateway. Raises `KeyError` for an unknown user."""
        return self.idp.mint(user, client, scope)

    def config_toml(self, *, signin: bool = False) -> str:
        """A complete gateway.toml for this sandbox."""
        toml = config_toml(self.addresses, signin=signin)
        return beside.both_toml(toml, self.datacenter_url) if self._beside else toml

    def describe(self) -> dict[str, Any]:
        """What `sandbox --json` prints."""
        return {
            "jira": self.jira_url,
            "issuer": self.issuer,
            "gateway": self.gateway_url,
            "resource": self.gateway_resource,
            "token_endpoint": f"{self.issuer}/token",
            "sandbox_token_endpoint": f"{self.issuer}/sandbox/token",
            "users": self.users,
            "clients": self.clients,
        }
