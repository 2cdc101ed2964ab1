"""The rules that come with the gateway: a sensible start, each rule held by a case."""

import re
import subprocess
import sys

import orjson
import pytest

from gateway.model import Resource
from gateway.policy.bundle import build, read, snapshot
from gateway.policy.cases import CasesReport, run_cases
from gateway.policy.engine import CedarPolicy
from gateway.policy.facts import Moment
from gateway.policy.judge import Judge
from gateway.policy.load import proven
from sandbox.people import PEOPLE
from tests.policy.actions import TOOLS
from tests.policy.making import NOON, SHIPPED, ask, call, caller, issue


@pytest.fixture(scope="module")
def report() -> CasesReport:
    """The shipped cases, with each rule removed in turn."""
    return run_cases(Judge(read(SHIPPED, TOOLS)), mutate=True)


def test_every_case_passes(report: CasesReport) -> None:
    """What is shipped is what it says."""
    assert len(report.results) >= 30
    assert not report.failures


def test_every_rule_is_decided_by_a_case(report: CasesReport) -> None:
    """No rule is there on trust."""
    assert report.undecided == ()


def test_the_loss_of_any_rule_is_noticed(report: CasesReport) -> None:
    """Each rule, when removed, breaks a case."""
    assert report.survivors == ()
    assert report.passed


MUTATIONS = [
    ("90-guard.cedar", ">= context.agent.writesPerHour", "> context.agent.writesPerHour"),
    ("90-guard.cedar", ">= context.agent.ceilingPerHour", "> context.agent.ceilingPerHour"),
    ("90-guard.cedar", "maxResults > 10", "maxResults >= 10"),
    ("90-guard.cedar", "maxResults > 10", "maxResults > 25"),
    ("90-guard.cedar", '"cf[10042]", ', ""),
    ("90-guard.cedar", ', "home address"', ""),
    ("90-guard.cedar", 'Action::"delete"', 'Action::"jira_comment"'),
    ("90-guard.cedar", 'Action::"discloseIssue"', 'Action::"jira_get_issue"'),
    ("90-guard.cedar", 'AgentGroup::"read-only"', 'AgentGroup::"small-answers"'),
    ("90-guard.cedar", 'principal in Jira::Group::"hr" ||', 'principal in Jira::Group::"leads" ||'),
    ("90-guard.cedar", "principal.clearances.contains(resource.securityLevel)", "principal.mfa"),
    (
        "90-guard.cedar",
        "principal.clearances.contains(resource.securityLevel)",
        'principal in Jira::Group::"leads"',
    ),
    ("10-read.cedar", 'Group::"staff"', 'Group::"leads"'),
    ("10-read.cedar", 'in Jira::Action::"read"', 'in Jira::Action::"discloseIssue"'),
    ("20-write.cedar", 'Group::"staff"', 'Group::"leads"'),
    ("20-write.cedar", 'in Jira::Action::"write"', '== Jira::Action::"jira_comment"'),
    ("10-read.cedar", "unless { principal.service }", ""),
    ("20-write.cedar", " || principal.service", ""),
    ("clearances.yaml", "[leads]", "[staff]"),
    ("agents.yaml", "writesPerHour: 60", "writesPerHour: 61"),
]


@pytest.mark.parametrize(("file", "old", "new"), MUTATIONS)
def test_a_small_change_of_a_rule_is_noticed(file: str, old: str, new: str) -> None:
    """One token elsewhere, and the bundle fails its own cases."""
    files = snapshot(SHIPPED)
    text = files[file].decode()
    assert old in text
    with pytest.raises(Exception, match="the case “"):
        proven({**files, file: text.replace(old, new, 1).encode()}, TOOLS)


def test_the_people_of_the_sandbox() -> None:
    """ana is a lead, bo is not, hana is HR, mallory is nobody."""
    on = Judge(read(SHIPPED, TOOLS))
    secret, plain = issue(securityLevel="Staff only"), issue()
    seen = {}
    for name, person in PEOPLE.items():
        who = caller(name, *(person.groups or ("",)))
        found = ask(on, who, "jira_get_issue", plain)
        hidden = {field for promise in found.obligations for field in promise.fields}
        seen[name] = (found.allowed, bool(hidden), ask(on, who, "jira_get_issue", secret).allowed)
    assert seen == {
        "ana": (True, True, True),
        "bo": (True, True, False),
        "hana": (True, False, False),
        "lee": (True, True, False),
        "mallory": (False, False, False),
    }


def test_a_program_is_let_in_by_its_name_only() -> None:
    """Its groups give it nothing; a rule that names it gives what the rule says, and the guard holds."""
    named = """@id("report") @reason("The report may read.")
    permit (principal == Jira::User::"https://idp.test|report", action in Jira::Action::"read",
            resource) when { principal.service };"""
    on = Judge(build({**snapshot(SHIPPED), "30-programs.cedar": named.encode()}, TOOLS))
    report, other, namesake = (
        caller(name, issuer="https://idp.test", service=service)
        for name, service in (("report", True), ("other", True), ("report", False))
    )
    assert ask(on, report, "jira_get_issue", issue()).allowed
    assert not ask(on, report, "jira_comment", issue()).allowed
    assert not ask(on, report, "jira_get_issue", issue(securityLevel="Staff only")).allowed
    assert not ask(on, other, "jira_get_issue", issue()).allowed
    assert "staff-read" in {r.rule for r in ask(on, namesake, "jira_get_issue", issue()).reasons}


def test_no_permit_opens_deletes_or_levels() -> None:
    """Whatever permit a company adds, the guard holds."""
    files = snapshot(SHIPPED)
    wide = b'@id("wide") @reason("w") permit (principal in Jira::Group::"staff", action, resource);'
    on = Judge(build({**files, "30-wide.cedar": wide}, TOOLS))
    assert not ask(on, caller(), "jira_delete_issue", issue()).allowed
    assert not ask(on, caller(), "jira_get_issue", issue(securityLevel="Staff only")).allowed
    assert ask(on, caller(), "jira_get_issue", issue()).obligations


def test_a_search_by_a_hidden_field_is_refused_however_it_is_spelled() -> None:
    """JQL gives one name for each of a field's spellings; the rule knows those."""
    from gateway import jql

    on = Judge(read(SHIPPED, TOOLS))
    for text in (
        "cf[10042] ~ x",
        'customfield_10042 ~ "x"',
        'project = OPEN ORDER BY "Home address"',
        '"home ADDRESS[Short text]" is not EMPTY',
        r'"hom\u0065 address" ~ x',
        "NOT (project = OPEN OR cf[10042] is EMPTY)",
    ):
        fields = sorted(jql.fields(jql.parse(text)))
        found = ask(on, caller(), "jira_search", Resource("Site", "jira"), jqlFields=fields, maxResults=5)
        assert [r.rule for r in found.reasons] == ["no-search-by-hidden-field"], text


def test_the_ceiling_of_an_agent_is_off_by_default() -> None:
    """Everybody's assistant may be one client: without a ceiling the others' writes do not count."""
    policy = CedarPolicy(SHIPPED, TOOLS)
    for person in range(40):
        for _ in range(30):
            writing = call(caller(f"p{person}"), "jira_comment", fields=[])
            assert policy.decide(writing, [issue()]).allowed


def test_public_reasons_tell_nothing_private() -> None:
    """A reason is one sentence for anybody: no field id, no group, no level."""
    for rule in read(SHIPPED, TOOLS).rules.values():
        assert rule.reason.endswith(".")
        assert not re.search(r"customfield|cf\[|Staff only|Jira::", rule.reason)


def test_the_readme_names_every_file() -> None:
    """Whoever opens the folder finds each file explained."""
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    for path in SHIPPED.iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"`{path.name}`" in text, path.name


def run(*arguments: str) -> tuple[int, str, str]:
    """The command as a person runs it."""
    command = [
        sys.executable,
        "-c",
        "import sys; from gateway.cli import main; sys.exit(main())",
        "policy",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SHIPPED.parent, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_command_checks_and_tests_the_bundle() -> None:
    """Exit code 0, a table for people, one JSON object for programs."""
    code, out, _ = run("test")
    assert code == 0
    assert "staff search" in out
    code, out, _ = run("test", "--json", "--mutate")
    data = orjson.loads(out)
    assert (code, data["passed"], data["survivors"], data["undecided"]) == (0, True, [], [])
    code, out, _ = run("check", "--json")
    assert code == 0
    assert len(orjson.loads(out)["rules"]) == data["rules"]


def test_the_command_tells_failures_by_its_exit_code(tmp_path_factory: pytest.TempPathFactory) -> None:
    """4 when a case fails or none can be run, 1 for a check; file and line, and no traceback."""
    folder = tmp_path_factory.mktemp("policies")
    for name, contents in snapshot(SHIPPED).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(contents)
    (folder / "clearances.yaml").write_text("Staff only: [staff]\n", encoding="utf-8")
    code, out, _ = run("test", str(folder))
    assert code == 4
    assert "expects decision deny" in " ".join(out.split())
    (folder / "10-read.cedar").write_text("\n\npermit (", encoding="utf-8")
    for command, expected in (("test", 4), ("check", 1)):
        code, _, err = run(command, str(folder))
        assert code == expected
        assert err.startswith("10-read.cedar:3: ")
        assert "Traceback" not in err


def test_circumstances_are_looked_up_only_when_read() -> None:
    """A read does not depend on how often anybody wrote."""
    on = Judge(read(SHIPPED, TOOLS))
    for writes in (0, 1000):
        assert ask(on, caller(), "jira_get_issue", issue(), Moment(NOON, writes, writes)).asked["call"] == {}
