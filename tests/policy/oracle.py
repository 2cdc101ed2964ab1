"""An independent, slow and plain evaluator of the part of Cedar that is used here, and rules at random.

It takes whole facts, knows nothing of memos, reads or partial evaluation, and settles obligations by itself.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from gateway.policy.cedar import parse_rule
from gateway.policy.rules import Rule


class Failed(Exception):
    """A rule fails: an attribute is absent, a number too large, a type wrong."""


def evaluate(node: Any, facts: Mapping[str, Any]) -> Any:
    """The value of one expression of Cedar's JSON. Entities are `(type, id)` with attributes in `facts`."""
    ((operator, x),) = node.items()
    if operator == "Var":
        return facts[x]
    if operator == "Value":
        return (x["__entity"]["type"], x["__entity"]["id"]) if isinstance(x, dict) else x
    if operator == "Set":
        return [evaluate(item, facts) for item in x]
    if operator == "!":
        return not evaluate(x["arg"], facts)
    if operator == "isEmpty":
        return not evaluate(x["arg"], facts)
    if operator == "if-then-else":
        return evaluate(x["then"] if evaluate(x["if"], facts) else x["else"], facts)
    left = evaluate(x["left"], facts)
    if operator in ("&&", "||"):
        return (
            left and evaluate(x["right"], facts) if operator == "&&" else left or evaluate(x["right"], facts)
        )
    if operator in (".", "has"):
        attributes = left if isinstance(left, dict) else facts["entities"][left][0]
        if operator == "has":
            return x["attr"] in attributes
        if x["attr"] not in attributes:
            raise Failed(x["attr"])
        return attributes[x["attr"]]
    if operator == "is":
        return left[0] == x["entity_type"] and ("in" not in x or is_in(left, evaluate(x["in"], facts), facts))
    if operator == "like":
        wanted = "".join("*" if p == "Wildcard" else p["Literal"] for p in x["pattern"])
        return left.startswith(wanted[:-1]) if wanted.endswith("*") else left == wanted
    right = evaluate(x["right"], facts)
    if operator == "+" and left + right > 2**63 - 1:
        raise Failed("overflow")
    binary: dict[str, Callable[[], Any]] = {
        "==": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
        "+": lambda: left + right,
        "in": lambda: any(is_in(left, r, facts) for r in (right if isinstance(right, list) else [right])),
        "contains": lambda: right in left,
        "containsAny": lambda: bool(set(left) & set(right)),
        "containsAll": lambda: set(right) <= set(left),
    }
    return binary[operator]()


def is_in(entity: Any, ancestor: Any, facts: Mapping[str, Any]) -> bool:
    """Whether `ancestor` is `entity` or above it."""
    parents = facts["entities"].get(entity, ({}, ()))[1]
    return entity == ancestor or any(is_in(parent, ancestor, facts) for parent in parents)


def holds(rule: Rule, facts: Mapping[str, Any]) -> bool:
    """Whether the rule is satisfied: its head first, then its conditions in order."""
    for variable in ("principal", "action", "resource"):
        head, thing = rule.body[variable], facts[variable]
        inside = head.get("in", head)
        named = [inside["entity"]] if "entity" in inside else inside.get("entities", [])
        uids = [(e["type"], e["id"]) for e in named]
        if head["op"] == "==" and thing not in uids:
            return False
        if (head["op"] == "in" or "in" in head) and not any(is_in(thing, u, facts) for u in uids):
            return False
        if head["op"] == "is" and thing[0] != head["entity_type"]:
            return False
    return all(evaluate(c["body"], facts) is (c["kind"] == "when") for c in rule.body["conditions"])


def decide(
    rules: list[Rule], facts: dict[str, Any], promised: frozenset[str] = frozenset()
) -> str | set[str]:
    """`error`, `deny`, or the set of obligations under which it is allowed."""
    facts["context"]["discharged"] = list(promised)
    try:
        held = [rule for rule in rules if holds(rule, facts)]
    except Failed:
        return "error"
    standing = [rule for rule in held if rule.effect == "forbid"]
    if not standing:
        return set(promised) if any(rule.effect == "permit" for rule in held) else "deny"
    if promised or not all(rule.obligation for rule in standing):
        return "deny"
    return decide(rules, facts, frozenset(rule.id for rule in standing))


CONDITIONS = """\
true
false
principal in Jira::Group::"leads"
principal in [Jira::Group::"hr", Jira::Group::"leads"]
principal.mfa
principal.clearances.contains("L1")
principal has email
principal has email && principal.email == "ana@x"
resource has securityLevel
resource has securityLevel && resource.securityLevel == "L1"
resource has securityLevel && principal.clearances.contains(resource.securityLevel)
resource has securityLevel && !["L1", "L3"].contains(resource.securityLevel)
resource.labels.contains("red")
resource.labels.containsAny(["red", "blue"])
resource.labels.containsAll(["red", "blue"])
resource.labels.isEmpty()
resource.components.contains("api")
resource.issueType == "Bug"
resource.issueType != "Bug"
["Bug", "Epic"].contains(resource.issueType)
resource.issueType like "B*"
resource.status == "Done"
resource.statusCategory == "done"
resource has priority
resource has priority && resource.priority != "High"
resource has reporter
resource has reporter && resource.reporter == "r1"
resource has assignee && ["r1"].contains(resource.assignee)
resource in Jira::Project::"OPEN"
resource in [Jira::Project::"OPEN", Jira::Project::"VAULT"]
resource in Jira::ProjectCategory::"secret"
resource in Jira::Site::"jira"
resource.project == Jira::Project::"VAULT"
resource.project.key == "OPEN"
resource == Jira::Issue::"OPEN-1"
resource is Jira::Issue in Jira::Project::"OPEN"
resource is Jira::Project
context.agent in Jira::AgentGroup::"small"
context.agent has writesPerHour
context.agent.client == "claude"
context.agent has writesPerHour && context.call.writesLastHour >= context.agent.writesPerHour
context.call.writesLastHour < 3
context.call.writesLastHour == 2
context.call.hour >= 9
context.call.agentWritesLastHour > 3
context.call.weekday == Jira::Weekday::"Mon"
9223372036854775807 + context.call.writesLastHour > 0
if resource.issueType == "Bug" then principal.mfa else resource.labels.contains("red")
""".splitlines()
HEADS = ("principal", 'principal in Jira::Group::"staff"', 'principal in Jira::Group::"hr"')
ACTIONS = (
    "action",
    'action in Jira::Action::"read"',
    'action in Jira::Action::"discloseIssue"',
    'action in [Jira::Action::"write", Jira::Action::"discloseIssue"]',
    'action == Jira::Action::"jira_comment"',
)
THINGS = ("resource is Jira::Issue", 'resource is Jira::Issue in Jira::Project::"OPEN"')


def condition(dice: random.Random, depth: int = 2) -> str:
    """A condition at random."""
    if depth == 0 or dice.random() < 0.5:
        return dice.choice(CONDITIONS)
    a, b = condition(dice, depth - 1), condition(dice, depth - 1)
    return dice.choice([f"({a}) && ({b})", f"({a}) || ({b})", f"!({a})"])


def rules_text(dice: random.Random) -> str:
    """A handful of rules at random."""
    found = []
    for index in range(dice.randint(2, 6)):
        effect = "permit" if index == 0 else dice.choice(["permit", "forbid", "forbid", "oblige"])
        head = f"({dice.choice(HEADS)}, {dice.choice(ACTIONS)}, {dice.choice(THINGS)})"
        notes, body = "", f"when {{ {condition(dice)} }}"
        if effect == "oblige":
            notes = '@obligation("redact_fields") @fields("summary")'
            body += f' unless {{ context.discharged.contains("r{index}") }}'
        elif dice.random() < 0.3:
            body += f" unless {{ {condition(dice)} }}"
        kind = "permit" if effect == "permit" else "forbid"
        found.append(f'@id("r{index}") @reason("r") {notes}\n{kind} {head} {body};')
    return "\n".join(found)


__all__ = ["decide", "parse_rule", "rules_text"]
