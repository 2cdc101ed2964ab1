"""`doctor --client NAME`: an assistant's whole sign-in, replayed against the running gateway."""

import argparse
import asyncio
import sys
from dataclasses import asdict
from urllib.parse import urlsplit

import orjson
from rich.console import Console
from rich.text import Text

from gateway.cli import FAILED, GOOD, USAGE, command
from gateway.cli.doctor import lines_table
from gateway.config import load
from gateway.doctor import Line
from gateway.doctor.clients import names, profile
from gateway.doctor.clients.by_hand import by_hand
from gateway.doctor.clients.replay import Replay, two_doors
from gateway.doctor.clients.signing import STAYS, Opener
from gateway.errors import ConfigError
from gateway.http import Outward

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def replay(arguments: argparse.Namespace) -> int:
    """`doctor --client NAME | --all [--open | --user NAME]`: 0 when nothing is wrong, else 1."""
    if not arguments.client and not arguments.all:
        print(f"{arguments.usage()}say --client NAME, --all, idp or user", file=sys.stderr)
        return USAGE
    url = load(arguments.config).server.public_url + "/mcp"
    if arguments.user and urlsplit(url).hostname not in LOOPBACK:
        raise ConfigError(
            ["--user: only in front of a sandbox, on loopback. Use --open, and sign in yourself."]
        )
    wanted = names() if arguments.all else (arguments.client,)
    told = asyncio.run(_all(url, wanted, arguments))
    well = all(line.state != "wrong" for lines in told.values() for line in lines)
    if arguments.json:
        clients = [{"name": name, "lines": [asdict(line) for line in lines]} for name, lines in told.items()]
        print(orjson.dumps({"good": well, "url": url, "clients": clients}).decode())
    else:
        for name, lines in told.items():
            _show(name, lines)
        _show_what_stays(told)
    return GOOD if well else FAILED


async def _all(
    url: str, wanted: tuple[str, ...], arguments: argparse.Namespace
) -> dict[str, tuple[Line, ...]]:
    """By assistant, one after the other: each registers and signs in as if it were alone."""
    told = {}
    for name in wanted:
        async with two_doors() as doors:
            replayed = Replay(
                profile(name),
                url,
                doors,
                _opener(doors[1], arguments),
                document=arguments.document,
                by_itself=arguments.registers,
            )
            told[name] = tuple([line async for line in replayed.lines()])
    return told


def _opener(http: Outward, arguments: argparse.Namespace) -> Opener | None:
    """Who signs in; None: nobody."""
    if arguments.user:
        opener: Opener = command("sandbox.visitor:opener")(http, arguments.user)
        return opener
    return by_hand if arguments.open else None


def _show(name: str, lines: tuple[Line, ...]) -> None:
    console = Console(highlight=False)
    known = profile(name)
    console.print(Text(f"\n{known.title}  ({name})", "bold"))
    console.print(Text("\n".join(known.sources), "dim"))
    console.print(lines_table(tuple(line for line in lines if line.what != STAYS)))


def _show_what_stays(told: dict[str, tuple[Line, ...]]) -> None:
    """Last, and unwrapped: the commands are there to be copied."""
    left = list(dict.fromkeys(line for lines in told.values() for line in lines if line.what == STAYS))
    if left:
        print("This run registered, under names that end in “(doctor)”. When you need it no more:")
    for line in left:
        print(line.do)
