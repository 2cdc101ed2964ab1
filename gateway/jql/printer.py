"""The tree to canonical JQL: one spelling for one tree, and `parse(str(query)) == query`."""

import re

from gateway.errors import InvalidCall
from gateway.jql.lexer import KEYWORDS, RESERVED
from gateway.jql.tree import (
    And,
    Clause,
    Empty,
    Field,
    Function,
    ListOf,
    Node,
    Not,
    Operand,
    Or,
    OrderBy,
    Value,
)

_BARE = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.:-]*|-[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+")
_CUSTOM = re.compile(r"cf\[[0-9]+\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_STOP = "a all an are at be but cf it no such that the their there these they this to will"
_QUOTED_WORDS = KEYWORDS | RESERVED | frozenset(_STOP.split())
_DIRECTIONS = {None: "", True: " DESC", False: " ASC"}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def is_bare(text: str) -> bool:
    """Whether `text` is understood by every JQL parser without quotes."""
    return _BARE.fullmatch(text) is not None and text.lower() not in _QUOTED_WORDS


def quote(text: str) -> str:
    """`text` as a JQL string in double quotes. Raises `InvalidCall` for control characters."""
    if _CONTROL.search(text):
        raise InvalidCall("A value for a query holds a control character; remove it and call again.")
    return _quoted(text)


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def print_node(node: Node) -> str:
    """Canonical JQL of one node."""
    match node:
        case Clause():
            return _clause(node)
        case Not(part):
            return "NOT " + _inner(part)
        case And(parts):
            return " AND ".join(map(_inner, parts))
        case Or(parts):
            return " OR ".join(map(_inner, parts))


def _inner(node: Node) -> str:
    return f"({print_node(node)})" if isinstance(node, And | Or) else print_node(node)


def _clause(clause: Clause) -> str:
    found = [print_field(clause.field), clause.operator]
    if clause.operand is not None:
        found.append(_operand(clause.operand))
    for predicate in clause.predicates:
        found += (predicate.word.upper(), _operand(predicate.operand))
    return " ".join(found)


def print_field(field: Field) -> str:
    """Canonical JQL of a field."""
    name = field.name
    bare = _CUSTOM.fullmatch(name) or (is_bare(name) and not _NUMBER.fullmatch(name))
    printed = name if bare else _quoted(name)
    return printed if field.key is None else f"{printed}[{_quoted(field.key)}]{field.path}"


def _operand(operand: Operand) -> str:
    match operand:
        case Empty():
            return "EMPTY"
        case Value(text, quoted):
            return _quoted(text) if quoted or not is_bare(text) else text
        case Function(name, arguments):
            return f"{name if is_bare(name) else _quoted(name)}({', '.join(map(_operand, arguments))})"
        case ListOf(items):
            return f"({', '.join(map(_operand, items))})"


def print_order(order: tuple[OrderBy, ...]) -> str:
    """`ORDER BY …`, or nothing for no order."""
    printed = (print_field(by.field) + _DIRECTIONS[by.descending] for by in order)
    return "ORDER BY " + ", ".join(printed) if order else ""
