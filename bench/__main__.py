"""`python -m bench [--json] [--seconds S] [--rounds R]`: interleaved rounds, medians, ratios."""

import argparse
import platform
import socket
import statistics
import subprocess
import sys
from typing import Any
from urllib.request import urlopen

import orjson
import psutil
from rich.console import Console
from rich.table import Table

from bench import targets
from bench.targets import Target

CLIENTS = (1, 16, 64)
WORK = ("get issue", "search 50")
Row = dict[str, float]
Rows = dict[tuple[str, str, int], list[Row]]


def measure(target: Target, stub: Target, work: str, clients: int, seconds: float) -> Row:
    """One round: what the clients saw, and what the server spent."""
    order = {
        "port": target.port, "clients": clients, "seconds": seconds, "requests": target.requests[work],
    }  # fmt: skip
    before, asked = target.cpu(), _asked(stub)
    ran = subprocess.run(
        [sys.executable, "-m", "bench.load", orjson.dumps(order).decode()],
        capture_output=True, check=True, cwd=targets.ROOT,
    )  # fmt: skip
    seen: Row = orjson.loads(ran.stdout)
    if seen["failed"]:
        raise SystemExit(f"{target.name}: {seen['failed']} of {seen['count']} calls of '{work}' failed")
    seen["cpu"] = (target.cpu() - before) / seen["count"] * 1e6
    seen["upstream"] = (_asked(stub) - asked) / seen["count"]
    seen["memory"] = target.memory()
    return seen


def _asked(stub: Target) -> int:
    return int(urlopen(f"http://127.0.0.1:{stub.port}/_count", timeout=5).read())


def run(seconds: float, rounds: int) -> Rows:
    """Every target, piece of work and number of clients, interleaved so that a busy moment hits all alike."""
    ports = [_free_port() for _ in range(4)]
    stub = targets.stub(ports[0])
    started = [stub]
    try:
        for start, port in zip((targets.gateway, targets.bare, targets.peer), ports[1:], strict=True):
            started.append(start(port, stub.port))
        rows: Rows = {}
        for target in started[1:]:
            for work in WORK:
                measure(target, stub, work, 4, 1.0)  # warm
        for turn in range(rounds):
            print(f"round {turn + 1} of {rounds}…", file=sys.stderr)
            for work in WORK:
                for clients in CLIENTS:
                    for target in started[1:]:
                        row = measure(target, stub, work, clients, seconds)
                        rows.setdefault((work, target.name, clients), []).append(row)
        return rows
    finally:
        for target in reversed(started):
            target.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def medians(rows: Rows) -> dict[tuple[str, str, int], Row]:
    return {
        key: {name: statistics.median(r[name] for r in many) for name in many[0]}
        for key, many in rows.items()
    }


def show(rows: dict[tuple[str, str, int], Row]) -> None:
    """A table a piece of work."""
    console = Console(width=118)
    for work in WORK:
        table = Table(title=f"{work}, medians", title_justify="left")
        for column in (
            "",
            "clients",
            "req/s",
            "p50 ms",
            "p99 ms",
            "CPU µs/call",
            "MiB",
            "bytes",
            "upstream/call",
        ):
            table.add_column(column, justify="left" if not column else "right")
        for clients in CLIENTS:
            for (kind, name, many), r in rows.items():
                if kind == work and many == clients:
                    table.add_row(
                        name, str(many), f"{r['rate']:,.0f}", f"{r['p50']:.2f}", f"{r['p99']:.2f}",
                        f"{r['cpu']:,.0f}", f"{r['memory']:.0f}", f"{r['bytes']:,.0f}", f"{r['upstream']:.2f}",
                        style="bold" if name == "gateway" else "",
                    )  # fmt: skip
            table.add_section()
        console.print(table)


def ratios(rows: dict[tuple[str, str, int], Row]) -> dict[str, Any]:
    """The figures that are held: at 16 clients, getting one issue; the search beside it."""
    found: dict[str, Any] = {}
    for work, suffix in ((WORK[0], ""), (WORK[1], "_search")):
        us, bare, peer = (rows[work, name, 16] for name in ("gateway", "bare", "mcp-atlassian"))
        found[f"throughput_vs_mcp_atlassian{suffix}"] = round(us["rate"] / peer["rate"], 2)
        found[f"cpu_vs_bare{suffix}"] = round(us["cpu"] / bare["cpu"], 2)
        found[f"p99_vs_bare{suffix}"] = round(us["p99"] / bare["p99"], 2)
        found[f"upstream_per_read{suffix}"] = round(us["upstream"], 3)
        found[f"cpu_mcp_atlassian_vs_us{suffix}"] = round(peer["cpu"] / us["cpu"], 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = medians(run(arguments.seconds, arguments.rounds))
    show(rows)
    held = ratios(rows)
    cores = psutil.cpu_count()
    print(
        f"{cores} cores, {platform.machine()}, Python {platform.python_version()}, loopback, "
        "stub and load on the same cores"
    )
    for name, value in held.items():
        print(f"  {name:36} {value}")
    if arguments.json:
        print(orjson.dumps(held).decode())


if __name__ == "__main__":
    main()
