"""The programs: where `install.sh` put them, what runs them, and what they are told and say."""

import asyncio
import json
import os
import re
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.clients.place import AtTheBrowser

ROOT = Path(__file__).resolve().parents[2]
INTO = ROOT / ".work/clients"
INSPECTOR = ROOT / ".work/node/node_modules/@modelcontextprotocol/inspector"
SECONDS = 90

Opens = Callable[[str], Awaitable[object]]
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/authorize\?[^\s\"']+")


@cache
def node() -> str:
    """Path of Node.js; everything is installed on first use."""
    done = subprocess.run(["sh", ROOT / "tests/clients/install.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def version(package: str) -> str:
    """Of an installed package: npm's by its name, PyPI's by its environment."""
    for modules in (INTO / "node_modules", ROOT / ".work/node/node_modules"):
        if (modules / package / "package.json").is_file():
            return str(json.loads((modules / package / "package.json").read_text())["version"])
    return next((INTO / package).glob("of-*")).name.removeprefix("of-")


class Failed(Exception):
    """What the program said instead of an answer."""


class Told:
    """A program that is told what to do by JSON lines (see sdk.mjs), and the person at its browser."""

    def __init__(
        self, command: Sequence[str | Path], browser: AtTheBrowser, *, listens: bool = False
    ) -> None:
        self._command = command
        self._browser = browser
        self._listens = listens
        self.tokens: dict[str, Any] = {}
        self.client = ""

    async def __aenter__(self) -> Self:
        limit = 1_000_000
        self._run = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, limit=limit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run.returncode is None:
            self._run.kill()
        await self._run.communicate()

    @property
    def opened(self) -> list[str]:
        """The authorization requests so far."""
        return self._browser.opened

    async def do(self, do: str, **order: Any) -> dict[str, Any]:
        """One order, its answer. The browser goes where it is sent meanwhile. Raises `Failed`."""
        await self._say({"do": do, **order})
        async with asyncio.timeout(SECONDS):
            while True:
                assert self._run.stdout is not None
                line = await self._run.stdout.readline()
                if not line:
                    raise Failed("it ended")
                if not line.startswith(b"{"):
                    continue
                said = json.loads(line)
                if "open" in said:
                    landed = self._browser.open if self._listens else self._browser.land
                    await self._say({"landed": await landed(said["open"])})
                elif "failed" in said:
                    raise Failed(said["failed"])
                else:
                    self.tokens, self.client = said.get("tokens") or {}, said.get("client") or ""
                    answer: dict[str, Any] = said["answer"]
                    return answer

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a tool that does not refuse."""
        answer = await self.do("call", tool=tool, arguments=arguments)
        assert not answer.get("isError"), answer
        found: dict[str, Any] = answer["structuredContent"]
        return found

    async def _say(self, what: dict[str, Any]) -> None:
        assert self._run.stdin is not None
        self._run.stdin.write(json.dumps(what).encode() + b"\n")
        await self._run.stdin.drain()


@dataclass
class Ended:
    """How a program ended, and all that it said."""

    status: int
    said: str
    opened: list[str]

    @property
    def json(self) -> Any:
        """What it said, from the first brace on."""
        return json.loads(self.said[self.said.index("{") :])


async def run(
    *command: str | Path, browser: Opens | None = None, says: Sequence[Any] = (), until: str = "", **env: str
) -> Ended:
    """A program to its end, or until a line has `until`; it is told `says` as JSON lines.

    Each authorization request that it prints is opened with `browser`, once.
    """
    made = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE if says else DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, **env},
        limit=1_000_000,
    )
    assert made.stdout is not None
    if made.stdin is not None:
        made.stdin.write(b"".join(json.dumps(one).encode() + b"\n" for one in says))
    said, opened = "", list[str]()
    try:
        async with asyncio.timeout(SECONDS):
            while line := (await made.stdout.readline()).decode():
                said += line
                found = _ADDRESS.search(line) if browser else None
                if browser and found and found[0] not in opened:
                    opened.append(found[0])
                    await browser(found[0])
                if until and until in line:
                    return Ended(0, said, opened)
            status = await made.wait()
    finally:
        if made.returncode is None:
            made.kill()
        await made.communicate()
    return Ended(status, said, opened)
