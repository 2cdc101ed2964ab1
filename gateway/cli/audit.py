"""`audit verify`, `audit tail` and `audit show`: the record as a person reads it, or as JSON.

Each function prints to standard output and returns the exit code: 0 good, 1 a failed check or
nothing found. What strangers and Jira wrote is escaped: a record cannot colour or move the terminal.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.audit import months, record
from gateway.audit.scan import FileReport
from gateway.audit.sqlite import LogFileError, Looking
from gateway.audit.verify import Report
from gateway.audit.verify import verify as check

_UNANCHORED = "unanchored: no checkpoint has left the operator's hands; the key's holder could rewrite it all"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
_GOOD = {"answered", "done"}


def verify(
    path: Path,
    json: bool = False,
    *,
    key: str | None = None,
    second: Path | None = None,
    console: Console | None = None,
) -> int:
    """Check the record in `path`, a file or a folder. `key` and `second` as in `gateway.audit.verify`."""
    report = check(path, key=key, second=second)
    if json:
        _json({"ok": report.ok, **asdict(report)}, console)
    else:
        (console or Console()).print(_verdict(report))
    return 0 if report.ok else 1


def _wide() -> Console:
    """Piped output is not cut at 80 columns."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 140))


def tail(path: Path, n: int = 20, json: bool = False, *, console: Console | None = None) -> int:
    """The newest `n` records in `path`, oldest first."""
    found: list[tuple[int, dict[str, Any]]] = []
    try:
        for file in reversed(_files(path)):
            with Looking(file) as opened:
                found = [(seq, _told(body)) for seq, body in opened.newest(n - len(found))] + found
            if len(found) >= n:
                break
    except LogFileError as cause:
        return _cannot(f"{path}: {cause}", json, console)
    if json:
        for seq, told in found:
            _json({"seq": seq, **told}, console)
    else:
        console = console or _wide()
        console.print(_lines(found, console.width))
    return 0


def show(path: Path, id: str, json: bool = False, *, console: Console | None = None) -> int:
    """Everything in `path` about the call `id`, or the record of that number in the newest file."""
    found: list[tuple[str, int, dict[str, Any]]] = []
    try:
        files = _files(path)
        for file in files:
            with Looking(file) as opened:
                rows = ((seq, _told(body)) for seq, body in opened.naming(id))
                found += [(file.name, seq, told) for seq, told in rows if told.get("id") == id]
        if not found and id.isdecimal():
            with Looking(files[-1]) as opened:
                numbered = ((s, b) for s, b in islice(opened.rows(int(id) - 1), 1) if s == int(id))
                found += [(files[-1].name, seq, _told(body)) for seq, body in numbered]
    except LogFileError as cause:
        return _cannot(f"{path}: {cause}", json, console)
    if not found:
        return _cannot(f"there is no record {id} in {path}", json, console)
    for file_name, seq, told in found:
        if json:
            _json({"file": file_name, "seq": seq, **told}, console)
        else:
            (console or Console()).print(_card(file_name, seq, told))
    return 0


def _files(path: Path) -> list[Path]:
    files = months.files(path) if path.is_dir() else [path]
    if not files:
        raise LogFileError("there is no file of the record here")
    return files


def _told(body: bytes) -> dict[str, Any]:
    try:
        return record.decoded(body)
    except ValueError:
        return {"kind": "damaged", "length": len(body)}


def _json(value: Any, console: Console | None) -> None:
    text = record.encoded(value).decode()
    if console is None:
        print(text)
    else:
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _cannot(cause: object, json: bool, console: Console | None) -> int:
    if json:
        _json({"error": str(cause)}, console)
    else:
        (console or Console()).print(Text(_clean(cause), style="red"))
    return 1


def _clean(value: object) -> str:
    """`value` on one line, with nothing that a terminal would obey."""
    return _CONTROL.sub("�", str(value))


def _cell(value: object, style: str = "") -> Text:
    return Text(_clean("" if value is None else value), style=style, overflow="ellipsis")


# verify


def _verdict(report: Report) -> Group:
    table = Table(box=box.SIMPLE_HEAD, title="The record", title_justify="left", title_style="bold")
    for name, side in (("file", "left"), ("records", "right"), ("signed", "right"), ("checkpoints", "right")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    table.add_column("last good record")
    table.add_column("", no_wrap=True)
    for f in report.files:
        last = f"{f.last_good.seq} · {f.last_good.time}" if f.last_good else "none"
        mark = Text("✔ whole", "green") if f.ok else Text("✘ changed", "bold red")
        counts = (str(n) for n in (f.records, f.proven, f.checkpoints))
        table.add_row(_cell(Path(f.file).name), *counts, _cell(last), mark)
    lines = [*_found(report), *_doubts(report), Text(f"⚠ {_UNANCHORED}", "yellow")]
    verdict = (
        Text("✔ The record is whole.", "bold green") if report.ok else Text("✘ Do not trust it.", "bold red")
    )
    return Group(table, *lines, verdict)


def _found(report: Report) -> Iterator[Text]:
    for problem in report.problems:
        yield Text(f"✘ {_clean(problem)}", "red")
    for f in report.files:
        yield from _of_file(f)


def _of_file(f: FileReport) -> Iterator[Text]:
    name = Path(f.file).name
    for problem in f.problems:
        yield Text(f"✘ {_clean(name)}: {_clean(problem)}", "red")
    for remark in f.remarks:
        yield Text(f"· {_clean(name)}: {_clean(remark)}", "dim")


def _doubts(report: Report) -> Iterator[Text]:
    for d in report.in_doubt:
        who = f"{d.tool} of {d.subject} at {d.time}" if d.tool else "decided in an earlier file"
        yield Text(
            f"? call {_clean(d.id)} is in doubt: {_clean(who)}; ask Jira whether it happened", "yellow"
        )


# tail and show


_LEAST = {
    "seq": 3, "time": 11, "who": 4, "by": 12, "did": 17, "on": 8, "outcome": 12, "rule": 16, "call": 12,
}  # fmt: skip
"""The columns of `tail`, with the width that each needs to say something."""

_GIVEN_UP = ("call", "by", "seq")
"""What a narrow terminal does without, in this order: `audit show` finds a record by its number, too."""


def _lines(found: list[tuple[int, dict[str, Any]]], room: int) -> Table:
    rows = [_row(seq, told) for seq, told in found]
    natural = {name: max([cell_len(name), *(row[name].cell_len for row in rows)]) for name in _LEAST}
    widths = _widths(natural, room)
    between = int(sum(natural.values()) + 2 * len(natural) <= room)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, between, 0, 0), pad_edge=False, show_edge=False)
    for name, width in widths.items():
        table.add_column(name, no_wrap=True, width=width)
    for row in rows:
        table.add_row(*(row[name] for name in widths))
    return table


def _widths(natural: Mapping[str, int], room: int) -> dict[str, int]:
    """The columns that have room in so many, each as wide as it needs, or as wide as it can be."""
    widths = {name: natural[name] if name == "seq" else min(natural[name], _LEAST[name]) for name in _LEAST}
    for name in _GIVEN_UP:
        if sum(widths.values()) + len(widths) > room:
            del widths[name]
    spare = room - sum(widths.values()) - len(widths)
    for name in ("rule", "time", "who", "on", "outcome", "did", "by", "call"):
        wanted = natural[name] - widths.get(name, natural[name])
        given = wanted if wanted <= spare else 0 if name == "time" else max(spare, 0)  # no half a second
        if name in widths:
            widths[name] += given
            spare -= given
    return widths


def _row(seq: int, told: Mapping[str, Any]) -> dict[str, Text]:
    outcome = str(told.get("outcome") or ("decided" if told.get("kind") == record.DECISION else ""))
    time = _cell(str(told.get("time", ""))[5:19].replace("T", " "), "dim")
    time.overflow = "crop"
    return {
        "seq": _cell(seq, "dim"),
        "time": time,
        "who": _cell(told.get("subject"), "bold"),
        "by": _cell(_short(told.get("client"), 12)),
        "did": _cell(told.get("tool") or told.get("kind"), "" if told.get("tool") else "dim"),
        "on": _cell(_short(_resource(told), 16)),
        "outcome": _cell(outcome, _style(outcome)),
        "rule": _cell(_short(_rules(told), 40)),
        "call": _cell(told.get("id"), "dim"),
    }


def _card(file: str, seq: int, told: Mapping[str, Any]) -> Panel:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in told.items():
        if value not in (None, "", [], {}) and name != "kind":
            plain = value if isinstance(value, str) else record.encoded(value).decode()
            table.add_row(_cell(name), _cell(plain, _style(plain) if name == "outcome" else ""))
    title = Text(f"{_clean(told.get('kind'))} · record {seq} of {_clean(file)}", "bold")
    return Panel(table, title=title, title_align="left", box=box.ROUNDED)


def _short(text: object, limit: int) -> str:
    shown = str(text or "")
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def _style(outcome: str) -> str:
    if outcome in _GOOD:
        return "green"
    return (
        ""
        if outcome in ("", "decided")
        else "yellow"
        if outcome in ("in_doubt", "outcome_unknown", "cancelled")
        else "red"
    )


def _resource(told: Mapping[str, Any]) -> str:
    resource = told.get("resource")
    name = str(resource.get("id") or "") if isinstance(resource, dict) else ""
    seen = told.get("seen")
    more = f"{len(seen)} seen" if isinstance(seen, list) and seen else ""
    return " + ".join(part for part in (name, more) if part)


def _rules(told: Mapping[str, Any]) -> str:
    reasons = told.get("reasons")
    names = [r.get("rule") for r in reasons if isinstance(r, dict)] if isinstance(reasons, list) else []
    named = names or told.get("rules") or ()
    return ", ".join(str(n) for n in named) if isinstance(named, list) else ""
