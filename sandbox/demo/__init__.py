"""`jira-agent-gateway demo`: the whole story on embedded parts, then it keeps serving."""

import argparse
import asyncio
import logging
import signal
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.text import Text

from gateway.app import Gateway
from gateway.config import load
from sandbox.demo.stage import Stage
from sandbox.demo.story import tell
from sandbox.run import Sandbox
from sandbox.serve import Served, listen

LOG_LINES = 12
"""lines of the log that are shown after a failure"""


def run(arguments: argparse.Namespace) -> int:
    """Tell the story; 0 when all of it was so, 1 otherwise."""
    stage, folder = Stage(), Path(tempfile.mkdtemp(prefix="jira-agent-gateway-demo-"))
    with _logged() as lines:
        try:
            asyncio.run(_run(stage, folder, once=arguments.once))
        except Exception as failed:  # of any part: the person is told in a sentence, and the status says it
            _show_failure(stage, failed, lines, folder)
            return 1
    if stage.untrue:
        stage.console.print(f"\n[bold red]{len(stage.untrue)} of the claims above were not so.[/]")
        return 1
    return 0


@contextmanager
def _logged() -> Iterator[deque[str]]:
    """The last lines that the gateway logs. They are not printed: the story tells what they would."""
    lines: deque[str] = deque(maxlen=LOG_LINES)
    keeping, root = _Keeping(lines), logging.getLogger()
    root.addHandler(keeping)
    try:
        yield lines
    finally:
        root.removeHandler(keeping)


class _Keeping(logging.Handler):
    def __init__(self, lines: deque[str]) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.extend(self.format(record).splitlines())


def _show_failure(stage: Stage, failed: Exception, lines: Iterable[str], folder: Path) -> None:
    """One sentence, the end of the log, and where the rest is."""
    cause: BaseException = failed
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    said = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    stage.console.print(Text(f"\nThe demo stopped at “{stage.title}”: {said}", "bold red"))
    logged = list(lines)
    stage.console.print(
        "The last lines of the gateway's log:" if logged else "The gateway logged nothing.", style="dim"
    )
    for line in logged:
        stage.console.print(Text(f"  {line}"), soft_wrap=True)
    stage.note(f"settings and record: {folder}")


async def _run(stage: Stage, folder: Path, *, once: bool) -> None:
    async with Sandbox() as sandbox:
        config = folder / "gateway.toml"
        config.write_text(sandbox.config_toml(signin=True), encoding="utf-8")
        settings = load(config, {"GATEWAY__AUDIT__CHECKPOINT_SECONDS": "1"})
        gateway = Gateway(settings)
        running = Served(gateway.app, listen("127.0.0.1", settings.server.port))
        async with running:
            await tell(stage, sandbox, settings)
            if not once:
                await _keep_serving(stage, sandbox, config)


async def _keep_serving(stage: Stage, sandbox: Sandbox, config: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    show_clients(stage, sandbox.gateway_resource)
    people = [(name, p["password"], ", ".join(p["groups"])) for name, p in sandbox.users.items()]
    stage.table(("sign in as", "password", "groups"), people)
    stage.note(f"settings and record: {config.parent}")
    stage.console.print("\nServing until Ctrl-C.")
    await stop.wait()


def show_clients(stage: Stage, url: str) -> None:
    """The address, and what to type to connect the common clients to it."""
    stage.console.print(f"\n[bold]Connect your own assistant[/] to [bold cyan]{url}[/]\n")
    stage.table(
        ("client", "what to type"),
        [
            ("Claude Code", f"claude mcp add --transport http jira {url}"),
            ("VS Code", f'code --add-mcp \'{{"name":"jira","type":"http","url":"{url}"}}\''),
            ("Cursor", f'in ~/.cursor/mcp.json: {{"mcpServers": {{"jira": {{"url": "{url}"}}}}}}'),
            ("MCP Inspector", f"npx @modelcontextprotocol/inspector --transport http --server-url {url}"),
        ],
    )
