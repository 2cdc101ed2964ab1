"""Single flight: many who want the same thing at the same time wait for one piece of work."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """At most one piece of work a key at any time.

    A waiter that is cancelled leaves alone: the work goes on for the others. What the work raises,
    every waiter gets, and nothing of it is kept.
    """

    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Task[V]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._flights

    async def run(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The result of `work`, or of the work for `key` that is already under way."""
        task = self.start(key, work)
        await asyncio.wait([task])
        return task.result()

    def start(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """The task that works for `key`, begun now if there is none. It runs in an empty context,
        because it belongs to no single waiter."""
        task = self._flights.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(work(), context=contextvars.Context())
            self._flights[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    def _landed(self, key: K, task: asyncio.Task[V]) -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # all waiters may be gone; then nobody else would look at it
