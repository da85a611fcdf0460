"""What stands in the address of a connection's webhooks.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
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
