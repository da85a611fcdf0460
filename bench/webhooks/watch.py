"""When each change came to the store: what the judge goes by."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.webhooks.storm import TOLD, Edit
from store import organisations
from store.tables import table_of
from sync.services import SHAPES, Services

# Whoever looks takes part of the machine: rarely, but more often than a list is read.
LOOK_EVERY_SECONDS = 4.0
NEVER = timedelta.max
# Times of changes have thousandths: one of the same moment counts.
A_STAMP = timedelta(milliseconds=1)


@dataclass
class Watch:
    """Notes when each version of each record was stored; with 15 s between two runs it misses none."""

    services: Services
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    seen: dict[str, set[tuple[datetime, datetime]]] = field(default_factory=lambda: defaultdict(set))
    looked_at: float = 0.0  # monotonic

    def look(self, *, at_once: bool = False) -> None:
        """Take up what the storm changed, unless that was just done."""
        if not at_once and time.monotonic() - self.looked_at < LOOK_EVERY_SECONDS:
            return
        self.looked_at = time.monotonic()
        with self.services.database.reading() as tx:
            for organisation in organisations.everyone(tx):
                for resource in TOLD:
                    table = table_of(SHAPES[resource])
                    # By an index: what is looked for is a small part of what is there.
                    query = tx.scope(organisation.id).select(
                        table, table.c.id, table.c.modified_at, table.c.changed_at
                    )
                    for row in tx.execute(query.where(table.c.modified_at >= self.began - A_STAMP)):
                        self.seen[row.id].add((row.modified_at, row.changed_at))

    def delay(self, record_id: str, at: datetime) -> timedelta | None:
        """From an edit to its record's being stored; None: it never was."""
        since = at - A_STAMP
        stored = [stored_at for modified_at, stored_at in self.seen[record_id] if modified_at >= since]
        return min(stored) - at if stored else None

    def latest(self, edits: Sequence[Edit]) -> Edit:
        """The edit whose records came last, or never."""

        def came_after(edit: Edit) -> timedelta:
            delays = [self.delay(record_id, edit.at) for record_id in edit.ids]
            return max((NEVER if delay is None else delay for delay in delays), default=timedelta(0))

        return max(edits, key=came_after)
