"""What stands in the address of a connection's webhooks.

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("connections") as altered:
        altered.add_column(sa.Column("hook_token", sa.String(length=64), nullable=True))
        altered.create_unique_constraint(op.f("uq_connections_hook_token"), ["hook_token"])


def downgrade() -> None:
    with op.batch_alter_table("connections") as altered:
        altered.drop_constraint(op.f("uq_connections_hook_token"), type_="unique")
        altered.drop_column("hook_token")
