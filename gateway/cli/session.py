"""`session`: sign-ins with assistants, listed and ended without a browser.

What is ended here is refused on every replica within a second; a running gateway puts it on record, and
destroys the provider's grant behind it at its next sweep.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from gateway import clock
from gateway.cli import FAILED, GOOD
from gateway.cli.entries import print_entries
from gateway.config import Settings, load
from gateway.identity.revocation import Revocations
from gateway.leaving import cut_off_family
from gateway.signin.server.client_rows import every
from gateway.signin.server.families import Families, FamilyHead
from gateway.store.sql import Database

REASON = "administrator"


def list_all(arguments: argparse.Namespace) -> int:
    """`session list [--user SUBJECT] [--client ID]`: those that are not over."""
    heads, names = asyncio.run(_found(load(arguments.config), arguments))
    if arguments.json:
        told = [_told(head) | {"client_name": names.get(head.client, "")} for head in heads]
        print(orjson.dumps(told).decode())
    else:
        _show(heads, names)
    return GOOD


def end(arguments: argparse.Namespace) -> int:
    """`session end (ID | --user SUBJECT | --client ID)`: 0 when at least one was ended."""
    ended = asyncio.run(_end(load(arguments.config), arguments))
    if arguments.json:
        print(orjson.dumps({"ended": [head.id for head in ended]}).decode())
    elif ended:
        print(f"Ended: {len(ended)}. Their tokens are refused within a second.", file=sys.stderr)
    else:
        print("There is no such sign-in, or it was over; `session list` shows all.", file=sys.stderr)
    return GOOD if ended else FAILED


async def _found(
    settings: Settings, arguments: argparse.Namespace
) -> tuple[list[FamilyHead], dict[str, str]]:
    """The sign-ins, and the name of each assistant that is known, by its client id."""
    async with Database(settings.database.url.get_secret_value()) as database:
        heads = _chosen(await Families.of_settings(database, settings.signin).living(), arguments)
        return heads, {kept.client.id: kept.client.name for kept in await database.read(every)}


async def _end(settings: Settings, arguments: argparse.Namespace) -> list[FamilyHead]:
    async with Database(settings.database.url.get_secret_value()) as database:
        families = Families.of_settings(database, settings.signin)
        revocations = Revocations(database)
        ended = []
        for head in _chosen(await families.living(), arguments):
            await cut_off_family(head.id, REASON, revocations)
            if await families.end(head.id, REASON):
                ended.append(head)
        return ended


def _chosen(heads: Sequence[FamilyHead], arguments: argparse.Namespace) -> list[FamilyHead]:
    """Those that are meant: every option that is given must fit."""
    wanted = {
        "id": getattr(arguments, "id", None),
        "subject": arguments.user,
        "client": arguments.client,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return [head for head in heads if all(getattr(head, name) == value for name, value in given.items())]


def _told(head: FamilyHead) -> dict[str, Any]:
    times = {name: clock.iso(getattr(head, name)) for name in ("began_at", "used_at", "expires_at")}
    return asdict(head) | times | {"scopes": sorted(head.scopes)}


def _show(heads: Sequence[FamilyHead], names: Mapping[str, str]) -> None:
    print(f"{len(heads)} sign-ins with assistants; times are UTC")
    columns = (
        "id",
        "person",
        "assistant",
        "client",
        "answers go to",
        "assurance",
        "since",
        "refreshed",
        "ends",
    )
    rows = []
    for head in heads:
        name = names.get(head.client) or "(no name)"
        times = (
            clock.iso(at)[:16].replace("T", " ") for at in (head.began_at, head.used_at, head.expires_at)
        )
        rows.append((head.id, head.subject, name, head.client, head.host, head.assurance, *times))
    if rows:
        print_entries(columns, rows)
