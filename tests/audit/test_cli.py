"""`audit verify`, `tail` and `show`, as a person and as a program see them."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from gateway.audit import record
from gateway.cli import audit
from tests.audit.world import log_in, month_file, plain

EVIL = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe [bold]x[/bold]"


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A record with a read, a refusal with a hostile tool name, and a write in doubt."""
    data = tmp_path / "data"
    async with log_in(data, tmp_path / "far") as log:
        who = {"subject": "ana", "client": "claude-code"}
        await log.append(plain(1, **who, tool="jira_search", seen=["OPEN-1", "OPEN-2"]))
        refused = {"outcome": "denied", "rules": ["no.deletes"]}
        await log.append(
            {**plain(2, **who, tool=EVIL, resource={"kind": "Issue", "id": "OPEN-9"}), **refused}
        )
        written = {**who, "tool": "jira_comment", "outcome": None}
        await log.append(plain(3, **written) | {"kind": record.DECISION})
    return data


def shown() -> Console:
    """A terminal with colours, wide enough for a line."""
    return Console(
        file=io.StringIO(),
        width=180,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={"TERM": "xterm-256color"},  # the test's terminal, not the one that runs it
    )


def text(console: Console) -> str:
    """What was printed, colours and all."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_verify_tells_a_person(folder: Path, tmp_path: Path) -> None:
    """Whole, in doubt, unanchored; and status 0."""
    console = shown()
    assert audit.verify(folder, second=tmp_path / "far", console=console) == 0
    said = text(console)
    assert "The record is whole" in said and month_file(folder).name in said
    assert "call-3 is in doubt" in said and "unanchored" in said


def test_verify_tells_what_is_wrong(folder: Path) -> None:
    """One changed byte: status 1, the file, and what does not fit."""
    path = month_file(folder)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"jira_search", b"jira_xearch"))
    console = shown()
    assert audit.verify(folder, console=console) == 1
    assert "not the ones that were signed" in text(console) and "Do not trust it" in text(console)


def test_verify_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object with `ok`, the files, the last good record and the calls in doubt."""
    assert audit.verify(folder, json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True and found["anchored"] is False
    (file,) = found["files"]
    assert file["records"] == file["proven"] == 5 and file["last_good"]["id"] == "call-3"
    assert [d["id"] for d in file["in_doubt"]] == ["call-3"]
    assert audit.verify(folder / "nothing", json=True) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_tail_is_one_line_a_record(folder: Path) -> None:
    """Who, by which assistant, did what, on what, and how it ended."""
    console = shown()
    assert audit.tail(folder, 3, console=console) == 0
    said = text(console)
    for word in (
        "ana",
        "claude-code",
        "jira_search",
        "2 seen",
        "answered",
        "OPEN-9",
        "denied",
        "no.deletes",
        "decided",
    ):
        assert word in said, word
    assert "audit.opened" not in said


@pytest.mark.parametrize("width", [80, 96, 110, 180])
async def test_tail_names_who_did_what_and_the_rule_at_any_width(tmp_path: Path, width: int) -> None:
    """A narrow terminal does without the assistant and the ids; what is shown of rule and outcome is whole."""
    who = {"subject": "ana", "client": "dynamic-0123456789abcdef", "tool": "jira_create_issue"}
    resource = {"kind": "Issue", "id": "OPEN-1234"}
    async with log_in(tmp_path / "data", tmp_path / "far") as log:
        for rule in ("no-agent-deletes", "staff-read"):
            denied = {**plain(1, **who, resource=resource), "outcome": "jira_refused", "rules": [rule]}
            await log.append(denied)
    console = Console(file=io.StringIO(), width=width, no_color=True, force_terminal=False)
    assert audit.tail(tmp_path / "data", 2, console=console) == 0
    lines = text(console).splitlines()
    assert max(map(len, lines)) <= width
    for line, rule in zip(lines[-2:], ("no-agent-deletes", "staff-read"), strict=True):
        assert {"ana", "jira_create_issue", "jira_refused", rule} <= set(line.split()), lines
        assert re.search(r"\d\d-\d\d \d\d:\d\d(:\d\d)? ", line), lines
        assert ("dynamic-012…" in line) is (width >= 96)


def test_tail_as_json_goes_over_files_and_ends(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line with its number, oldest first; more than there is gives all."""
    assert audit.tail(folder, 100, json=True) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["seq"] for line in lines] == [0, 1, 2, 3, 4]
    assert lines[0]["kind"] == record.OPENED


def test_show_prints_a_call_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its id, by its number, and status 1 when there is none."""
    console = shown()
    assert audit.show(folder, "call-1", console=console) == 0
    assert "jira_search" in text(console) and "OPEN-2" in text(console)
    assert audit.show(folder, "call-3", json=True) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == record.DECISION
    assert audit.show(folder, "2", json=True) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "call-1"
    assert audit.show(folder, "call", console=shown()) == 1
    assert audit.show(folder, "99999", json=True) == 1
    assert "no record 99999" in json.loads(capsys.readouterr().out)["error"]


def test_a_record_cannot_drive_the_terminal(folder: Path) -> None:
    """Escape sequences, bidirectional marks and markup that somebody put into a name are shown, not obeyed."""
    for show in (
        lambda c: audit.tail(folder, 9, console=c),
        lambda c: audit.show(folder, "call-2", console=c),
    ):
        console = Console(file=io.StringIO(), width=300, no_color=True, force_terminal=False)
        assert show(console) == 0
        said = text(console)
        assert "\x1b" not in said and "\x07" not in said and "\u202e" not in said
        assert "[bold]x[/bold]" in said


def test_no_record_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder and a file that is none give one sentence and status 1."""
    (tmp_path / "audit-2026-01.db").write_bytes(b"nonsense")
    for path in (tmp_path / "audit-2026-01.db", tmp_path / "absent"):
        assert audit.tail(path) == 1
        assert audit.show(path, "x") == 1
        assert "Traceback" not in capsys.readouterr().out
