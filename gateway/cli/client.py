"""`client`: which assistants may ask people to sign in here, and who answers for them.

The commands change the database that every replica reads, so they hold at once, whether or not a gateway
runs. Whoever is refused or revoked is also cut off as by `kill --client`: what it holds is refused within a
second on every replica, and each gateway puts that on its record.
"""

import argparse
import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import clock, limits
from gateway.cli import FAILED, GOOD, USAGE
from gateway.cli.entries import Cell, print_entries
from gateway.config import load
from gateway.identity.revocation import Revocation, Revocations
from gateway.jose import JoseError, strict_object
from gateway.leaving import KILLED, cut_off
from gateway.signin.server import Client, UnknownClient, assurance, host_of
from gateway.signin.server.clients import Registry, Terms, Unacceptable
from gateway.signin.server.documents import Document
from gateway.store.sql import Database

COMMAND_LINE = "command line"
"""Who did it."""

COLUMNS = ("name", "id", "registration", "host", "assurance", "admission", "owner", "used")
_ADMISSIONS = {"admitted": "green", "pending": "yellow", "refused": "red"}

Work = Callable[[Registry, Database], Awaitable[int]]


class _NoDocuments:
    """Nothing is fetched from a command line: it says what the gateway knows."""

    async def fetch(self, client_id: str) -> Document:
        raise UnknownClient("Its document was not fetched yet.")


def listing(arguments: argparse.Namespace) -> int:
    """`client list [--json]`."""

    async def work(registry: Registry, database: Database) -> int:
        found = await registry.listed()
        if arguments.json:
            print(orjson.dumps([told(client) for client in found]).decode())
        else:
            print_entries(COLUMNS, [_row(client) for client in found])
        return GOOD

    return _run(arguments, work)


def show(arguments: argparse.Namespace) -> int:
    """`client show ID [--json]`."""

    async def work(registry: Registry, database: Database) -> int:
        client = await registry.peek(arguments.id)
        if client is None:
            raise UnknownClient("There is no client of that id.")
        if arguments.json:
            print(orjson.dumps(told(client)).decode())
        else:
            Console().print(_whole(client))
        return GOOD

    return _run(arguments, work)


def add(arguments: argparse.Namespace) -> int:
    """`client add --name NAME --redirect URI … [--method METHOD] [--jwks FILE]`: its id, and its secret this once."""

    async def work(registry: Registry, database: Database) -> int:
        issued = await registry.add_static(
            arguments.name,
            arguments.redirect,
            auth_method=arguments.method,
            jwks=_keys(arguments),
            terms=_terms(arguments),
            by=COMMAND_LINE,
        )
        secret = issued.secret.reveal() if issued.secret is not None else None
        if arguments.json:
            more = {} if secret is None else {"client_secret": secret}
            print(orjson.dumps({**told(issued.client), **more}).decode())
            return GOOD
        print(f"client_id      {issued.client.id}")
        if secret is not None:
            print(f"client_secret  {secret}")
            print("The secret is shown this once; only its digest is kept here.", file=sys.stderr)
        return GOOD

    return _run(arguments, work)


def admit(arguments: argparse.Namespace) -> int:
    """`client admit ID [--owner WHO] [--group ROLE …] [--days N]`."""

    async def work(registry: Registry, database: Database) -> int:
        client = await registry.admit(arguments.id, _terms(arguments), COMMAND_LINE)
        return _done(arguments, client, "may ask people to sign in.")

    return _run(arguments, work)


def refuse(arguments: argparse.Namespace) -> int:
    """`client refuse ID`: for good, until it is admitted."""

    async def work(registry: Registry, database: Database) -> int:
        client = await registry.refuse(arguments.id, COMMAND_LINE)
        await _cut(database, client.id)
        return _done(arguments, client, "is refused from now on; its people are signed out within a second.")

    return _run(arguments, work)


def revoke(arguments: argparse.Namespace) -> int:
    """`client revoke ID`: deleted; it has to register again."""

    async def work(registry: Registry, database: Database) -> int:
        client = await registry.peek(arguments.id)
        await registry.revoke(arguments.id, COMMAND_LINE)
        await _cut(
            database, arguments.id
        )  # also when it was gone: the last time may have ended between the two
        if client is None:
            raise UnknownClient("There is no client of that id.")
        again = (
            ""
            if client.registration == "static"
            else " It may come back by itself; `client refuse` keeps it out."
        )
        return _done(arguments, client, f"is deleted; its people are signed out within a second.{again}")

    return _run(arguments, work)


async def _cut(database: Database, client_id: str) -> None:
    one = Revocation("client", clock.wall(), client=client_id, reason=KILLED)
    await cut_off([one], Revocations(database), None)


def _run(arguments: argparse.Namespace, work: Work) -> int:
    settings = load(arguments.config)

    async def opened() -> int:
        async with Database(settings.database.url.get_secret_value()) as database:
            return await work(Registry(database, _NoDocuments(), settings.signin), database)

    try:
        return asyncio.run(opened())
    except Unacceptable as wrong:
        print(wrong, file=sys.stderr)
        return USAGE
    except UnknownClient as unknown:
        print(unknown, file=sys.stderr)
        return FAILED


def _terms(arguments: argparse.Namespace) -> Terms:
    ends = None if arguments.days is None else clock.wall() + (arguments.days or math.inf) * 86_400.0
    return Terms(owner=arguments.owner, groups=arguments.group, expires_at=ends)


def _keys(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """The key set of the file. Raises `Unacceptable`."""
    if arguments.jwks is None:
        return None
    try:
        with arguments.jwks.open("rb") as file:
            return strict_object(file.read(limits.JWKS_BYTES), "key set")
    except (OSError, JoseError) as wrong:
        raise Unacceptable(
            f"--jwks: {arguments.jwks}: {getattr(wrong, 'strerror', None) or wrong}."
        ) from None


def _done(arguments: argparse.Namespace, client: Client, what: str) -> int:
    if arguments.json:
        print(orjson.dumps(told(client)).decode())
    else:
        print(f"{client.name or 'The client'} ({client.id}) {what}", file=sys.stderr)
    return GOOD


def told(client: Client) -> dict[str, Any]:
    """As data; nothing of it is secret."""
    return {
        "id": client.id,
        "registration": client.registration,
        "name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "hosts": hosts(client),
        "assurance": assurances(client),
        "admission": client.admission,
        "auth_method": client.auth_method,
        "owner": client.owner,
        "groups": sorted(client.groups),
        "created": clock.iso(client.created_at),
        "used": clock.iso(client.used_at) if client.used_at else None,
        "expires": clock.iso(client.expires_at) if client.expires_at is not None else None,
    }


def hosts(client: Client) -> list[str]:
    """Whom its answers go to."""
    return list(dict.fromkeys(host_of(uri) for uri in client.redirect_uris))


def assurances(client: Client) -> list[str]:
    """How sure we are of it, by where its answer goes."""
    return sorted({assurance(client, uri) for uri in client.redirect_uris or ("",)})


def _row(client: Client) -> tuple[Cell, ...]:
    """For a terminal."""
    over = client.expires_at is not None and client.expires_at <= clock.wall()
    admission = Text("expired", "red") if over else Text(client.admission, _ADMISSIONS[client.admission])
    return (
        client.name or "(no name)",
        client.id,
        client.registration,
        hosts(client),
        assurances(client),
        admission,
        client.owner,
        clock.iso(client.used_at)[:10] if client.used_at else "never",
    )


def _whole(client: Client) -> Table:
    table = Table(box=None, show_header=False)
    for name, value in told(client).items():
        lines = value if isinstance(value, list) else [value]
        table.add_row(
            Text(name, "bold"), Text("\n".join(_clean(str(line)) for line in lines if line is not None))
        )
    return table


def _clean(text: str) -> str:
    """With nothing that a terminal would obey: some of it a stranger wrote."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
