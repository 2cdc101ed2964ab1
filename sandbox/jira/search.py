"""JQL, evaluated over what the caller may see and nothing else.

A query becomes a test of one issue. An unknown field, value, operator or function is a 400 as Jira
answers it; a project or an issue that the caller may not see matches nothing, exactly as one that
does not exist. Negative operators do not match empty fields (Jira's rule: `level != X` leaves out
issues without a level).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway import clock, jql
from gateway.errors import InvalidCall
from sandbox.jira import dates
from sandbox.jira.errors import JiraError
from sandbox.jira.fields import DATE, NAMED, ORDERED, TEXT, Kind, View, known
from sandbox.jira.model import Issue, Site
from sandbox.jira.permissions import Who, visible

Test = Callable[[Issue], bool]

_BARE_WORDS = re.compile(r"[\w\s]+")
_MOST_SORTS = 7
_NEGATED = {"!=": "=", "not in": "in", "!~": "~", "is not": "is", "was not": "was", "was not in": "was in"}
_COMPLEMENT = {
    **_NEGATED,
    **{positive: negative for negative, positive in _NEGATED.items()},
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
}


def search(site: Site, who: Who, text: str) -> Sequence[Issue]:
    """The visible issues that match, in order. Raises `JiraError` 400."""
    view = View(site, who, clock.wall())
    try:
        query = jql.parse(text, trusted=True)
    except InvalidCall as wrong:
        if _BARE_WORDS.fullmatch(text):
            return ()
        raise JiraError(400, f"Error in the JQL Query: {wrong}") from wrong
    if query.where is None:
        why = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
        raise JiraError(400, why)
    if len(query.order) > _MOST_SORTS:
        raise JiraError(400, f"ORDER BY may name at most {_MOST_SORTS} fields.")
    matches = _test(view, query.where)
    orders = [(_kind(view, by.field), by.descending) for by in query.order]
    found = [issue for issue in visible(site, who) if matches(issue)]
    found.sort(key=lambda issue: issue.id, reverse=True)
    for kind, descending in reversed(orders):
        _sort(view, found, kind, descending)
    return found


def _sort(view: View, found: list[Issue], kind: Kind, descending: bool | None) -> None:
    newest_first = (kind.family == DATE or kind.name == "priority") if descending is None else descending

    def place(issue: Issue) -> tuple[bool, float | str]:
        value = kind.sort(view, issue)
        return (value is None, "" if value is None else value)

    filled = sorted((i for i in found if not place(i)[0]), key=place, reverse=newest_first)
    empty = [i for i in found if place(i)[0]]
    found[:] = [*empty, *filled] if newest_first else [*filled, *empty]


def _test(view: View, node: jql.Node) -> Test:
    if isinstance(node, jql.Not):
        return _test(view, _negation(node.part))
    if isinstance(node, jql.Clause):
        return _clause(view, node)
    tests = [_test(view, part) for part in node.parts]
    every = isinstance(node, jql.And)
    return lambda issue: (all if every else any)(test(issue) for test in tests)


def _negation(node: jql.Node) -> jql.Node:
    """De Morgan down to the operators, as Jira does it: so `NOT labels = x` leaves out empty labels too."""
    if isinstance(node, jql.Not):
        return node.part
    if isinstance(node, jql.And):
        return jql.Or(tuple(_negation(part) for part in node.parts))
    if isinstance(node, jql.Or):
        return jql.And(tuple(_negation(part) for part in node.parts))
    if node.operator not in _COMPLEMENT:
        raise JiraError(400, f"The operator '{node.operator}' cannot be negated here.")
    return replace(node, operator=_COMPLEMENT[node.operator])


def _kind(view: View, field: jql.Field) -> Kind:
    kind = known(field.name) if field.key is None else None
    if kind is None:
        why = f"Field '{field.name}' does not exist or you do not have permission to view it."
        raise JiraError(400, why)
    return kind


def _clause(view: View, clause: jql.Clause) -> Test:
    kind = _kind(view, clause.field)
    operator = _NEGATED.get(clause.operator, clause.operator)
    test = _positive(view, kind, clause, operator)
    if operator == clause.operator:
        return test
    if operator in ("is", "was", "was in") or clause.operand is jql.EMPTY:
        return lambda issue: not test(issue)
    return lambda issue: not kind.empty(view, issue) and not test(issue)


def _positive(view: View, kind: Kind, clause: jql.Clause, operator: str) -> Test:
    if operator == "is" or (operator in ("=", "~") and clause.operand is jql.EMPTY):
        return lambda issue: kind.empty(view, issue)
    if operator == "~" and kind.family == TEXT:
        return _contains(view, kind, _words(clause))
    if operator in ("=", "in") and kind.family in (NAMED, ORDERED):
        return _one_of(view, kind, clause.operand)
    if operator in ("was", "was in", "changed") and kind.history and not clause.predicates:
        return _history(view, kind, clause, operator)
    if operator in ("=", "<", "<=", ">", ">=") and kind.family in (DATE, ORDERED):
        return _compare(view, kind, clause, operator)
    raise JiraError(
        400, f"The operator '{clause.operator}' is not supported by the '{clause.field.name}' field."
    )


def _one_of(view: View, kind: Kind, operand: jql.Operand | None) -> Test:
    items = operand.items if isinstance(operand, jql.ListOf) else (operand,)
    wants_empty = any(item is jql.EMPTY for item in items)
    wanted: set[str] = set()
    for item in items:
        if isinstance(item, jql.Value):
            wanted |= kind.resolve(view, item.text)
        elif isinstance(item, jql.Function):
            wanted |= kind.call(view, item.name)

    def test(issue: Issue) -> bool:
        names = kind.names(view, issue)
        return bool(names & wanted) or (wants_empty and not names)

    return test


def _words(clause: jql.Clause) -> list[str]:
    if not isinstance(clause.operand, jql.Value):
        raise JiraError(400, f"The field '{clause.field.name}' is searched with text.")
    words = re.findall(r"[\w]+\*?", clause.operand.text.lower())
    if not words:
        raise JiraError(400, f"The text search for '{clause.field.name}' is empty.")
    return words


def _contains(view: View, kind: Kind, words: list[str]) -> Test:
    pattern = [
        re.compile(rf"\b{re.escape(w[:-1])}" if w.endswith("*") else rf"\b{re.escape(w)}\b") for w in words
    ]

    def test(issue: Issue) -> bool:
        text = "\n".join(kind.names(view, issue)).lower()
        return all(word.search(text) for word in pattern)

    return test


def _compare(view: View, kind: Kind, clause: jql.Clause, operator: str) -> Test:
    bound = _bound(view, kind, clause)

    def test(issue: Issue) -> bool:
        value = kind.number(view, issue)
        if value is None:
            return False
        if operator == "=":
            return value // 60 == bound // 60
        return {"<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound}[operator]

    return test


def _bound(view: View, kind: Kind, clause: jql.Clause) -> float:
    operand = clause.operand
    if isinstance(operand, jql.Function):
        moment = dates.function(operand.name, tuple(a.text for a in operand.arguments), view.now)
        if moment is None or kind.family != DATE:
            raise JiraError(400, f"Unable to find JQL function '{operand.name}()'.")
        return moment
    assert isinstance(operand, jql.Value)
    if kind.family == DATE:
        return dates.literal(clause.field.name, operand.text, view.now)
    return kind.rank(view, operand.text)


def _history(view: View, kind: Kind, clause: jql.Clause, operator: str) -> Test:
    def past(issue: Issue) -> set[str]:
        changes = [item for change in issue.history for item in change.items if item[0] == kind.history]
        return {text.lower() for _, _, before, _, after in changes for text in (before, after) if text}

    if operator == "changed":
        return lambda issue: bool(past(issue))
    items = clause.operand.items if isinstance(clause.operand, jql.ListOf) else (clause.operand,)
    wanted = {item.text.lower() for item in items if isinstance(item, jql.Value)}
    return lambda issue: bool(wanted & (past(issue) | kind.names(view, issue)))
