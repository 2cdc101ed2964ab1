"""From answers on single questions to the decision on a call."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

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
    if question.call and kept.facts:
        who, asked, *more = kept.facts
        return msgspec.structs.replace(
            kept, facts=(who, {**asked, "call": _told(question, circumstances)}, *more)
        )
    return kept


def _told(question: Question, circumstances: Circumstances) -> Facts:
    """The circumstances as they are: an answer is kept under less, but the record is to be replayed."""
    return {name: circumstances.value(name) for name in question.reads.call}


def _beforehand(judge: Judge, question: Question) -> Decision:
    """Refused when no resource could make it allowed. What is admitted is decided later: no more is said."""
    found = judge.outlook.on_some_resource(question)
    if found.possible:
        return Decision(True, (), judge.bundle.digest)
    asked: Facts = {**question.shown(), "allowed": False, "rules": found.refusing}
    return Decision(
        allowed=False,
        reasons=judge.refusals(found),
        policy=judge.bundle.digest,
        errors=found.errors,
        facts=(question.subject.record, asked),
    )


def _on_site(judge: Judge, question: Question, results: Question | None) -> Decision:
    """The whole decision on a call on the site, with what a search is narrowed to."""
    site = Resource("Site", judge.bundle.site)
    verdict = judge.verdict(question, site)
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
    if call.target == "Site":
        return _shown(judge, subject, None, resources, circumstances)
    if not resources or resources[0].kind != call.target:
        return _refusal(judge, subject, refused("Jira returned no target"))
    target = resources[0]
    question = judge.subjects.question(subject, call.tool, call.input, circumstances)
    own = judge.verdict(question, target)
    if question is not None and question.call:
        own = replace(own, asked={**own.asked, "call": _told(question, circumstances)})
    if not own.allowed:
        return _refusal(judge, subject, own)
    decided = Decision(
        allowed=True,
        reasons=own.reasons,
        policy=judge.bundle.digest,
        obligations=own.obligations,
        facts=(subject.record, {**own.asked, "of": [target.id]}),
    )
    if len(resources) == 1:
        return decided
    return _shown(judge, subject, decided, resources[1:], circumstances)


def _shown(
    judge: Judge,
    subject: Subject,
    own: Decision | None,
    resources: Sequence[Resource],
    circumstances: Circumstances,
) -> Decision:
    """The decision with each issue of `resources` decided for itself: a refused one is only left out."""
    issues = [resource for resource in resources if resource.kind == "Issue"]
    verdicts: list[Verdict] = []
    if issues:
        verdicts = judge.verdicts(judge.subjects.question(subject, RESULT, {}, circumstances), issues)
    grouped: dict[int, tuple[Verdict, list[str]]] = {}
    for issue, verdict in zip(issues, verdicts, strict=True):
        grouped.setdefault(id(verdict), (verdict, []))[1].append(issue.id)
    allowed = [verdict for verdict, _ in grouped.values() if verdict.allowed]
    reasons = [*(own.reasons if own else ()), *(r for v in allowed for r in v.reasons)]
    promises = [*(own.obligations if own else ()), *(p for v in allowed for p in v.obligations)]
    asked = [{**verdict.asked, "of": ids} for verdict, ids in grouped.values()]
    return Decision(
        allowed=True,
        reasons=tuple(dict.fromkeys(reasons)),
        policy=judge.bundle.digest,
        obligations=tuple(dict.fromkeys(promises)),
        refused=frozenset(key for v, ids in grouped.values() if not v.allowed for key in ids),
        facts=(*(own.facts if own else (subject.record,)), *asked),
    )
