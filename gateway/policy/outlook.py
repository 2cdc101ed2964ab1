"""What the rules say before anything of Jira is known: what could be allowed, what a search may find."""

from typing import Any

from gateway import limits
from gateway.policy.bundle import Bundle
from gateway.policy.cedar import Json, Partial, unknown
from gateway.policy.facts import ref
from gateway.policy.memo import Memo
from gateway.policy.restriction import Prospect, Residual, Restriction, prospect, restriction
from gateway.policy.schema import RESULT
from gateway.policy.subjects import Known, Question, Subject


class Outlook:
    """Partial evaluation, each answer worked out once for everything that it depends on."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._promises = [rule.id for rule in bundle.rules.values() if rule.obligation]
        self._prospects: Memo[Any, Prospect] = Memo(limits.VERDICTS_CACHED)
        self._restrictions: Memo[Any, Restriction] = Memo(limits.PERSONAS_CACHED)

    def anything(self, subject: Subject, action: str) -> Prospect:
        """Whether the action could be allowed on some resource, with some input, at some time."""
        if subject.known is None:
            return _no_prospect(subject.problem)
        key = (subject.known, action)
        found = self._prospects.get(key)
        if found is None:
            context = {"call": unknown("call"), "input": unknown("input")}
            found = self._prospects.put(key, prospect(*self._partly(subject.known, action, context)))
        return found

    def on_some_resource(self, question: Question) -> Prospect:
        """Whether the action could be allowed on some resource, as it is asked."""
        known = question.subject.known
        if known is None:
            return _no_prospect(question.subject.problem)
        key = (known, question.action, question.input, question.call)
        found = self._prospects.get(key)
        if found is None:
            try:
                context = question.context(self._bundle.actions[question.action].input)
                found = prospect(*self._partly(known, question.action, context))
            except (ValueError, TypeError) as wrong:
                return _no_prospect(str(wrong))
            self._prospects.put(key, found)
        return found

    def search(self, question: Question) -> Restriction:
        """JQL that finds every issue which `question`, one of `issue_in_results`, could allow."""
        known = question.subject.known
        if known is None:
            return Restriction(None, (), (f"policy_error:request: {question.subject.problem}",))
        key = (known, question.call)
        found = self._restrictions.get(key)
        if found is None:
            context = question.context(self._bundle.actions[RESULT].input)
            found = self._restrictions.put(key, restriction(*self._partly(known, RESULT, context)))
        return found

    def _partly(self, known: Known, action: str, context: Json) -> tuple[Partial, Residual]:
        whole = {"agent": ref("Agent", known.persona.client), **context, "discharged": self._promises}
        partial = self._bundle.compiled.ask_partly(
            known.world, f'Jira::User::"{known.persona.id}"', f'Jira::Action::"{action}"', whole
        )
        return partial, Residual(self._bundle.actions[action].target, self._bundle.site)


def _no_prospect(problem: str) -> Prospect:
    return Prospect(False, (), (f"policy_error:request: {problem}",))
