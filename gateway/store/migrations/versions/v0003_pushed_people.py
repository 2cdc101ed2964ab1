"""People whom the provider pushes (SCIM): which of its ids is whom."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "pushed_people",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False, server_default=""),
        sa.Column("active", sa.SmallInteger, nullable=False),
        sa.Column("deleted", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pushed_people"),
    )
    op.create_index("ix_pushed_people_person", "pushed_people", ["issuer", "subject"], unique=True)
    op.create_index("ix_pushed_people_user_name", "pushed_people", ["user_name"])
