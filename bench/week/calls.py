"""How many calls each organisation's days took, and what for, by the provider's own log."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from bench.week.engine import Member

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Day:
    """The calls of all organisations of a tier on one day; `causes`: the mean of an organisation."""

    tier: int
    day: int
    organisations: int
    least: int
    middle: float
    most: int
    causes: dict[str, float]


def calls_by_day(
    members: Sequence[Member],
    log: list[dict[str, Any]],
    rows: list[Any],
    began_at: datetime,
    ended_at: datetime,
) -> list[Day]:
    """Each day of each tier; the last day may be a part of one."""
    counted: Counter[tuple[str, int]] = Counter()
    for call in log:
        at = datetime.fromtimestamp(call["at"], UTC)
        if call["tenant"] and call["status"] != 429 and began_at <= at < ended_at:
            counted[call["tenant"], (at - began_at) // DAY] += 1
    by_cause: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.first_read_at and began_at <= row.first_read_at < ended_at:
            by_cause[row.organisation_id, (row.first_read_at - began_at) // DAY][row.cause] += row.calls
    days = []
    for tier in sorted({member.day_limit for member in members}):
        mine = [member for member in members if member.day_limit == tier]
        for day in range(-(-(ended_at - began_at) // DAY)):
            numbers = sorted(counted[member.tenant_id, day] for member in mine)
            causes: Counter[str] = Counter()
            for member in mine:
                causes += by_cause[member.organisation_id, day]
            means = {cause: count / len(mine) for cause, count in causes.items()}
            days.append(Day(tier, day + 1, len(mine), numbers[0], median(numbers), numbers[-1], means))
    return days
