"""Decisions with their notes and files, and events that say whose doing they were.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

from store.database import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("connection_id", sa.String(length=36), nullable=False),
        sa.Column("feed_id", sa.String(length=36), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("document_id", sa.String(length=255), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("wanted", sa.String(length=16), nullable=True),
        sa.Column("mark_reference", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("seen_status", sa.String(length=64), nullable=False),
        sa.Column("seen_modified_at", UtcDateTime(), nullable=True),
        sa.Column("seen_hash", sa.String(length=64), nullable=True),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("found_status", sa.String(length=64), nullable=True),
        sa.Column("found_modified_at", UtcDateTime(), nullable=True),
        sa.Column("written_modified_at", UtcDateTime(), nullable=True),
        sa.Column("stored_at", UtcDateTime(), nullable=True),
        sa.Column("mended_by", sa.String(length=64), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_sentence", sa.Text(), nullable=True),
        sa.Column("error_words", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("slice", sa.Integer(), server_default="1", nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.Column("claimed_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_decisions_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_decisions_connection_id")
        ),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name=op.f("fk_decisions_feed_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint(
            "organisation_id", "idempotency_key", name=op.f("uq_decisions_organisation_id_idempotency_key")
        ),
    )
    open_document = sa.text("outcome IN ('waiting', 'sent')")
    op.create_index(
        "uq_decisions_open_document",
        "decisions",
        ["connection_id", "resource", "document_id"],
        unique=True,
        sqlite_where=open_document,
        postgresql_where=open_document,
    )
    op.create_index(
        "ix_decisions_open_state",
        "decisions",
        ["state"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_decisions_document", "decisions", ["connection_id", "document_id"], unique=False)
    op.create_index("ix_decisions_organisation", "decisions", ["organisation_id", "decided_at"], unique=False)
    op.create_table(
        "decision_steps",
        sa.Column("decision_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("what", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("mime", sa.String(length=255), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done_at", UtcDateTime(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_sentence", sa.Text(), nullable=True),
        sa.Column("error_words", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_decision_steps_decision_id")
        ),
        sa.PrimaryKeyConstraint("decision_id", "position", name=op.f("pk_decision_steps")),
    )
    op.add_column("events", sa.Column("decision_id", sa.String(length=36), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("events") as events:
        events.drop_column("decision_id")
    op.drop_table("decision_steps")
    op.drop_table("decisions")
