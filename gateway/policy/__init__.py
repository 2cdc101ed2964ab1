"""May they: Cedar decisions on who, with which assistant, does what, to which thing in Jira.

The stage never raises for a bad policy or bad facts: an error is a deny with `errors` filled.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.model import Caller, Decision, Resource, ToolCall


class PolicyEngine(Protocol):
    """The decision point (NIST SP 800-207)."""

    @property
    def digest(self) -> str:
        """`sha256:…` of the bundle in force."""

    def visible(self, caller: Caller) -> frozenset[str]:
        """Names of the tools that this caller could be allowed to use on some resource."""

    def admit(self, call: ToolCall) -> Decision:
        """The decision on what needs no Jira facts. For a call on a `Site` it is the whole decision on the
        call itself, with `narrowing` (JQL) and caps; for others it refuses what no fact could allow."""

    def decide(self, call: ToolCall, resources: Sequence[Resource]) -> Decision:
        """The decision on the facts that Jira returned.

        For a call whose target is an `Issue` or `Project`, the first resource is the target, decided
        with the tool's own action; the others (links, parent, sub-tasks) are decided with
        `issue_in_results` and end up in `refused` when they may not be shown. For a call on a `Site`
        every `Issue` is decided with `issue_in_results`.
        An allowed WRITE or DESTROY counts against the write budget at once.
        """

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`)."""
