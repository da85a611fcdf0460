"""What Dext took of our lists, what is on its way there, and how the tax lists compare.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

from store.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "list_entries",
        sa.Column("feed_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_list_entries_feed_id")),
        sa.PrimaryKeyConstraint("feed_id", "kind", "external_id", name=op.f("pk_list_entries")),
    )
    op.create_table(
        "list_calls",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("feed_id", sa.String(length=36), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("entries", sa.Text(), nullable=False),
        sa.Column("snapshot_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("job_id", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_list_calls_feed_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_calls")),
    )
    op.create_index("ix_list_calls_feed_id", "list_calls", ["feed_id"], unique=False)
    op.create_table(
        "dext_accounts",
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("features", sa.Text(), server_default="{}", nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("tax_list_confirmed_by", sa.String(length=255), nullable=True),
        sa.Column("tax_list_confirmed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_dext_accounts_connection_id")
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_dext_accounts")),
    )
    op.create_table(
        "tax_checks",
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.Column("rows", sa.Text(), server_default="[]", nullable=False),
        sa.Column("blocking", sa.Integer(), server_default="0", nullable=False),
        sa.Column("warning", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_tax_checks_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_tax_checks")),
    )


def downgrade() -> None:
    op.drop_table("tax_checks")
    op.drop_table("dext_accounts")
    op.drop_index("ix_list_calls_feed_id", table_name="list_calls")
    op.drop_table("list_calls")
    op.drop_table("list_entries")
