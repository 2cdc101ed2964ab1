"""The only place that reads a clock: `wall` for records and token lifetimes, `mono` for waiting.

Tests move either one with `shifted`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_offset = {"wall": 0.0, "mono": 0.0}


def wall() -> float:
    """Seconds since the Unix epoch, UTC."""
    return time.time() + _offset["wall"]


def mono() -> float:
    """Seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic() + _offset["mono"]


def iso(at: float | None = None) -> str:
    """`at` (or now) as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(wall() if at is None else at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def shifted(*, wall: float = 0.0, mono: float = 0.0) -> Iterator[None]:
    """Move the clocks by so many seconds inside the block. For tests."""
    before = dict(_offset)
    _offset["wall"] += wall
    _offset["mono"] += mono
    try:
        yield
    finally:
        _offset.update(before)
