"""`jira-agent-gateway demo`: the whole story on embedded parts, then it keeps serving."""

import argparse
import asyncio
import logging
import signal
import tempfile
from pathlib import Path

from gateway.app import Gateway
from gateway.config import load
from sandbox.demo.stage import Stage
from sandbox.demo.story import tell
from sandbox.run import Sandbox
from sandbox.serve import Served, listen


def run(arguments: argparse.Namespace) -> int:
    """Tell the story; 0 when all of it was so, 1 otherwise."""
    for name in ("mcp", "gateway"):  # the story tells what they would
        logging.getLogger(name).setLevel(logging.CRITICAL)
    stage = Stage()
    asyncio.run(_run(stage, once=arguments.once))
    if stage.untrue:
        stage.console.print(f"\n[bold red]{len(stage.untrue)} of the claims above were not so.[/]")
        return 1
    return 0


async def _run(stage: Stage, *, once: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="jira-agent-gateway-demo-"))
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
