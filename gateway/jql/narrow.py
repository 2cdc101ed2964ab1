"""What a query asks about, and how it is narrowed."""

import re
from collections.abc import Iterator
from functools import lru_cache

from gateway.errors import InvalidCall
from gateway.jql.parser import parse
from gateway.jql.query import Query
from gateway.jql.tree import And, Clause, Field, Function, ListOf, Node, Not, Operand, Or

_CUSTOM = re.compile(r"(?:cf\s*\[\s*|customfield_)([0-9]+)\s*\]?")
_TYPED = re.compile(r"(.*\S)\s*\[[^\[\]]*\]", re.DOTALL)
_SAME = {
    other: name
    for name, others in {
        "key": "id issue issuekey",
        "issuetype": "type",
        "created": "createddate",
        "updated": "updateddate",
        "due": "duedate",
        "resolved": "resolutiondate",
        "originalestimate": "timeoriginalestimate",
        "remainingestimate": "timeestimate",
        "filter": "request savedfilter searchrequest",
    }.items()
    for other in others.split()
}


def narrow(query: Query, restriction: str | Query) -> Query:
    """`(restriction) AND (query) ORDER BY query's order`.

    The restriction is joined in the tree, so nothing in the query can take it out of the top-level AND.
    Its own order is left out. Raises `InvalidCall` when it does not parse or restricts nothing.
    """
    if isinstance(restriction, str):
        restriction = _restriction(restriction)
    if restriction.where is None:
        raise InvalidCall("This search cannot be narrowed as policy demands; tell the operator.")
    if query.where is None:
        return Query(restriction.where, query.order, narrowed=True)
    return Query(And((restriction.where, query.where)), query.order, narrowed=True)


@lru_cache(maxsize=256)
def _restriction(text: str) -> Query:
    """Policies have few restrictions and use them in every search."""
    return parse(text, trusted=True)


def fields(query: Query) -> frozenset[str]:
    """The canonical names of every field that the query filters or sorts by; see `canonical`."""
    found = {canonical(clause.field) for clause in clauses(query.where)}
    return frozenset(found | {canonical(by.field) for by in query.order})


def canonical(field: Field) -> str:
    """One name for a field however it is spelled: lower case, `cf[10042]` for `customfield_10042`,
    `salary` for `"Salary[Number]"`, `issue.property` for any of its keys, `key` for `issuekey`."""
    name = field.name.strip().lower()
    if custom := _CUSTOM.fullmatch(name):
        return f"cf[{int(custom[1])}]"
    if typed := _TYPED.fullmatch(name):
        name = typed[1]
    return _SAME.get(name, name)


def functions(query: Query) -> frozenset[str]:
    """The names of all functions that the query calls, in lower case."""
    operands = (o for clause in clauses(query.where) for o in _operands(clause))
    return frozenset(o.name.lower() for o in operands if isinstance(o, Function))


def clauses(node: Node | None) -> Iterator[Clause]:
    """Every clause below `node`, from left to right."""
    match node:
        case Clause():
            yield node
        case Not(part):
            yield from clauses(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from clauses(part)


def _operands(clause: Clause) -> Iterator[Operand]:
    for operand in (clause.operand, *(p.operand for p in clause.predicates)):
        if isinstance(operand, ListOf):
            yield from operand.items
        elif operand is not None:
            yield operand
