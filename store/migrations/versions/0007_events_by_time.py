"""Events are found by their time: to ring for new ones, and to forget old ones.

Revision: 0007, after 0006.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_events_happened", "events", ["happened_at"])


def downgrade() -> None:
    op.drop_index("ix_events_happened", table_name="events")
