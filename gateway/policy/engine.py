"""The decision point: one bundle in force, the budgets of writes, and the folder watched for changes.

A changed folder is read, built and tested beside the bundle in force, off the event loop, and put in its
place by one assignment. One that is refused changes nothing but `state()`, which then says `policy_stale`.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gateway import clock, limits
from gateway.errors import ConfigError
from gateway.model import ActionSpec, Caller, Decision, Effect, Reason, Resource, ToolCall
from gateway.policy.bundle import digest_of, snapshot
from gateway.policy.decisions import admission, decision
from gateway.policy.facts import Moment
from gateway.policy.judge import Judge
from gateway.policy.load import proven
from gateway.policy.memo import Memo
from gateway.policy.schema import cedar_schema
from gateway.store.memory import WindowCounter

log = logging.getLogger("gateway.policy")

HOUR = 3600.0


class CedarPolicy:
    """The policy engine over a folder. Raises `ConfigError` when its bundle is not good at start."""

    def __init__(self, folder: Path, actions: Iterable[ActionSpec], *, site: str = "jira") -> None:
        self._folder = folder
        self._actions = list(actions)
        self._site = site
        self._schema = cedar_schema(self._actions)
        self._judge = proven(snapshot(folder), self._actions, site=site)
        self._running: Memo[str, Judge] = Memo(2 * limits.CALLS_AT_ONCE)
        self._writes: WindowCounter[tuple[str, str, str]] = WindowCounter(HOUR)
        self._agent_writes: WindowCounter[str] = WindowCounter(HOUR)
        self._seen = self._refused = ""
        self._stale = ""

    @property
    def digest(self) -> str:
        """`sha256:…` of the bundle in force."""
        return self._judge.bundle.digest

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`)."""
        bundle = self._judge.bundle
        if self._stale:
            return True, f"policy_stale: {self._stale} Still deciding with {bundle.digest}."
        return True, f"{len(bundle.rules)} rules, {bundle.digest}"

    def visible(self, caller: Caller) -> frozenset[str]:
        """Names of the tools that this caller could be allowed to use on some resource."""
        judge = self._judge
        subject = judge.subjects.subject(caller)
        if subject.visible is None:
            subject.visible = frozenset(t.name for t in self._actions if judge.offered(subject, t.name))
        return subject.visible

    def admit(self, call: ToolCall) -> Decision:
        """The decision on what needs no Jira facts. The call keeps this bundle to its end."""
        judge = self._judge
        try:
            found = admission(judge, call, _Now(self, call.caller))
        except Exception as wrong:
            log.exception("an admission failed")
            return _failed(judge.bundle.digest, wrong)
        if found.allowed and call.request.call_id:
            self._running.put(call.request.call_id, judge)
        return found

    def decide(self, call: ToolCall, resources: Sequence[Resource]) -> Decision:
        """The decision on the facts that Jira returned; an allowed write counts at once."""
        judge = self._running.pop(call.request.call_id) or self._judge
        try:
            found = decision(judge, call, resources, _Now(self, call.caller))
        except Exception as wrong:
            log.exception("a decision failed")
            return _failed(judge.bundle.digest, wrong)
        if found.allowed and call.effect is not Effect.READ:
            self._writes.add(call.caller.key)
            self._agent_writes.add(call.caller.client)
        return found

    def circumstance(self, name: str, caller: Caller) -> Any:
        """A fact of `context.call`, now."""
        if name == "writesLastHour":
            return self._writes.count(caller.key)
        if name == "agentWritesLastHour":
            return self._agent_writes.count(caller.client)
        return Moment(clock.wall()).value(name)

    async def watch(self, seconds: float) -> None:
        """Look at the folder every `seconds` until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.look)

    def _snapshot(self) -> dict[str, bytes]:
        """The folder's files. When they cannot be read, what was refused before is looked at anew afterwards."""
        try:
            return snapshot(self._folder)
        except ConfigError:
            self._refused = ""
            raise

    def look(self) -> bool:
        """Look at the folder once; True when another bundle came into force. For one thread at a time.

        A change is taken up when two looks in a row find the same: nothing is read while it is written.
        """
        try:
            files = self._snapshot()
            digest = digest_of(files, self._schema, self._site)
            before, self._seen = self._seen, digest
            if digest == self.digest:
                self._stale = self._refused = ""
            if digest in (self.digest, self._refused) or digest != before:
                return False
            self._refused = digest
            judge = proven(files, self._actions, site=self._site)
        except ConfigError as wrong:
            if self._stale != wrong.problems[0]:
                log.error("policy_stale: %s", "; ".join(wrong.problems))
            self._stale = wrong.problems[0]
            return False
        except Exception:
            log.exception("the changed policy could not be built")
            self._stale = "the changed policy could not be built; see the log."
            return False
        self._judge = judge
        self._stale = self._refused = ""
        log.warning("policy %s is in force", judge.bundle.digest)
        return True


class _Now:
    """The circumstances of a call that is being decided: most rules read none, so none is looked up ahead."""

    __slots__ = ("_caller", "_engine")

    def __init__(self, engine: CedarPolicy, caller: Caller) -> None:
        self._engine = engine
        self._caller = caller

    def value(self, name: str) -> Any:
        return self._engine.circumstance(name, self._caller)


def _failed(digest: str, wrong: Exception) -> Decision:
    reason = Reason("policy_error:engine", "The decision could not be made.")
    return Decision(False, (reason,), digest, errors=(f"policy_error:engine: {type(wrong).__name__}",))
