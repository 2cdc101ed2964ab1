"""The demo: what it says of a failure, and of the forgery at its end."""

import argparse
import logging
from pathlib import Path

import pytest

import sandbox.demo as demo
from gateway.audit.sqlite import Looking
from gateway.audit.verify import verify
from sandbox.demo.stage import Stage
from sandbox.demo.story import _change_one_byte, _copied
from tests.audit.test_log import until
from tests.audit.world import log_in, month_file, plain


def test_a_failure_is_one_sentence_and_the_end_of_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, where it stopped and why, what the gateway logged last; no traceback, and nothing is left behind."""

    async def fails(stage: Stage, *parts: object) -> None:
        stage.scene("Ana signs in", "…")
        for number in range(30):
            logging.getLogger("gateway.signin").warning("line %d [of] the log", number)
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [RuntimeError("no way in")])])

    monkeypatch.setattr(demo, "tell", fails)
    before = list(logging.getLogger().handlers)
    assert demo.run(argparse.Namespace(once=True)) == 1
    told = capsys.readouterr()
    assert "stopped at “Ana signs in”: RuntimeError: no way in" in told.out
    assert "line 29 [of] the log" in told.out and "line 3 " not in told.out
    assert "Traceback" not in told.out + told.err and told.out.count("\n") < 30
    assert logging.getLogger().handlers == before


async def test_one_changed_byte_is_told_as_a_change(tmp_path: Path) -> None:
    """Of a record that is still written to: the copy is in one piece, so nothing of it seems to be missing."""
    folder, copy = tmp_path / "audit", tmp_path / "copy"
    async with log_in(folder, tmp_path / "far", checkpoint_seconds=0.01) as log:
        for number in range(20):
            await log.append(plain(number) | {"outcome": "denied" if number == 9 else "answered"})
        await until(lambda: any(size >= 20 for size, _ in signed(folder)))
        _copied(folder, copy)
    assert verify(copy).ok and _change_one_byte(copy)
    (file,) = verify(copy).files
    assert file.records >= 20 and "not the ones that were signed" in " ".join(file.problems)


def signed(folder: Path) -> list[tuple[int, str]]:
    """The checkpoints so far."""
    with Looking(month_file(folder)) as file:
        return file.checkpoints()
