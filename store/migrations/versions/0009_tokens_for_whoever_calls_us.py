"""Connections whose provider calls us, and the tokens that we gave it.

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

from store.database import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "connections", sa.Column("calls_us", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.create_table(
        "partner_tokens",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("organisation_id", sa.String(length=36), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=True),
        sa.Column("redirect_uri", sa.Text(), nullable=True),
        sa.Column("challenge", sa.String(length=128), nullable=True),
        sa.Column("consented_by", sa.String(length=255), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_partner_tokens_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("fk_partner_tokens_grant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_partner_tokens")),
    )
    for name in ("organisation_id", "grant_id", "expires_at"):
        op.create_index(op.f(f"ix_partner_tokens_{name}"), "partner_tokens", [name])


def downgrade() -> None:
    op.drop_table("partner_tokens")
    with op.batch_alter_table("connections") as altered:
        altered.drop_column("calls_us")
