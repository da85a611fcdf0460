"""Files and publications of items, and when a connection ends by itself.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

from store.database import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.Column("record_id", sa.String(length=255), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("announced", sa.String(length=255), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("content_type", sa.String(length=255), nullable=True),
        sa.Column("stored_at", UtcDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_sentence", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name=op.f("fk_files_connection_id")),
        sa.PrimaryKeyConstraint("connection_id", "record_id", name=op.f("pk_files")),
    )
    op.create_index(op.f("ix_files_organisation_id"), "files", ["organisation_id"], unique=False)
    op.create_table(
        "publications",
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.Column("record_id", sa.String(length=255), nullable=False),
        sa.Column("publication_id", sa.String(length=255), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("heard_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_publications_connection_id")
        ),
        sa.PrimaryKeyConstraint("connection_id", "record_id", "publication_id", name=op.f("pk_publications")),
    )
    op.create_index(
        op.f("ix_publications_organisation_id"), "publications", ["organisation_id"], unique=False
    )
    op.add_column("connections", sa.Column("expires_at", UtcDateTime(), nullable=True))
    op.add_column("connections", sa.Column("expiry_told_days", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("connections") as altered:
        altered.drop_column("expiry_told_days")
        altered.drop_column("expires_at")
    for table in ("publications", "files"):
        op.drop_index(op.f(f"ix_{table}_organisation_id"), table_name=table)
        op.drop_table(table)
