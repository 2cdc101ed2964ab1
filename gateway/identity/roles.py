"""What a provider's groups mean here: groups in, roles out, and for each role the rule that gave it.

Only what a rule names gives something; without rules nothing does. A table belongs to one issuer, so
groups of the same name at two providers never meet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway import limits
from gateway.settings.identity import RoleRule


class RoleTable:
    """The `roles` of one issuer."""

    def __init__(self, rules: Sequence[RoleRule] = ()) -> None:
        self.rules = tuple(rules)
        self._exact: dict[str, list[RoleRule]] = {}
        for rule in self.rules:
            if rule.match == "exact":
                self._exact.setdefault(rule.group, []).append(rule)
        self._patterns = [rule for rule in self.rules if rule.match != "exact"]
        self.given = lru_cache(limits.GROUPS_CACHED)(self._given)
        """The rules that a group fulfils."""

    def roles(self, groups: Iterable[str]) -> frozenset[str]:
        """What the groups give together."""
        return frozenset(rule.role for group in groups for rule in self.given(group))

    def _given(self, group: str) -> tuple[RoleRule, ...]:
        fitting = (rule for rule in self._patterns if rule.gives(group))
        return (*self._exact.get(group, ()), *fitting)


@dataclass(frozen=True, slots=True)
class Sent:
    """The groups that a token says."""

    names: frozenset[str] = frozenset()
    problem: str = ""
    """Why they could not be read; then nobody gets a role by them."""
    left_out: str = ""
    """How the token says, or shows, that they must be asked for elsewhere."""
    missing: bool = False
    """Whether it says nothing of groups at all."""


def sent_groups(claims: Mapping[str, Any], path: Sequence[str]) -> Sent:
    """The groups under `path` of verified claims. A form that is not known gives none: a role is never guessed."""
    if not path:
        return Sent()
    elsewhere = claims.get("_claim_names", {})
    if not isinstance(elsewhere, dict):
        return Sent(left_out="_claim_names is not an object")
    if path[0] in elsewhere:
        return Sent(left_out=f"_claim_names tells of {path[0]}")
    if "hasgroups" in claims:
        return Sent(left_out="hasgroups")
    found: Any = claims
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if found is None:
        return Sent(missing=True)
    return _listed(found)


def _listed(found: Any) -> Sent:
    if not isinstance(found, list):
        return Sent(problem=f"a {type(found).__name__}, not a list of names")
    if len(found) > limits.GROUPS_READ:
        return Sent(left_out=f"more than {limits.GROUPS_READ} groups")
    wrong = next((one for one in found if not is_name(one)), None)
    if wrong is not None:
        return Sent(problem="one of the names is not a short, printable text")
    return Sent(names=frozenset(found))


def is_name(value: Any) -> bool:
    """Printable, so that no control character, direction mark or lone surrogate gets into a decision."""
    return isinstance(value, str) and 0 < len(value) <= limits.CLAIM_CHARS and value.isprintable()
