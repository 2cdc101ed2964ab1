"""What the JQL parser takes, how it reads it, and what it refuses."""

import re

import pytest

from gateway import jql, limits
from gateway.errors import InvalidCall
from gateway.jql import EMPTY, And, Clause, Field, Function, ListOf, Not, Or, OrderBy, Predicate, Value, parse
from tests.jql.soup import strings


def clause(name: str, operator: str = "=", operand: object = None) -> Clause:
    return Clause(Field(name), operator, operand or Value("1", quoted=False))  # type: ignore[arg-type]


def test_and_binds_tighter_than_or_and_not_tightest() -> None:
    """`a OR NOT b AND c` is `a OR ((NOT b) AND c)`, in words and in signs."""
    expected = Or((clause("x"), And((Not(clause("y")), clause("z")))))
    assert parse("x = 1 OR NOT y = 1 AND z = 1").where == expected
    assert parse("x=1||!y=1&&z=1").where == expected
    assert parse("x=1|! y=1&z=1").where == expected


def test_parentheses_are_kept_as_structure() -> None:
    """`(x OR y) AND z` groups as written."""
    assert parse("(x = 1 OR y = 1) AND (z = 1)").where == And((Or((clause("x"), clause("y"))), clause("z")))


@pytest.mark.parametrize(
    ("text", "operator", "operand"),
    [
        ("x != OPEN", "!=", Value("OPEN", quoted=False)),
        ('x ~ "a b"', "~", Value("a b")),
        ("x !~ 'it\\'s'", "!~", Value("it's")),
        ("x >= -1", ">=", Value("-1", quoted=False)),
        ("x = null", "=", EMPTY),
        ("x IS NOT Empty", "is not", EMPTY),
        ("x is EMPTY", "is", EMPTY),
        ("x Not In (a1, 2)", "not in", ListOf((Value("a1", quoted=False), Value("2", quoted=False)))),
        ("x in openSprints()", "in", Function("openSprints")),
        ("x > startOfDay('-1d')", ">", Function("startOfDay", (Value("-1d"),))),
        ("x was Done", "was", Value("Done", quoted=False)),
        ("x was not in (Done)", "was not in", ListOf((Value("Done", quoted=False),))),
    ],
)
def test_every_operator_and_operand(text: str, operator: str, operand: object) -> None:
    """Operators come out in lower case, operands decoded."""
    assert parse(text).where == clause("x", operator, operand)


def test_history_predicates() -> None:
    """CHANGED takes every predicate, WAS all but FROM and TO."""
    found = parse('status CHANGED FROM Open1 TO Done BY currentUser() DURING ("2026-01-01", now())').where
    assert found == Clause(
        Field("status"),
        "changed",
        None,
        (
            Predicate("from", Value("Open1", quoted=False)),
            Predicate("to", Value("Done", quoted=False)),
            Predicate("by", Function("currentUser")),
            Predicate("during", ListOf((Value("2026-01-01"), Function("now")))),
        ),
    )
    parse("status WAS Done BEFORE now() AFTER now() ON now()")
    with pytest.raises(InvalidCall, match="expected AND, OR, ORDER BY or the end, found `FROM`"):
        parse("status WAS Done FROM Open1")


def test_order_by() -> None:
    """A direction may be left to the field, and ORDER BY may stand alone."""
    query = parse("ORDER BY created DESC, key ASC, cf[7]")
    assert query.where is None
    assert query.order == (
        OrderBy(Field("created"), True),
        OrderBy(Field("key"), False),
        OrderBy(Field("cf[7]")),
    )


def test_the_empty_query_is_grammatical() -> None:
    """Whether an empty query may run is not the parser's to say."""
    assert parse("  \t\n") == jql.Query()
    assert str(parse("")) == ""


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        (r'"a\u0041"', "aA"),
        (r"a\u0020A", "a A"),
        (r'"\"\\\'\ x"', "\"\\' x"),
        (r'"a\nb\tc\r"', "a\nb\tc\r"),
        (r'"\ud83d\uDE00"', "\U0001f600"),
        ('"\U0001f600"', "\U0001f600"),
        ("a\u00a0b", "a\u00a0b"),
        ("\u00a01", "\u00a01"),
        ("\u20281", "\u20281"),
        ("ＡＮＤ", "ＡＮＤ"),
    ],
)
def test_escapes_and_letters(text: str, decoded: str) -> None:
    """Texts are decoded; a no-break space and full-width letters are letters like any other."""
    assert parse(f"x = {text}").where == clause("x", "=", Value(decoded))
    assert parse(str(parse(f"x = {text}"))) == parse(f"x = {text}")


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("project = A) OR (project = B", 12, "found `)`"),
        ("(project = A", 13, "a closing parenthesis, found the end"),
        ("this is not jql", 13, "expected EMPTY, found `jql`"),
        ("project", 8, "an operator"),
        ("project = ", 11, "a value, a function or EMPTY"),
        ('project = "A', 11, "not closed"),
        ("project = 'A\\q'", 11, "wrong escape"),
        ("a\\q = 1", 2, "backslash"),
        ("x = a*b", 6, "`*` may only stand within quotes"),
        ("x = {1}", 5, "`{`"),
        ("x = 1; y", 6, "`;`"),
        ("x = a\x07", 6, "control character"),
        ("x = 'a\x07'", 5, "control character"),
        ("x = '\\u0007'", 5, "control character"),
        ("x = '\\ud83d'", 5, "half a character"),
        ("x = \ud83d", 5, "half a character"),
        ("select = 1", 1, 'reserved word; write "select"'),
        ("order = 1", 7, "expected BY"),
        ("x = 1 ORDER BY", 15, "a field"),
        ("x = 1 ORDER BY y z", 18, "a comma or the end"),
        ("x in 1", 6, "a list in parentheses"),
        ("x in ()", 7, "a value or a function"),
        ("x in ((a1))", 7, "a value or a function"),
        ("x is 1", 6, "EMPTY"),
        ("x < EMPTY", 5, "a value or a function"),
        ("10042 = 1", 1, "a field"),
        ("cf[-1] = 1", 4, "not negative"),
        ("cf[x] = 1", 4, "the number of a custom field"),
        ("'' = 1", 1, "must have a name"),
        ("x = 1 /* y */", 7, "`/`"),
        ("x = 1 AND", 10, "a field, NOT"),
        ("NOT", 4, "a field, NOT"),
        ("x = currentUser(a1 b)", 20, "a comma or a closing"),
    ],
)
def test_refusals_say_where_and_what_was_expected(text: str, at: int, words: str) -> None:
    """One sentence, with the position counted from 1."""
    with pytest.raises(InvalidCall) as caught:
        parse(text)
    assert caught.value.public.startswith(f"The JQL is not valid at character {at}: ")
    assert words in caught.value.public
    assert caught.value.public.endswith(".")


@pytest.mark.parametrize("name", ["linkedIssues", "issueHistory", "membersOf", "MEMBERSOF", '"votedIssues"'])
def test_functions_that_reach_outside_are_refused(name: str) -> None:
    """They answer yes or no about what policy may hide; our own restrictions may use them."""
    with pytest.raises(InvalidCall, match="this function is not allowed here"):
        parse(f"issue in {name}(A-1)")
    with pytest.raises(InvalidCall, match="this function is not allowed here"):
        parse(f"issue in (B-2, {name}())")
    assert len(jql.functions(parse(f"issue in {name}(A-1)", trusted=True))) == 1


def test_limits() -> None:
    """Length, depth and lists are bounded; a restriction of our own may be longer."""
    parse("x = " + "a" * (limits.JQL_CHARS - 4))
    with pytest.raises(InvalidCall, match="at most 4000 characters"):
        parse("x = " + "a" * (limits.JQL_CHARS - 3))
    for opening in ("(", "NOT ", "!", "NOT("):
        deep = opening * limits.JQL_DEPTH + "x = 1" + ")" * (opening * limits.JQL_DEPTH).count("(")
        if opening != "NOT(":
            parse(deep)
        with pytest.raises(InvalidCall, match="nested deeper than 24"):
            parse(opening + deep + ")" * opening.count("("))
    items = ",".join(["a1"] * limits.JQL_LIST)
    parse(f"x in ({items})")
    with pytest.raises(InvalidCall, match="at most 200 values"):
        parse(f"x in ({items},a1)")
    parse(f"x in ({items},a1) OR " + "y = 1 OR " * 1000 + "(" * 90 + "z = 1" + ")" * 90, trusted=True)


def test_depth_counts_nesting_not_length() -> None:
    """Many groups side by side are not deep."""
    parse(" AND ".join(["NOT (x = 1)"] * 100))


def test_random_strings_raise_nothing_but_invalid_call() -> None:
    """20,000 strings from a seeded generator: a query or a sentence, and a query prints to itself."""
    accepted = 0
    for text in strings(seed=7, count=20_000):
        try:
            query = parse(text, trusted=len(text) % 2 == 0)
        except InvalidCall as refused:
            assert re.match(r"The JQL is not valid at character \d+: .*\.$", refused.public)
            continue
        accepted += 1
        assert parse(str(query), trusted=True) == query
    assert 8_000 < accepted < 18_000
