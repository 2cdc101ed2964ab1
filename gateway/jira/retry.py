"""A read may be asked again; a write is sent once, and if nobody knows what became of it, we say so."""

import asyncio
import random

import msgspec

from gateway import clock, limits
from gateway.http import Ask, Outward, OutwardError, Reply, UnusableReply
from gateway.jira.errors import retry_after, unanswered

_AGAIN = frozenset({502, 503, 504})


async def exchange(outward: Outward, ask: Ask, *, read: bool) -> Reply:
    """The reply to `ask`, whatever its status, within `ask.seconds` in all.

    A read is repeated at most `READ_RETRIES` times after 502, 503, 504 or a broken connection, with
    pauses drawn at random. Raises `Unavailable`, `JiraRefused` (a reply too large to take) and, for a
    write that may have arrived, `OutcomeUnknown`.
    """
    ends = clock.mono() + ask.seconds
    for attempt in range(limits.READ_RETRIES + 1):
        left = ask if attempt == 0 else msgspec.structs.replace(ask, seconds=max(ends - clock.mono(), 0.001))
        outcome = await _once(outward, left)
        if not read or not _worth_repeating(outcome) or attempt == limits.READ_RETRIES:
            break
        pause = _pause(attempt, outcome)
        if clock.mono() + pause >= ends:
            break
        await asyncio.sleep(pause)
    if isinstance(outcome, OutwardError):
        raise unanswered(outcome, read=read) from outcome
    return outcome


async def _once(outward: Outward, ask: Ask) -> Reply | OutwardError:
    try:
        return await outward.send(ask)
    except OutwardError as failed:
        return failed


def _worth_repeating(outcome: Reply | OutwardError) -> bool:
    if isinstance(outcome, OutwardError):
        return not isinstance(outcome, UnusableReply)
    return outcome.status in _AGAIN


def _pause(attempt: int, outcome: Reply | OutwardError) -> float:
    """Full jitter (spreads callers, guards nothing), and never less than Jira asks for."""
    drawn = random.uniform(0, limits.RETRY_PAUSE_SECONDS * 2**attempt)  # noqa: S311
    return max(drawn, retry_after(outcome) or 0.0) if isinstance(outcome, Reply) else drawn
