"""`session`: sign-ins with assistants, listed and ended without a browser.

What is ended here is refused on every replica within a second; a running gateway puts it on record, and
destroys the provider's grant behind it at its next sweep.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from math import inf
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway import clock
from gateway.cli import FAILED, GOOD
from gateway.config import Settings, load
from gateway.identity.revocation import Revocation, Revocations
from gateway.signin.server.families import Families, FamilyHead
from gateway.signin.server.shown import plain
from gateway.store.sql import Database

DAY = 86_400.0
REASON = "administrator"


def list_all(arguments: argparse.Namespace) -> int:
    """`session list [--user SUBJECT] [--client ID]`: those that are not over."""
    heads = asyncio.run(_found(load(arguments.config), arguments))
    if arguments.json:
        print(orjson.dumps([_told(head) for head in heads]).decode())
    else:
        _show(heads)
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


async def _found(settings: Settings, arguments: argparse.Namespace) -> list[FamilyHead]:
    async with Database(settings.database.url.get_secret_value()) as database:
        return _chosen(await _families(settings, database).living(), arguments)


async def _end(settings: Settings, arguments: argparse.Namespace) -> list[FamilyHead]:
    async with Database(settings.database.url.get_secret_value()) as database:
        families, revocations = _families(settings, database), Revocations(database)
        ended = []
        for head in _chosen(await families.living(), arguments):
            await revocations.add(Revocation("family", inf, session=head.id, reason=REASON))
            if await families.end(head.id, REASON):
                ended.append(head)
        return ended


def _families(settings: Settings, database: Database) -> Families:
    order = settings.signin
    return Families(database, grace=order.grace_seconds, idle=order.refresh_days * DAY)


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


def _show(heads: Sequence[FamilyHead]) -> None:
    table = Table(title=f"{len(heads)} sign-ins with assistants", title_justify="left")
    for column in ("id", "person", "answers go to", "assurance", "since", "last refresh", "ends"):
        table.add_column(column)
    for head in heads:
        times = (clock.iso(at)[:16] for at in (head.began_at, head.used_at, head.expires_at))
        words = (head.id, plain(head.subject), plain(head.host), head.assurance, *times)
        table.add_row(*(escape(word) for word in words))
    Console().print(table)
