"""One call's way into the record: whatever happens to a call, its trail is durable before its answer.

    async with recorder.trail(request) as trail:
        trail.caller(…); trail.call(…); trail.granted(…); trail.looked(…)
        await trail.commit(decision)        # durable, or Sealed and nothing happens
        …                                   # the effect
        return await trail.release(result)  # for a write durable once more, or Sealed and nothing is told

What is written, and when:

| the call                                    | records                                             |
| ------------------------------------------- | --------------------------------------------------- |
| fails before anybody is known               | counted; one record a minute for all of them        |
| fails or is refused before `commit`         | `call` with the error's code                        |
| is cancelled before `commit`                | `call`, outcome `cancelled`; nothing is released    |
| is refused by the committed decision        | `call`, outcome `denied`, or the code of a step-up  |
| is a read                                   | `call`, outcome `answered`, before its release      |
| is a write                                  | `call.decision` before, `call.outcome` after        |
| fails or is cancelled after an allowed commit | `call.outcome`, cancellation or not               |

Cancellation needs no shield: a log has taken a record over before it first lets go of the event loop.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self, TypeVar

from gateway import clock, limits
from gateway.audit import AuditLog, record
from gateway.audit.strangers import Strangers
from gateway.audit.visits import Visits
from gateway.errors import GatewayError, Sealed
from gateway.model import Caller, Decision, Effect, Grant, Resource, ToolCall, ToolRequest

T = TypeVar("T")


class _Stage(Enum):
    OPEN = auto()
    COMMITTING = auto()
    COMMITTED = auto()
    RELEASED = auto()


class Trail:
    """See the module. Made by `Recorder.trail`; used by one task."""

    def __init__(self, recorder: "Recorder", request: ToolRequest, site: str = "") -> None:
        self._recorder = recorder
        self._began = clock.mono()
        self.id = request.call_id or secrets.token_hex(8)
        self._told = record.of_request(request, self.id)
        if site:
            self._told["site"] = site
        self._request = request
        self._known = False
        self._call: ToolCall | None = None
        self._stage = _Stage.OPEN
        self._allowed = False

    # what becomes known on the way

    def caller(self, caller: Caller) -> None:
        """Who calls."""
        self._known = True
        self._told |= record.of_caller(caller)
        session, idle = self._recorder.visits.seen(caller)
        self._told["session"] = session
        if idle is not None:
            self._told["idle"] = idle

    def call(self, call: ToolCall) -> None:
        """What they ask."""
        self._call = call
        self._told |= record.of_call(call, self._recorder.key)

    def admitted(self, decision: Decision) -> None:
        """What was decided without facts; in the record should the call end before `commit`."""
        self._told |= record.of_decision(decision)

    def granted(self, grant: Grant) -> None:
        """With which credential."""
        self._told |= record.of_grant(grant)

    def looked(self, resources: Sequence[Resource]) -> None:
        """What Jira returned, before it is decided on."""
        self._told |= record.of_resources(resources, self._call.target if self._call else "")

    def jira(self, status: int, request_id: str = "") -> None:
        """How Jira answered, and the id under which Jira's own logs know the request."""
        self._told["jira"] = {"status": status, "request": request_id}

    # what must be durable

    async def commit(self, decision: Decision) -> None:
        """Make the decision durable. Raises `Sealed`: then nothing may happen and nothing be released."""
        if self._call is None or self._stage is not _Stage.OPEN:
            raise RuntimeError("a decision is committed once, after its call is known")
        told = record.of_decision(decision)
        self._allowed = told["allowed"]
        self._stage = _Stage.COMMITTING
        if not self._allowed:
            await self._append(record.CALL, **told, outcome=_refusal(decision))
        elif self._writes:
            await self._append(record.DECISION, **told)
        else:
            await self._append(record.CALL, **told, outcome="answered")
        self._stage = _Stage.COMMITTED

    async def release(self, result: T, *, redactions: int | None = None) -> T:
        """`result`, once the record says what became of a write. Raises `Sealed`.

        `redactions` is how many values were taken out. A read's record is older than its answer's last
        form and names the redacted fields instead.
        """
        if self._stage is not _Stage.COMMITTED or not self._allowed:
            raise RuntimeError("nothing is released before a decision that allows it is durable")
        self._stage = _Stage.RELEASED
        if self._writes:
            counted = {} if redactions is None else {"redacted": redactions}
            await self._ended(outcome="done", happened=True, **counted)
        return result

    async def __aenter__(self) -> Self:
        self._recorder.log.check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stage is _Stage.RELEASED:
            return
        if self._stage is _Stage.OPEN:
            await self._refused(error)
        elif self._allowed:
            await self._failed(error or RuntimeError("left without a release"))

    async def _refused(self, error: BaseException | None) -> None:
        """Ended before a decision was committed."""
        if not self._known:
            if isinstance(error, Exception):
                self._recorder.strangers.count(self._request.source, getattr(error, "code", "internal_error"))
            return
        told: dict[str, Any] = {"allowed": False, **record.of_error(error or RuntimeError("left early"))}
        if self._call is None:
            told["arguments"] = record.of_text(self._request.arguments, self._recorder.key)
        if isinstance(error, Exception):
            await self._append(record.CALL, **told)
        else:
            with suppress(Sealed):  # a cancellation goes on as one, and nothing was or will be released
                await self._append(record.CALL, **told)

    async def _failed(self, error: BaseException) -> None:
        """Ended after an allowed decision was, or may have been, committed."""
        told = record.of_error(error)
        if self._writes:
            # Cancelled while the decision was being written: the effect had not begun.
            told["happened"] = record.happened(error) if self._stage is _Stage.COMMITTED else False
        if isinstance(error, Exception):
            await self._ended(**told)
        else:
            with suppress(Sealed):  # a cancellation goes on as one; the call stays in doubt
                await self._ended(**told)

    @property
    def _writes(self) -> bool:
        return self._call is not None and self._call.effect is not Effect.READ

    async def _append(self, kind: str, **fields: Any) -> None:
        await self._recorder.log.append(
            {"kind": kind, **self._told, **fields, "gateway": self._recorder.version, **self._latency()}
        )

    async def _ended(self, **fields: Any) -> None:
        """The second record: short, since the first one told the rest."""
        known = {
            k: self._told[k] for k in ("issuer", "subject", "client", "tool", "resource") if k in self._told
        }
        jira = {"jira": self._told["jira"]} if "jira" in self._told else {}
        told = record.event(record.OUTCOME, id=self.id, **known, **(jira | fields))
        await self._recorder.log.append({**told, **self._latency()})

    def _latency(self) -> Mapping[str, float]:
        return {"latency_ms": round((clock.mono() - self._began) * 1000, 3)}


def _refusal(decision: Decision) -> str:
    """The code with which it refuses: what the caller is told is what is on record."""
    try:
        decision.enforce()
    except GatewayError as refused:
        return refused.code
    raise RuntimeError("a decision that allows refuses nothing")


class SiteRecorder:
    """Opens trails that say at which site the call is."""

    def __init__(self, recorder: "Recorder", site: str) -> None:
        self._recorder = recorder
        self._site = site

    def trail(self, request: ToolRequest) -> Trail:
        """The trail of one call at this site."""
        return Trail(self._recorder, request, self._site)

    def stranger(self, source: str, code: str) -> None:
        """Count one failed authentication from `source`."""
        self._recorder.stranger(source, code)


class Recorder:
    """Opens trails, records events, and tells of strangers. `key` makes the digests of free text."""

    def __init__(
        self, log: AuditLog, *, version: str, key: bytes, strangers_seconds: float = limits.STRANGERS_SECONDS
    ) -> None:
        if len(key) < 32:
            raise ValueError("the digest key needs at least 32 bytes")
        self.log = log
        self.version = version
        self.key = key
        self.strangers = Strangers()
        self.visits = Visits()
        self._seconds = strangers_seconds
        self._minutes: asyncio.Task[None] | None = None

    def trail(self, request: ToolRequest) -> Trail:
        """The trail of one call; entering it raises `Sealed` while the log is sealed."""
        return Trail(self, request)

    def at(self, site: str) -> "SiteRecorder":
        """The same record, for the calls at one site."""
        return SiteRecorder(self, site)

    def stranger(self, source: str, code: str) -> None:
        """Count one failed authentication from `source`; it is told once a minute with the others."""
        self.strangers.count(source, code)

    async def event(self, kind: str, **fields: Any) -> None:
        """Record something about the gateway itself, such as `policy.loaded`. Raises `Sealed`."""
        await self.log.append(record.event(kind, **fields, gateway=self.version))

    def state(self) -> tuple[bool, str]:
        """(ready, one line for `/readyz`)."""
        return self.log.state()

    async def start(self) -> None:
        """Open the log. Raises `Sealed` when it cannot be written."""
        await self.log.start()
        try:
            await self.event("gateway.started")
        except BaseException:
            await self.log.stop()
            raise
        self._minutes = asyncio.create_task(self._every_minute())

    async def stop(self) -> None:
        """Tell of the last strangers, sign and close. Safe to call twice."""
        if self._minutes is not None:
            self._minutes.cancel()
            await asyncio.wait([self._minutes])
            self._minutes = None
            await self._flush()
            with suppress(Sealed):
                await self.event("gateway.stopped")
        await self.log.stop()

    async def _every_minute(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self._flush()

    async def _flush(self) -> None:
        if not self.strangers:
            self.strangers = Strangers()
            return
        taken, self.strangers = self.strangers, Strangers()
        try:
            await self.log.append(taken.told())
        except Sealed:
            taken.add(self.strangers)
            self.strangers = taken
