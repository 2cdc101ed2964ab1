"""JQL: parse strictly, print back, narrow. Knows nothing of policy or of Jira clients.

    query = parse('project = OPEN AND status != Done ORDER BY created')   # raises InvalidCall
    fields(query)                      # {"project", "status", "created"}
    str(narrow(query, 'level is EMPTY'))
    # '(level is EMPTY) AND (project = OPEN AND status != Done) ORDER BY created'

The tree is drawn in `gateway/jql/tree.py`.
"""

from gateway.jql.narrow import canonical, clauses, fields, functions, narrow
from gateway.jql.parser import FUNCTIONS, parse
from gateway.jql.printer import quote
from gateway.jql.query import Query
from gateway.jql.tree import (
    EMPTY,
    And,
    Clause,
    Field,
    Function,
    ListOf,
    Node,
    Not,
    Operand,
    Or,
    OrderBy,
    Predicate,
    Value,
)

__all__ = [
    "EMPTY",
    "FUNCTIONS",
    "And",
    "Clause",
    "Field",
    "Function",
    "ListOf",
    "Node",
    "Not",
    "Operand",
    "Or",
    "OrderBy",
    "Predicate",
    "Query",
    "Value",
    "canonical",
    "clauses",
    "fields",
    "functions",
    "narrow",
    "parse",
    "quote",
]
