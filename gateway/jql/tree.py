"""The tree of a JQL query: frozen and hashable.

    Query (in `query.py`)
    ├── where: Node | None       And, Or, Not, Clause
    └── order: tuple[OrderBy]

    Clause.operator   Clause.operand                                   Clause.predicates
    = != ~ !~         Value, Function, EMPTY                           -
    < <= > >=         Value, Function                                  -
    in, not in        ListOf, Function                                 -
    is, is not        EMPTY                                            -
    was, was not      Value, Function, EMPTY                           before after on during by
    was in, was not in  ListOf, Function                               before after on during by
    changed           None                                             the same, and from to

Operators and predicates are kept in lower case. The shape of the source's parentheses is kept:
`a AND (b AND c)` is an `And` within an `And`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias


class Empty(Enum):
    """`EMPTY`, which may also be written `NULL`."""

    EMPTY = "EMPTY"


EMPTY: Literal[Empty.EMPTY] = Empty.EMPTY


@dataclass(frozen=True, slots=True)
class Value:
    """A decoded literal. `quoted` says whether it is printed in quotes, which is always right."""

    text: str
    quoted: bool = True


@dataclass(frozen=True, slots=True)
class Function:
    """`name(arguments)`; the name in the caller's spelling."""

    name: str
    arguments: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class ListOf:
    """`(a, b, c)`: never empty, never nested."""

    items: tuple["Item", ...]


Item: TypeAlias = Value | Function | Literal[Empty.EMPTY]
Operand: TypeAlias = Item | ListOf


@dataclass(frozen=True, slots=True)
class Field:
    """A decoded field name in the caller's spelling, `cf[10042]` for a custom field by number.

    `key` and `path` are those of an entity property: `issue.property[key].path`.
    """

    name: str
    key: str | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Predicate:
    """A restriction on history, such as `BY currentUser()`."""

    word: str
    operand: Operand


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition."""

    field: Field
    operator: str
    operand: Operand | None
    predicates: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT part`."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more parts."""

    parts: tuple["Node", ...]


Node: TypeAlias = And | Or | Not | Clause


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One sort field; `descending` is None when the query leaves it to the field."""

    field: Field
    descending: bool | None = None
