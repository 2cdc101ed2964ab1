"""Assistants that sign in here: their registrations, people's consents, and the sign-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the three tables."""
    _clients()
    _consents()
    _families()


def _clients() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("registration", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("secret_digest", sa.Text, nullable=False, server_default=""),
        sa.Column("admission", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False, server_default=""),
        sa.Column("groups", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double, nullable=False),
        sa.Column("fetched_at", sa.Double),
        sa.Column("fresh_until", sa.Double),
        sa.Column("expires_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
    )
    op.create_index("ix_clients_used_at", "clients", ["used_at"])


def _consents() -> None:
    op.create_table(
        "consents",
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("given_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", "client", "host", "resource", name="pk_consents"),
    )


def _families() -> None:
    texts = ("issuer", "subject", "client", "host", "assurance", "scopes", "resource", "facts")
    op.create_table(
        "families",
        sa.Column("id", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("current", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False, server_default=""),
        sa.Column("rotated_at", sa.Double),
        sa.Column("successor", sa.LargeBinary),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("ended", sa.Text, nullable=False, server_default=""),
        sa.Column("ended_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_families"),
    )
    op.create_index("ix_families_person", "families", ["issuer", "subject"])
    for column in ("client", "expires_at"):
        op.create_index(f"ix_families_{column}", "families", [column])
