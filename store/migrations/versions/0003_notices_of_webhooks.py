"""What webhooks told, which deliveries came, and when a feed's last run began.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

from store.database import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WAITING = sa.text("handed_at IS NULL")
_UNCHECKED = sa.text("checked_at IS NULL")


def upgrade() -> None:
    op.add_column("feeds", sa.Column("last_start_at", UtcDateTime(), nullable=True))
    op.create_table(
        "notices",
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("feed_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=255), nullable=True),
        sa.Column("happened_at", UtcDateTime(), nullable=True),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("handed_at", UtcDateTime(), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name=op.f("fk_notices_connection_id")),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_notices_feed_id")),
        sa.PrimaryKeyConstraint("connection_id", "key", name=op.f("pk_notices")),
    )
    op.create_index(
        "ix_notices_waiting", "notices", ["feed_id"], sqlite_where=_WAITING, postgresql_where=_WAITING
    )
    op.create_index("ix_notices_received", "notices", ["received_at"])
    op.create_table(
        "deliveries",
        sa.Column("sequence", sa.String(length=64), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", "first", "last", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_unchecked",
        "deliveries",
        ["received_at"],
        sqlite_where=_UNCHECKED,
        postgresql_where=_UNCHECKED,
    )


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("notices")
    with op.batch_alter_table("feeds") as altered:
        altered.drop_column("last_start_at")
