"""Failed sign-ins, counted by source and told in one record a minute.

One record for each would let a stranger fill the disk; none would hide that somebody is trying.
"""

from collections import Counter
from typing import Any

from gateway import clock, limits
from gateway.audit import record


class Strangers:
    """What failed before anybody knew who was calling."""

    def __init__(self) -> None:
        self.since = clock.iso()
        self.others = 0
        self._counts: dict[str, Counter[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._counts or self.others)

    def count(self, source: str, code: str, times: int = 1) -> None:
        """One more failure with error `code` from the address `source`."""
        source = source[: record.NAME_CHARS]
        if source not in self._counts and len(self._counts) >= limits.STRANGERS_SOURCES:
            self.others += times
            return
        self._counts.setdefault(source, Counter())[code] += times

    def add(self, later: "Strangers") -> None:
        """Take over what was counted after us."""
        self.others += later.others
        for source, codes in later._counts.items():
            for code, times in codes.items():
                self.count(source, code, times)

    def told(self) -> dict[str, Any]:
        """The record."""
        sources = [
            {"source": source, "count": codes.total(), "codes": dict(codes)}
            for source, codes in sorted(self._counts.items(), key=lambda item: -item[1].total())
        ]
        return record.event(record.STRANGERS, since=self.since, sources=sources, others=self.others)
