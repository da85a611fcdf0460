"""When each change came to the store: what the judge goes by."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from bench.webhooks.storm import TOLD, Edit
from store.tables import table_of
from sync.services import SHAPES, Services

# Whoever looks takes part of the machine: rarely, but more often than a list is read.
LOOK_EVERY_SECONDS = 4.0
NEVER = timedelta.max


@dataclass
class Watch:
    """Notes when each version of each record was stored; with 15 s between two runs it misses none."""

    services: Services
    seen: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=lambda: defaultdict(list))
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    looked_at: float = 0.0  # monotonic

    def look(self, *, at_once: bool = False) -> None:
        """Take up what was written since the last look, unless that was just now."""
        if not at_once and time.monotonic() - self.looked_at < LOOK_EVERY_SECONDS:
            return
        self.looked_at = time.monotonic()
        with self.services.database.reading() as tx:
            now = tx.now
            for resource in TOLD:
                table = table_of(SHAPES[resource])
                query = select(table.c.id, table.c.modified_at, table.c.changed_at)
                # A row written before the last look may have been committed after it.
                for row in tx.execute(query.where(table.c.changed_at > self.since - timedelta(seconds=10))):
                    version = (row.modified_at, row.changed_at)
                    if version not in self.seen[row.id]:
                        self.seen[row.id].append(version)
        self.since = now

    def delay(self, record_id: str, at: datetime) -> timedelta | None:
        """From an edit to its record's being stored; None: it never was."""
        # Stamps have thousandths: one of the same moment counts.
        since = at - timedelta(milliseconds=1)
        stored = [stored_at for modified_at, stored_at in self.seen[record_id] if modified_at >= since]
        return min(stored) - at if stored else None

    def latest(self, edits: Sequence[Edit]) -> Edit:
        """The edit whose records came last, or never."""
        delays = [(self.delay(record_id, edit.at) or NEVER, edit) for edit in edits for record_id in edit.ids]
        return max(delays, key=lambda each: each[0])[1]
