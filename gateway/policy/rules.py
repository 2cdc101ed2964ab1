"""Rules as text to rules that we trust: cut, parse, lint.

Cedar itself takes rules without a name, annotations that mean nothing, and groups that nobody is in.
Every refusal here is a mistake that would otherwise be silent; each names the file and the line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.fields import SYSTEM_FIELDS
from gateway.model import StepUp
from gateway.policy.cedar import CedarProblem, Json, parse_rule

REDACT, CAP = "redact_fields", "cap_results"

_TOKEN = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"|;|\s+|[^\s";/]+|.', re.DOTALL)
_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
_FIELD = re.compile(r"(?:[A-Za-z][A-Za-z0-9_]*|cf\[[0-9]+\])(?:\.[A-Za-z][A-Za-z0-9_]*)*", re.IGNORECASE)
_CUSTOM = re.compile(r"customfield_[0-9]+|cf\[[0-9]+\]", re.IGNORECASE)
_SYSTEM = {name.lower() for name in SYSTEM_FIELDS}
_ACR = re.compile(r"[!-~]{1,200}(?: [!-~]{1,200}){0,9}")
_ANNOTATIONS = {"id", "reason", "note", "obligation", "fields", "max", "step_up", "max_age"}
_ARGUMENT = {REDACT: "fields", CAP: "max"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that passed the lint."""

    id: str
    effect: str
    """`permit` or `forbid`."""
    reason: str
    """Public text."""
    where: str
    """`file:line`."""
    text: str
    body: Json
    """Cedar's JSON."""
    obligation: str | None = None
    fields: frozenset[str] = frozenset()
    maximum: int | None = None
    step_up: StepUp | None = None


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Each rule of a file with the line it begins on (comments before it do not count).

    In Cedar a semicolon outside texts and comments ends a rule and stands nowhere else.
    """
    start: int | None = None
    for token in _TOKEN.finditer(text):
        skipped = token[0].isspace() or token[0].startswith("//")
        if start is None and not skipped:
            start = token.start()
        if token[0] == ";" and start is not None:
            yield text.count("\n", 0, start) + 1, text[start : token.end()]
            start = None
    if start is not None:
        yield text.count("\n", 0, start) + 1, text[start:]


def read_rules(
    files: Mapping[str, bytes], known: Mapping[str, frozenset[str]]
) -> tuple[list[Rule], list[str]]:
    """The rules of the `.cedar` files in order, and every problem found in them."""
    rules: list[Rule] = []
    problems: list[str] = []
    for name in sorted(n for n in files if n.endswith(".cedar")):
        try:
            text = files[name].decode("utf-8")
        except UnicodeDecodeError as wrong:
            line = files[name].count(b"\n", 0, wrong.start) + 1
            problems.append(f"{name}:{line}: the file is not UTF-8.")
            continue
        for line, statement in statements(text):
            rule, found = _rule(f"{name}:{line}", statement, known)
            problems += found
            rules += [rule] if rule else []
    problems += _repeated(rules)
    return rules, problems


def _repeated(rules: list[Rule]) -> Iterator[str]:
    first: dict[str, str] = {}
    for rule in rules:
        if rule.id in first:
            yield f'{rule.where}: @id("{rule.id}") is already the rule at {first[rule.id]}.'
        first.setdefault(rule.id, rule.where)


def _rule(where: str, text: str, known: Mapping[str, frozenset[str]]) -> tuple[Rule | None, list[str]]:
    try:
        body = parse_rule(text)
    except CedarProblem as wrong:
        return None, [f"{where}: {wrong}."]
    notes = {key: value or "" for key, value in body.get("annotations", {}).items()}
    rule = Rule(
        id=notes.get("id", ""),
        effect=body["effect"],
        reason=notes.get("reason", ""),
        where=where,
        text=text,
        body=body,
        obligation=notes.get("obligation"),
        fields=frozenset(part.strip() for part in notes.get("fields", "").split(",") if part.strip()),
        maximum=_number(notes.get("max")),
        step_up=_step_up(notes),
    )
    return rule, [f"{where}: {problem}." for problem in _lint(rule, notes, known)]


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,6}", text) else None


def _step_up(notes: Mapping[str, str]) -> StepUp | None:
    if not {"step_up", "max_age"} & notes.keys():
        return None
    return StepUp(tuple(notes.get("step_up", "").split()), _number(notes.get("max_age")))


def _lint(rule: Rule, notes: Mapping[str, str], known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    if not _ID.fullmatch(rule.id):
        yield "@id is missing or is not lower-case letters, digits and hyphens"
    if not rule.reason.strip() or not rule.reason.isprintable() or len(rule.reason) > 200:
        yield "@reason is missing or is not one line of at most 200 characters"
    for name in sorted(notes.keys() - _ANNOTATIONS):
        yield f"@{name} is not an annotation; known are {', '.join(sorted(_ANNOTATIONS))}"
    if rule.effect == "permit" and rule.body["principal"]["op"] == "All" and not rule.body["conditions"]:
        yield "this permits everybody; say who, in the head or in a condition"
    yield from _obligation(rule, notes)
    yield from _signing_in(rule, notes)
    yield from _names(rule.body, known)
    yield from _labels(rule.body)


def _obligation(rule: Rule, notes: Mapping[str, str]) -> Iterator[str]:
    """An obligation is a forbid that stands until it is discharged, and it discharges nothing else."""
    for name in sorted({"fields", "max"} & notes.keys()):
        if _ARGUMENT.get(rule.obligation or "") != name:
            yield f"@{name} does not belong to this rule's obligation"
    discharged = _discharges(rule.body)
    if rule.obligation is None:
        if discharged:
            yield "only a rule with @obligation may read context.discharged"
        return
    if rule.obligation not in _ARGUMENT:
        yield f'@obligation("{rule.obligation}") is not known; known are {", ".join(sorted(_ARGUMENT))}'
    if rule.effect != "forbid":
        yield "an obligation stands on a forbid: a permit with one would be dropped by any other permit"
    if discharged != [rule.id]:
        yield f'the rule must be discharged by itself alone: context.discharged.contains("{rule.id}"), once'
    if rule.obligation == REDACT and (not rule.fields or not all(map(_FIELD.fullmatch, rule.fields))):
        yield "@fields must name the fields to redact, separated by commas"
    elif rule.obligation == REDACT:
        yield from _misspelt(rule.fields)
    if rule.obligation == CAP and not rule.maximum:
        yield "@max must be a number from 1"


def _signing_in(rule: Rule, notes: Mapping[str, str]) -> Iterator[str]:
    """RFC 9470: what the assistant is told to ask the identity provider for."""
    if rule.step_up is None:
        return
    if rule.effect != "forbid" or rule.obligation is not None:
        yield "@step_up and @max_age stand on a forbid without @obligation"
    if "step_up" in notes and not _ACR.fullmatch(notes["step_up"]):
        yield "@step_up must name 1 to 10 values of acr, separated by single blanks"
    if "max_age" in notes and not rule.step_up.max_age:
        yield "@max_age must be a number of seconds from 1 to 999999"


def _misspelt(fields: frozenset[str]) -> Iterator[str]:
    """A field that no issue has would be hidden in vain, and the one that was meant would be shown."""
    for name in sorted(fields):
        head = name.partition(".")[0]
        if head.lower() not in _SYSTEM and not _CUSTOM.fullmatch(head):
            yield f'@fields: "{head}" is not customfield_N, cf[N] or the id of a Jira system field'


_CONTEXT = {"Var": "context"}
_DISCHARGED = {".": {"left": _CONTEXT, "attr": "discharged"}}


def _discharges(body: Json) -> list[str | None]:
    """The texts that `context.discharged` is asked for, and None for each other use of it.

    The whole of `context` is such a use: it could be taken apart where no lint sees it.
    """
    nodes = list(walk(body))
    asked = [n["contains"]["right"].get("Value") for n in nodes if _left(n, "contains") == _DISCHARGED]
    read = sum(_left(n, operator) == _CONTEXT for n in nodes for operator in (".", "has"))
    other = nodes.count(_DISCHARGED) - len(asked) + nodes.count(_CONTEXT) - read
    return [text if isinstance(text, str) else None for text in asked] + [None] * other


def _left(node: Mapping[str, Any], operator: str) -> Any:
    operands = node.get(operator)
    return operands.get("left") if isinstance(operands, dict) else None


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object below `node`, and `node` itself."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def entities(body: Json) -> Iterator[tuple[str, str]]:
    """(type without namespace, id) of every entity that a rule names."""
    for node in walk(body):
        kind, name = node.get("type"), node.get("id")
        if isinstance(kind, str) and isinstance(name, str):
            yield kind.removeprefix("Jira::"), name


def _names(body: Json, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    listed = {"AgentGroup": "agents.yaml", "Site": "the settings (`jira.name`)"}
    for kind, name in sorted(set(entities(body))):
        if kind in known and name not in known[kind]:
            yield f'{kind}::"{name}" is not listed in {listed.get(kind, "known.yaml")}'


def _labels(body: Json) -> Iterator[str]:
    """Labels reach the rules in lower case: a capital letter in a rule would never match."""
    labels = {".": {"left": {"Var": "resource"}, "attr": "labels"}}
    for node in walk(body):
        for operator in ("contains", "containsAny", "containsAll"):
            if _left(node, operator) == labels:
                values = (inner.get("Value") for inner in walk(node[operator]["right"]))
                for text in values:
                    if isinstance(text, str) and text != text.lower():
                        yield f'the label "{text}" can never match: labels are in lower case here'
