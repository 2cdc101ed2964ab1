"""What rules leave open about a resource that nobody has seen yet.

`Rules.ask_partly` gives what remains of each rule when the resource is unknown. Here that remainder becomes
a formula, the formulas become "(some permit) and not (some forbid)", and that becomes JQL which finds every
issue the rules could allow, and perhaps more: each result is decided exactly later. The engine's partial
evaluation is the old, experimental one; a fault in it costs results or requests and never shows anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway import jql
from gateway.policy.cedar import Json, Partial
from gateway.policy.formula import (
    NOTHING,
    Filled,
    Formula,
    OneOf,
    Opaque,
    contrary,
    every,
    some,
    to_jql,
)
from gateway.policy.schema import ISSUE

_FIELDS = {
    "issueType": "issuetype",
    "status": "status",
    "priority": "priority",
    "labels": "labels",
    "components": "component",
    "securityLevel": "level",
    "reporter": "reporter",
    "assignee": "assignee",
}
"""Attribute of an issue -> JQL field. `statusCategory` is a key in the facts and a name in JQL: not said."""

_RESOURCE = {"unknown": [{"Value": "resource"}]}


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the rules could still say. `refusing` are the forbids that hold whatever the resource is."""

    possible: bool
    refusing: tuple[str, ...]
    errors: tuple[str, ...]
    permitted: bool = False
    """Whether a permit could hold: without the refusing rules it would be possible."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """JQL to narrow a search with; None when the rules leave it as it is."""

    jql: str | None
    inexact: tuple[str, ...]
    """Rules that JQL can express only in part."""
    errors: tuple[str, ...]


class Residual:
    """Reads the remainders of rules about an unknown resource of one kind at one site."""

    def __init__(self, kind: str, site: str) -> None:
        self.kind = kind
        self.site = site
        self.opaque: set[str] = set()
        """Rules of which a part was not understood: JQL cannot say it, or it fails."""
        self._rule = ""

    def split(self, partial: Partial) -> tuple[dict[str, Formula], dict[str, Formula]]:
        """The formulas of the permits, and of the forbids, by rule."""
        permits: dict[str, Formula] = {}
        forbids: dict[str, Formula] = {}
        for rule, residual in sorted(partial.residuals.items()):
            self._rule = rule
            bodies = (self._condition(condition) for condition in residual["conditions"])
            (permits if residual["effect"] == "permit" else forbids)[rule] = every(bodies)
        return permits, forbids

    def _condition(self, condition: Json) -> Formula:
        found = self.formula(condition["body"])
        return found if condition["kind"] == "when" else contrary(found)

    def formula(self, node: Json) -> Formula:
        """One expression."""
        ((operator, operands),) = node.items()
        match operator:
            case "Value" if isinstance(operands, bool):
                return operands
            case "&&" | "||":
                both = (self.formula(operands["left"]), self.formula(operands["right"]))
                return every(both) if operator == "&&" else some(both)
            case "!":
                return contrary(self.formula(operands["arg"]))
            case "if-then-else":
                when, then, otherwise = (self.formula(operands[k]) for k in ("if", "then", "else"))
                return some((every((when, then)), every((contrary(when), otherwise))))
            case "==" | "!=":
                same = self._equal(operands["left"], operands["right"])
                return same if operator == "==" else contrary(same)
        return self._about_resource(operator, operands)

    def _about_resource(self, operator: str, operands: Any) -> Formula:
        match operator:
            case "is" if operands["left"] == _RESOURCE:
                return self._is(operands)
            case "in" if operands["left"] == _RESOURCE:
                return self._within(_entities(operands["right"]))
            case "has" if operands["left"] == _RESOURCE:
                name = operands["attr"]
                return Filled(_FIELDS[name]) if ISSUE.get(name, "")[-1:] == "?" else name in ISSUE
            case "contains" | "containsAny" | "containsAll":
                return self._contains(operator, operands["left"], operands["right"])
            case "isEmpty":
                name = _attribute(operands["arg"])
                return contrary(Filled(_FIELDS[name])) if name in ("labels", "components") else self._opaque()
        return self._opaque()

    def _opaque(self) -> Formula:
        self.opaque.add(self._rule)
        return Opaque()

    def _is(self, operands: Any) -> Formula:
        if operands["entity_type"] != f"Jira::{self.kind}":
            return False
        return self._within(_entities(operands["in"])) if "in" in operands else True

    def _within(self, uids: list[tuple[str, str]] | None) -> Formula:
        """`resource in [...]`."""
        if uids is None:
            return self._opaque()
        return some(self._under(kind, name) for kind, name in uids)

    def _under(self, kind: str, name: str) -> Formula:
        if kind == "Site":
            return name == self.site
        fields = {"Project": "project", "ProjectCategory": "category", "Issue": "key"}
        return self._one_of(fields[kind], [name]) if kind in fields else False

    def _equal(self, left: Json, right: Json) -> Formula:
        for a, b in ((left, right), (right, left)):
            uids = _entities(b)
            if a == _RESOURCE and uids is not None:
                return some(self._under(k, n) for k, n in uids if k == self.kind)
            if _attribute(a) == "project" and uids is not None:
                return some(self._under(k, n) for k, n in uids if k == "Project")
            texts = _texts([b])
            if texts is not None and (name := _single(a)) is not None:
                return self._one_of(name, texts)
        return self._opaque()

    def _contains(self, operator: str, left: Json, right: Json) -> Formula:
        """`resource.labels.containsAny([...])`, or `[...].contains(resource.status)`."""
        many = _FIELDS.get(_attribute(left) or "")
        if many in ("labels", "component"):
            texts = _texts([right] if operator == "contains" else _members(right))
            if texts is None:
                return self._opaque()
            if operator == "containsAll":
                return every(self._one_of(many, [text]) for text in texts)
            return self._one_of(many, texts)
        texts, field = _texts(_members(left)), _single(right)
        if operator == "contains" and texts is not None and field is not None:
            return self._one_of(field, texts)
        return self._opaque()

    def _one_of(self, field: str, values: Iterable[str]) -> Formula:
        texts = tuple(dict.fromkeys(values))
        if not all(text and text.isprintable() for text in texts):
            return self._opaque()
        return OneOf(field, texts) if texts else False


def prospect(partial: Partial, residual: Residual) -> Prospect:
    """Whether some resource could be allowed."""
    permits, forbids = residual.split(partial)
    refusing = tuple(rule for rule, formula in forbids.items() if formula is True)
    permitted = not partial.errors and some(permits.values()) is not False
    return Prospect(permitted and not refusing, refusing, partial.errors, permitted)


def restriction(partial: Partial, residual: Residual) -> Restriction:
    """JQL for every issue that could be allowed. With an error it matches nothing."""
    if partial.errors:
        return Restriction(_text(NOTHING), (), partial.errors)
    permits, forbids = residual.split(partial)
    node = to_jql(every((some(permits.values()), contrary(some(forbids.values())))))
    inexact = tuple(sorted(residual.opaque))
    if node is True:
        return Restriction(None, inexact, ())
    found = NOTHING if isinstance(node, bool) else node
    return Restriction(_text(found), inexact, ())


def _text(node: jql.Node) -> str:
    return str(jql.Query(node))


def _attribute(node: Json) -> str | None:
    """The attribute, when `node` is `resource.<attribute>`."""
    found = node.get(".")
    return found["attr"] if isinstance(found, dict) and found["left"] == _RESOURCE else None


def _single(node: Json) -> str | None:
    """The JQL field, when `node` is an attribute of the issue with one text, or its project's key."""
    name = _attribute(node)
    if name is None and "." in node and node["."]["attr"] == "key":
        return "project" if _attribute(node["."]["left"]) == "project" else None
    return _FIELDS.get(name or "") if name not in ("labels", "components") else None


def _members(node: Json) -> list[Json]:
    if "Set" in node:
        return list(node["Set"])
    value = node.get("Value")
    return [{"Value": item} for item in value] if isinstance(value, list) else [node]


def _texts(nodes: list[Json]) -> list[str] | None:
    """The texts, when all of `nodes` are known ones."""
    found = [node.get("Value") for node in nodes]
    return found if all(isinstance(text, str) for text in found) else None


def _entities(node: Json) -> list[tuple[str, str]] | None:
    """(type, id) of the entities, when `node` is a known one or a set of them."""
    values = [member.get("Value") for member in (_members(node) if "Set" in node else [node])]
    if isinstance(values[0] if values else None, list):
        values = list(values[0])
    if not all(isinstance(value, dict) and "__entity" in value for value in values):
        return None
    return [(v["__entity"]["type"].removeprefix("Jira::"), v["__entity"]["id"]) for v in values]
