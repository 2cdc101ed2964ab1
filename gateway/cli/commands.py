"""From the command line's words to the functions that do the work: the defaults are chosen here."""

import argparse
from pathlib import Path

from gateway.cli import audit

RECORD = Path("data/audit")
RULES = Path("policies")


def audit_verify(arguments: argparse.Namespace) -> int:
    """`audit verify [PATH] [--second PATH]`; the second place defaults to the folder beside."""
    path = arguments.path or RECORD
    beside = path.with_name(f"{path.name}-checkpoints")
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

    return policy.check(arguments.dir or RULES, arguments.json)


def policy_test(arguments: argparse.Namespace) -> int:
    """`policy test [DIR] [--mutate]`."""
    from gateway.cli import policy

    return policy.test(arguments.dir or RULES, arguments.json, mutate=arguments.mutate)
