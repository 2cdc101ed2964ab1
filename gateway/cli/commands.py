"""From the command line's words to the functions that do the work: the defaults are chosen here."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from gateway.cli import FAILED, POLICY, audit
from gateway.config import shipped_policies
from gateway.errors import ConfigError

RECORD = Path("data/audit")
RULES = Path("policies")


def audit_verify(arguments: argparse.Namespace) -> int:
    """`audit verify [PATH] [--second PATH]`; the second place defaults to the folder beside."""
    path = arguments.path or RECORD
    folder = path if path.is_dir() else path.parent
    beside = folder.with_name(f"{folder.name}-checkpoints")
    second = arguments.second or (beside if beside.is_dir() else None)
    return audit.verify(path, arguments.json, second=second)


def audit_tail(arguments: argparse.Namespace) -> int:
    """`audit tail [PATH] [-n N]`."""
    return audit.tail(arguments.path or RECORD, arguments.n, arguments.json)


def audit_show(arguments: argparse.Namespace) -> int:
    """`audit show ID [PATH]`."""
    return audit.show(arguments.path or RECORD, arguments.id, arguments.json)


def policy_check(arguments: argparse.Namespace) -> int:
    """`policy check [DIR]`."""
    from gateway.cli import policy

    return _rules(arguments, FAILED, lambda folder: policy.check(folder, arguments.json))


def policy_test(arguments: argparse.Namespace) -> int:
    """`policy test [DIR] [--mutate]`."""
    from gateway.cli import policy

    return _rules(
        arguments, POLICY, lambda folder: policy.test(folder, arguments.json, mutate=arguments.mutate)
    )


def _rules(arguments: argparse.Namespace, failed: int, run: Callable[[Path], int]) -> int:
    """Run on the named folder, on ./policies, or on the bundle that ships; a bundle that cannot be read fails."""
    folder = arguments.dir or (RULES if RULES.is_dir() else shipped_policies())
    try:
        return run(folder)
    except ConfigError as wrong:
        if arguments.json:
            print(orjson.dumps({"good": False, "problems": wrong.problems}).decode())
        else:
            print("\n".join(wrong.problems), file=sys.stderr)
        return failed
