"""The record as the event loop sees it: an append that returns when it is durable, or `Sealed`.

One thread owns the `Book`. The loop puts encoded records on a queue; the thread takes all that wait,
commits them together, and wakes the loop once for the batch. While one batch is being written the
next gathers, so the busier we are the larger the batches: a group commit that never waits for company.

    open ──a failed append, or one older than the deadline──► sealed ──a good probe write──► open

Sealing refuses everything that waits, and everything after it at once. The probe is a record itself:
it tells from when to when, and why, nothing was recorded because nothing was let through.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from gateway import clock, limits
from gateway.audit import record as records
from gateway.audit.book import Book, Entry, Recovery
from gateway.audit.checkpoint import SecondPlace, Signer
from gateway.audit.keys import signing_key
from gateway.audit.sqlite import LogFileError
from gateway.errors import Sealed


class _Item:
    """A record on its way to the disk."""

    __slots__ = ("durable", "entry", "given_up", "since")

    def __init__(self, entry: Entry, durable: "asyncio.Future[int]", since: float) -> None:
        self.entry = entry
        self.durable = durable
        self.since = since
        self.given_up = False


class SqliteAuditLog:
    """`AuditLog` in month files `audit-YYYY-MM.db` of one folder, which one process writes at a time.

    `key_file` is the Ed25519 key that signs checkpoints, made at the first start. `second` is a folder
    that also keeps each file's last checkpoint. `seconds` is how long an append may take.
    """

    def __init__(
        self,
        folder: Path,
        key_file: Path,
        second: Path | None = None,
        *,
        name: str = "jira-agent-gateway",
        seconds: float = limits.AUDIT_SECONDS,
        probe_seconds: float = limits.AUDIT_PROBE_SECONDS,
        checkpoint_seconds: float = limits.CHECKPOINT_SECONDS,
    ) -> None:
        self._folder = folder
        self._key_file = key_file
        self._second = SecondPlace(second) if second else None
        self._name = name
        self._seconds = seconds
        self._probe_seconds = probe_seconds
        self._checkpoint_seconds = checkpoint_seconds
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._waiting: dict[_Item, None] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._sealed: str | None = "the record is not open"
        self._sealed_since = clock.iso()
        self._refused = 0
        self._running = False
        self._book: Book | None = None
        self._loop: asyncio.AbstractEventLoop
        self._ended: asyncio.Future[None]

    # the face

    async def append(self, record: Mapping[str, Any]) -> int:
        """Store `record`; its number in the month's file, once it is durable. Raises `Sealed`.

        A caller that is cancelled while it waits does not take the record back.
        """
        self.check()
        return await self._enqueue(record).durable

    def check(self) -> None:
        """Raises `Sealed` while sealed."""
        if self._sealed is not None:
            self._refused += 1
            raise Sealed(self._sealed)

    async def start(self) -> None:
        """Open, recover, close calls in doubt, and write a probe. Raises `Sealed`."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        opened: asyncio.Future[Recovery] = self._loop.create_future()
        threading.Thread(target=self._run, args=(opened,), name="audit-writer", daemon=True).start()
        try:
            recovery = await opened
        except (LogFileError, ValueError, OSError) as cause:
            self._sealed = str(cause)
            raise Sealed(self._sealed) from cause
        self._sealed, self._running = None, True
        try:
            for call_id in recovery.in_doubt:
                await self.append(
                    records.event(records.IN_DOUBT, id=call_id, outcome="in_doubt", happened=None)
                )
            await self.append(
                records.event(records.STARTED, records=recovery.records, in_doubt=recovery.in_doubt)
            )
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Write what waits, sign the last checkpoint, close. Never takes longer than an append may."""
        if not self._running:
            return
        self._running = False
        self._queue.put(None)
        await asyncio.wait([self._ended], timeout=self._seconds)
        self._seal("the record is closed")
        self._cancel_timers()

    def state(self) -> tuple[bool, str]:
        """(ready, one line): sealed or not, the file, the last checkpoint, anchored or not."""
        book = self._book
        if self._sealed is not None or book is None:
            return False, f"sealed since {self._sealed_since}: {self._sealed}; unanchored"
        second = (
            "no second place" if self._second is None else book.second_problem or "kept in a second place"
        )
        age = round(max(0.0, clock.mono() - book.signed_at))
        signed = f"checkpoint at {book.signed} {age} s ago, {second}" if book.signed else "no checkpoint yet"
        return True, f"{book.size} records in {book.name}; {signed}; unanchored"

    # the loop's side

    def _enqueue(self, record: Mapping[str, Any]) -> _Item:
        entry = Entry(records.encoded(record), str(record.get("kind")), str(record.get("id")))
        item = _Item(entry, self._loop.create_future(), self._loop.time())
        self._waiting[item] = None
        self._queue.put(item)
        if "watch" not in self._timers:
            self._timers["watch"] = self._loop.call_later(self._seconds, self._watch)
        return item

    def _watch(self) -> None:
        """Seal when the oldest record has waited too long."""
        del self._timers["watch"]
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return
        left = oldest.since + self._seconds - self._loop.time()
        if left > 0:
            self._timers["watch"] = self._loop.call_later(left, self._watch)
        else:
            self._seal(f"a record was not durable after {self._seconds:g} s")

    def _written(self, batch: list[_Item], first: int) -> None:
        for seq, item in enumerate(batch, first):
            self._waiting.pop(item, None)
            if not item.durable.done():
                item.durable.set_result(seq)

    def _seal(self, why: str) -> None:
        if self._sealed is None:
            self._sealed_since, self._refused = clock.iso(), len(self._waiting)
        self._sealed = why
        for item in self._waiting:
            item.given_up = True
            if not item.durable.done():
                item.durable.set_exception(Sealed(why))
        self._waiting.clear()
        if self._running and "probe" not in self._timers:
            self._timers["probe"] = self._loop.call_later(self._probe_seconds, self._probe)

    def _probe(self) -> None:
        """Try one record; while it hangs, there is no other."""
        fields = {"since": self._sealed_since, "why": self._sealed, "refused": self._refused}
        entry = Entry(records.encoded(records.event(records.UNSEALED, **fields)), records.UNSEALED, "")
        item = _Item(entry, self._loop.create_future(), self._loop.time())
        item.durable.add_done_callback(self._probed)
        self._queue.put(item)

    def _probed(self, durable: "asyncio.Future[int]") -> None:
        self._timers.pop("probe", None)
        cause = durable.exception()
        if cause is None and self._running:
            self._sealed = None
        elif cause is not None:
            self._seal(str(getattr(cause, "private", cause)))

    def _failed(self, batch: list[_Item], why: str) -> None:
        for item in batch:
            self._waiting.pop(item, None)
            if not item.durable.done():
                item.durable.set_exception(Sealed(why))
        self._seal(why)

    def _cancel_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # the thread's side

    def _run(self, opened: "asyncio.Future[Recovery]") -> None:
        try:
            signer = Signer(self._name, signing_key(self._key_file))
            book = Book(self._folder, signer, self._second, checkpoint_seconds=self._checkpoint_seconds)
            recovery = book.open()
        except Exception as cause:
            self._post(_settle, opened, cause)
            return
        self._book = book
        self._post(_settle, opened, recovery)
        try:
            self._serve(book)
        finally:
            try:
                book.close()
            except LogFileError as cause:
                self._post(self._seal, str(cause))
            self._post(_settle, self._ended, None)

    def _serve(self, book: Book) -> None:
        healthy, go_on = True, True
        while go_on:
            batch, go_on = self._take(book.checkpoint_due() if healthy else None)
            try:
                if batch:
                    first = book.write([item.entry for item in batch])
                    self._post(self._written, batch, first)
                if book.checkpoint_due() == 0.0:
                    book.checkpoint()
                healthy = True
            except Exception as cause:
                healthy = False
                self._post(self._failed, batch, str(cause))

    def _take(self, seconds: float | None) -> tuple[list[_Item], bool]:
        """What waits (at most one batch, nothing after `seconds`), and whether to go on afterwards."""
        batch: list[_Item] = []
        try:
            item = self._queue.get(timeout=seconds)
            while item is not None:
                if not item.given_up:
                    batch.append(item)
                if len(batch) == limits.AUDIT_BATCH:
                    return batch, True
                item = self._queue.get_nowait()
            return batch, False
        except Empty:
            return batch, True

    def _post(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop has gone, and with it everybody who waited
            return


def _settle(future: "asyncio.Future[Any]", outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
