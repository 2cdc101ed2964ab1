"""Alembic's entry: the connection, its transaction and its lock are the caller's (`migrate.py`)."""

from alembic import context

from gateway.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
