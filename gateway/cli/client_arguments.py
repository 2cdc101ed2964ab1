"""The words of `client …` on the command line; what they do is in `client.py`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEXTS = {
    "list": "List them: who they are, how sure that is, who answers for them.",
    "show": "Print one whole.",
    "add": "Issue a client id, and a secret where the method needs one.",
    "admit": "Let one ask people; an https id also before it is first seen.",
    "refuse": "Let one ask nobody any more, and sign its people out.",
    "revoke": "Delete one, and sign its people out.",
}
MOST_DAYS = 99_999
METHODS = ("none", "client_secret_post", "client_secret_basic", "private_key_jwt")


def add_client(
    commands: Any,
    new_leaf: Callable[..., argparse.ArgumentParser],
    add_config: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add `client` and its kinds."""
    client = commands.add_parser("client", help="Say which assistants may ask people to sign in.")
    kinds = client.add_subparsers(dest="client_command", required=True, metavar="|".join(TEXTS))
    for name, text in TEXTS.items():
        leaf = new_leaf(kinds, name, f"gateway.cli.client:{'listing' if name == 'list' else name}", text)
        add_config(leaf)
        if name == "add":
            leaf.add_argument("--name", required=True)
            leaf.add_argument(
                "--redirect", action="append", default=[], metavar="URI", help="repeat for more"
            )
            leaf.add_argument("--method", choices=METHODS, default="none", help="how it proves itself")
            leaf.add_argument(
                "--jwks", type=Path, metavar="FILE", help="its public keys, for private_key_jwt"
            )
        elif name != "list":
            leaf.add_argument("id", metavar="ID")
        if name in ("add", "admit"):
            leaf.add_argument("--owner", metavar="WHO", help="who answers for it")
            leaf.add_argument(
                "--group", action="append", metavar="ROLE", help="people need one of these roles"
            )
            leaf.add_argument("--days", type=_days, metavar="N", help="its time is over then; 0: it stays")


def _days(text: str) -> int:
    if not text.isdecimal() or len(text) > 5:
        raise argparse.ArgumentTypeError(f"a whole number from 0 (it stays) to {MOST_DAYS} is needed")
    return int(text)
