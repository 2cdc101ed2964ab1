"""From answers on single questions to the decision on a call."""

from collections.abc import Sequence
from typing import Any

from gateway.model import Decision, Resource, ToolCall
from gateway.policy.facts import Circumstances
from gateway.policy.judge import Judge, Verdict, refused
from gateway.policy.schema import RESULT
from gateway.policy.subjects import Question, Subject

Facts = dict[str, Any]


def admission(judge: Judge, call: ToolCall, circumstances: Circumstances) -> Decision:
    """The decision on what needs no Jira facts."""
    subject = judge.subjects.subject(call.caller)
    question = judge.subjects.question(subject, call.tool, call.input, circumstances)
    results = None
    if "jqlFields" in call.input:
        results = judge.subjects.question(subject, RESULT, {}, circumstances)
    if question is None:
        return _refusal(judge, subject, refused("no such action"))
    try:
        key = (subject, call.tool, question.input, question.call, results and results.call)
        kept = judge.admissions.get(key)
    except TypeError:
        return _refusal(judge, subject, refused("the input is not plain"))
    if kept is None:
        made = _on_site(judge, question, results) if call.target == "Site" else _beforehand(judge, question)
        kept = made if made.errors else judge.admissions.put(key, made)
    return kept


def _beforehand(judge: Judge, question: Question) -> Decision:
    """Refused when no resource could make it allowed. What is admitted is decided later: no more is said."""
    found = judge.outlook.on_some_resource(question)
    if found.possible:
        return Decision(True, (), judge.bundle.digest)
    asked: Facts = {**question.shown(), "allowed": False, "rules": found.refusing}
    return Decision(
        allowed=False,
        reasons=judge.reasons(found.refusing, found.errors),
        policy=judge.bundle.digest,
        errors=found.errors,
        facts=(question.subject.record, asked),
    )


def _on_site(judge: Judge, question: Question, results: Question | None) -> Decision:
    """The whole decision on a call on the site, with what a search is narrowed to."""
    site = Resource("Site", judge.bundle.site)
    (verdict,) = judge.verdicts(question, [site])
    if not verdict.allowed:
        return _refusal(judge, question.subject, verdict)
    facts: list[Facts] = [{**verdict.asked, "of": [site.id]}]
    narrowing = None
    errors: tuple[str, ...] = ()
    if results is not None:
        search = judge.outlook.search(results)
        narrowing, errors = search.jql, search.errors
        facts.append({"narrowing": narrowing, "inexact": search.inexact})
    return Decision(
        allowed=not errors,
        reasons=judge.reasons([reason.rule for reason in verdict.reasons], errors),
        policy=judge.bundle.digest,
        obligations=verdict.obligations,
        errors=errors,
        narrowing=narrowing,
        facts=(question.subject.record, *facts),
    )


def _refusal(judge: Judge, subject: Subject, verdict: Verdict) -> Decision:
    return Decision(
        allowed=False,
        reasons=verdict.reasons,
        policy=judge.bundle.digest,
        errors=verdict.errors,
        facts=(subject.record, verdict.asked),
    )


def decision(
    judge: Judge, call: ToolCall, resources: Sequence[Resource], circumstances: Circumstances
) -> Decision:
    """The decision on what Jira returned; see `PolicyEngine.decide`."""
    subject = judge.subjects.subject(call.caller)
    others = resources
    own: list[Verdict] = []
    if call.target != "Site":
        if not resources or resources[0].kind != call.target:
            return _refusal(judge, subject, refused("Jira returned no target"))
        question = judge.subjects.question(subject, call.tool, call.input, circumstances)
        own = judge.verdicts(question, resources[:1])
        if not own[0].allowed:
            return _refusal(judge, subject, own[0])
        others = resources[1:]
    issues = [resource for resource in others if resource.kind == "Issue"]
    shown: list[Verdict] = []
    if issues:
        shown = judge.verdicts(judge.subjects.question(subject, RESULT, {}, circumstances), issues)
    allowed = own + [verdict for verdict in shown if verdict.allowed]
    return Decision(
        allowed=True,
        reasons=tuple(dict.fromkeys(reason for verdict in allowed for reason in verdict.reasons)),
        policy=judge.bundle.digest,
        obligations=tuple(dict.fromkeys(promise for verdict in allowed for promise in verdict.obligations)),
        refused=frozenset(r.id for r, verdict in zip(issues, shown, strict=True) if not verdict.allowed),
        facts=(subject.record, *_asked(resources[: len(own)], own), *_asked(issues, shown)),
    )


def _asked(resources: Sequence[Resource], verdicts: Sequence[Verdict]) -> list[Facts]:
    """Each question once, with the resources that it stands for."""
    grouped: dict[int, tuple[Verdict, list[str]]] = {}
    for resource, verdict in zip(resources, verdicts, strict=True):
        grouped.setdefault(id(verdict), (verdict, []))[1].append(resource.id)
    return [{**verdict.asked, "of": ids} for verdict, ids in grouped.values()]
