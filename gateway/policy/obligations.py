"""Obligations: forbids that stand until the gateway promises to do something about them.

    @obligation("redact_fields") forbid (…) unless { context.discharged.contains("<this rule>") };

Ask with nothing promised. When every forbid that stands is one that the gateway can discharge, ask again
with those promised, and only an Allow then counts. A gateway that cannot keep the promise stays refused, and
no new permit can ever drop one. Whoever acts on the Allow must do what was promised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.model import Obligation
from gateway.policy.cedar import Answer
from gateway.policy.rules import Rule

Ask = Callable[[Sequence[tuple[int, tuple[str, ...]]]], list[Answer]]
"""Answers to questions, each given by its index and the ids of the obligations promised in it."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The final answer to one question, and the ids of the obligations that it rests on."""

    answer: Answer
    promised: tuple[str, ...] = ()


def settle(rules: Mapping[str, Rule], count: int, ask: Ask) -> list[Settled]:
    """The final answers to `count` questions."""
    first = ask([(index, ()) for index in range(count)])
    settled = [Settled(_hard(answer, rules)) for answer in first]
    again = [(i, answer.rules) for i, answer in enumerate(first) if _dischargeable(answer, rules)]
    for (index, promised), answer in zip(again, ask(again) if again else [], strict=True):
        settled[index] = Settled(answer, promised if answer.allowed else ())
    return settled


def _dischargeable(answer: Answer, rules: Mapping[str, Rule]) -> bool:
    """Refused, without error, by obligations alone."""
    standing = [rules[rule].obligation for rule in answer.rules]
    return not answer.allowed and not answer.errors and bool(standing) and None not in standing


def _hard(answer: Answer, rules: Mapping[str, Rule]) -> Answer:
    """A refusal names the rules that no promise would have helped against."""
    hard = tuple(rule for rule in answer.rules if rules[rule].obligation is None)
    return answer if answer.allowed else Answer(False, hard, answer.errors)


def obligation_of(rule: Rule) -> Obligation:
    """What the gateway promised for a standing rule."""
    return Obligation(rule.id, rule.obligation or "", rule.fields, rule.maximum)
