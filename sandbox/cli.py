"""`jira-agent-gateway sandbox [config|token]`."""

import argparse
import asyncio
import signal
import sys
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import orjson
from rich.console import Console
from rich.table import Table

from gateway.errors import ConfigError
from sandbox.run import DEFAULT_PORT_BASE, Addresses, Sandbox, config_toml


def serve(arguments: argparse.Namespace) -> int:
    """Run the sandbox until it is interrupted; say where it is once it is ready."""
    base = _base(arguments)
    try:
        asyncio.run(_serve(base, as_json=arguments.json))
    except OSError as taken:
        raise ConfigError(
            [
                f"The ports {base} and {base + 1} are not free ({taken.strerror}). Choose others with --port-base N."
            ]
        ) from None
    return 0


async def _serve(port_base: int, *, as_json: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Sandbox(port_base) as sandbox:
        if as_json:
            print(orjson.dumps(sandbox.describe()).decode(), flush=True)
        else:
            _show(sandbox, port_base)
        await stop.wait()


def _show(sandbox: Sandbox, port_base: int) -> None:
    console = Console(highlight=False)
    places = Table(title="The sandbox is ready; end it with Ctrl-C", title_justify="left", box=None)
    places.add_column("part")
    places.add_column("address")
    places.add_row("Jira", sandbox.jira_url)
    places.add_row("identity provider", sandbox.issuer)
    places.add_row("gateway, by its configuration", sandbox.gateway_resource)
    people = Table(title="\nPeople (made up; their passwords are public)", title_justify="left", box=None)
    for column in ("user", "password", "groups", "second factor (TOTP secret)"):
        people.add_column(column)
    for name, person in sandbox.users.items():
        people.add_row(name, person["password"], ", ".join(person["groups"]), person["otp_secret"] or "")
    clients = Table(title="\nClients", title_justify="left", box=None)
    clients.add_column("client id")
    clients.add_column("name")
    for client, name in sandbox.clients.items():
        clients.add_row(client, name)
    console.print(places, people, clients)
    option = "" if port_base == DEFAULT_PORT_BASE else f" --port-base {port_base}"
    console.print(
        "\nIn another terminal:\n"
        f"  jira-agent-gateway sandbox config{option} > gateway.toml\n"
        "  jira-agent-gateway serve --config gateway.toml\n"
        f"  jira-agent-gateway sandbox token{option} --user ana"
    )


def config(arguments: argparse.Namespace) -> int:
    """Print a complete gateway.toml for a sandbox at those ports."""
    print(config_toml(Addresses.at(_base(arguments)), signin=True), end="")
    return 0


def token(arguments: argparse.Namespace) -> int:
    """Print an access token for the gateway, from a running sandbox."""
    issuer = Addresses.at(_base(arguments)).issuer
    order = {"user": arguments.user, "client": arguments.client, "scope": arguments.scope}
    kind = {"Content-Type": "application/json"}
    request = Request(f"{issuer}/sandbox/token", orjson.dumps(order), kind)  # noqa: S310 - ours, on loopback
    try:
        answer = orjson.loads(build_opener(ProxyHandler({})).open(request, timeout=10).read())
    except URLError as failed:
        detail = orjson.loads(failed.read()).get("error_description") if hasattr(failed, "read") else None
        print(
            detail or f"No sandbox answers at {issuer}. Start one: jira-agent-gateway sandbox",
            file=sys.stderr,
        )
        return 1
    print(orjson.dumps(answer).decode() if arguments.json else answer["access_token"])
    return 0


def _base(arguments: argparse.Namespace) -> int:
    return DEFAULT_PORT_BASE if arguments.port_base is None else int(arguments.port_base)
