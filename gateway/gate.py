"""How many calls may run at once: in all, and for one person, so that one loop starves nobody else."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import limits
from gateway.errors import Unavailable
from gateway.model import Caller


class Gate:
    """Refuses at once what would only wait: a queue here would hide the overload from everyone."""

    def __init__(
        self, *, at_once: int = limits.CALLS_AT_ONCE, per_person: int = limits.CALLS_PER_PERSON
    ) -> None:
        self._at_once = at_once
        self._per_person = per_person
        self._running: Counter[tuple[str, str]] = Counter()
        self._all = 0

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """One running call of `caller`. Raises `Unavailable`."""
        person = (caller.issuer, caller.subject)
        if self._all >= self._at_once:
            raise Unavailable(
                "The gateway is full at the moment; try again in a few seconds.", part="gateway"
            )
        if self._running[person] >= self._per_person:
            raise Unavailable(
                f"You have {self._per_person} calls running; wait for one to end and try again.",
                part="gateway",
            )
        self._running[person] += 1
        self._all += 1
        try:
            yield
        finally:
            self._running[person] -= 1
            self._all -= 1
            if not self._running[person]:
                del self._running[person]
