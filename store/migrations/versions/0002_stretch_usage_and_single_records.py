"""Stretched cadences, usage by day, presses for single records, and why a feed is off.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

from store.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name=op.f("fk_usage_connection_id")),
        sa.PrimaryKeyConstraint("connection_id", "day", name=op.f("pk_usage")),
    )
    op.create_index("ix_usage_organisation", "usage", ["organisation_id", "day"], unique=False)
    op.add_column("feeds", sa.Column("off_because", sa.String(length=16), nullable=True))
    op.add_column("feeds", sa.Column("stretch", sa.Integer(), server_default="1", nullable=False))
    op.add_column("feeds", sa.Column("calls_per_read", sa.Float(), nullable=True))
    op.add_column("presses", sa.Column("record_id", sa.String(length=255), nullable=True))
    op.add_column("presses", sa.Column("answered_at", UtcDateTime(), nullable=True))
    op.add_column("presses", sa.Column("answer", sa.Text(), nullable=True))
    op.create_index(
        "ix_presses_waiting_record",
        "presses",
        ["feed_id"],
        unique=False,
        sqlite_where=sa.text("record_id IS NOT NULL AND answered_at IS NULL"),
        postgresql_where=sa.text("record_id IS NOT NULL AND answered_at IS NULL"),
    )
    # Until now only the provider's own "not offered" switched a feed off.
    op.execute("UPDATE feeds SET off_because = 'not offered' WHERE NOT enabled")


def downgrade() -> None:
    op.drop_index("ix_presses_waiting_record", table_name="presses")
    for table, columns in (
        ("presses", ("answer", "answered_at", "record_id")),
        ("feeds", ("calls_per_read", "stretch", "off_because")),
    ):
        with op.batch_alter_table(table) as altered:
            for column in columns:
                altered.drop_column(column)
    op.drop_index("ix_usage_organisation", table_name="usage")
    op.drop_table("usage")
