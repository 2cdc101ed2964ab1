"""One bundle's answers, each worked out once.

The key of a kept answer holds everything that the rules read of a question, and Cedar is told nothing but
what is in the key, so an answer is never given to other facts. Issues on one page that the rules cannot
tell apart share one answer; the others go to Cedar together.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import limits
from gateway.model import Decision, Obligation, Reason, Resource
from gateway.policy.bundle import Bundle
from gateway.policy.cedar import Answer, CedarProblem, Json, World
from gateway.policy.facts import resource_entities, resource_key, uid
from gateway.policy.memo import Memo
from gateway.policy.obligations import Settled, obligation_of, settle
from gateway.policy.outlook import Outlook
from gateway.policy.restriction import Prospect
from gateway.policy.subjects import Known, Question, Subject, Subjects

log = logging.getLogger("gateway.policy")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question, obligations settled. `asked` is the question, for the record."""

    allowed: bool
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    errors: tuple[str, ...]
    asked: Mapping[str, Any]


class Judge:
    """Decides with one bundle. Never raises: what cannot be asked is refused."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.subjects = Subjects(bundle)
        self.outlook = Outlook(bundle)
        self.admissions: Memo[Any, Decision] = Memo(limits.VERDICTS_CACHED)
        self._verdicts: Memo[Any, Verdict] = Memo(limits.VERDICTS_CACHED)

    def offered(self, subject: Subject, action: str) -> bool:
        """Whether the action could be allowed on something, perhaps after another sign-in."""
        found = self.outlook.anything(subject, action)
        refusing = [self.bundle.rules[rule] for rule in found.refusing]
        return found.possible or (found.permitted and all(rule.step_up for rule in refusing))

    def verdict(self, question: Question | None, resource: Resource) -> Verdict:
        """The answer on one resource."""
        return self.verdicts(question, (resource,))[0]

    def verdicts(self, question: Question | None, resources: Sequence[Resource]) -> list[Verdict]:
        """The answers on each resource, in order. No question is one about an action that does not exist."""
        if question is None or question.subject.known is None:
            problem = "no such action" if question is None else question.subject.problem
            return [refused(problem)] * len(resources)
        known = question.subject.known
        found: dict[Any, Verdict] = {}
        missed: dict[Any, Resource] = {}
        keys = [_read(resource, question) for resource in resources]
        for key, resource in zip(keys, resources, strict=True):
            if key in found or key in missed:
                continue
            kept = (
                refused(key)
                if isinstance(key, str)
                else self._verdicts.get((known, question.action, question.input, question.call, key))
            )
            if kept is None:
                missed[key] = resource
            else:
                found[key] = kept
        if missed:
            found |= self._decided(known, question, missed)
        return [found[key] for key in keys]

    def _decided(
        self, known: Known, question: Question, missed: Mapping[Any, Resource]
    ) -> dict[Any, Verdict]:
        """Cedar's answers to the questions that were not asked before. A failure is not kept."""
        found = dict(zip(missed, self._fresh(known, question, list(missed.values())), strict=True))
        for key, verdict in found.items():
            if verdict.errors:
                log.error("%s (%s)", "; ".join(verdict.errors), question.action)
            else:
                self._verdicts.put((known, question.action, question.input, question.call, key), verdict)
        return found

    def _fresh(self, known: Known, question: Question, resources: list[Resource]) -> list[Verdict]:
        try:
            told = [resource_entities(r, question.reads, self.bundle.site) for r in resources]
            world = known.world.plus(_together(told))
            context = question.context(self.bundle.actions[question.action].input)
        except (ValueError, TypeError, CedarProblem) as wrong:
            if len(resources) == 1:
                return [refused(str(wrong))]
            # One resource that Cedar cannot take must not decide for the others.
            return [self._fresh(known, question, [resource])[0] for resource in resources]
        return self._asked(known, question, resources, world, context)

    def _asked(
        self, known: Known, question: Question, resources: list[Resource], world: World, context: Json
    ) -> list[Verdict]:
        principal, action = uid("User", known.persona.id), uid("Action", question.action)

        def ask(questions: Sequence[tuple[int, tuple[str, ...]]]) -> list[Answer]:
            requests = [
                {
                    "principal": principal,
                    "action": action,
                    "resource": self._uid(resources[index]),
                    "context": {**context, "discharged": promised},
                }
                for index, promised in questions
            ]
            return self.bundle.compiled.ask(world, requests)

        settled = settle(self.bundle.rules, len(resources), ask)
        return [self._verdict(question, r, s) for r, s in zip(resources, settled, strict=True)]

    def _uid(self, resource: Resource) -> Json:
        return uid(resource.kind, self.bundle.site if resource.kind == "Site" else resource.id)

    def _verdict(self, question: Question, resource: Resource, settled: Settled) -> Verdict:
        answer, rules = settled.answer, self.bundle.rules
        read = ("project", "projectCategory", "category", *question.reads.resource)
        asked = {
            **question.shown(),
            "kind": resource.kind,
            "facts": {name: resource.facts[name] for name in read if name in resource.facts},
            "discharged": settled.promised,
            "allowed": answer.allowed,
            "rules": answer.rules,
        }
        return Verdict(
            allowed=answer.allowed,
            reasons=self.reasons(answer.rules, answer.errors),
            obligations=tuple(obligation_of(rules[rule]) for rule in settled.promised),
            errors=answer.errors,
            asked=asked,
        )

    def refusals(self, found: Prospect) -> tuple[Reason, ...]:
        """Why nothing is possible; nobody is asked to sign in again for what no rule would permit then."""
        named = self.reasons(found.refusing, found.errors)
        return named if found.permitted else tuple(Reason(r.rule, r.text, r.where) for r in named)

    def reasons(self, rules: Sequence[str], errors: Sequence[str] = ()) -> tuple[Reason, ...]:
        """The rules by name, public reason and place; one that failed as `policy_error:<rule>`."""
        named = [
            Reason(r.id, r.reason, r.where, r.step_up) for r in (self.bundle.rules[rule] for rule in rules)
        ]
        for error in errors:
            # `policy_error:<rule>: <why>`
            failed = error.split(":", 2)[1]
            rule = self.bundle.rules.get(failed)
            text = "A policy rule failed." if rule else "The facts of this call cannot be decided on."
            named.append(Reason(f"policy_error:{failed}", text, rule.where if rule else ""))
        return tuple(named)


def _read(resource: Resource, question: Question) -> tuple[Any, ...] | str:
    """What the answer depends on besides the question; a text says why there can be none."""
    try:
        key = resource_key(resource, question.reads)
        hash(key)
    except (ValueError, TypeError) as wrong:
        return str(wrong)
    return key


def refused(problem: str) -> Verdict:
    """The answer to what cannot be asked."""
    reason = Reason("policy_error:request", "The facts of this call cannot be decided on.")
    error = f"policy_error:request: {problem}"
    return Verdict(False, (reason,), (), (error,), {"allowed": False, "error": problem})


def _together(told: Sequence[Sequence[Json]]) -> list[Json]:
    """The entities of several resources, each once. Raises ValueError when two accounts of one differ."""
    found: dict[tuple[str, str], Json] = {}
    for entity in (entity for entities in told for entity in entities):
        key = (entity["uid"]["type"], entity["uid"]["id"])
        if found.setdefault(key, entity) != entity:
            raise ValueError("two accounts of one resource differ")
    return list(found.values())
