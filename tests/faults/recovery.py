"""How long work stands still: what a dead process had in hand, and the longest that any open run waited."""

import threading
import time
from types import TracebackType
from typing import Any, Self

from sqlalchemy import and_, select

from store.database import DatabaseUnavailableError
from store.models import feeds, runs
from tests.faults.child import PACE
from tests.faults.house import CADENCE, TICK_SECONDS, House

# A killed worker's run goes on within its lease, one tick, and five seconds.
SPARE_SECONDS = 5.0
LOOK_EVERY = 0.2


def goes_on_within(slowness: float = 1.0) -> float:
    """The bound; on a machine that others keep busy the five seconds are as much longer as all else is."""
    return PACE.lease.total_seconds() + TICK_SECONDS + SPARE_SECONDS * max(1.0, slowness)


def fresh_within(slowness: float = 1.0) -> float:
    """How old a feed may get between two reads: its cadence, one tick, and a run."""
    return CADENCE.total_seconds() + TICK_SECONDS + SPARE_SECONDS * max(1.0, slowness)


class Slowness:
    """How long work takes, by the time of a processor that it needs: 1 where nobody else works."""

    def __init__(self) -> None:
        self._took = self._needed = 0.0

    def look(self) -> float:
        """Work for a moment; returns the mean of all looks so far."""
        began, used = time.monotonic(), time.thread_time()
        while time.thread_time() - used < 0.005:
            pass
        self._took += time.monotonic() - began
        self._needed += time.thread_time() - used
        return self.mean

    @property
    def mean(self) -> float:
        """Over all looks."""
        return self._took / self._needed if self._needed else 1.0


class InHand:
    """The slices that a process had taken when it died, and whether each has gone on since."""

    def __init__(self, house: House, name: str, pid: int) -> None:
        self._database = house.services.database
        self._since = time.monotonic()
        self._slices = {
            (note["run"], note["slice"])
            for note in house.notes(name)[-60:]
            if note["pid"] == pid and note["what"] == "took"
        }
        self._slices = self._waiting()
        self.count = len(self._slices)

    def await_going_on(self) -> float:
        """Come back when all of them have; returns the seconds since the death."""
        slowness = Slowness()
        while self._waiting():
            seconds, within = time.monotonic() - self._since, goes_on_within(slowness.look())
            assert seconds < within, f"after {seconds:.1f} s these have not gone on: {self._waiting()}"
            time.sleep(0.05)
        return time.monotonic() - self._since

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


class Watch:
    """Looks at every open run all the time: how long did the longest stand still, how stale was a feed?"""

    def __init__(self, house: House) -> None:
        self._database = house.services.database
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._seen: dict[str, tuple[Any, float]] = {}
        self._read: dict[str, tuple[Any, float]] = {}
        self.longest_stand = 0.0
        self.longest_staleness = 0.0
        self.slowness = Slowness()
        self.stood: Any = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        open_runs = select(
            runs.c.id, runs.c.state, runs.c.slice, runs.c.pages, runs.c.fence, runs.c.calls, runs.c.resource
        ).where(and_(runs.c.ended_at.is_(None), runs.c.state != "snoozed"))
        reads = select(feeds.c.id, feeds.c.last_success_at).where(feeds.c.enabled)
        while not self._over.wait(LOOK_EVERY):
            try:
                with self._database.reading() as tx:
                    rows, read = tx.execute(open_runs).all(), tx.execute(reads).all()
            except DatabaseUnavailableError:
                continue
            self.slowness.look()
            now = time.monotonic()
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
