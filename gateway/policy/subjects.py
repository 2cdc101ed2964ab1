"""Who asks, and what they ask, in the form that answers are kept under."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway import limits
from gateway.model import Caller
from gateway.policy.bundle import Bundle
from gateway.policy.cedar import CedarProblem, Json, World
from gateway.policy.directory import Agent
from gateway.policy.facts import (
    Circumstances,
    Persona,
    call_record,
    frozen,
    input_record,
    persona,
    principal_id,
    ref,
    uid,
)
from gateway.policy.memo import Memo
from gateway.policy.reads import Reads


class Known:
    """A persona with its parsed entities. Compared by identity, so that keys stay cheap."""

    __slots__ = ("persona", "world")

    def __init__(self, who: Persona, world: World) -> None:
        self.persona = who
        self.world = world


class Subject:
    """A caller as one bundle knows them. Compared by identity.

    `known` is None for a caller that cannot be decided on, and `problem` says why. `record` is who, for the
    record: the identity, and the facts that the rules read. `visible` are the tools that
    it may be offered, once that is worked out.
    """

    __slots__ = ("known", "problem", "record", "visible")

    def __init__(self, known: Known | None, record: Mapping[str, Any], problem: str = "") -> None:
        self.known = known
        self.record = record
        self.problem = problem
        self.visible: frozenset[str] | None = None


class Question(NamedTuple):
    """What is asked about any resource: an action, its input and circumstances; only what is read of them."""

    subject: Subject
    action: str
    reads: Reads
    input: tuple[Any, ...]
    call: tuple[Any, ...]
    """Counts as `_step` leaves them."""

    def shown(self) -> dict[str, Any]:
        """The question as plain data, for the record."""
        return {
            "action": self.action,
            "input": dict(zip(self.reads.input, self.input, strict=True)),
            "call": dict(zip(self.reads.call, self.call, strict=True)),
        }

    def context(self, schema: Mapping[str, str]) -> Json:
        """Cedar's context but for `discharged`; `schema` is that of the action's input.

        Raises ValueError when a part that must be there is not.
        """
        shown = self.shown()
        return {
            "agent": ref("Agent", self.subject.known.persona.client if self.subject.known else ""),
            "call": call_record(shown["call"]),
            "input": input_record(schema, self.reads, shown["input"]),
        }


class Subjects:
    """The callers that one bundle has met."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._met: Memo[Any, Subject] = Memo(limits.TOKENS_CACHED)
        self._known: Memo[Persona, Known] = Memo(limits.PERSONAS_CACHED)

    def subject(self, caller: Caller) -> Subject:
        """The caller, with the agent that agents.yaml knows."""
        key = (
            caller.issuer, caller.subject, caller.client, caller.assurance, caller.groups,
            caller.amr, caller.acr, caller.auth_time, caller.email, caller.service,
        )  # fmt: skip
        found = self._met.get(key)
        if found is None:
            agent = self._bundle.directory.agent(caller.client)
            found = self._met.put(key, self.introduce(caller, agent))
        return found

    def introduce(self, caller: Caller, agent: Agent) -> Subject:
        """The caller with a given agent. Never raises: see `Subject.problem`."""
        record: dict[str, Any] = {
            "principal": principal_id(caller.issuer, caller.subject),
            "agent": caller.client if caller.client.isprintable() else ascii(caller.client),
        }
        try:
            who = persona(caller, agent, self._bundle.directory, self._bundle.person)
            known = self._known.get(who) or self._known.put(who, Known(who, self._world(who)))
        except (ValueError, CedarProblem) as wrong:
            return Subject(None, record, str(wrong))
        record |= {"groups": who.groups, "facts": dict(who.user), "agentGroups": who.agent_groups}
        return Subject(known, record)

    def _world(self, who: Persona) -> World:
        site = {"uid": uid("Site", self._bundle.site), "attrs": {}, "parents": []}
        return World(self._bundle.schema, [site, *who.entities()])

    def question(
        self, subject: Subject, action: str, given: Mapping[str, Any], call: Circumstances
    ) -> Question | None:
        """What is asked; None for an action that the bundle does not know."""
        reads = self._bundle.reads.get(action)
        if reads is None:
            return None
        inputs = tuple([frozen(given.get(name)) for name in reads.input])
        if not reads.call or subject.known is None:
            return Question(subject, action, reads, inputs, ())
        who = subject.known.persona
        calls = tuple([_step(call.value(name), reads.steps.get(name), who) for name in reads.call])
        return Question(subject, action, reads, inputs, calls)


def _step(value: Any, limits: tuple[int | str, ...] | None, who: Persona) -> Any:
    """A count, or the least count that stands alike to everything that it is compared with.

    A count of writes is another one for each write; without this no answer about a write would be kept.
    """
    if limits is None:
        return value
    budgets = {"writesPerHour": who.writes_per_hour, "ceilingPerHour": who.ceiling_per_hour}
    numbers = [limit if isinstance(limit, int) else budgets[limit] for limit in limits]
    below = max((n for n in numbers if n is not None and 0 <= n <= value), default=None)
    return 0 if below is None else below if below == value else below + 1
