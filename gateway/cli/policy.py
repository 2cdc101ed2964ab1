"""`policy check` and `policy test`: what is wrong with a bundle, and what its cases say."""

from pathlib import Path

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli import GOOD, POLICY
from gateway.config import TOOL_MODULES
from gateway.model import ActionSpec
from gateway.policy.bundle import Bundle, read
from gateway.policy.cases import CasesReport, run_cases
from gateway.policy.judge import Judge
from gateway.policy.load import failure
from gateway.policy.schema import cedar_schema
from gateway.tool import Registry

VOCABULARY = "schema.cedarschema"


def check(folder: Path, as_json: bool) -> int:
    """Read the bundle in `folder` and print its rules. Raises `ConfigError` with every problem."""
    actions = _actions()
    bundle = read(folder, actions)
    current = _is_current(folder, actions)
    if as_json:
        rules = [
            {"id": r.id, "effect": r.effect, "where": r.where, "reason": r.reason}
            for r in bundle.rules.values()
        ]
        data = {"good": True, "policy": bundle.digest, "rules": rules, "vocabulary_is_current": current}
        print(orjson.dumps(data).decode())
        return GOOD
    _show_rules(bundle)
    if not current:
        print(f"{folder / VOCABULARY} is out of date; write it anew: jira-agent-gateway tools --cedar-schema")
    return GOOD


def test(folder: Path, as_json: bool, *, mutate: bool = False) -> int:
    """Run the bundle's own cases and print them. Raises `ConfigError` when they cannot be run."""
    report = run_cases(Judge(read(folder, _actions())), mutate=mutate)
    if as_json:
        print(orjson.dumps({"good": report.passed, **report.data()}).decode())
    else:
        _show_cases(report)
    return GOOD if report.passed else POLICY


def _actions() -> tuple[ActionSpec, ...]:
    return Registry.load(TOOL_MODULES).actions()


def _is_current(folder: Path, actions: tuple[ActionSpec, ...]) -> bool:
    """Whether the vocabulary that lies in the folder, if any does, is the one that the rules are held to."""
    committed = folder / VOCABULARY
    return not committed.exists() or committed.read_text(encoding="utf-8") == cedar_schema(actions)


def _show_rules(bundle: Bundle) -> None:
    table = Table(title=f"{len(bundle.rules)} rules, {bundle.digest}", title_justify="left")
    for column in ("rule", "effect", "where", "reason"):
        table.add_column(column)
    for rule in bundle.rules.values():
        colour = "green" if rule.effect == "permit" else "red"
        effect = f"[{colour}]{rule.effect}[/]" + (f" until {rule.obligation}" if rule.obligation else "")
        table.add_row(rule.id, effect, escape(rule.where), escape(rule.reason))
    Console().print(table)


def _show_cases(report: CasesReport) -> None:
    console = Console()
    table = Table(title=f"{len(report.results)} cases, {report.rules} rules", title_justify="left")
    for column in ("", "case", "decision", "rules"):
        table.add_column(column)
    for result in report.results:
        mark = "[green]passed[/]" if result.passed else "[red]failed[/]"
        table.add_row(mark, escape(result.name), str(result.got["decision"]), ", ".join(result.decided))
    console.print(table)
    for result in report.failures:
        console.print(f"[red]{escape(failure(result))}[/]", soft_wrap=True)
    if not report.results:
        console.print("[red]There is no case: such a bundle is not loaded.[/]")
    if report.undecided:
        console.print(f"[yellow]No case was decided by: {', '.join(report.undecided)}[/]", soft_wrap=True)
    if report.survivors:
        console.print(f"[red]No case noticed the loss of: {', '.join(report.survivors)}[/]", soft_wrap=True)
    elif report.survivors is not None:
        console.print("[green]Each rule was removed in turn, and a case noticed each time.[/]")
