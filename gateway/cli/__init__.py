"""The console script `jira-agent-gateway`.

Exit codes: 0 good, 1 failed check, 2 wrong usage, 3 wrong settings, 4 failed policy tests.
Each command is imported when it is asked for, so `--help` is quick.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.cli.client_arguments import add_client
from gateway.errors import ConfigError, GatewayError

GOOD, FAILED, USAGE, SETTINGS, POLICY = range(5)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = command(arguments.run)(arguments)
        return status
    except ConfigError as wrong:
        for problem in wrong.problems:
            print(problem, file=sys.stderr)
        return SETTINGS
    except GatewayError as stopped:
        print(f"{stopped.public} {stopped.private}".strip(), file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return GOOD
    except KeyboardInterrupt:
        return GOOD


def command(path: str) -> Callable[..., Any]:
    """The function at `module:name`, imported now. Raises `ConfigError` when its part is not installed."""
    module, name = path.split(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as absent:
        raise ConfigError(
            [
                f"The part `{absent.name}` is not installed. Install the package again: pip install jira-agent-gateway."
            ]
        ) from absent
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jira-agent-gateway",
        description="An MCP server for Jira: every call runs as the person who asked, "
        "is checked by policy, and leaves a record that can prove itself.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_serving(commands)
    _add_sandbox(commands)
    _add_policy(commands)
    _add_audit(commands)
    _add_vault(commands)
    _add_secrets(commands)
    _add_kill(commands)
    add_client(commands, _leaf, _add_config)
    _add_session(commands)
    _add_explain(commands)
    _add_doctor(commands)
    return parser


def _leaf(commands: Any, name: str, run: str, text: str, *, json: bool = True) -> argparse.ArgumentParser:
    leaf: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    leaf.set_defaults(run=run)
    if json:
        leaf.add_argument("--json", action="store_true", help="print data as JSON")
    return leaf


def _add_config(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument("--config", type=Path, default=Path("gateway.toml"), metavar="FILE")


def _add_demo(commands: Any) -> None:
    demo = _leaf(commands, "demo", "sandbox.demo:run", "The whole story on embedded parts.", json=False)
    demo.add_argument(
        "--once", action="store_true", help="end after the story, with status 0 if all went as told"
    )


def _add_serving(commands: Any) -> None:
    serve = _leaf(commands, "serve", "gateway.cli.serve:serve", "Run the gateway.", json=False)
    check = _leaf(commands, "check", "gateway.cli.serve:check", "Check the settings; names every problem.")
    for leaf in (serve, check):
        _add_config(leaf)
    tools = _leaf(commands, "tools", "gateway.cli.tools:tools", "List the tools and their digests.")
    tools.add_argument("--lock", action="store_true", help="print the text of tools.lock")
    tools.add_argument("--cedar-schema", action="store_true", help="print policies/schema.cedarschema")
    _leaf(commands, "version", "gateway.cli:version", "Print the version.")


def _add_sandbox(commands: Any) -> None:
    text = "A sandbox Jira and identity provider on loopback."
    sandbox = _leaf(commands, "sandbox", "sandbox.cli:serve", text)
    sandbox.add_argument("--port-base", type=_port_base, metavar="N", help="fix the ports: N, N+1, N+2")
    kinds = sandbox.add_subparsers(dest="sandbox_command", metavar="[config|token]")
    config = _leaf(kinds, "config", "sandbox.cli:config", "Print a complete gateway.toml for it.", json=False)
    config.add_argument("--port-base", type=_port_base, metavar="N", default=argparse.SUPPRESS)
    token = _leaf(kinds, "token", "sandbox.cli:token", "Print an access token for the gateway's audience.")
    token.add_argument("--user", required=True)
    token.add_argument("--client", default="demo-assistant", metavar="NAME")
    token.add_argument("--scope", default="openid jira:read jira:write")
    token.add_argument("--port-base", type=_port_base, metavar="N", default=argparse.SUPPRESS)


def _add_policy(commands: Any) -> None:
    policy = commands.add_parser("policy", help="Check and test the rules.")
    kinds = policy.add_subparsers(dest="policy_command", required=True, metavar="check|test")
    for name, text in (
        ("check", "Read the bundle and say what is wrong."),
        ("test", "Run the bundle's own cases."),
    ):
        leaf = _leaf(kinds, name, f"gateway.cli.commands:policy_{name}", text)
        leaf.add_argument("dir", nargs="?", type=Path, default=None, metavar="DIR", help="default: policies")
        if name == "test":
            leaf.add_argument("--mutate", action="store_true", help="also remove each rule in turn")


def _add_audit(commands: Any) -> None:
    audit = commands.add_parser("audit", help="Verify and read the record.")
    kinds = audit.add_subparsers(dest="audit_command", required=True, metavar="verify|tail|show")
    texts = {
        "verify": "Check that nothing in the record was changed.",
        "tail": "Print the newest records.",
        "show": "Print one record whole.",
    }
    for name, text in texts.items():
        leaf = _leaf(kinds, name, f"gateway.cli.commands:audit_{name}", text)
        if name == "show":
            leaf.add_argument("id", help="a call id or a sequence number")
        leaf.add_argument(
            "path", nargs="?", type=Path, default=None, metavar="PATH", help="default: data/audit"
        )
        if name == "tail":
            leaf.add_argument("-n", type=_count, default=20, help="how many")
        if name == "verify":
            leaf.add_argument(
                "--second", type=Path, default=None, metavar="PATH", help="where checkpoints are copied"
            )


def _add_vault(commands: Any) -> None:
    vault = commands.add_parser("vault", help="Rotate the keys of the linked grants.")
    kinds = vault.add_subparsers(dest="vault_command", required=True, metavar="rotate|rewrap|status")
    for name, run, text in (
        ("rotate", "rotate", "Put a new key first in the local ring, then rewrap."),
        ("rewrap", "rewrap_all", "Wrap all data keys under the key that wraps now."),
        ("status", "status", "Count the links by the key that wraps them."),
    ):
        leaf = _leaf(kinds, name, f"gateway.cli.vault:{run}", text)
        _add_config(leaf)


def _add_kill(commands: Any) -> None:
    text = "Cut off a person, a client or an agent, on every replica within a second."
    kill = _leaf(commands, "kill", "gateway.cli.kill:kill", text)
    _add_config(kill)
    whom = kill.add_mutually_exclusive_group(required=True)
    whom.add_argument(
        "--user", type=_named, metavar="SUBJECT", help="the person, as their provider's tokens name them"
    )
    whom.add_argument("--client", type=_named, metavar="ID", help="the assistant's OAuth client id")
    whom.add_argument(
        "--agent", type=_named, metavar="NAME", help="the acting agent (`act.sub` of its tokens)"
    )
    kill.add_argument("--issuer", metavar="NAME", help="the provider, where there are several")
    how = kill.add_mutually_exclusive_group()
    how.add_argument("--keep-out", action="store_true", help="refuse also what is issued later, until lifted")
    how.add_argument("--lift", action="store_true", help="let them in again")


def _add_session(commands: Any) -> None:
    session = commands.add_parser("session", help="List and end sign-ins with assistants.")
    kinds = session.add_subparsers(dest="session_command", required=True, metavar="list|end")
    show = _leaf(kinds, "list", "gateway.cli.session:list_all", "Who is signed in with which assistant.")
    end = _leaf(kinds, "end", "gateway.cli.session:end", "End one, or all of a person or an assistant.")
    which = end.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", type=_named, metavar="ID", help="as `session list` shows it")
    for leaf, group in ((show, show), (end, which)):
        _add_config(leaf)
        group.add_argument("--user", type=_named, metavar="SUBJECT", help="of this person")
        group.add_argument("--client", type=_named, metavar="ID", help="with this assistant")


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser("explain", help="Say why: whom a token names, and which roles it gives.")
    kinds = explain.add_subparsers(dest="explain_command", required=True, metavar="user")
    text = "Whom a token names here, by which claims, and which rule gives which role."
    leaf = _leaf(kinds, "user", "gateway.cli.explain:user", text)
    leaf.add_argument("token", metavar="FILE", help="a file that holds the token, or - for standard input")
    _add_config(leaf)
    leaf.add_argument("--site", default="", metavar="NAME", help="default: the first site of the settings")


def _add_secrets(commands: Any) -> None:
    secrets = commands.add_parser("secrets", help="The gateway's own secrets and keys.")
    metavar = "status|rotate|roll-key|roll-access-key"
    kinds = secrets.add_subparsers(dest="secrets_command", required=True, metavar=metavar)
    texts = {
        "status": "How old each secret is, which is in use, and what to do.",
        "rotate": "Change a secret at the provider, in two steps.",
        "roll-key": "Sign client assertions with the next key, and publish a new one.",
        "roll-access-key": "Sign access tokens with the next key, and publish a new one.",
    }
    for name, text in texts.items():
        leaf = _leaf(kinds, name, f"gateway.cli.secrets:{name.replace('-', '_')}", text)
        _add_config(leaf)
        if name == "rotate":
            leaf.add_argument("name", metavar="NAME", help="as `secrets status` lists it")
            leaf.add_argument("--finish", action="store_true", help="the next becomes current; others end")
        if name == "roll-access-key":
            leaf.add_argument("--now", action="store_true", help="also where tokens in use end by it")


def _add_doctor(commands: Any) -> None:
    doctor = commands.add_parser("doctor", help="Compare the settings with the live provider and Jira.")
    doctor.set_defaults(run="gateway.cli.clients:replay", usage=doctor.format_usage)
    doctor.add_argument("--json", action="store_true", help="print data as JSON")
    _add_config(doctor)
    _add_replays(doctor)
    kinds = doctor.add_subparsers(dest="doctor_command", metavar="idp|user")
    idp = _leaf(
        kinds, "idp", "gateway.cli.doctor:idp", "Check a provider: what is wrong, and where to click."
    )
    idp.add_argument("name", nargs="?", metavar="NAME", help="a provider of the settings; default: all")
    text = "One person side by side: groups at the provider, roles here, groups and permissions in Jira."
    user = _leaf(kinds, "user", "gateway.cli.doctor:user", text)
    user.add_argument("name", metavar="NAME", help="whose token it must be: subject, user name or e-mail")
    user.add_argument("--site", default="", metavar="NAME", help="default: the first site of the settings")
    user.add_argument(
        "--login", metavar="CLIENT_ID", help="let them sign in by a browser here, with this public client"
    )
    user.add_argument("--issuer", metavar="NAME", help="the provider to sign in at; default: the first")
    user.add_argument(
        "--scope", metavar="SCOPES", help="what to ask for; default: openid jira:read jira:write"
    )
    for leaf in (idp, user):
        leaf.add_argument("--token", metavar="FILE", help="an assistant's token; - for standard input")
        _add_config(leaf)


def _add_replays(doctor: argparse.ArgumentParser) -> None:
    """`doctor --client NAME`: what an assistant does, done against the running gateway."""
    which = doctor.add_mutually_exclusive_group()
    which.add_argument(
        "--client", metavar="NAME", help="sign in as this assistant does: claude, vscode, cursor, …"
    )
    which.add_argument("--all", action="store_true", help="as each assistant that is known, one by one")
    who = doctor.add_mutually_exclusive_group()
    who.add_argument("--open", action="store_true", help="print the address to open, and wait for you")
    who.add_argument("--user", metavar="NAME", help="one of the sandbox's people; only in front of it")
    doctor.add_argument("--document", default="", metavar="URL", help="where its document is for this run")
    doctor.add_argument(
        "--registers", action="store_true", help="register by itself even where documents are taken"
    )


def _named(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say whom; it is empty")
    return text


def _port_base(text: str) -> int:
    """Three ports follow each other from it."""
    if not text.isdecimal() or not 1 <= int(text) <= 65_533:
        raise argparse.ArgumentTypeError("a port from 1 to 65533 is needed")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 is needed")
    return int(text)


def version(arguments: argparse.Namespace) -> int:
    """Print the version."""
    print(f'{{"version": "{__version__}"}}' if arguments.json else __version__)
    return GOOD
