"""Kill a writing gateway a hundred times. Run as a program, so that it may fork without threads about.

    python -m tests.audit.killing FOLDER ROUNDS SEED

Each round forks a writer that prints the id of every call whose two records were acknowledged, kills it
with SIGKILL at a random instant, and checks the record as the kill left it. Prints one line of JSON.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from gateway.audit.log import SqliteAuditLog
from gateway.audit.record import DECISION, IN_DOUBT, OUTCOME
from gateway.audit.verify import verify
from tests.audit.world import of_kind


def write_for_ever(folder: Path, name: str, out: int) -> None:
    """Four writers, each a decision and an outcome after the other."""

    async def writer(log: SqliteAuditLog, w: int) -> None:
        n = 0
        while True:
            call = {"id": f"{name}-{w}-{n}", "time": "t", "pad": "x" * (w * 300)}
            await log.append({"kind": DECISION, **call})
            os.write(out, f"decided {call['id']}\n".encode())
            await log.append({"kind": OUTCOME, **call})
            os.write(out, f"done {call['id']}\n".encode())
            n += 1

    async def main() -> None:
        log = SqliteAuditLog(folder, folder / "audit.key", folder / "far")
        await log.start()
        os.write(out, b"ready\n")
        await asyncio.gather(*(writer(log, w) for w in range(4)))

    asyncio.run(main())


def round_of(folder: Path, name: str, lines: int, seconds: float) -> list[str]:
    """Start, wait for so many lines and then so long, kill; the lines that came."""
    reader, out = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            write_for_ever(folder, name, out)
        finally:
            os._exit(70)
    os.close(out)
    with os.fdopen(reader) as output:
        said = [output.readline() for _ in range(lines)]
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        said += output.readlines()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the writer ended by itself: {status}"
    return [line for line in said if line.endswith("\n")]


def main(folder: Path, rounds: int, rng: random.Random) -> dict[str, Any]:
    """The figures of so many rounds on one folder."""
    decided: set[str] = set()
    done: set[str] = set()
    broken: list[str] = []
    doubts: list[str] = []
    for n in range(rounds):
        # One in ten dies while it starts, the others after some records.
        lines, seconds = (
            (0, rng.uniform(0, 0.03)) if n % 10 == 9 else (rng.randint(1, 60), rng.uniform(0, 0.002))
        )
        for word, *name in (line.split() for line in round_of(folder, str(n), lines, seconds)):
            {"decided": decided, "done": done, "ready": set()}[word].update(name)
        report = verify(folder, second=folder / "far")
        if not report.ok and n:
            broken.append(f"{n}: {report}")
        doubts += [d.id for d in report.in_doubt if not d.closed]
    asyncio.run(_closed(folder))
    report = verify(folder, second=folder / "far")
    stored, ended = ({t["id"] for t in of_kind(folder, kind)} for kind in (DECISION, OUTCOME))
    closed = [t["id"] for t in of_kind(folder, IN_DOUBT)]
    return {
        "acknowledged": len(decided) + len(done),
        "lost": sorted((decided - stored) | (done - ended)),
        "broken": broken,
        "ok": report.ok,
        "records": sum(f.records for f in report.files),
        "doubts": len(doubts),
        "doubts_wrong": sorted((stored - ended) ^ set(closed)),
        "doubts_left": [d.id for d in report.in_doubt if not d.closed],
        "closed_twice": len(closed) - len(set(closed)),
    }


async def _closed(folder: Path) -> None:
    log = SqliteAuditLog(folder, folder / "audit.key", folder / "far")
    await log.start()
    await log.stop()


if __name__ == "__main__":
    rng = random.Random(int(sys.argv[3]))
    # A new folder now and then: what a start has to recover stays short, so the kills hit more of it.
    print(json.dumps([main(Path(sys.argv[1]) / str(n), 20, rng) for n in range(int(sys.argv[2]) // 20)]))
