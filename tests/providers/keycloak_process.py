"""The Java process: a home of its own for each run, a free port on loopback, half a GiB of heap."""

import asyncio
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

from sandbox.serve import free_port
from tests.providers.provider import ASSISTANT

INSTALL = Path(__file__).with_name("install.sh")
ADMIN = "acceptance-suite"
"""A client of the master realm with the administrator's rights, made at the first start."""
SECRET = "sandbox-only"
"""Of that client and of the gateway's; public, like every secret of the sandbox."""

START_SECONDS = 600.0
"""It needs 15 s on a quiet machine with two cores, and ten times that where others work on it as well."""
STOP_SECONDS = 20.0

HEAP = "-Xms64m -Xmx512m"
QUICK = "-XX:TieredStopAtLevel=1"
"""The first compiler only: it lives for minutes, and starting is most of its work."""


class Process:
    """Keycloak with its home in `home`. `start` and `stop` once each."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.version = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, realm: dict[str, Any]) -> str:
        """Install when needed, start with `realm`, wait until it serves: its base address.

        Raises `RuntimeError` with what was said when it cannot be installed or does not start.
        """
        release = await _installed()
        self.version = release.name.removeprefix("keycloak-")
        self._make_home(release, realm)
        base = f"http://127.0.0.1:{(port := free_port('127.0.0.1'))}"
        with (self.home / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(self.home / "bin/kc.sh"),
                *("start", "--optimized", "--import-realm", "--cache=local", "--http-enabled=true"),
                *("--http-host=127.0.0.1", f"--http-port={port}", f"--hostname={base}"),
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the script's child is the server: both are ended as one group
            )
        try:
            await asyncio.wait_for(self._serving(), START_SECONDS)
        except BaseException:
            await self.stop()
            raise
        return base

    async def stop(self) -> None:
        """End it; what it wrote stays."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def _make_home(self, release: Path, realm: dict[str, Any]) -> None:
        """The release by reference, so that runs at the same time share nothing that is written."""
        imported = self.home / "data/import"
        imported.mkdir(parents=True)
        shutil.copytree(release / "bin", self.home / "bin")
        for name in ("lib", "conf", "providers", "themes"):
            (self.home / name).symlink_to(release / name)
        (imported / "realm.json").write_text(json.dumps(realm), encoding="utf-8")

    async def _serving(self) -> None:
        assert self._process is not None
        while b"Listening on: http" not in (said := (self.home / "log").read_bytes()):
            if self._process.returncode is not None:
                raise RuntimeError(f"Keycloak did not start:\n{said.decode(errors='replace')[-3000:]}")
            await asyncio.sleep(0.1)


async def _installed() -> Path:
    """The folder of the built release."""
    install = await asyncio.create_subprocess_exec(
        "sh", str(INSTALL), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await install.communicate()
    if install.returncode != 0:
        raise RuntimeError(f"Keycloak cannot be installed: {complained.decode()[-3000:]}")
    return Path(said.decode().strip().splitlines()[-1])


def _environment() -> dict[str, str]:
    """What the server is told; of ours only what finds programs."""
    ours = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "LANG") if name in os.environ}
    return {
        **ours,
        "JAVA_OPTS_KC_HEAP": HEAP,
        "JAVA_OPTS_APPEND": QUICK,
        "KC_BOOTSTRAP_ADMIN_CLIENT_ID": ADMIN,
        "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": SECRET,
        # The placeholders of deploy/keycloak/realm.json:
        "JIRA_AGENT_GATEWAY_SECRET": SECRET,
        "JIRA_AGENT_GATEWAY_SIGN_IN_SECRET": SECRET,
        "JIRA_AGENT_GATEWAY_URL": "https://gateway.example.com",
        "JIRA_AGENTS_ASSISTANT": ASSISTANT,
    }
