"""Cadences that a day's calls do not carry are stretched, so that what matters most stays fresh.

What a feed costs is measured: the calls of its last reads. When a connection's feeds cost more in a day than
its scheduled work may spend, whole cadences are left out, of reference data before documents, of the
costliest list before the cheap ones, and of none more than down to once a day. Each feed takes up its own
share when its run ends: nobody else's row is touched.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import case, func, select, update

from config.limits import CLASSES, CallClass
from store.database import Transaction
from store.models import feeds, runs
from store.runs import Claim

DAY = timedelta(days=1)
# Of what scheduled work may spend, this much is planned for; the rest is for retries and long weeks.
PLANNED = 0.9
# How much the newest read counts in what a feed is taken to cost.
NEWEST = 0.25


@dataclass(frozen=True, slots=True)
class Cost:
    """What a feed asks of a connection's day."""

    feed_id: str
    reference: bool
    calls: float
    """Calls of one read."""
    cadence: timedelta

    @property
    def a_day(self) -> float:
        """Calls a day at its cadence."""
        return self.calls * (DAY / self.cadence)


def plan(costs: Sequence[Cost], day_limit: int) -> dict[str, int]:
    """By how much each feed's cadence is stretched (1: not at all), so that all fit a day of this many calls.

    When even once a day is too much for all, the day's reserve makes them wait.
    """
    spare = budget(day_limit) - sum(cost.a_day for cost in costs)
    stretches = {}
    for cost in sorted(costs, key=lambda cost: (not cost.reference, -cost.calls, cost.feed_id)):
        stretch = 1
        if spare < 0:
            once_a_day = max(1, int(DAY / cost.cadence))
            left = cost.a_day + spare  # what this feed may still spend
            stretch = min(once_a_day, _rounded_up(cost.a_day / left)) if left > 0 else once_a_day
            spare += cost.a_day - cost.a_day / stretch
        stretches[cost.feed_id] = stretch
    return stretches


def budget(day_limit: int) -> float:
    """The calls of a day that the schedule is planned to fit."""
    return day_limit * (1 - CLASSES[CallClass.SCHEDULED].day) * PLANNED


def learn(tx: Transaction, claim: Claim, *, day_limit: int, reference: Collection[str]) -> None:
    """Take in what a run has cost, and stretch its feed's cadence by its share.

    `reference`: the resources that are reference data.
    """
    calls = select(runs.c.calls).where(runs.c.id == claim.run_id).scalar_subquery()
    smoothed = feeds.c.calls_per_read * (1 - NEWEST) + calls * NEWEST
    known = case((feeds.c.calls_per_read.is_(None), calls), else_=smoothed)
    stretch = tx.execute(
        update(feeds)
        .where(feeds.c.id == claim.feed_id)
        .values(calls_per_read=known)
        .returning(feeds.c.stretch)
    ).scalar_one()
    per_read = func.coalesce(feeds.c.calls_per_read, 1.0)
    ours = (feeds.c.connection_id == claim.connection_id, feeds.c.enabled)
    a_day = func.sum(per_read * DAY.total_seconds() / feeds.c.cadence_seconds)
    share = 1
    if float(tx.execute(select(a_day).where(*ours)).scalar_one() or 0) > budget(day_limit):
        rows = tx.execute(
            select(feeds.c.id, feeds.c.resource, per_read.label("calls"), feeds.c.cadence_seconds).where(
                *ours
            )
        )
        costs = [
            Cost(row.id, row.resource in reference, row.calls, timedelta(seconds=row.cadence_seconds))
            for row in rows
        ]
        share = plan(costs, day_limit).get(claim.feed_id, 1)
    if share != stretch:
        tx.execute(update(feeds).where(feeds.c.id == claim.feed_id).values(stretch=share))


def _rounded_up(ratio: float) -> int:
    return -int(-ratio // 1)
