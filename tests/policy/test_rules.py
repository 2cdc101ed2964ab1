"""Rules that Cedar would take and we do not: each refusal names the file and the line."""

import pytest

from gateway.errors import ConfigError
from gateway.fields import SYSTEM_FIELDS
from gateway.jira.detail import _FIELDS
from gateway.policy.bundle import build
from gateway.policy.rules import read_rules, statements
from tests.policy.actions import TOOLS
from tests.policy.making import STAFF, files, rule

KNOWN = {
    "Group": frozenset({"staff"}),
    "Project": frozenset({"OPEN"}),
    "ProjectCategory": frozenset({"products"}),
    "AgentGroup": frozenset({"small"}),
    "Site": frozenset({"jira"}),
}
FORBID = "forbid (principal, action, resource)"
UNLESS = 'unless { context.discharged.contains("a") };'


def hiding(fields: str) -> str:
    """A rule that redacts these."""
    return rule("a", f"{FORBID} {UNLESS}", '@obligation("redact_fields")', f'@fields("{fields}")')


def problems(text: str) -> list[str]:
    """What the lint says of a file."""
    return read_rules({"x.cedar": text.encode()}, KNOWN)[1]


def test_statements_are_cut_where_cedar_ends_them() -> None:
    """A semicolon in a text or a comment ends nothing; a rule begins at its first word."""
    first = '@reason("a; b \\" c")\npermit (x)\n// in; between\n;'
    text = f'// before; not a rule\n\n{first}\n\n  forbid (y);tail "z;'
    assert list(statements(text)) == [
        (3, first),
        (8, "forbid (y);"),
        (8, 'tail "z;'),
    ]


def test_a_good_file_has_no_problems() -> None:
    """The lint is quiet about rules that say what they mean."""
    good = rule(
        "a", f"{FORBID} {UNLESS}", '@obligation("redact_fields")', '@fields("cf[7], reporter.emailAddress")'
    )
    rules, found = read_rules({"x.cedar": (good + STAFF).encode()}, KNOWN)
    assert not found
    assert [r.id for r in rules] == ["a", "staff-read", "staff-write"]
    assert rules[0].fields == {"cf[7]", "reporter.emailAddress"}
    assert (rules[1].where, rules[2].where) == ("x.cedar:3", "x.cedar:7")


REFUSED = {
    "no id": ('@reason("r") forbid (principal, action, resource);', "@id is missing"),
    "an id with capitals": ('@id("A") @reason("r") ' + FORBID + ";", "@id is missing"),
    "an id that looks like another": ('@id("\u0430bc") @reason("r") ' + FORBID + ";", "@id is missing"),
    "no reason": ('@id("a") ' + FORBID + ";", "@reason is missing"),
    "an empty reason": ('@id("a") @reason(" ") ' + FORBID + ";", "@reason is missing"),
    "a reason that hides text": ('@id("a") @reason("x\u202ey") ' + FORBID + ";", "@reason is missing"),
    "an unknown annotation": (rule("a", FORBID + ";", '@Reason("r")'), "@Reason is not an annotation"),
    "a permit for everybody": (rule("a", "permit (principal, action, resource);"), "permits everybody"),
    "an unknown obligation": (rule("a", f"{FORBID} {UNLESS}", '@obligation("notify")'), "is not known"),
    "an obligation on a permit": (
        rule(
            "a", f"permit (principal, action, resource) {UNLESS}", '@obligation("cap_results")', '@max("1")'
        ),
        "stands on a forbid",
    ),
    "an obligation without fields": (
        rule("a", f"{FORBID} {UNLESS}", '@obligation("redact_fields")'),
        "@fields must name",
    ),
    "fields that are none": (
        rule("a", f"{FORBID} {UNLESS}", '@obligation("redact_fields")', '@fields("a b")'),
        "@fields must name",
    ),
    "a field that is misspelt": (hiding("sumary"), '@fields: "sumary" is not'),
    "a field under its name": (hiding("summary, salary"), '@fields: "salary" is not'),
    "a misspelt field with a path": (hiding("reportr.emailAddress"), '@fields: "reportr" is not'),
    "a part without its field": (hiding("emailAddress"), '@fields: "emailAddress" is not'),
    "a custom field without its number": (hiding("customfield_"), '@fields: "customfield_" is not'),
    "a clause without its number": (hiding("cf[]"), "@fields must name"),
    "a cap without a number": (rule("a", f"{FORBID} {UNLESS}", '@obligation("cap_results")'), "@max must be"),
    "a cap of nothing": (
        rule("a", f"{FORBID} {UNLESS}", '@obligation("cap_results")', '@max("0")'),
        "@max must be",
    ),
    "fields without an obligation": (rule("a", f"{FORBID};", '@fields("x")'), "@fields does not belong"),
    "an obligation that nothing discharges": (
        rule("a", f"{FORBID};", '@obligation("cap_results")', '@max("1")'),
        "discharged by itself alone",
    ),
    "an obligation discharged by another": (
        rule("b", f"{FORBID} {UNLESS}", '@obligation("cap_results")', '@max("1")'),
        "discharged by itself alone",
    ),
    "an obligation discharged by two": (
        rule(
            "a",
            f'{FORBID} unless {{ context.discharged.contains("a") || context.discharged.contains("b") }};',
            '@obligation("cap_results")',
            '@max("1")',
        ),
        "discharged by itself alone",
    ),
    "a promise read by another rule": (rule("a", f"{FORBID} {UNLESS}"), "only a rule with @obligation"),
    "a promise read in a permit": (
        rule("a", 'permit (principal, action, resource) when { context.discharged.contains("b") };'),
        "only a rule with @obligation",
    ),
    "promises counted": (
        rule("a", f"{FORBID} when {{ context.discharged.isEmpty() }};"),
        "only a rule with @obligation",
    ),
    "promises taken from the whole context": (
        rule("a", f'{FORBID} when {{ {{"c": context}}.c.discharged.isEmpty() }};'),
        "only a rule with @obligation",
    ),
    "an unknown group": (
        rule("a", 'forbid (principal in Jira::Group::"stuff", action, resource);'),
        "known.yaml",
    ),
    "an unknown project": (
        rule("a", 'forbid (principal, action, resource in Jira::Project::"OPNE");'),
        "known.yaml",
    ),
    "an unknown category": (
        rule("a", f'{FORBID} when {{ resource in Jira::ProjectCategory::"x" }};'),
        "known.yaml",
    ),
    "an unknown assistant group": (
        rule(
            "a",
            f'{FORBID} when {{ context.agent in [Jira::AgentGroup::"small", Jira::AgentGroup::"smal"] }};',
        ),
        "agents.yaml",
    ),
    "another site": (rule("a", 'forbid (principal, action, resource in Jira::Site::"acme");'), "jira.name"),
    "a label in capitals": (
        rule(
            "a",
            'forbid (principal, action, resource is Jira::Issue) when { resource.labels.contains("No-AI") };',
        ),
        "can never match",
    ),
    "a template": (rule("a", "forbid (principal == ?principal, action, resource);"), "templates"),
    "a broken rule": ("\n\nforbid (principal, action", "unexpected"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_lint_refuses(name: str) -> None:
    """Each of these is silent in Cedar."""
    text, expected = REFUSED[name]
    found = problems("// a comment\n" + text)
    assert any(expected in problem for problem in found), found
    assert all(problem.startswith("x.cedar:") for problem in found)


def test_a_misspelt_field_is_told_with_file_and_line() -> None:
    """It would hide nothing, and nothing else would say so."""
    (found,) = problems("// a comment\n" + hiding("summary, sumary"))
    assert (
        found == 'x.cedar:2: @fields: "sumary" is not customfield_N, cf[N] or the id of a Jira system field.'
    )


@pytest.mark.parametrize(
    "name",
    [
        *sorted(SYSTEM_FIELDS | {*_FIELDS}),
        "FixVersions",
        "customfield_1",
        "CF[1].value",
        "comment.author.name",
    ],
)
def test_a_field_that_issues_have_may_be_hidden(name: str) -> None:
    """Whatever a view asks Jira for can be hidden, in any case and with a path."""
    assert not problems(hiding(name))


def test_two_equal_ids_name_both_places() -> None:
    """F27: the second rule of a name would shadow the first."""
    (found,) = problems(rule("a", FORBID + ";") + rule("a", FORBID + ";"))
    assert found == 'x.cedar:3: @id("a") is already the rule at x.cedar:1.'


def test_a_file_that_is_not_utf8_is_refused() -> None:
    """The line of the first wrong byte is named."""
    assert read_rules({"x.cedar": b"// a\n// \xff\n"}, KNOWN)[1] == ["x.cedar:2: the file is not UTF-8."]


VALIDATED = {
    "a misspelt attribute": ("resource.securityLevl == 3", "securityLevl"),
    "an optional attribute unguarded": ('resource.securityLevel == "x"', "securityLevel"),
    "a wrong type": ("resource.issueType > 3", "Long"),
    "a weekday that is none": ('context.call.weekday == Jira::Weekday::"mo"', "Weekday"),
    "a misspelt question": ("resource has securityLevl", "securityLevl"),
    "a misspelt question of the call": ("context has call.writesLastMinute", "writesLastMinute"),
    "a misspelt question of the input": ("context.input has jqlFeilds", "jqlFeilds"),
    "a question of the agent": ("context.agent has writePerHour", "writePerHour"),
    "a question of the person": ("principal has mail", "mail"),
    "an assurance that is none": ('context.agent.assurance == Jira::Assurance::"sure"', "Assurance"),
    "an action that is none": ('action == Jira::Action::"jira_delete"', "jira_delete"),
    "a type that is none": ('principal in Jira::Team::"x"', "Team"),
}


@pytest.mark.parametrize("name", VALIDATED)
def test_strict_validation_names_the_rule(name: str) -> None:
    """A misspelt word in a deny rule is an error when it is loaded, not silence when it matters."""
    condition, expected = VALIDATED[name]
    text = STAFF + rule("b", f"forbid (principal, action, resource is Jira::Issue) when {{ {condition} }};")
    with pytest.raises(ConfigError) as wrong:
        build(files(text), TOOLS)
    (problem,) = wrong.value.problems
    assert problem.startswith("10.cedar:8: ")
    assert expected in problem


def test_every_problem_is_told_at_once() -> None:
    """Whoever mends a bundle sees the whole of it."""
    text = rule("A", FORBID + ";") + rule("b", f"{FORBID} when {{ resource.x }};")
    with pytest.raises(ConfigError) as wrong:
        build({**files(text), "agents.yaml": b"groups: 3\n"}, TOOLS)
    places = {problem.split(" ")[0] for problem in wrong.value.problems}
    assert places == {"agents.yaml:1:", "10.cedar:1:", "10.cedar:3:"}
