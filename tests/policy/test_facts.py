"""Facts as Cedar takes them: only what is read, never more than is known."""

from hypothesis import given
from hypothesis import strategies as st

from gateway import clock
from gateway.policy.bundle import build
from gateway.policy.facts import Moment, principal_id, second_factor
from gateway.policy.judge import Judge
from tests.policy.actions import TOOLS
from tests.policy.making import DATA, NOON, STAFF, ask, caller, files, issue, judge, rule

READ = 'permit (principal, action in Jira::Action::"read", resource is Jira::Issue) when {{ {} }};'

ISSUES = "forbid (principal, action, resource is Jira::Issue) when {{ {} }};"

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_two_people_share_an_id(issuer: str, subject: str, other_issuer: str, other: str) -> None:
    """Issuer and subject are joined so that no other pair gives the same text."""
    same = principal_id(issuer, subject) == principal_id(other_issuer, other)
    assert same is ((issuer, subject) == (other_issuer, other))
    assert principal_id(issuer, subject).isascii()


def test_the_separator_cannot_be_forged() -> None:
    """A subject that contains the separator is still one subject."""
    assert principal_id("a|b", "c") != principal_id("a", "b|c")
    assert principal_id("a", "%7C") != principal_id("a", "|")


def test_a_second_factor_is_of_another_kind() -> None:
    """RFC 8176 §2: two things that one knows are one factor."""
    assert second_factor(["pwd", "otp"])
    assert second_factor(["mfa"])
    assert second_factor(["fpt", "hwk"])
    assert not second_factor(["pwd", "pin"])
    assert not second_factor(["otp"])
    assert not second_factor(["geo", "user", "pwd"])
    assert not second_factor([])


def test_a_sign_in_from_the_future_is_not_known() -> None:
    """A negative age would pass every "not longer ago than" for ever."""
    fresh = judge(
        rule(
            "fresh",
            READ.format(
                "principal has authTime && "
                'context.call.now.durationSince(principal.authTime) <= duration("15m")'
            ),
        )
    )
    now = clock.wall()
    when = Moment(now)
    assert ask(fresh, caller(auth_time=now - 899), "jira_get_issue", issue(), when).allowed
    assert not ask(fresh, caller(auth_time=now - 901), "jira_get_issue", issue(), when).allowed
    assert not ask(fresh, caller(auth_time=now + 3600), "jira_get_issue", issue(), when).allowed
    assert not ask(fresh, caller(), "jira_get_issue", issue(), when).allowed


def test_a_group_is_a_group_of_this_person_only() -> None:
    """Membership comes from the caller's groups, and names with odd characters are only names."""
    staff = judge()
    assert ask(staff, caller("ana", "staff"), "jira_get_issue", issue()).allowed
    assert not ask(staff, caller("ana", "Staff", "staff ", 'x"staff'), "jira_get_issue", issue()).allowed


def test_the_project_is_what_jira_returned() -> None:
    """A moved issue answers to its old key: its project is not the key's prefix."""
    only_open = judge(
        rule(
            "open",
            'permit (principal in Jira::Group::"staff", action in Jira::Action::"read",'
            ' resource in Jira::Project::"OPEN");',
        )
    )
    assert ask(only_open, caller(), "jira_get_issue", issue("VAULT-1", project="OPEN")).allowed
    assert not ask(only_open, caller(), "jira_get_issue", issue("OPEN-1", project="VAULT")).allowed


def test_an_issue_without_a_project_is_refused() -> None:
    """What cannot be placed cannot be decided on."""
    for project in (None, 3, "", 'OPEN" || true'):
        found = ask(judge(), caller(), "jira_get_issue", issue(project=project))
        assert not found.allowed
        assert found.errors


def test_an_attribute_that_is_read_and_absent_refuses() -> None:
    """What the vocabulary promises and the facts lack is an error, not an empty text."""
    bugs = judge(
        STAFF
        + rule(
            "bugs",
            'forbid (principal, action, resource is Jira::Issue) when { resource.issueType == "Bug" };',
        )
    )
    assert ask(bugs, caller(), "jira_get_issue", issue()).allowed
    found = ask(bugs, caller(), "jira_get_issue", issue(issueType=None))
    assert not found.allowed
    assert "`issueType` is not known" in found.errors[0]


def test_a_stub_counts_as_without_labels() -> None:
    """ADR 0005: a linked issue is decided on the facts that it has, and shown as its key."""
    closed = judge(STAFF + rule("closed", ISSUES.format('resource.labels.contains("x")')))
    assert ask(closed, caller(), "issue_in_results", issue(labels=None, components=None)).allowed
    assert not ask(closed, caller(), "issue_in_results", issue(labels=["x"])).allowed


def test_facts_of_another_type_are_refused() -> None:
    """A list where a text is promised, a number among labels: refused with the request's error."""
    text = STAFF + rule(
        "any",
        "forbid (principal, action, resource is Jira::Issue) "
        'when { resource.status == "x" || resource.labels.contains("y") };',
    )
    for facts in (
        {"status": ["x"]},
        {"labels": [3]},
        {"labels": "y"},
        {"status": {"a": 1}},
        {"labels": [["y"]]},
    ):
        found = ask(judge(text), caller(), "jira_get_issue", issue(**facts))
        assert not found.allowed, facts
        assert found.errors, facts


def test_what_no_rule_reads_is_not_told() -> None:
    """Facts that no rule reads are neither in the question nor in the record of it."""
    found = ask(
        judge(), caller(email="ana@example.com"), "jira_get_issue", issue(status="Secret plan", reporter="r1")
    )
    assert found.asked["facts"] == {"project": "OPEN"}
    who = judge().subjects.subject(caller(email="ana@example.com", acr="gold")).record
    assert who["groups"] == ("staff",)
    assert who["facts"] == {}


def test_assurance_and_budgets_come_from_the_registry() -> None:
    """The agent's facts are the registry's and the verifier's, never the request's."""
    attested = judge(
        STAFF
        + rule(
            "sure",
            "forbid (principal, action, resource) "
            'unless { context.agent.assurance == Jira::Assurance::"attested" };',
        )
    )
    assert not ask(attested, caller(), "jira_get_issue", issue()).allowed
    assert ask(attested, caller(assurance="attested"), "jira_get_issue", issue()).allowed
    found = ask(attested, caller(assurance="certain"), "jira_get_issue", issue())
    assert not found.allowed
    assert found.errors


def test_projects_and_sites_are_resources_too() -> None:
    """Creating is decided on the project with its category; the site has the name from the settings."""
    text = (
        STAFF
        + rule("secret", 'forbid (principal, action, resource in Jira::ProjectCategory::"secret");')
        + rule(
            "here",
            'forbid (principal, action == Jira::Action::"jira_whoami", resource) '
            'unless { resource in Jira::Site::"acme" };',
        )
    )
    acme = Judge(build(files(text), TOOLS, site="acme"))
    project = type(issue())("Project", "OPEN", {"key": "OPEN"})
    secret = type(issue())("Project", "VAULT", {"key": "VAULT", "category": "secret"})
    assert ask(acme, caller(), "jira_create_issue", project, fields=[], issueType="Task").allowed
    assert not ask(acme, caller(), "jira_create_issue", secret, fields=[], issueType="Task").allowed
    assert ask(acme, caller(), "jira_whoami", type(issue())("Site", "acme")).allowed
    assert not ask(acme, caller(), "issue_in_results", issue(projectCategory="secret")).allowed


def test_hours_and_days_are_in_utc() -> None:
    """The clock of the rules is one for everybody."""
    text = rule("mon", READ.format('context.call.weekday == Jira::Weekday::"Mon" && context.call.hour == 12'))
    assert ask(judge(text), caller(), "jira_get_issue", issue(), Moment(NOON)).allowed
    assert not ask(judge(text), caller(), "jira_get_issue", issue(), Moment(NOON - 1)).allowed
    assert not ask(judge(text), caller(), "jira_get_issue", issue(), Moment(NOON + 86400)).allowed
    assert DATA["known.yaml"]
