"""`make trial-refresh SEEDS=20`: which way of refreshing loses how many grants; a table, or `--json`.

Ends with 1 when the gateway's own way lost one where none may be lost: with Atlassian's leeway, and
without faults at a strict server.
"""

import argparse
import asyncio
import itertools
import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.store.sql import Database
from tests.servers import Postgres, Redis
from tests.trial.cell import PEOPLE, REPLICAS, Cell, Outcome, Servers, run
from tests.trial.strategies import NAMES

TITLES = {
    "none": "no lock",
    "process": "one per process",
    "lock": "plain Redis lock",
    "full": "the gateway's",
}
COLUMNS = tuple(itertools.product((False, True), (False, True)))
"""(leeway, faults), as in the table."""


def cells(strategies: list[str]) -> list[Cell]:
    """Every cell of the table."""
    return [Cell(name, leeway, faults) for name in strategies for leeway, faults in COLUMNS]


@contextmanager
def servers() -> Iterator[Servers]:
    """A PostgreSQL and a Redis of the trial's own."""
    with Postgres() as postgres, Redis() as redis:
        url = postgres.url()

        async def migrated() -> None:
            async with Database(url):
                pass

        asyncio.run(migrated())
        yield Servers(postgres, redis, url)


def may_lose(cell: Cell) -> bool:
    """No client can save what a server without leeway forgot while its answer was lost."""
    return cell.strategy != "full" or (cell.faults and not cell.leeway)


def table(found: dict[Cell, Outcome], seeds: dict[str, int]) -> Table:
    """Grants lost of all, and requests for each refresh that was needed."""
    shown = Table(title=f"Grants lost: {PEOPLE} people, {REPLICAS} replicas, each seed anew")
    for name in (
        "strategy",
        "seeds",
        "strict",
        "strict, faults",
        "leeway",
        "leeway, faults",
    ):
        shown.add_column(name, justify="left" if name == "strategy" else "right", no_wrap=name == "strategy")
    shown.add_column("requests", justify="right")
    for name, number in seeds.items():
        told = [found[Cell(name, *column)] for column in COLUMNS]
        lost = [f"{one.lost}/{number * PEOPLE}" for one in told]
        shown.add_row(TITLES[name], str(number), *lost, f"{sum(one.asked for one in told):,}")
    return shown


def tried(strategies: dict[str, int], first: int, console: Console) -> dict[Cell, Outcome]:
    """All cells with all seeds, one after the other."""
    found = {cell: Outcome() for cell in cells(list(strategies))}
    todo = [
        (cell, seed)
        for name, number in strategies.items()
        for seed in range(first, first + number)
        for cell in cells([name])
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with servers() as shared, Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(todo))
        for cell, seed in todo:
            where = f"{'leeway' if cell.leeway else 'strict'}, {'faults' if cell.faults else 'no faults'}"
            progress.update(task, description=f"seed {seed}: {TITLES[cell.strategy]}, {where}")
            one = asyncio.run(run(cell, seed, shared))
            found[cell] += one
            progress.advance(task)
            if not console.is_terminal:
                console.print(f"seed {seed}: {TITLES[cell.strategy]}, {where}: {one.lost} lost")
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make trial-refresh", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="of the gateway's own way")
    parser.add_argument("--compare", type=int, default=3, help="seeds of each of the other ways; 0: none")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--json", action="store_true", help="one object instead of the table")
    asked = parser.parse_args()
    compared = min(asked.compare, asked.seeds)
    strategies = {name: asked.seeds if name == "full" else compared for name in NAMES}
    strategies = {name: number for name, number in strategies.items() if number}
    console = Console(stderr=asked.json)
    logging.disable(logging.CRITICAL)  # connections that the trial breaks
    began = time.monotonic()
    found = tried(strategies, asked.first, console)
    if asked.json:
        rows = [
            {**asdict(cell), "seeds": strategies[cell.strategy], **asdict(one)} for cell, one in found.items()
        ]
        print(json.dumps({"people": PEOPLE, "replicas": REPLICAS, "cells": rows}, indent=1))
    else:
        console.print(table(found, strategies))
    full = [one for cell, one in found.items() if cell.strategy == "full" and cell.faults]
    console.print(
        f"{sum(one.kills for one in full)} kills and {sum(one.pauses for one in full)} pauses of the gateway's "
        f"replicas; {sum(one.served for cell, one in found.items() if cell.strategy == 'full'):,} of its calls "
        f"served; {time.monotonic() - began:.0f} s in all."
    )
    wrong = [cell for cell, one in found.items() if one.lost and not may_lose(cell)]
    for cell in wrong:
        console.print(f"LOST: {cell}", style="bold red")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
