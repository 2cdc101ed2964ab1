"""The schema is brought up to date at start, by whoever starts first; the others wait for it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from gateway import limits
from gateway.errors import ConfigError

HISTORY = Path(__file__).parent / "migrations"
LOCK = 0x4A41475F736368  # "JAG_sch": the advisory lock of PostgreSQL that replicas agree on


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision that this gateway knows.

    Raises `ConfigError` when a newer gateway was here: an older one would not know what it reads.
    """
    script = ScriptDirectory(str(HISTORY))
    with engine.connect() as connection:
        if _current(connection, script):
            return
    with engine.begin() as connection:
        _lock(connection)
        if _current(connection, script):
            return
        config = Config()
        config.set_main_option("script_location", str(HISTORY))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _current(connection: Connection, script: ScriptDirectory) -> bool:
    found = MigrationContext.configure(connection).get_current_revision()
    newest = script.get_current_head()
    if found is not None and found not in {known.revision for known in script.walk_revisions()}:
        raise ConfigError(
            [
                f"database.url: the schema is of a newer gateway (revision {found}; this one knows up to "
                f"{newest}). Run the newer gateway, or restore the backup from before it."
            ]
        )
    return found == newest


def _lock(connection: Connection) -> None:
    """Until the transaction ends. SQLite's transaction, begun as a writer, is the lock already."""
    if connection.dialect.name == "postgresql":
        milliseconds = int(limits.MIGRATION_SECONDS * 1000)
        connection.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
