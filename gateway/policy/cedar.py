"""The only door to cedarpy: texts and plain JSON go in, answers in our own words come out.

What Cedar does on its own is not safe enough, so three things are settled here. A rule that fails is
skipped by Cedar, which may then say Allow: an answer with any error is never `allowed`. `NoDecision` is
not Deny: only Allow allows. Entities that are parsed without the schema know no action groups: every
handle is made with it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy
import orjson

Json = Any

_FAILED = re.compile(r"(?:error while evaluating policy|in policy) `([^`]+)`:? ?(.*)", re.DOTALL)


class CedarProblem(Exception):
    """Cedar does not accept a text or an entity; the message is Cedar's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Cedar's answer to one question. `rules` decided it; `errors` are `policy_error:<rule>: <why>`."""

    allowed: bool
    rules: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Partial:
    """What is left of each rule when parts of a question are unknown: rule -> residual, Cedar's JSON."""

    residuals: Mapping[str, Json]
    errors: tuple[str, ...] = ()


def parse_rule(text: str) -> Json:
    """One rule as Cedar's JSON. Raises `CedarProblem`, also for a template and for more than one rule."""
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as wrong:
        raise CedarProblem(str(wrong)) from None
    if parsed["templates"] or len(parsed["staticPolicies"]) != 1:
        raise CedarProblem("templates (`?principal`, `?resource`) are not used here; write the rule out")
    return next(iter(parsed["staticPolicies"].values()))


class Schema:
    """A parsed vocabulary. Raises `CedarProblem`."""

    def __init__(self, text: str) -> None:
        try:
            self.handle = cedarpy.Schema.from_str(text, release_gil=True)
        except ValueError as wrong:
            raise CedarProblem(str(wrong)) from None

    def faults(self, rules: Sequence[str]) -> list[tuple[int, str]]:
        """What strict validation refuses: (index into `rules`, Cedar's words)."""
        found = cedarpy.validate_policies("\n".join(rules), self.handle, release_gil=True)
        faults = [(_index(e.policy_id), re.sub(r"^for policy `\w+`[,:] ", "", e.error)) for e in found.errors]
        if not found.validation_passed and not faults:
            faults = [(0, "the rules do not pass validation")]
        return faults


def _index(policy_id: str) -> int:
    return int(policy_id.removeprefix("policy")) if re.fullmatch(r"policy[0-9]+", policy_id) else 0


class World:
    """A set of entities, made with the schema. Raises `CedarProblem` when one does not conform."""

    __slots__ = ("_entities", "_schema")

    def __init__(self, schema: Schema, entities: Sequence[Json], *, beyond: "World | None" = None) -> None:
        self._schema = schema
        try:
            text = orjson.dumps(entities).decode()
            if beyond is None:
                self._entities = cedarpy.Entities.from_json_str(text, schema.handle)
            else:
                self._entities = beyond._entities.with_added_json_str(text, schema.handle)
        except (ValueError, TypeError) as wrong:
            raise CedarProblem(str(wrong)) from None

    def plus(self, entities: Sequence[Json]) -> "World":
        """This world and some more entities."""
        return World(self._schema, entities, beyond=self)

    @property
    def handle(self) -> Any:
        """What cedarpy takes."""
        return self._entities


class Rules:
    """A parsed set of rules, each under its own id, with the schema that every question is held to."""

    def __init__(self, schema: Schema, rules: Mapping[str, Json]) -> None:
        text = json.dumps({"staticPolicies": dict(rules), "templates": {}, "templateLinks": []})
        self.schema = schema
        try:
            self._set = cedarpy.PolicySet.from_json_str(text, release_gil=True)
        except ValueError as wrong:
            raise CedarProblem(str(wrong)) from None

    def ask(self, world: World, questions: Sequence[Json]) -> list[Answer]:
        """One answer for each question; never raises, because a question that fails is refused.

        A question is `{"principal", "action", "resource", "context"}`: three `{"type", "id"}` and a record.
        """
        try:
            asked = [{**q, "context": orjson.dumps(q["context"]).decode()} for q in questions]
            results = cedarpy.is_authorized_batch(asked, self._set, world.handle, self.schema.handle)
            return [_answer(result) for result in results]
        except (ValueError, TypeError, KeyError) as wrong:
            return [Answer(False, (), (f"policy_error:request: {wrong}",))] * len(questions)

    def ask_partly(self, world: World, principal: str, action: str, context: Json) -> Partial:
        """What remains of each rule while the resource, and what `unknown` marks in `context`, is unknown.

        `principal` and `action` are Cedar texts such as `Jira::User::"x"`. Never raises.
        """
        try:
            found = cedarpy.is_authorized_partial(
                {"principal": principal, "action": action, "context": orjson.dumps(context).decode()},
                self._set,
                world.handle,
            )
        except (ValueError, TypeError) as wrong:
            return Partial({}, (f"policy_error:request: {wrong}",))
        errors = tuple(_error(text) for text in found.diagnostics.errors)
        if not found.residuals and not errors:
            errors = ("policy_error:request: partial evaluation gave no answer",)
        return Partial(found.residuals, errors)


def unknown(name: str) -> Json:
    """A value of a context that partial evaluation leaves open."""
    return {"__extn": {"fn": "unknown", "arg": name}}


def _answer(result: cedarpy.AuthzResult) -> Answer:
    errors = tuple(_error(text) for text in result.diagnostics.errors)
    said_allow = result.decision is cedarpy.Decision.Allow
    if result.decision is cedarpy.Decision.NoDecision and not errors:
        errors = ("policy_error:request: Cedar gave no decision",)
    if said_allow and errors:
        return Answer(False, (), errors)
    return Answer(said_allow, tuple(sorted(result.diagnostics.reasons)), errors)


def _error(text: str) -> str:
    found = _FAILED.search(text)
    return f"policy_error:{found[1]}: {found[2]}" if found else f"policy_error:request: {text}"
