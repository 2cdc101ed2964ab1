"""A small logic between Cedar and JQL: what is asked of an unknown issue, and how JQL says it.

    True, False           known
    Opaque()              JQL cannot say it
    OneOf(field, values)  the field has one of these values
    Filled(field)         the field is not empty
    Not, All, Any         as usual

JQL has a third truth value in disguise: `!=` and `not in` do not match an empty field, and `NOT f = v`
means `f != v`. So negations are carried down to the single conditions, and a negated one on a field that
may be empty adds `OR f is EMPTY`. What JQL cannot say widens the search wherever it stands, negated or not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway import jql


@dataclass(frozen=True, slots=True)
class Opaque:
    """A condition that JQL cannot express."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """`field` has one of `values`; for a field with many values, at least one of them is among these."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """`field` is not empty."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary."""

    part: "Formula"


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Some part holds."""

    parts: tuple["Formula", ...]


Formula = bool | Opaque | OneOf | Filled | Not | All | Any


def every(parts: Iterable[Formula]) -> Formula:
    """The conjunction, as simple as it can be said."""
    kept = [part for part in dict.fromkeys(parts) if part is not True]
    if any(part is False for part in kept):
        return False
    return kept[0] if len(kept) == 1 else All(tuple(kept)) if kept else True


def some(parts: Iterable[Formula]) -> Formula:
    """The disjunction, as simple as it can be said."""
    kept = [part for part in dict.fromkeys(parts) if part is not False]
    if any(part is True for part in kept):
        return True
    return kept[0] if len(kept) == 1 else Any(tuple(kept)) if kept else False


def contrary(part: Formula) -> Formula:
    """The negation, as simple as it can be said."""
    if isinstance(part, bool):
        return not part
    return part.part if isinstance(part, Not) else Not(part)


ALWAYS_FILLED = frozenset({"project", "issuetype", "status", "key"})
"""JQL fields that no issue is without."""

NOTHING = jql.Clause(jql.Field("project"), "is", jql.EMPTY)
"""JQL that no issue matches: every issue has a project."""


def to_jql(formula: Formula, *, holds: bool = True) -> jql.Node | bool:
    """The JQL for `formula` (or, unless `holds`, for its contrary); True for no restriction.

    It finds everything that the formula allows, and nothing else where the formula has no `Opaque`.
    """
    match formula:
        case bool():
            return formula is holds
        case Opaque():
            return True
        case OneOf(name, values):
            return _one_of(name, values, holds)
        case Filled(name):
            return _clause(name, "is not" if holds else "is", jql.EMPTY)
        case Not(part):
            return to_jql(part, holds=not holds)
        case All(parts) | Any(parts):
            nodes = [to_jql(part, holds=holds) for part in parts]
            return _joined(nodes, jql.And if isinstance(formula, All) is holds else jql.Or)


def _one_of(name: str, values: tuple[str, ...], holds: bool) -> jql.Node:
    if len(values) == 1:
        found: jql.Node = _clause(name, "=" if holds else "!=", jql.Value(values[0]))
    else:
        found = _clause(name, "in" if holds else "not in", jql.ListOf(tuple(map(jql.Value, values))))
    if holds or name in ALWAYS_FILLED:
        return found
    return jql.Or((found, _clause(name, "is", jql.EMPTY)))


def _clause(name: str, operator: str, operand: jql.Operand) -> jql.Clause:
    return jql.Clause(jql.Field(name), operator, operand)


def _joined(nodes: list[jql.Node | bool], join: type[jql.And] | type[jql.Or]) -> jql.Node | bool:
    """Conjunction or disjunction, with what is known taken out of it."""
    decisive = join is jql.Or
    if any(node is decisive for node in nodes):
        return decisive
    flat = [part for node in nodes for part in (node.parts if isinstance(node, join) else (node,))]
    kept = tuple(dict.fromkeys(node for node in flat if not isinstance(node, bool)))
    if not kept:
        return not decisive
    return kept[0] if len(kept) == 1 else join(kept)
