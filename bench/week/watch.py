"""Looks at the engine after every step: which feeds are late and why, and which presses wait."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import bindparam, or_, select

from bench.week.engine import Engine
from bench.week.people import Pressed
from store import status
from store.models import feeds
from store.status import BACKLOG_AFTER, FeedLine

# DESIGN §1: a line that is late says one of these.
REASONS = frozenset(
    {
        "minute limit",
        "day reserve",
        "day limit",
        "app limit",
        "provider unavailable",
        "back-off",
        "backlog",
        "grant expired",
        "access removed",
        "permission missing",
        "vanish held",
        "filter ignored",
        "off",
    }
)
# What is stretched may be late before it is due.
MAYBE_LATE = or_(feeds.c.due_at < bindparam("since", type_=feeds.c.due_at.type), feeds.c.stretch > 1)
LATE = select(feeds.c.organisation_id).where(feeds.c.enabled, MAYBE_LATE).distinct()
Feed = tuple[str, str]  # organisation's slug, resource


@dataclass
class Waiting:
    """A press that has no answer yet, and what was said of it at each look."""

    pressed: Pressed
    said: list[tuple[datetime, str, str | None]] = field(default_factory=list)
    answered_at: datetime | None = None


class Watch:
    """Everything that was seen, in order of time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.times: list[datetime] = []
        self.late: dict[Feed, list[tuple[datetime, str | None]]] = defaultdict(list)
        self.presses: list[Waiting] = []

    def look(self, pressed: list[Pressed]) -> None:
        """Look once, and at the presses that were added to the list since."""
        self.presses += [Waiting(one) for one in pressed[len(self.presses) :]]
        with self._engine.services.database.reading() as tx:
            self.times.append(tx.now)
            for line in self._late_lines(tx):
                self.late[line.organisation, line.resource].append((tx.now, line.reason))
            for waiting in self.presses:
                if waiting.answered_at is None:
                    self._ask(tx, waiting)

    def seen_late(
        self, feed: Feed, after: datetime, before: datetime
    ) -> Iterator[tuple[datetime, str | None]]:
        """What the feed's line said at each look between two moments: None also where it was not late."""
        said = dict(self.late[feed])
        for at in self.times[bisect_right(self.times, after) : bisect_left(self.times, before)]:
            yield at, said.get(at)

    @property
    def waiting(self) -> bool:
        """Whether a press has no answer yet."""
        return any(one.answered_at is None for one in self.presses)

    def late_minutes(self, until: datetime) -> dict[str, float]:
        """How many minutes all feeds together were late, by reason."""
        lasted = {at: later - at for at, later in pairwise(self.times) if at < until}
        minutes: dict[str, float] = defaultdict(float)
        for seen in self.late.values():
            for at, reason in seen:
                minutes[reason or "(none)"] += lasted.get(at, timedelta(0)) / timedelta(minutes=1)
        return dict(minutes)

    def _late_lines(self, tx: Any) -> list[FeedLine]:
        found = list(tx.execute(LATE, {"since": tx.now - BACKLOG_AFTER}).scalars())
        lines = (
            status.all_lines(tx)
            if len(found) > len(self._engine.members) // 4
            else [line for one in found for line in status.lines(tx.scope(one))]
        )
        return [line for line in lines if line.is_late]

    def _ask(self, tx: Any, waiting: Waiting) -> None:
        pressed = waiting.pressed
        state = status.press_state(tx.scope(pressed.organisation_id), pressed.id)
        if state.done:
            waiting.answered_at = tx.now
        else:
            waiting.said.append((tx.now, state.state, state.reason))
