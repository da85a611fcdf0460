"""Cadences that a day's calls do not carry are stretched, so that what matters most stays fresh.

What a feed costs is measured: the calls of its last reads. When a connection's feeds cost more in a day than
its scheduled work may spend, whole cadences are left out, of reference data before documents and of the
costliest list before the cheap ones, down to once a week for reference data and once a day for documents.
Each feed takes up its own share when its run ends: nobody else's row is touched.
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
RAREST = {True: timedelta(days=7), False: DAY}  # reference data, documents
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

    When even the rarest is too much, the day's reserve makes them wait.
    """
    spare = budget(day_limit) - sum(cost.a_day for cost in costs)
    stretches = {}
    for cost in sorted(costs, key=lambda cost: (not cost.reference, -cost.calls, cost.feed_id)):
        stretch = 1
        if spare < 0:
            rarest = max(1, int(RAREST[cost.reference] / cost.cadence))
            left = cost.a_day + spare  # what this feed may still spend
            stretch = min(rarest, _rounded_up(cost.a_day / left)) if left > 0 else rarest
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
    # A page is a call; what was asked for alone, or in vain, is not what the list costs.
    pages = select(runs.c.pages).where(runs.c.id == claim.run_id).scalar_subquery()
    smoothed = feeds.c.calls_per_read * (1 - NEWEST) + pages * NEWEST
    known = case((feeds.c.calls_per_read.is_(None), pages), else_=smoothed)
    stretch = tx.execute(
        update(feeds)
        .where(feeds.c.id == claim.feed_id)
        .values(calls_per_read=known)
        .returning(feeds.c.stretch)
    ).scalar_one()
    share = _share(tx, claim, day_limit, reference)
    if share != stretch:
        tx.execute(update(feeds).where(feeds.c.id == claim.feed_id).values(stretch=share))


def _share(tx: Transaction, claim: Claim, day_limit: int, reference: Collection[str]) -> int:
    """How much this feed leaves out of what its connection's feeds, as they are now, ask for together."""
    per_read = func.coalesce(feeds.c.calls_per_read, 1.0)
    ours = (feeds.c.connection_id == claim.connection_id, feeds.c.enabled)
    a_day = func.sum(per_read * DAY.total_seconds() / feeds.c.cadence_seconds)
    if float(tx.execute(select(a_day).where(*ours)).scalar_one() or 0) <= budget(day_limit):
        return 1
    asked = select(feeds.c.id, feeds.c.resource, per_read.label("calls"), feeds.c.cadence_seconds)
    costs = [
        Cost(row.id, row.resource in reference, row.calls, timedelta(seconds=row.cadence_seconds))
        for row in tx.execute(asked.where(*ours))
    ]
    return plan(costs, day_limit).get(claim.feed_id, 1)


def _rounded_up(ratio: float) -> int:
    return -int(-ratio // 1)
