"""`serve` and `check`: run the gateway, or say whether it would."""

import argparse
import gc
import logging
import socket
import sys
from pathlib import Path

import orjson
import uvicorn

from gateway import limits
from gateway.app import Gateway
from gateway.cli import GOOD, SETTINGS
from gateway.config import Settings, load
from gateway.errors import ConfigError

log = logging.getLogger("gateway")


def serve(arguments: argparse.Namespace) -> int:
    """Run the gateway until it is interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load(arguments.config)
    gateway = Gateway(settings)
    for note in settings.notes():
        log.warning("%s", note)
    listening = _listen(settings)
    server = _Announced(server_config(gateway, settings), settings.server.public_url)
    server.run(sockets=[listening])
    if not server.started:
        raise gateway.stopped_by or ConfigError(["The gateway could not start; see the log above."])
    return GOOD


class _Announced(uvicorn.Server):
    """Says where it is once it is there."""

    def __init__(self, config: uvicorn.Config, public_url: str) -> None:
        super().__init__(config)
        self._public_url = public_url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _keep_collections_short()
        if self.started:
            print(
                f"Jira Agent Gateway at {self._public_url}/mcp (ready: /readyz)", file=sys.stderr, flush=True
            )


def _keep_collections_short() -> None:
    """What was loaded at start stays until the end: no collection need walk through it again.

    A call leaves few cycles behind, so the young are looked at less often than by default, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(limits.YOUNG_OBJECTS)


def server_config(gateway: Gateway, settings: Settings) -> uvicorn.Config:
    """How uvicorn runs the gateway's app: quiet, and with time for calls in flight to end."""
    return uvicorn.Config(
        gateway.app,
        host=settings.server.host,
        port=settings.server.port,
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(settings.server.trusted_proxies),
        forwarded_allow_ips=[str(one) for one in settings.server.trusted_proxies],
        date_header=False,
        timeout_graceful_shutdown=20,
        lifespan="on",
    )


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except OSError as taken:
        raise ConfigError(
            [
                f"server.port: {host}:{port} cannot be used ({taken.strerror}). Choose another port or end its user."
            ]
        ) from None


def check(arguments: argparse.Namespace) -> int:
    """Validate settings, policy bundle and folders; name every problem."""
    problems: list[str] = []
    notes: list[str] = []
    settings = _settings(arguments.config, problems)
    if settings is not None:
        problems += _parts(settings)
        notes += settings.notes()
    if arguments.json:
        print(orjson.dumps({"good": not problems, "problems": problems, "notes": notes}).decode())
    else:
        print("\n".join(problems) if problems else f"{arguments.config}: good.")
        print("".join(f"Note: {note}\n" for note in notes), end="")
    return SETTINGS if problems else GOOD


def _settings(path: Path, problems: list[str]) -> Settings | None:
    try:
        return load(path)
    except ConfigError as wrong:
        problems += wrong.problems
        return None


def _parts(settings: Settings) -> list[str]:
    try:
        Gateway(settings)
    except ConfigError as wrong:
        return wrong.problems
    return []
