"""The provider's process: its packages installed, started, and ended with us."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parents[2] / ".work" / "node-idp"
VERSION: str = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"][
    "oidc-provider"
]

START_SECONDS = 120.0
"""on a busy machine; it is a deadline for a broken start, not an expectation"""


class Process:
    """One run of idp.mjs; what it says besides its one line is appended to `log`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._running: asyncio.subprocess.Process | None = None

    async def start(self, *arguments: str) -> dict[str, Any]:
        """What it says when it serves: `issuer`, `admin`, `node`. Raises `RuntimeError` with its last words."""
        node = await install()
        with self._log.open("ab") as said:
            self._running = await asyncio.create_subprocess_exec(
                *(node, str(INSTALLED / "idp.mjs"), *arguments),
                stdin=asyncio.subprocess.PIPE,  # when we end, however, it ends
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
            )
        assert self._running.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                line = await self._running.stdout.readline()
            if not line:
                raise RuntimeError(self._log.read_text(encoding="utf-8"))
        except BaseException:
            await self.stop()
            raise
        ready: dict[str, Any] = json.loads(line)
        return ready

    async def stop(self) -> int | None:
        """End it as the shutdown of its machine would; the exit code."""
        if self._running is None:
            return None
        with suppress(ProcessLookupError):
            self._running.terminate()
        return await self.ended()

    async def ended(self) -> int | None:
        """Close its standard input, which ends it, and wait; the exit code."""
        assert self._running is not None and self._running.stdin is not None
        self._running.stdin.close()
        await self._running.communicate()
        return self._running.returncode


async def install() -> str:
    """The path of a Node.js that can run the provider. Raises `RuntimeError` with what to do."""
    ran = await asyncio.create_subprocess_exec(
        "sh", str(HERE / "install.sh"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await ran.communicate()
    if ran.returncode != 0:
        raise RuntimeError(err.decode())
    return out.decode().split()[-1]
