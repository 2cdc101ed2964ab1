"""Which file a record belongs to: one a calendar month, in UTC."""

import re
from datetime import UTC, datetime
from pathlib import Path

from gateway import clock

Month = tuple[int, int]
"""(year, month)."""

_NAME = re.compile(r"audit-(\d{4})-(0[1-9]|1[0-2])\.db", re.ASCII)


def current() -> Month:
    """The month that it is."""
    now = datetime.fromtimestamp(clock.wall(), UTC)
    return now.year, now.month


def after(month: Month) -> Month:
    """The next one."""
    return month[0] + month[1] // 12, month[1] % 12 + 1


def end(month: Month) -> float:
    """Unix seconds at which it is over."""
    return datetime(*after(month), 1, tzinfo=UTC).timestamp()


def name(month: Month) -> str:
    """Its file's name."""
    return f"audit-{month[0]:04d}-{month[1]:02d}.db"


def of(name: str) -> Month:
    """The month of a file's name. Raises ValueError."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name} is not the name of a file of the record")
    return int(found[1]), int(found[2])


def files(folder: Path) -> list[Path]:
    """The month files in `folder`, in order."""
    return sorted(p for p in folder.glob("audit-*.db") if _NAME.fullmatch(p.name))
