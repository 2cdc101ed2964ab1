"""How each kind of database is opened: what it must promise, and how long it may take.

SQLite      write-ahead log, synced at every commit, deleted content overwritten, a file for its owner alone
PostgreSQL  statements and idle transactions end by themselves, a connection that died is noticed
"""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from gateway import limits
from gateway.errors import ConfigError

WRITING: dict[str, Any] = {"begins": "BEGIN IMMEDIATE"}
"""A writer from the start: one that became it later could not wait for another."""

READING: dict[str, Any] = {"begins": "BEGIN"}
SCRUBBING: dict[str, Any] = {"begins": "PRAGMA wal_checkpoint(TRUNCATE)"}

_MILLISECONDS = int(limits.DATABASE_SECONDS * 1000)
_PRAGMAS = (
    f"busy_timeout = {_MILLISECONDS - 1000}",  # gives up before its caller does, so that the reason is told
    "journal_mode = WAL",
    "synchronous = FULL",  # NORMAL may lose the last commits with the power, and with them a grant
    "secure_delete = ON",
    "foreign_keys = ON",
    "temp_store = MEMORY",
)


def checked(url: str) -> URL:
    """The URL, read. Raises `ConfigError` for one that is not of a kind that is known here."""
    try:
        read = make_url(url)
    except ArgumentError:
        raise ConfigError(
            ["database.url: not a database URL. Write `sqlite:///FILE` or `postgresql+psycopg://…`."]
        ) from None
    if read.drivername == "postgresql":
        read = read.set(drivername="postgresql+psycopg")
    if read.drivername == "sqlite" and read.database in (None, "", ":memory:"):
        raise ConfigError(
            ["database.url: memory forgets every grant at the next start. Name a file: `sqlite:///FILE`."]
        )
    if read.drivername not in ("sqlite", "postgresql+psycopg") or (
        read.get_backend_name() == "sqlite" and (read.host or read.query)
    ):
        raise ConfigError(
            [
                f"database.url: `{read.drivername}` with these parts is not supported. "
                "Write `sqlite:///FILE` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`."
            ]
        )
    return read


def engine(url: URL) -> Engine:
    """The engine, not yet connected. Statements in its errors never show the values in them."""
    shared: dict[str, Any] = {
        "hide_parameters": True,
        "pool_size": limits.DATABASE_CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": limits.DATABASE_SECONDS,
    }
    return _sqlite(url, shared) if url.get_backend_name() == "sqlite" else _postgres(url, shared)


def why(failed: Exception) -> str:
    """One line that holds no value of a statement."""
    cause: BaseException = failed.orig if isinstance(failed, DBAPIError) and failed.orig else failed
    first = (str(cause).strip().splitlines() or [""])[0]
    return f"{type(cause).__name__}: {first}"[: limits.SAID_CHARS]


def _sqlite(url: URL, shared: dict[str, Any]) -> Engine:
    file = Path(url.database or "")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    file.chmod(0o600)  # SQLite gives its log the same rights
    made = create_engine(url, **shared, connect_args={"check_same_thread": False})

    @event.listens_for(made, "connect")
    def _connected(raw: Any, record: object) -> None:
        raw.isolation_level = None  # the driver begins no transaction of its own
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(made, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begins", "BEGIN IMMEDIATE"))

    return made


def _postgres(url: URL, shared: dict[str, Any]) -> Engine:
    timeouts = {
        "statement_timeout": _MILLISECONDS - 1000,
        "lock_timeout": _MILLISECONDS - 1000,
        "idle_in_transaction_session_timeout": 2 * _MILLISECONDS,
    }
    return create_engine(
        url,
        **shared,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": limits.DATABASE_CONNECT_SECONDS,
            "application_name": "jira-agent-gateway",
            "options": " ".join(f"-c {name}={value}" for name, value in timeouts.items()),
            # A host that vanished is noticed, and its thread comes back.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 2 * _MILLISECONDS,
        },
    )
