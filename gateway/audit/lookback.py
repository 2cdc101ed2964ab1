"""What the record says of the gateway itself, looked for from its end."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.audit import months, record
from gateway.audit.sqlite import Looking


def newest_first(folder: Path, kinds: str) -> Iterator[list[Mapping[str, Any]]]:
    """For each month's file, the newest first: its records whose kind begins with `kinds`, in order.

    Raises `LogFileError`, and ValueError for a record that is none.
    """
    for path in reversed(months.files(folder)):
        with Looking(path) as file:
            told = [record.decoded(body) for _, body in file.naming(f'"kind":"{kinds}')]
        yield [one for one in told if str(one.get("kind")).startswith(kinds)]
