"""How long work stands still: what a dead process had in hand, and the longest that any open run waited."""

import hashlib
import time
from typing import Any

from sqlalchemy import and_, select

from store.database import DatabaseUnavailableError
from store.models import feeds, runs
from tests.faults.child import PACE
from tests.faults.house import CADENCE, TICK_SECONDS, House
from tests.faults.meanwhile import Meanwhile

# A killed worker's run goes on within its lease, one tick, and five seconds.
SPARE_SECONDS = 5.0
LOOK_EVERY = 0.2
# A piece of work, and what it takes where nobody else works: on such a machine the five seconds were chosen.
ROUNDS, WORK_SECONDS = 2000, 0.0021
# Between two looks no more counts: whoever looks stood still himself, and perhaps all the others with him.
COUNTED_SECONDS = 1.0


# A killed worker's run goes on within this, by a fair clock.
GOES_ON_WITHIN = PACE.lease.total_seconds() + TICK_SECONDS + SPARE_SECONDS
# Another death may take with it what one has left behind, also a message that Redis hands to the dead; so
# often in turn, no more.
DEATHS_IN_TURN = 4
# How old a feed may get between two reads, by a fair clock: its cadence, one tick, and a run.
FRESH_WITHIN = CADENCE.total_seconds() + TICK_SECONDS + SPARE_SECONDS


class FairClock:
    """Seconds as an idle machine counts them: half as many while work takes twice as long.

    A bound that holds by this clock says nothing of how fast or busy the machine is. Look often: what a
    second is worth is measured by the looks, and what passes between two of them counts for a second at most.
    """

    def __init__(self) -> None:
        self._looked = time.monotonic()
        self.slowness = 1.0
        self.slowest = 1.0
        self.now = 0.0

    def look(self) -> float:
        """Work for a moment; returns the fair seconds since this clock was made."""
        began = time.monotonic()
        piece = b""
        for _ in range(ROUNDS):
            piece = hashlib.sha256(piece).digest()
        ended = time.monotonic()
        self.slowness = max(1.0, 0.8 * self.slowness + 0.2 * (ended - began) / WORK_SECONDS)
        self.slowest = max(self.slowest, self.slowness)
        self.now += min(ended - self._looked, COUNTED_SECONDS) / self.slowness
        self._looked = ended
        return self.now


class InHand:
    """The slices that a process had taken when it died, and whether each has gone on since."""

    def __init__(self, house: House, name: str, pid: int) -> None:
        self._house = house
        self._database = house.services.database
        self._clock = FairClock()
        self._slices = {
            (note["run"], note["slice"])
            for note in house.notes(name)
            if note["pid"] == pid and note["what"] == "took"
        }
        self._slices = self._waiting()
        self._deaths = len(house.noted("struck"))

    def await_going_on(self) -> float:
        """Come back when all of them have; returns the fair seconds since the death."""
        while waiting := self._waiting():
            seconds = self._clock.look()
            assert seconds < self._allowed(seconds), (
                f"after {seconds:.1f} s these have not gone on: {waiting}"
            )
            time.sleep(0.05)
        return self._clock.look()

    def _allowed(self, seconds: float) -> float:
        if seconds < GOES_ON_WITHIN:
            return GOES_ON_WITHIN
        deaths = 1 + len(self._house.noted("struck")) - self._deaths
        return min(deaths, DEATHS_IN_TURN) * GOES_ON_WITHIN

    def _waiting(self) -> set[tuple[str, int]]:
        ids = [run for run, _ in self._slices]
        query = select(runs.c.id, runs.c.slice, runs.c.state).where(
            runs.c.id.in_(ids), runs.c.ended_at.is_(None), runs.c.state != "snoozed"
        )
        try:
            with self._database.reading() as tx:
                found = {row.id: row for row in tx.execute(query)}
        except DatabaseUnavailableError:
            return self._slices
        return {(run, number) for run, number in self._slices if run in found and _stands(found[run], number)}


def _stands(row: Any, number: int) -> bool:
    """Whether a run is where the dead process left it, its next slice perhaps named but not taken."""
    return bool(row.slice == number or (row.slice == number + 1 and row.state == "queued"))


class Watch(Meanwhile):
    """Looks at every open run all the time: how long did the longest stand still, how stale was a feed?

    In fair seconds, both.
    """

    def __init__(self, house: House) -> None:
        super().__init__()
        self._database = house.services.database
        self._seen: dict[str, tuple[Any, float]] = {}
        self._read: dict[str, tuple[Any, float]] = {}
        self.longest_stand = 0.0
        self.longest_staleness = 0.0
        self.clock = FairClock()
        self.stood: Any = None

    def go_on(self) -> None:
        """Look at everything."""
        open_runs = select(
            runs.c.id, runs.c.state, runs.c.slice, runs.c.pages, runs.c.fence, runs.c.calls, runs.c.resource
        ).where(and_(runs.c.ended_at.is_(None), runs.c.state != "snoozed"))
        reads = select(feeds.c.id, feeds.c.last_success_at).where(feeds.c.enabled)
        while not self.over.wait(LOOK_EVERY):
            now = self.clock.look()
            try:
                with self._database.reading() as tx:
                    rows, read = tx.execute(open_runs).all(), tx.execute(reads).all()
            except DatabaseUnavailableError:
                continue
            self._seen = _ages(self._seen, {row.id: tuple(row) for row in rows}, now)
            self._read = _ages(self._read, {row.id: row.last_success_at for row in read}, now)
            for facts, since in self._seen.values():
                if now - since > self.longest_stand:
                    self.longest_stand, self.stood = now - since, facts
            ages = (now - since for _, since in self._read.values())
            self.longest_staleness = max(self.longest_staleness, *ages, 0.0)


def _ages(
    before: dict[str, tuple[Any, float]], rows: dict[str, Any], now: float
) -> dict[str, tuple[Any, float]]:
    return {
        key: before[key] if key in before and before[key][0] == facts else (facts, now)
        for key, facts in rows.items()
    }
