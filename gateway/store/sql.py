"""The SQL database: SQLite embedded, or PostgreSQL by URL. The door of SQLAlchemy; queries are written with
what is exported here.

    async with Database(url) as database:
        n = await database.run(lambda connection: connection.execute(update(links)...).rowcount)

Work runs in a thread, in one transaction that is committed when it returns and rolled back when it raises.
It is given up after `DATABASE_SECONDS`; the transaction may then still be committed: read before you do it
again.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from gateway import limits
from gateway.errors import ConfigError, Unavailable
from gateway.store import engines
from gateway.store.migrate import migrate

__all__ = [
    "Connection",
    "Database",
    "IntegrityError",
    "and_",
    "bindparam",
    "delete",
    "func",
    "insert",
    "or_",
    "select",
    "text",
    "tuple_",
    "update",
]

T = TypeVar("T")


class Database:
    """One database, shared by the whole process. Raises `ConfigError` for a URL that is none of ours."""

    def __init__(self, url: str) -> None:
        self._url = engines.checked(url)
        self._engine: Engine | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._broken = "not started"

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._url.get_backend_name()

    def exists(self) -> bool:
        """Whether it is there: False for an SQLite file that no gateway has made yet."""
        return self.kind != "sqlite" or Path(self._url.database or "").exists()

    async def start(self) -> None:
        """Connect, and bring the schema up to date. Raises `ConfigError` when either cannot be done."""
        self._threads = ThreadPoolExecutor(limits.DATABASE_CONNECTIONS, "database")
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._open)
        except BaseException:
            await self.stop()
            raise
        self._broken = ""

    async def stop(self) -> None:
        """Let work that is under way end, and close."""
        self._broken = "stopped"
        threads, self._threads = self._threads, None
        engine, self._engine = self._engine, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        if engine is not None:
            engine.dispose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, its transaction committed. It may write.

        Raises `Unavailable` (part `store`); `IntegrityError` and what `work` itself raises come through.
        """
        return await self._thread(work, engines.WRITING)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """The same for work that only reads: in SQLite it waits for no writer."""
        return await self._thread(work, engines.READING)

    async def scrub(self) -> None:
        """What was deleted leaves the files as far as the database lets us: SQLite's log is emptied, unless
        somebody reads in it. PostgreSQL does it by vacuum, in its own time."""
        if self.kind == "sqlite":
            await self._thread(lambda connection: None, engines.SCRUBBING)

    def state(self) -> tuple[bool, str]:
        """(whether the last work was done, the kind of the database or what is wrong)."""
        return not self._broken, self._broken or self.kind

    async def watch(self) -> None:
        """For ever: ask now and then, so that `state` is true also when nobody works."""
        while True:
            await asyncio.sleep(limits.PART_LOOK_SECONDS)
            with suppress(Unavailable):
                await self.read(lambda connection: connection.execute(select(1)))

    async def _thread(self, work: Callable[[Connection], T], how: dict[str, Any]) -> T:
        engine, threads = self._engine, self._threads
        if engine is None or threads is None:
            raise _unavailable(self._broken)
        doing = asyncio.get_running_loop().run_in_executor(threads, _transaction, engine, work, how)
        try:
            async with asyncio.timeout(limits.DATABASE_SECONDS):
                done = await doing
        except IntegrityError:
            raise
        except TimeoutError:
            self._broken = f"no answer in {limits.DATABASE_SECONDS:g} s"
            raise _unavailable(self._broken) from None
        except SQLAlchemyError as failed:
            self._broken = engines.why(failed)
            raise _unavailable(self._broken) from None
        self._broken = ""
        return done

    def _open(self) -> None:
        try:
            self._engine = engines.engine(self._url)
            migrate(self._engine)
        except (SQLAlchemyError, OSError) as failed:
            raise ConfigError(
                [
                    f"database.url: the database cannot be used ({engines.why(failed)}). "
                    "Start it, or correct the address, the user or the rights."
                ]
            ) from None


def _transaction(engine: Engine, work: Callable[[Connection], T], how: dict[str, Any]) -> T:
    with engine.connect().execution_options(**how) as connection, connection.begin():
        return work(connection)


def _unavailable(why: str) -> Unavailable:
    return Unavailable(
        "The gateway's database cannot be reached now. Try again in a minute; if it stays so, tell the operator.",
        part="store",
        private=why,
    )
