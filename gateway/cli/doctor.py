"""`doctor idp` and `doctor user`: whether a configuration fits the live provider, and where to click."""

import argparse
import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import limits
from gateway.cli import FAILED, GOOD
from gateway.config import Settings, load
from gateway.doctor import Line, State, shown
from gateway.doctor.idp import Report, look
from gateway.doctor.sides import PERMISSIONS, GroupRow, JiraSide
from gateway.doctor.signed import SCOPE, Wish, signed_in
from gateway.doctor.user import Portrait, draw
from gateway.errors import ConfigError
from gateway.model import Bearer

MARKS: dict[State, tuple[str, str]] = {
    "good": ("✓", "green"),
    "wrong": ("✗", "bold red"),
    "note": ("–", "dim"),
}


def idp(arguments: argparse.Namespace) -> int:
    """`doctor idp [NAME] [--token FILE]`: 0 when nothing is wrong, else 1."""
    settings = load(arguments.config)
    bearer = None if arguments.token is None else read_token(arguments.token)
    reports = asyncio.run(look(settings, arguments.name, bearer))
    well = all(report.good for report in reports)
    if arguments.json:
        told = [{**asdict(report), "good": report.good} for report in reports]
        print(orjson.dumps({"good": well, "providers": told}).decode())
    else:
        for report in reports:
            _show(report)
    return GOOD if well else FAILED


def user(arguments: argparse.Namespace) -> int:
    """`doctor user NAME (--token FILE | --login CLIENT_ID) [--site NAME]`: 0 when both sides could be seen, else 1."""
    settings = load(arguments.config)
    bearer = _token_of(arguments, settings)
    portrait = asyncio.run(draw(settings, arguments.name, bearer, arguments.site))
    if arguments.json:
        print(orjson.dumps({**asdict(portrait), "good": portrait.good}).decode())
    else:
        _show_portrait(portrait)
    return GOOD if portrait.good else FAILED


def _token_of(arguments: argparse.Namespace, settings: Settings) -> Bearer:
    """The person's: brought, or got by a sign-in here. Raises `ConfigError`."""
    if (arguments.token is None) == (arguments.login is None):
        raise ConfigError(
            [
                "Give --token FILE, an access token of the person as their assistant has it, or --login CLIENT_ID, "
                "and they sign in by a browser on this machine."
            ]
        )
    if arguments.token is not None:
        return read_token(arguments.token)
    known = {one.short: one for one in settings.identity.issuers}
    name = arguments.issuer or next(iter(known))
    if name not in known:
        raise ConfigError([f"--issuer: choose one of {', '.join(known)}."])
    return asyncio.run(signed_in(settings, known[name], Wish(arguments.login, arguments.scope or SCOPE)))


def read_token(name: str) -> Bearer:
    """The token in that file, or in standard input for `-`. Raises `ConfigError`, which does not repeat the name:
    somebody may have written the token there."""
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(limits.TOKEN_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(limits.TOKEN_BYTES + 1)
    except OSError as unreadable:
        raise ConfigError(
            [
                f"--token: the file cannot be read ({unreadable.strerror}). Write the token into a file and name that, "
                "or pipe it in and say `-`."
            ]
        ) from None
    return Bearer(raw.decode("utf-8", "replace").strip())


def _show(report: Report) -> None:
    console = Console(highlight=False)
    console.print(Text(f"\n{report.name}  {report.issuer}  (profile {report.profile})", "bold"))
    console.print(lines_table(report.lines))
    wrong = sum(line.state == "wrong" for line in report.lines)
    if wrong:
        console.print(Text(f"{wrong} to correct; step by step: {report.page}", "red"))
    else:
        console.print(Text("Nothing is wrong.", "green"))


def lines_table(lines: tuple[Line, ...]) -> Table:
    """One line per check: mark, what, what was found and, below it, what to do."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("check", no_wrap=True)
    table.add_column("found, and what to do", overflow="fold")
    for line in lines:
        mark, style = MARKS[line.state]
        told = Text(line.found)
        if line.do:
            told.append(f"\n→ {line.do}", "bold" if line.state == "wrong" else "dim")
        table.add_row(Text(mark, style), line.what, told)
    return table


def _show_portrait(portrait: Portrait) -> None:
    console = Console(highlight=False)
    console.print(Text(f"\n{portrait.name} at {portrait.site}", "bold"))
    console.print(lines_table(portrait.lines))
    if portrait.groups:
        console.print(_groups_table(portrait.groups, seen=portrait.jira is not None))
    if portrait.jira is not None and portrait.jira.projects:
        console.print(_projects_table(portrait.jira))


def _groups_table(groups: tuple[GroupRow, ...], *, seen: bool) -> Table:
    """`seen`: whether Jira could be asked."""
    table = Table(box=box.SIMPLE_HEAD, title="Groups", title_justify="left")
    for column in ("group", "provider", "roles here", "Jira", "difference"):
        table.add_column(column, overflow="fold")
    for row in groups:
        table.add_row(
            Text(shown(row.name)),
            _mark(row.sent),
            Text(", ".join(row.roles) or "–"),
            _mark(row.jira) if seen else Text("?"),
            Text(row.differs if seen else "", "yellow"),
        )
    return table


def _projects_table(jira: JiraSide) -> Table:
    """A project a row, a permission a column."""
    more = f"; {jira.more} more were not looked at" if jira.more else ""
    title = f"What Jira lets them do{more}"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("project")
    for word in PERMISSIONS.values():
        table.add_column(word, no_wrap=True)
    for key, held in jira.projects.items():
        table.add_row(Text(shown(key)), *(_mark(held[permission]) for permission in PERMISSIONS))
    return table


def _mark(holds: bool) -> Text:
    return Text("✓", "green") if holds else Text("–", "dim")
