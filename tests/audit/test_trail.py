"""Every way that a call can end, and what the record says of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, limits
from gateway.audit import record
from gateway.audit.log import SqliteAuditLog
from gateway.audit.trail import Recorder, Trail
from gateway.audit.verify import verify
from gateway.errors import (
    ConsentRequired,
    Denied,
    GatewayError,
    InvalidCall,
    JiraRefused,
    OutcomeUnknown,
    Sealed,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    UnknownTool,
)
from gateway.model import Decision, Effect, Reason, StepUp, ToolRequest
from tests.audit.world import (
    BODY,
    ISSUE,
    JIRA_TOKEN,
    KEY,
    SUBJECT_TOKEN,
    call,
    caller,
    decision,
    grant,
    month_file,
    of_kind,
    request,
    told,
)

CALLS = (record.CALL, record.DECISION, record.OUTCOME)


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[Recorder]:
    """A recorder on a real log."""
    made = Recorder(SqliteAuditLog(tmp_path, tmp_path / "audit.key"), version="1.2.3", key=KEY)
    await made.start()
    yield made
    await made.stop()


class Memory:
    """An `AuditLog` in memory that can fail or wait at the N-th append."""

    def __init__(self, *, fail_at: int = 0, slow: bool = False) -> None:
        self.records: list[Mapping[str, Any]] = []
        self.fail_at = fail_at
        self.slow = slow
        self.sealed = False

    async def append(self, told: Mapping[str, Any]) -> int:
        self.check()
        if len(self.records) + 1 == self.fail_at:
            self.sealed = True
            self.check()
        self.records.append(told)  # as in the real log: what was handed over is not taken back
        for _ in range(3 if self.slow else 0):
            await asyncio.sleep(0)
        return len(self.records) - 1

    def check(self) -> None:
        if self.sealed:
            raise Sealed("disk full")

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def state(self) -> tuple[bool, str]:
        return not self.sealed, ""


async def line(
    recorder: Recorder,
    effect: Effect,
    act: Callable[[Trail], Awaitable[str]],
    *,
    allowed: bool = True,
    of: ToolRequest | None = None,
) -> str:
    """The line as the pipeline walks it, with `act` for the effect."""
    async with recorder.trail(of or request()) as trail:
        trail.caller(caller())
        trail.call(call(effect, of))
        trail.admitted(decision())
        trail.granted(grant())
        trail.looked((ISSUE,))
        made = decision(allowed)
        await trail.commit(made)
        made.enforce()
        return await trail.release(await act(trail), redactions=2)


async def done(_: Trail) -> str:
    """An effect that succeeds."""
    return "result"


def raising(error: BaseException) -> Callable[[Trail], Awaitable[str]]:
    """An effect that fails."""

    async def act(_: Trail) -> str:
        raise error

    return act


async def test_a_read_leaves_one_record(tmp_path: Path, recorder: Recorder) -> None:
    """Decision and outcome in one, durable before the release, with a field for each auditor's question."""
    seen: list[Any] = []

    async def act(_: Trail) -> str:
        seen.extend(of_kind(tmp_path, *CALLS))
        return "result"

    assert await line(recorder, Effect.READ, act) == "result"
    (found,) = of_kind(tmp_path, *CALLS)
    assert [found] == seen
    assert found["outcome"] == "answered" and found["allowed"] is True and found["kind"] == "call"
    assert (found["issuer"], found["subject"], found["actor"]) == ("https://idp.test", "ana", "agent-7")
    assert (found["client"], found["assurance"], found["token"]) == ("claude-code", "asserted", "jti-1")
    assert (found["tool"], found["schema"], found["action"]) == (
        "jira_get_issue",
        "sha256:aa",
        "jira_get_issue",
    )
    assert (found["effect"], found["resource"]) == (
        "read",
        {"kind": "Issue", "id": "OPEN-1", "as": "returned"},
    )
    assert found["reasons"] == [{"rule": "read.own", "where": "10-read.cedar:3"}]
    assert (found["policy"], found["errors"], found["refused"]) == ("sha256:bb", [], 0)
    assert found["obligations"][0]["fields"] == ["assignee"] and found["redactions"] == ["assignee"]
    assert found["facts"] == [{"resource": "OPEN-1"}] and found["gateway"] == "1.2.3"
    assert found["grant"]["id"] == "g-1" and found["grant"]["audience"] == "jira"
    assert found["grant"]["expires"] == "2033-05-18T03:33:20.000Z"
    assert (found["id"], found["source"], found["protocol"]) == ("c-1", "10.0.0.9", "2026-07-28")
    assert found["time"].endswith("Z") and found["mono"] > 0 and found["latency_ms"] >= 0


async def test_a_write_leaves_two_records(tmp_path: Path, recorder: Recorder) -> None:
    """The decision is on disk before the effect, the outcome before the release."""

    async def act(trail: Trail) -> str:
        assert [t["kind"] for t in of_kind(tmp_path, *CALLS)] == [record.DECISION]
        trail.jira(201, "req-9")
        return "result"

    assert await line(recorder, Effect.WRITE, act) == "result"
    first, second = of_kind(tmp_path, *CALLS)
    assert (first["kind"], second["kind"]) == (record.DECISION, record.OUTCOME)
    assert "outcome" not in first and first["id"] == second["id"] == "c-1"
    assert (second["outcome"], second["happened"], second["redacted"]) == ("done", True, 2)
    assert second["jira"] == {"status": 201, "request": "req-9"}
    assert second["subject"] == "ana" and second["resource"]["id"] == "OPEN-1"
    assert verify(tmp_path).in_doubt == ()


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE, Effect.DESTROY])
async def test_a_denial_leaves_one_record(tmp_path: Path, recorder: Recorder, effect: Effect) -> None:
    """With its rules, and without an effect."""
    with pytest.raises(Denied):
        await line(recorder, effect, raising(AssertionError("the effect was reached")), allowed=False)
    (found,) = of_kind(tmp_path, *CALLS)
    assert (found["kind"], found["outcome"], found["allowed"]) == ("call", "denied", False)
    assert found["reasons"] == [{"rule": "no.deletes", "where": "10-read.cedar:3"}]


async def test_a_policy_error_is_a_denial(recorder: Recorder, tmp_path: Path) -> None:
    """An allow with errors is recorded as what it is: a refusal."""
    with pytest.raises(Denied):
        async with recorder.trail(request()) as trail:
            trail.caller(caller())
            trail.call(call())
            wrong = decision(True, errors=("policy_error:x",))
            await trail.commit(wrong)
            with pytest.raises(RuntimeError):
                await trail.release("result")
            wrong.enforce()
    (found,) = of_kind(tmp_path, *CALLS)
    assert (found["allowed"], found["outcome"], found["errors"]) == (False, "denied", ["policy_error:x"])


async def test_a_step_up_is_no_denial(recorder: Recorder, tmp_path: Path) -> None:
    """Another sign-in would do: the record has the code that the assistant is told."""
    asked = Reason("mfa-to-open", "A second factor is needed.", "20-mfa.cedar:1", StepUp(("urn:corp:mfa",)))
    with pytest.raises(StepUpRequired) as told:
        async with recorder.trail(request()) as trail:
            trail.caller(caller())
            trail.call(call())
            wanted = Decision(allowed=False, reasons=(asked,), policy="sha256:0")
            await trail.commit(wanted)
            wanted.enforce()
    (found,) = of_kind(tmp_path, *CALLS)
    assert (found["allowed"], found["outcome"]) == (False, told.value.code)
    assert found["outcome"] == "insufficient_user_authentication"


REFUSALS: list[tuple[GatewayError, dict[str, Any]]] = [
    (InvalidCall("Bad."), {"outcome": "invalid_call"}),
    (UnknownTool(), {"outcome": "unknown_tool"}),
    (Denied("No.", rules=("r1",)), {"outcome": "denied", "rules": ["r1"]}),
    (StepUpRequired("More.", scopes=("s",)), {"outcome": "insufficient_scope"}),
    (ConsentRequired("Link."), {"outcome": "consent_required"}),
    (JiraRefused("No.", status=404), {"outcome": "jira_refused", "jira": {"status": 404}}),
    (Unavailable("Down.", part="jira"), {"outcome": "unavailable", "part": "jira"}),
    (Unauthenticated("dead"), {"outcome": "unauthenticated"}),
]


@pytest.mark.parametrize(("error", "expected"), REFUSALS, ids=lambda v: type(v).__name__)
async def test_a_refusal_before_the_decision_leaves_one_record(
    tmp_path: Path, recorder: Recorder, error: GatewayError, expected: dict[str, Any]
) -> None:
    """Whatever stage refuses, the error goes on after one durable record with its code."""
    with pytest.raises(type(error)) as raised:
        async with recorder.trail(request()) as trail:
            trail.caller(caller())
            trail.call(call())
            raise error
    assert raised.value is error
    (found,) = of_kind(tmp_path, *CALLS)
    assert (found["kind"], found["allowed"], found["subject"]) == ("call", False, "ana")
    assert {k: found[k] for k in expected} == expected
    assert found["resource"] == {"kind": "Issue", "id": "OPEN-1", "as": "asked"}


async def test_a_mistake_of_ours_is_recorded_and_goes_on(tmp_path: Path, recorder: Recorder) -> None:
    """An error that nobody foresaw is in the record by its type, not by its text."""
    with pytest.raises(KeyError):
        async with recorder.trail(request()) as trail:
            trail.caller(caller())
            raise KeyError(SUBJECT_TOKEN)
    (found,) = of_kind(tmp_path, *CALLS)
    assert (found["outcome"], found["cause"]) == ("internal_error", "KeyError")


async def test_an_unknown_tool_is_recorded_without_what_was_sent(tmp_path: Path, recorder: Recorder) -> None:
    """The name is cut, the arguments are a digest: a stranger's choice of text does not fill the record."""
    wild = ToolRequest("x" * 10_000, {"a": ["y" * 10_000]}, call_id="c-9")
    with pytest.raises(UnknownTool):
        async with recorder.trail(wild) as trail:
            trail.caller(caller())
            raise UnknownTool
    (found,) = of_kind(tmp_path, *CALLS)
    assert found["tool"] == "x" * record.NAME_CHARS
    assert set(found["arguments"]) == {"hmac", "length"}


AFTER: list[tuple[BaseException, str, bool | None]] = [
    (JiraRefused("No.", status=403), "jira_refused", False),
    (OutcomeUnknown("Who knows."), "outcome_unknown", None),
    (Unavailable("Down.", part="jira"), "unavailable", False),
    (InvalidCall("No such transition."), "invalid_call", False),
    (Unauthenticated("went on as anonymous"), "unauthenticated", None),
    (ValueError("ours"), "internal_error", None),
    (asyncio.CancelledError(), "cancelled", None),
]


@pytest.mark.parametrize(("error", "outcome", "happened"), AFTER, ids=lambda v: type(v).__name__)
async def test_a_write_that_fails_has_its_outcome(
    tmp_path: Path, recorder: Recorder, error: BaseException, outcome: str, happened: bool | None
) -> None:
    """After an allowed decision there is always an outcome; it says whether anybody knows what happened."""
    with pytest.raises(type(error)):
        await line(recorder, Effect.WRITE, raising(error))
    first, second = of_kind(tmp_path, *CALLS)
    assert (first["kind"], second["kind"]) == (record.DECISION, record.OUTCOME)
    assert (second["outcome"], second["happened"]) == (outcome, happened)
    unknown = [second["id"]] if happened is None else []
    assert [doubt.id for doubt in verify(tmp_path).in_doubt] == unknown


async def test_a_read_that_is_not_released_after_all_says_so(tmp_path: Path, recorder: Recorder) -> None:
    """A failure between the record and the release of a read leaves a second record."""
    with pytest.raises(ValueError, match="ours"):
        await line(recorder, Effect.READ, raising(ValueError("ours")))
    first, second = of_kind(tmp_path, *CALLS)
    assert (first["outcome"], second["kind"], second["outcome"]) == (
        "answered",
        record.OUTCOME,
        "internal_error",
    )
    assert "happened" not in second


async def test_leaving_without_a_release_is_a_mistake_on_record(tmp_path: Path, recorder: Recorder) -> None:
    """A line that forgets to release has released nothing, and the record says so."""
    async with recorder.trail(request()) as trail:
        trail.caller(caller())
        trail.call(call())
        await trail.commit(decision())
    assert [t.get("outcome") for t in of_kind(tmp_path, *CALLS)] == [None, "internal_error"]


async def test_the_order_is_enforced(recorder: Recorder) -> None:
    """Nothing is released before its decision, and a decision is committed once, about a known call."""
    async with recorder.trail(request()) as trail:
        with pytest.raises(RuntimeError):
            await trail.commit(decision())
        trail.caller(caller())
        trail.call(call(Effect.READ))
        with pytest.raises(RuntimeError):
            await trail.release("result")
        await trail.commit(decision())
        with pytest.raises(RuntimeError):
            await trail.commit(decision())
        assert await trail.release("result") == "result"
        with pytest.raises(RuntimeError):
            await trail.release("again")


async def test_no_secret_and_no_free_text_is_in_the_file(tmp_path: Path, recorder: Recorder) -> None:
    """Tokens are nowhere; text is there by length and keyed digest, keys and choices as they are."""
    await line(recorder, Effect.WRITE, done)
    await recorder.stop()
    data = month_file(tmp_path).read_bytes()
    for canary in (SUBJECT_TOKEN, JIRA_TOKEN, BODY, "salary"):
        assert canary.encode() not in data
    arguments = of_kind(tmp_path, record.DECISION)[0]["arguments"]
    assert arguments["body"] == record.of_text(BODY, KEY)
    assert arguments["body"]["length"] == len(BODY)
    assert record.of_text(BODY, b"another key".ljust(32)) != arguments["body"]
    assert {k: arguments[k] for k in ("key", "max_results", "issue_type")} == {
        "key": "OPEN-1",
        "max_results": 25,
        "issue_type": "Bug",
    }


async def test_a_query_is_recorded_as_printed() -> None:
    """JQL is what a reviewer needs: it stands in the record as it was run."""
    from msgspec.structs import replace

    from gateway import jql

    query = jql.parse("assignee = bo AND project = OPEN")
    asked = replace(
        call(Effect.READ), arguments={"jql": query}, input={"jqlFields": ["assignee"]}, target_id=""
    )
    assert record.of_call(asked, KEY)["arguments"] == {"jql": str(query)}


async def test_a_search_names_what_it_would_show(tmp_path: Path, recorder: Recorder) -> None:
    """The issues whose content an answer would disclose are in the record."""
    from msgspec.structs import replace

    from gateway.model import Resource

    async with recorder.trail(request("jira_search")) as trail:
        trail.caller(caller())
        trail.call(replace(call(Effect.READ), target="Site", target_id=""))
        trail.looked([Resource("Issue", f"OPEN-{n}") for n in range(3)])
        await trail.commit(decision())
        await trail.release("result")
    (found,) = of_kind(tmp_path, *CALLS)
    assert found["seen"] == ["OPEN-0", "OPEN-1", "OPEN-2"]
    assert found["resource"]["kind"] == "Site"


async def test_strangers_are_counted_not_recorded(tmp_path: Path, recorder: Recorder) -> None:
    """Thousands of failed sign-ins make one record, at the stop at the latest, of a bounded size."""
    for n in range(3000):
        with pytest.raises(Unauthenticated):
            async with recorder.trail(ToolRequest("t", {}, source=f"10.0.{n // 200}.{n % 200}")):
                raise Unauthenticated("bad")
    with pytest.raises(Unavailable):
        async with recorder.trail(ToolRequest("t", {}, source="10.0.0.0")):
            raise Unavailable("Down.", part="identity")
    recorder.stranger("10.0.0.0", "unauthenticated")
    assert of_kind(tmp_path, *CALLS, record.STRANGERS) == []
    await recorder.stop()
    assert of_kind(tmp_path, *CALLS) == []
    (found,) = of_kind(tmp_path, record.STRANGERS)
    assert len(found["sources"]) == limits.STRANGERS_SOURCES
    assert found["sources"][0] == {
        "source": "10.0.0.0",
        "count": 3,
        "codes": {"unauthenticated": 2, "unavailable": 1},
    }
    assert sum(s["count"] for s in found["sources"]) + found["others"] == 3002


async def test_strangers_who_come_while_the_log_fails_are_counted_too() -> None:
    """What is counted during a failing write is added to what that write would have told."""

    class Failing(Memory):
        async def append(self, told: Mapping[str, Any]) -> int:
            if told["kind"] == record.STRANGERS and not self.records[1:]:
                recorder.stranger("b", "unauthenticated")
                self.records.append(told)
                raise Sealed("disk full")
            return await super().append(told)

    log = Failing()
    recorder = Recorder(log, version="1", key=KEY)
    await recorder.start()
    recorder.stranger("a", "unauthenticated")
    await recorder._flush()
    await recorder.stop()
    kept = [r for r in log.records if r["kind"] == record.STRANGERS]
    assert [s["source"] for s in kept[1]["sources"]] == ["a", "b"]


async def test_a_commit_that_failed_has_its_outcome_when_the_log_is_back() -> None:
    """When the log recovers at once, the record says that the decision whose fate is unclear had no effect."""

    class Once(Memory):
        async def append(self, told: Mapping[str, Any]) -> int:
            seq = await super().append(told)
            if told["kind"] == record.DECISION:
                raise Sealed("stored, but too late")
            return seq

    log = Once()
    with pytest.raises(Sealed):
        await line(Recorder(log, version="1", key=KEY), Effect.WRITE, raising(AssertionError("reached")))
    assert [r["kind"] for r in log.records] == [record.DECISION, record.OUTCOME]
    assert (log.records[1]["outcome"], log.records[1]["happened"]) == ("sealed", False)


async def test_strangers_are_told_each_minute() -> None:
    """While the gateway runs, the count is written at each interval, and kept while the log is sealed."""
    log = Memory()
    recorder = Recorder(log, version="1", key=KEY, strangers_seconds=0.02)
    await recorder.start()
    log.sealed = True
    recorder.stranger("a", "unauthenticated")
    await asyncio.sleep(0.05)
    recorder.stranger("a", "unauthenticated")
    log.sealed = False
    async with asyncio.timeout(5):
        while not [r for r in log.records if r["kind"] == record.STRANGERS]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await recorder.stop()
    kept = [r for r in log.records if r["kind"] == record.STRANGERS]
    assert [r["sources"][0]["count"] for r in kept] == [2]


async def test_events_are_recorded(tmp_path: Path, recorder: Recorder) -> None:
    """Start, policy and stop of the gateway are in the record, with its version."""
    await recorder.event("policy.loaded", policy="sha256:cc")
    await recorder.stop()
    kinds = [t["kind"] for t in told(tmp_path)]
    assert kinds == ["audit.opened", "audit.started", "gateway.started", "policy.loaded", "gateway.stopped"]
    assert of_kind(tmp_path, "policy.loaded")[0]["policy"] == "sha256:cc"


async def test_a_step_of_the_wall_clock_leaves_latency_unhurt() -> None:
    """An hour back in the middle of a call: the latency is that of the monotonic clock."""
    log = Memory()
    recorder = Recorder(log, version="1", key=KEY)

    async def act(_: Trail) -> str:
        return "result"

    async with recorder.trail(request()) as trail:
        trail.caller(caller())
        trail.call(call(Effect.READ))
        with clock.shifted(wall=-3600):
            await trail.commit(decision())
        await trail.release("result")
    assert 0 <= log.records[0]["latency_ms"] < 60_000


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
@pytest.mark.parametrize("fail_at", [1, 2])
async def test_when_the_record_fails_nothing_happens_and_nothing_is_released(
    effect: Effect, fail_at: int
) -> None:
    """No effect without its decision, no release without its outcome, and then all is refused."""
    log = Memory(fail_at=fail_at)
    recorder = Recorder(log, version="1", key=KEY)
    effects: list[int] = []

    async def act(_: Trail) -> str:
        effects.append(len(log.records))
        return "result"

    if effect is Effect.READ and fail_at == 2:
        assert await line(recorder, effect, act) == "result"
        return
    with pytest.raises(Sealed):
        await line(recorder, effect, act)
    assert effects == [] if fail_at == 1 else effects == [1]
    assert len(log.records) == fail_at - 1
    entered = False
    with pytest.raises(Sealed):
        async with recorder.trail(request()):
            entered = True
    assert not entered


async def test_a_refusal_that_cannot_be_recorded_is_sealed() -> None:
    """The caller learns that the record is broken instead of what would not be on record."""
    recorder = Recorder(Memory(fail_at=1), version="1", key=KEY)
    with pytest.raises(Sealed) as raised:
        async with recorder.trail(request()) as trail:
            trail.caller(caller())
            raise Denied("No.", rules=("r",))
    assert isinstance(raised.value.__context__, Denied)


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_cancelled_at_every_await(effect: Effect) -> None:
    """Wherever it is cancelled: nothing is released, an effect has its decision, a decision its outcome."""
    points = 0
    for n in range(100):
        log = Memory(slow=True)
        recorder = Recorder(log, version="1", key=KEY)
        effects: list[bool] = []

        async def act(_: Trail, log: Memory = log, effects: list[bool] = effects) -> str:
            effects.append(bool(log.records) and log.records[0]["allowed"])
            await asyncio.sleep(0)
            return "result"

        task = asyncio.create_task(line(recorder, effect, act))
        for _ in range(n):
            await asyncio.sleep(0)
        if task.done():
            assert await task == "result"
            break
        points += 1
        task.cancel()
        await asyncio.sleep(0)
        if not task.done():
            task.cancel()  # impatient: a second time, in the middle of writing the outcome
        with pytest.raises(asyncio.CancelledError):
            await task
        kinds = [r["kind"] for r in log.records]
        assert effects in ([], [True])
        if effect is Effect.WRITE:
            assert kinds in ([], [record.DECISION, record.OUTCOME])
            if kinds:
                outcome = log.records[1]
                # Before the effect began it certainly did not happen.
                assert (outcome["happened"] is False) == (effects == [])
                assert outcome["outcome"] in ("cancelled", "done")
        else:
            assert kinds in ([], [record.CALL, record.OUTCOME])
    assert points >= (5 if effect is Effect.READ else 8)


async def test_cancelled_while_the_record_fails_is_still_cancelled() -> None:
    """A cancellation is never swallowed, not even by a log that seals at that moment."""
    log = Memory(fail_at=2)
    recorder = Recorder(log, version="1", key=KEY)
    with pytest.raises(asyncio.CancelledError):
        await line(recorder, Effect.WRITE, raising(asyncio.CancelledError()))
    assert [r["kind"] for r in log.records] == [record.DECISION]
