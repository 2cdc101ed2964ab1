"""`vault status`, `vault rewrap` and `vault rotate`: under which keys the linked grants lie, and how to change that."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from gateway import clock
from gateway.cli import FAILED, GOOD
from gateway.config import Settings, load
from gateway.credential import kek
from gateway.credential.kek import KeyRefused, KeyRing, KeysDown, local
from gateway.credential.rewrap import Holdings, Moved, holdings, rewrap
from gateway.errors import ConfigError, Unavailable
from gateway.http import Outward
from gateway.store.sql import Database


def status(arguments: argparse.Namespace) -> int:
    """How many links each key wraps, and how old the oldest is."""
    return _with_keys(arguments, lambda database, keys, active: _status(database, active, arguments.json))


def rewrap_all(arguments: argparse.Namespace) -> int:
    """Wrap the data keys of all links under the key that wraps now; may be interrupted and run again."""
    return _with_keys(
        arguments, lambda database, keys, active: _rewrap(database, keys, active, arguments.json)
    )


def rotate(arguments: argparse.Namespace) -> int:
    """Put a new key first in the local ring, then rewrap."""
    vault = load(arguments.config).vault
    if vault.provider != "local":
        raise ConfigError(
            [
                f"vault: the keys of `{vault.provider}` are rotated where they are kept. Rotate "
                f"{vault.key_name or 'the key'} there, then run `jira-agent-gateway vault rewrap`."
            ]
        )
    if vault.key_file is None:
        raise ConfigError(
            ["vault.key_file: is not set, so there is no ring to write. Put a new key first in the secret."]
        )
    made = local.rotate(vault.key_file)
    print(f"Key {made} is the first of {vault.key_file}. Back the file up now.", file=sys.stderr)
    return rewrap_all(arguments)


Work = Callable[[Database, KeyRing, str], Coroutine[Any, Any, int]]


def _with_keys(arguments: argparse.Namespace, work: Work) -> int:
    return asyncio.run(_opened(load(arguments.config), work))


async def _opened(settings: Settings, work: Work) -> int:
    async with Outward() as outward, Database(settings.database.url.get_secret_value()) as database:
        keys = kek.ring(settings.vault, outward)
        if keys is None:
            raise ConfigError(
                ["vault: no key is named. Set `vault.key_file`; `vault rotate` makes the first."]
            )
        try:
            active = await kek.proved(keys)
        except (KeysDown, KeyRefused) as unusable:
            raise Unavailable(
                "The keys of the vault cannot be used now.", part="vault", private=str(unusable)
            ) from None
        return await work(database, keys, active)


async def _status(database: Database, active: str, as_json: bool) -> int:
    held = await holdings(database)
    if as_json:
        told = {
            "active": active,
            "live": held.live,
            "ended": held.ended,
            "refreshes_begun": held.begun,
            "keys": [
                {"id": one.key_id, "links": one.links, "oldest": clock.iso(one.oldest)} for one in held.keys
            ],
        }
        print(orjson.dumps(told).decode())
        return GOOD
    _show(held, active)
    return GOOD


def _show(held: Holdings, active: str) -> None:
    table = Table(title=f"{held.live} links, {held.ended} ended", title_justify="left")
    for column in ("key", "links", "longest not refreshed"):
        table.add_column(column)
    for one in held.keys:
        mark = " [green]wraps now[/]" if one.key_id == active else ""
        table.add_row(f"{escape(one.key_id)}{mark}", str(one.links), clock.iso(one.oldest))
    Console().print(table)
    print(f"Key {active} wraps now. A key without links can be removed, once no backup needs it.")


async def _rewrap(database: Database, keys: KeyRing, active: str, as_json: bool) -> int:
    held = await holdings(database)
    left = sum(one.links for one in held.keys if one.key_id != active)
    with Progress(console=Console(stderr=True), disable=as_json or not left) as progress:
        task = progress.add_task(f"to key {active}", total=left)
        report = await rewrap(database, keys, active, lambda links: progress.advance(task, links))
    if as_json:
        refused = [{"link": _named(key), "why": why} for key, why in report.refused]
        print(orjson.dumps({"active": active, "moved": report.moved, "refused": refused}).decode())
    else:
        _tell(report)
    return FAILED if report.refused else GOOD


def _tell(report: Moved) -> None:
    print(f"{report.moved} links are under key {report.active} now.")
    for key, why in report.refused:
        print(f"{_named(key)}: {why}", file=sys.stderr)
    if report.refused:
        print(f"{len(report.refused)} could not be moved: bring their key back, or these people link again.")


def _named(key: Any) -> str:
    return " ".join(filter(None, (key.tenant, key.issuer, key.subject, key.upstream)))
