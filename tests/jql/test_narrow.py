"""Fields, functions, printing, and that nothing escapes a narrowing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidCall
from gateway.jql import (
    EMPTY,
    And,
    Clause,
    Field,
    Function,
    ListOf,
    Not,
    Or,
    OrderBy,
    Predicate,
    Query,
    Value,
    fields,
    functions,
    narrow,
    parse,
    quote,
)
from gateway.jql.printer import is_bare
from tests.jql.soup import DIRT, FIELDS, JOINTS, OPERATORS, VALUES

POLICY = "project in (OPEN, HR) AND (level is EMPTY OR level != Staff)"

# --- the pitfalls of JIRA.md §7.2


@pytest.mark.parametrize(
    "query",
    [
        "project = SECRET) OR (project = SECRET",
        "status = x1) OR (project = SECRET",
        'summary ~ foo\\" OR project = SECRET OR summary ~ a\\',
        "project = A ORDER BY x) OR (y = 1",
        '") OR project = SECRET OR summary ~ ("',
    ],
)
def test_queries_that_would_break_out_are_refused(query: str) -> None:
    """What is not a query by itself never reaches a narrowing."""
    with pytest.raises(InvalidCall):
        parse(query)


def test_an_or_stays_within_its_parentheses() -> None:
    """`{q}` pasted behind AND would let `OR project = SECRET` out."""
    narrowed = narrow(parse("status = Open1 OR project = SECRET"), POLICY)
    assert str(narrowed) == (
        "(project in (OPEN, HR) AND (level is EMPTY OR level != Staff)) "
        "AND (status = Open1 OR project = SECRET)"
    )
    assert parse(str(narrowed)).where == And((_where(POLICY), _where("status = Open1 OR project = SECRET")))


def test_order_by_within_a_text_is_text() -> None:
    """Nothing is cut at words; the real ORDER BY is put last."""
    query = parse('summary ~ "x ORDER BY y" OR status = Done ORDER BY created DESC')
    assert str(narrow(query, "level is EMPTY")) == (
        '(level is EMPTY) AND (summary ~ "x ORDER BY y" OR status = Done) ORDER BY created DESC'
    )


def test_a_backslash_before_a_quote_does_not_open_the_text() -> None:
    """Backslashes are escaped before quotes."""
    evil = 'foo\\" OR project = SECRET OR summary ~ a\\'
    assert quote(evil) == '"foo\\\\\\" OR project = SECRET OR summary ~ a\\\\"'
    assert parse(f"summary ~ {quote(evil)}").where == Clause(Field("summary"), "~", Value(evil))


@pytest.mark.parametrize("text", ["a\x00", "a\nb", "\x7f", "\x9f", "\ud800", "\uffff"])
def test_quote_refuses_control_characters(text: str) -> None:
    """There is no need for them in a value."""
    with pytest.raises(InvalidCall, match="control character"):
        quote(text)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ('"pro\\u006aect"', "project"),
        ("PROJECT", "project"),
        ("' project '", "project"),
        ("cf[10042]", "cf[10042]"),
        ("CF [ 010042 ]", "cf[10042]"),
        ("customfield_10042", "cf[10042]"),
        ('"CustomField_10042"', "cf[10042]"),
        ('"cf[10042]"', "cf[10042]"),
        ('"Salary[Number]"', "salary"),
        ('"Story Points"', "story points"),
        ("issue.property[a].b.c", "issue.property"),
        ("text", "text"),
        ("type", "issuetype"),
        ("issuekey", "key"),
        ("createdDate", "created"),
    ],
)
def test_a_field_has_one_name_however_it_is_spelled(spelling: str, name: str) -> None:
    """A rule that hides a field cannot be passed by, neither in a clause nor in ORDER BY."""
    assert fields(parse(f"{spelling} = 1")) == {name}
    assert fields(parse(f"ORDER BY {spelling}")) == {name}
    assert fields(parse(f"NOT (x = 1 OR {spelling} was 1)")) == {"x", name}


def test_functions_are_found_wherever_they_stand() -> None:
    """In operands, lists and predicates."""
    query = parse(
        "a1 = now() AND b1 in (x1, currentUser()) OR c1 CHANGED BY Foo() DURING (bar(), 1)", trusted=True
    )
    assert functions(query) == {"now", "currentuser", "foo", "bar"}


def test_narrowing_an_order_alone_and_narrowing_twice() -> None:
    """The restriction stands alone when there is nothing to restrict, and restrictions add up."""
    assert str(narrow(parse("ORDER BY key"), "x = 1 OR y = 1")) == "(x = 1 OR y = 1) ORDER BY key"
    twice = narrow(narrow(parse("z = 1"), "y = 1"), "x = 1 ORDER BY secret")
    assert str(twice) == "(x = 1) AND (y = 1 AND z = 1)"


def test_a_restriction_that_restricts_nothing_is_refused() -> None:
    """An empty guard is a refusal, not a pass."""
    for nothing in ("", "ORDER BY x", Query()):
        with pytest.raises(InvalidCall, match="cannot be narrowed"):
            narrow(parse("x = 1"), nothing)


def _where(text: str) -> object:
    return parse(text).where


# --- properties

words = st.sampled_from(FIELDS + OPERATORS + VALUES + JOINTS + DIRT)
soup = st.builds(
    lambda found, glue: glue.join(found),
    st.lists(words, max_size=14),
    st.sampled_from([" ", "", "\n", "\t "]),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.one_of(soup, st.builds("{} = {} {}".format, st.sampled_from(FIELDS), st.sampled_from(VALUES), soup))
)
def test_the_restriction_is_always_a_top_level_conjunct(text: str) -> None:
    """Whatever parses, the printed narrowing is an AND of the restriction and the query."""
    try:
        query = parse(text, trusted=True)
    except InvalidCall:
        return
    again = parse(str(narrow(query, POLICY)), trusted=True)
    restriction = _where(POLICY)
    assert again.where == (restriction if query.where is None else And((restriction, query.where)))  # type: ignore[arg-type]
    assert again.order == query.order


def _value(text: str, quoted: bool) -> Value:
    return Value(text, quoted=quoted or not is_bare(text))


letters = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\n\t\r\"'\\"), max_size=12
)
names = st.one_of(
    letters.filter(str.strip), st.sampled_from(["project", "cf[7]", "select", "and", "10042", "a b"])
)
fields_ = st.one_of(
    st.builds(Field, names), st.builds(Field, names, letters, st.sampled_from(["", ".a", ".b.c-d"]))
)
values = st.builds(
    _value, st.one_of(letters, st.sampled_from(["OPEN", "-5", "empty", "the", "-x"])), st.booleans()
)
calls = st.builds(Function, names, st.lists(values, max_size=2).map(tuple))
items = st.one_of(st.just(EMPTY), values, calls)
lists = st.builds(ListOf, st.lists(items, min_size=1, max_size=3).map(tuple))
dates = st.sampled_from(["before", "after", "on", "during", "by"])
predicates = st.lists(st.builds(Predicate, dates, st.one_of(items, lists)), max_size=2).map(tuple)
clauses = st.one_of(
    st.builds(Clause, fields_, st.sampled_from(["=", "!=", "~", "!~"]), items),
    st.builds(Clause, fields_, st.sampled_from(["<", "<=", ">", ">="]), st.one_of(values, calls)),
    st.builds(Clause, fields_, st.sampled_from(["in", "not in"]), st.one_of(lists, calls)),
    st.builds(Clause, fields_, st.sampled_from(["is", "is not"]), st.just(EMPTY)),
    st.builds(Clause, fields_, st.sampled_from(["was", "was not"]), items, predicates),
    st.builds(
        Clause, fields_, st.sampled_from(["was in", "was not in"]), st.one_of(lists, calls), predicates
    ),
    st.builds(Clause, fields_, st.just("changed"), st.none(), predicates),
)
nodes = st.recursive(
    clauses,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
orders = st.lists(st.builds(OrderBy, fields_, st.sampled_from([None, True, False])), max_size=3).map(tuple)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.builds(Query, st.one_of(st.none(), nodes), orders))
def test_every_tree_prints_to_what_parses_to_it(query: Query) -> None:
    """Printing and parsing are inverse, for all names and values that JQL can hold."""
    assert parse(str(query), trusted=True) == query
