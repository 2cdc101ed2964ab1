"""JQL tokens to a tree, strictly: what this refuses never reaches Jira.

The grammar is Atlassian's (the npm package `@atlaskit/jql-parser`, against which the tests compare), less
some that it allows: field names that are numbers, lists within lists, and functions that reach outside
the issues asked for.

    query  = [or] ["ORDER" "BY" field ["ASC" | "DESC"] {"," ...}]
    or     = and {"OR" and}            and = not {"AND" not}
    not    = ("NOT" | "!") not | "(" or ")" | field rest
"""

from gateway import limits
from gateway.jql.lexer import Token, refuse, tokens
from gateway.jql.printer import is_bare
from gateway.jql.query import Query
from gateway.jql.tree import (
    EMPTY,
    And,
    Clause,
    Field,
    Function,
    Item,
    ListOf,
    Node,
    Not,
    Operand,
    Or,
    OrderBy,
    Predicate,
    Value,
)

_FUNCTIONS = """
    currentUser now currentLogin lastLogin startOfDay startOfWeek startOfMonth startOfYear endOfDay
    endOfWeek endOfMonth endOfYear openSprints closedSprints futureSprints standardIssueTypes
    subTaskIssueTypes
"""
FUNCTIONS = frozenset(_FUNCTIONS.lower().split())
"""Functions that speak of the caller, the calendar or kinds. Others (`linkedIssues`, `issueHistory`,
`membersOf`) answer yes or no about things that policy may hide."""

_TRUSTED_DEPTH = 100
_DATES = ("before", "after", "on", "during", "by")
_PREDICATES = {"was": _DATES, "changed": (*_DATES, "from", "to")}


def parse(text: str, *, trusted: bool = False) -> Query:
    """The query in `text`. Raises `InvalidCall` with the place and what was expected.

    `trusted` is for a query of our own making, such as a policy's restriction: any function, any length.
    """
    if not trusted and len(text) > limits.JQL_CHARS:
        refuse(limits.JQL_CHARS + 1, f"a query may have at most {limits.JQL_CHARS} characters")
    return _Parser(tokens(text), trusted).query()


class _Parser:
    def __init__(self, found: list[Token], trusted: bool) -> None:
        self.tokens = found
        self.at = 0
        self.kind = found[0].kind
        self.depth = 0
        self.trusted = trusted
        self.deepest = _TRUSTED_DEPTH if trusted else limits.JQL_DEPTH

    # --- moving along

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.to(self.at + 1)
        return token

    def to(self, at: int) -> None:
        self.at = at
        self.kind = self.tokens[at].kind if at < len(self.tokens) else "end"

    def accept(self, kind: str, then: str = "") -> bool:
        """Step over `kind`, or over `kind` and `then`, when exactly they come next."""
        if self.kind != kind or (then and self.tokens[self.at + 1].kind != then):
            return False
        self.to(self.at + (2 if then else 1))
        return True

    def expect(self, kind: str, name: str) -> Token:
        return self.take() if self.kind == kind else self.wrong(name)

    def wrong(self, expected: str) -> Token:
        token = self.tokens[self.at]
        shown = " ".join(token.shown.split())
        shown = shown if len(shown) <= 40 else shown[:40] + "…"
        found = shown if token.kind == "end" else f"`{shown}`"
        refuse(token.position, f"expected {expected}, found {found}")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > self.deepest:
            refuse(self.tokens[self.at].position, f"it is nested deeper than {self.deepest} levels")

    # --- grammar

    def query(self) -> Query:
        where = None if self.kind in ("end", "order") else self.any_of()
        order = self.order_by() if self.kind == "order" else ()
        if self.kind != "end":
            self.wrong("AND, OR, ORDER BY or the end" if not order else "a comma or the end")
        return Query(where, order)

    def any_of(self) -> Node:
        parts = [self.all_of()]
        while self.accept("or"):
            parts.append(self.all_of())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all_of(self) -> Node:
        parts = [self.negated()]
        while self.accept("and"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negated(self) -> Node:
        before = self.depth
        negations = 0
        while self.accept("not") or self.accept("!"):
            self.deeper()
            negations += 1
        node = self.group() if self.kind == "(" else self.clause()
        for _ in range(negations):
            node = Not(node)
        self.depth = before
        return node

    def group(self) -> Node:
        self.take()
        self.deeper()
        node = self.any_of()
        self.depth -= 1
        if not self.accept(")"):
            self.wrong("AND, OR or a closing parenthesis")
        return node

    def clause(self) -> Clause:
        field = self.field()
        operator, operand = self.condition()
        words = _PREDICATES.get(operator.split()[0], ())
        predicates = []
        while self.kind in words:
            predicates.append(Predicate(self.take().kind, self.operand("a value, a function or a list")))
        return Clause(field, operator, operand, tuple(predicates))

    def field(self) -> Field:
        token = self.tokens[self.at]
        if self.accept("cf"):
            name = f"cf[{self.bracketed('the number of a custom field')}]"
        elif token.kind in ("word", "text"):
            name = self.take().text
            if not name.strip():
                refuse(token.position, "a field must have a name")
        else:
            self.wrong("a field, NOT or an opening parenthesis")
        if self.kind != "[":
            return Field(name)
        key = self.bracketed("the key of a property", number=False)
        path = self.take().text if self.kind == "word" and self.is_path() else ""
        return Field(name, key, path)

    def bracketed(self, name: str, *, number: bool = True) -> str:
        self.expect("[", "an opening bracket")
        if self.kind not in (("number",) if number else ("number", "word", "text")):
            self.wrong(name)
        token = self.take()
        if number and not token.text.isdigit():
            refuse(token.position, "the number of a custom field is not negative")
        self.expect("]", "a closing bracket")
        return str(int(token.text[:20])) if number else token.text

    def is_path(self) -> bool:
        text = self.tokens[self.at].text
        return text.startswith(".") and is_bare(text)

    def condition(self) -> tuple[str, Operand | None]:
        if self.kind in ("=", "!=", "~", "!~"):
            return self.take().kind, self.item("a value, a function or EMPTY")
        if self.kind in ("<", "<=", ">", ">="):
            return self.take().kind, self.item("a value or a function", empty=False)
        if self.accept("in"):
            return "in", self.several()
        if self.accept("not", "in"):
            return "not in", self.several()
        if self.accept("is"):
            operator = "is not" if self.accept("not") else "is"
            self.expect("empty", "EMPTY")
            return operator, EMPTY
        if self.accept("was"):
            return self.was()
        if self.accept("changed"):
            return "changed", None
        self.wrong("an operator such as =, !=, ~, <, IN or IS")
        raise AssertionError

    def was(self) -> tuple[str, Operand]:
        operator = "was not" if self.accept("not") else "was"
        if self.accept("in"):
            return f"{operator} in", self.several()
        return operator, self.item("a value, a function or EMPTY")

    def several(self) -> Operand:
        operand = self.operand("a list in parentheses or a function")
        if not isinstance(operand, ListOf | Function):
            self.to(self.at - 1)
            self.wrong("a list in parentheses or a function")
        return operand

    def operand(self, expected: str) -> Operand:
        if not self.accept("("):
            return self.item(expected)
        items = [self.item("a value or a function")]
        while self.accept(","):
            items.append(self.item("a value or a function"))
            if len(items) > limits.JQL_LIST and not self.trusted:
                refuse(self.tokens[self.at].position, f"a list may have at most {limits.JQL_LIST} values")
        self.expect(")", "a comma or a closing parenthesis")
        return ListOf(tuple(items))

    def item(self, expected: str, *, empty: bool = True) -> Item:
        if empty and self.accept("empty"):
            return EMPTY
        value = self.value(expected)
        return self.function(value) if self.kind == "(" else value

    def value(self, expected: str) -> Value:
        if self.kind not in ("word", "number", "text"):
            self.wrong(expected)
        token = self.take()
        return Value(token.text, quoted=token.kind == "text" or not is_bare(token.text))

    def function(self, name: Value) -> Function:
        if not self.trusted and name.text.lower() not in FUNCTIONS:
            refuse(
                self.tokens[self.at - 1].position,
                "this function is not allowed here; allowed are currentUser(), now(), startOfDay() and "
                "the like, openSprints(), closedSprints() and futureSprints()",
            )
        self.take()
        arguments: list[Value] = []
        while self.kind != ")":
            if arguments:
                self.expect(",", "a comma or a closing parenthesis")
            arguments.append(self.value("an argument"))
        self.take()
        return Function(name.text, tuple(arguments))

    def order_by(self) -> tuple[OrderBy, ...]:
        self.take()
        self.expect("by", "BY after ORDER")
        found = [self.sort()]
        while self.accept(","):
            found.append(self.sort())
        return tuple(found)

    def sort(self) -> OrderBy:
        field = self.field()
        if self.accept("desc"):
            return OrderBy(field, descending=True)
        return OrderBy(field, descending=False if self.accept("asc") else None)
