"""What Cedar does on its own is not safe enough; what comes through the door is."""

import pytest

from gateway.policy.cedar import Answer, CedarProblem, Rules, Schema, World, parse_rule
from gateway.policy.facts import call_record, ref, uid
from gateway.policy.schema import cedar_schema
from tests.policy.actions import TOOLS
from tests.policy.making import ask, caller, issue, judge, rule

SCHEMA = Schema(cedar_schema(TOOLS))
OVERFLOW = "9223372036854775807 + context.call.hour > 0"
PERMIT = rule("yes", 'permit (principal in Jira::Group::"staff", action, resource);')


def answer(*rules: str, context: dict[str, object] | None = None, site: str = "jira") -> Answer:
    """What Cedar says of `jira_whoami` by nobody in particular."""
    asked = Rules(SCHEMA, {f"r{i}": parse_rule(text) for i, text in enumerate(rules)})
    world = World(
        SCHEMA,
        [
            {"uid": uid("Site", "jira"), "attrs": {}, "parents": []},
            {
                "uid": uid("User", "u"),
                "attrs": {
                    "issuer": "",
                    "subject": "",
                    "mfa": False,
                    "amr": [],
                    "clearances": [],
                    "service": False,
                },
                "parents": [],
            },
        ],
    )
    usual = {"agent": ref("Agent", ""), "call": call_record({"hour": 1}), "discharged": [], "input": {}}
    question = {
        "principal": uid("User", "u"),
        "action": uid("Action", "jira_whoami"),
        "resource": uid("Site", site),
        "context": {**usual, **(context or {})},
    }
    (found,) = asked.ask(world, [question])
    return found


def test_a_forbid_that_fails_refuses() -> None:
    """F28: bare Cedar skips a failing forbid and says Allow; here it is a refusal that names the rule."""
    found = answer(
        "permit (principal, action, resource);",
        f"forbid (principal, action, resource) when {{ {OVERFLOW} }};",
    )
    assert not found.allowed
    assert found.errors[0].startswith("policy_error:r1: integer overflow")


def test_a_permit_that_fails_refuses() -> None:
    """F28: another permit that holds does not help."""
    found = answer(
        "permit (principal, action, resource);",
        f"permit (principal, action, resource) when {{ {OVERFLOW} }};",
    )
    assert not found.allowed
    assert found.errors[0].startswith("policy_error:r1:")


def test_an_agent_that_was_not_told_refuses() -> None:
    """A fact that a rule reads and nobody supplied is an error, even in a rule that validates."""
    found = answer(
        "permit (principal, action, resource);",
        "forbid (principal, action, resource) when { context.agent has writesPerHour };",
        'forbid (principal, action, resource) when { context.agent.client == "x" };',
    )
    assert not found.allowed
    assert "policy_error:r2" in found.errors[0]


@pytest.mark.parametrize(
    "context",
    [
        {"input": {"maxResults": 3}},
        {"discharged": "all"},
        {"call": {}},
        {"more": 1},
        {"agent": "x"},
        {"input": {1: 2}},
    ],
    ids=str,
)
def test_a_question_that_is_not_of_the_vocabulary_is_refused(context: dict[str, object]) -> None:
    """Cedar answers NoDecision, which is not Deny; only Allow allows."""
    found = answer("permit (principal, action, resource);", context=context)
    assert not found.allowed
    assert found.errors[0].startswith("policy_error:request: ")


def test_half_a_character_is_refused() -> None:
    """F29: a lone surrogate cannot be encoded; that is a refusal and no exception."""
    assert not answer("permit (principal, action, resource);", site="\ud800").allowed
    assert answer("permit (principal, action, resource);", site="\ud800").errors


def test_allowed_names_its_rules() -> None:
    """An Allow says which permits it rests on."""
    assert answer("permit (principal, action, resource);") == Answer(True, ("r0",), ())


def test_entities_know_the_groups_of_actions() -> None:
    """Entities made without the schema make a forbid on a group of actions match nothing."""
    found = answer(
        "permit (principal, action, resource);",
        'forbid (principal, action in Jira::Action::"read", resource);',
    )
    assert found == Answer(False, ("r1",), ())


def test_an_entity_of_the_wrong_form_is_refused() -> None:
    """Facts of another type than the vocabulary's never reach a decision."""
    with pytest.raises(CedarProblem):
        World(SCHEMA, [{"uid": uid("Project", "X"), "attrs": {"key": 3}, "parents": []}])


@pytest.mark.parametrize(
    "text", ["permit (principal == ?principal, action, resource);", "permit (", "", "// only words"]
)
def test_a_template_or_nonsense_is_not_a_rule(text: str) -> None:
    """One rule, written out."""
    with pytest.raises(CedarProblem):
        parse_rule(text)


def test_a_failing_rule_is_named_in_the_reasons() -> None:
    """F28 through the whole stage: the reason is `policy_error:<id>` with the rule's place."""
    broken = judge(PERMIT + rule("broken", f"forbid (principal, action, resource) when {{ {OVERFLOW} }};"))
    found = ask(broken, caller(), "jira_get_issue", issue())
    assert not found.allowed
    assert [(reason.rule, reason.where) for reason in found.reasons] == [
        ("policy_error:broken", "10.cedar:3")
    ]


@pytest.mark.parametrize(
    "key", ['OPEN-1" || true', "OPEN-1\x00", "\u202eOPEN-1", "OPEN-1\ud800", "open-1", "OPEN-１", "", "../x"]
)
def test_a_key_that_jira_does_not_give_is_refused(key: str) -> None:
    """F29: hostile identifiers of issues, even when alike issues were allowed before."""
    staff = judge(PERMIT)
    assert ask(staff, caller(), "jira_get_issue", issue()).allowed
    found = ask(staff, caller(), "jira_get_issue", issue(key, project="OPEN"))
    assert not found.allowed
    assert found.errors


@pytest.mark.parametrize("name", ["a\x00b", "\u202eana", "ana\ud800", "a\nb"])
@pytest.mark.parametrize("where", ["subject", "client", "issuer"])
def test_an_identity_with_hidden_characters_is_refused(name: str, where: str) -> None:
    """F29: hostile identifiers of people and assistants."""
    who = caller(name) if where == "subject" else caller(**{where: name})
    found = ask(judge(PERMIT), who, "jira_get_issue", issue())
    assert not found.allowed
    assert found.errors


@pytest.mark.parametrize("name", ['x" || true', "x' or 1=1", "äöü", "a|b", "%7C"])
def test_an_odd_name_is_only_a_name(name: str) -> None:
    """Text that looks like a rule does not become one."""
    rules = PERMIT + rule(
        "not-x", 'forbid (principal == Jira::User::"https://idp.example.com|x", action, resource);'
    )
    assert ask(judge(rules), caller(name), "jira_get_issue", issue()).allowed
    assert not ask(judge(rules), caller("x"), "jira_get_issue", issue()).allowed
