"""A rule that another sign-in would satisfy asks for that sign-in (RFC 9470)."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway import clock
from gateway.errors import ConfigError, Denied, StepUpRequired
from gateway.policy.engine import CedarPolicy
from tests.policy.actions import TOOLS
from tests.policy.making import STAFF, call, caller, files, issue, rule

MFA = """
@id("mfa-to-write")
@reason("Changes need a second factor.")
@step_up("urn:corp:mfa phr")
forbid (principal, action in Jira::Action::"write", resource)
unless { principal.mfa };
"""
FRESH = """
@id("fresh-to-comment")
@reason("Comments need a sign-in of the last 15 minutes.")
@step_up("urn:corp:mfa")
@max_age("900")
forbid (principal, action == Jira::Action::"jira_comment", resource)
unless {
  principal has authTime &&
  context.call.now.durationSince(principal.authTime) <= duration("15m")
};
"""
CASES = """
people: {default: {groups: [staff]}}
assistants: {default: {}}
issues: {}
inputs: {}
cases:
  - {name: staff read, tool: jira_whoami, expect: {decision: allow}}
"""


def policy(folder: Path, *rules: str) -> CedarPolicy:
    """An engine on these rules."""
    (folder / "tests").mkdir()
    for name, content in files("\n".join(rules), **{"tests/small.yaml": CASES}).items():
        (folder / name).write_bytes(content)
    return CedarPolicy(folder, TOOLS)


def test_a_second_factor_is_asked_for_and_then_does(tmp_path: Path) -> None:
    """The refusal names the classes of which one would do; with the factor the call goes on."""
    engine = policy(tmp_path, STAFF, MFA)
    weak = caller("ana", "staff")
    refused = engine.admit(call(weak, "jira_comment", fields=["body"]))
    with pytest.raises(StepUpRequired) as asked:
        refused.enforce()
    assert asked.value.acr_values == ("urn:corp:mfa", "phr")
    assert asked.value.max_age is None and asked.value.rules == ("mfa-to-write",)
    assert asked.value.code == "insufficient_user_authentication"
    strong = replace(weak, amr=frozenset({"pwd", "otp"}))
    assert engine.admit(call(strong, "jira_comment", fields=["body"])).allowed
    assert engine.decide(call(strong, "jira_comment", fields=["body"]), [issue()]).allowed


def test_the_youngest_age_and_every_class_are_asked_for_together(tmp_path: Path) -> None:
    """Two rules that both want another sign-in make one challenge."""
    engine = policy(tmp_path, STAFF, MFA, FRESH)
    old = replace(caller("ana", "staff"), auth_time=clock.wall() - 3600)
    with pytest.raises(StepUpRequired) as asked:
        engine.admit(call(old, "jira_comment", fields=["body"])).enforce()
    assert set(asked.value.acr_values) == {"urn:corp:mfa", "phr"} and asked.value.max_age == 900


def test_a_refusal_that_no_sign_in_would_lift_stays_one(tmp_path: Path) -> None:
    """Beside a plain forbid nobody is sent to sign in for nothing."""
    plain = rule("no-writes", 'forbid (principal, action in Jira::Action::"write", resource);')
    engine = policy(tmp_path, STAFF, MFA, plain)
    with pytest.raises(Denied) as denied:
        engine.admit(call(caller("ana", "staff"), "jira_comment", fields=["body"])).enforce()
    assert set(denied.value.rules) == {"mfa-to-write", "no-writes"}


def test_nobody_is_asked_to_sign_in_for_what_is_not_theirs_anyway(tmp_path: Path) -> None:
    """Without a permit the answer is no, and not a detour through a second factor."""
    engine = policy(tmp_path, STAFF, MFA)
    with pytest.raises(Denied):
        engine.admit(call(caller("mallory", "nobody"), "jira_comment", fields=["body"])).enforce()


def test_tools_behind_a_step_up_stay_on_the_list(tmp_path: Path) -> None:
    """The assistant must be able to call what a second factor would allow; what nothing allows is not shown."""
    engine = policy(tmp_path, STAFF, MFA)
    assert "jira_comment" in engine.visible(caller("ana", "staff"))
    assert engine.visible(caller("mallory", "nobody")) == frozenset()


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        ('@step_up("")', "1 to 10 values of acr"),
        ('@step_up("a  b")', "1 to 10 values of acr"),
        ('@max_age("0")', "number of seconds"),
        ('@max_age("soon")', "number of seconds"),
    ],
)
def test_a_careless_annotation_is_refused(tmp_path: Path, notes: str, told: str) -> None:
    """With the file and the line, when the bundle is loaded."""
    text = (
        f'@id("x")\n@reason("No.")\n{notes}\nforbid (principal, action, resource) unless {{ principal.mfa }};'
    )
    with pytest.raises(ConfigError) as wrong:
        policy(tmp_path, STAFF, text)
    assert told in str(wrong.value)


def test_a_step_up_stands_on_a_forbid_alone(tmp_path: Path) -> None:
    """On a permit it would mean nothing."""
    text = MFA.replace("forbid", "permit").replace("unless", "when")
    with pytest.raises(ConfigError) as wrong:
        policy(tmp_path, STAFF, text)
    assert "stand on a forbid" in str(wrong.value)
